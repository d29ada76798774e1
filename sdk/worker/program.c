/* program.c - see program.h. */
#include "program.h"

#include <winnow/places.h>

#include <stdlib.h>
#include <string.h>

const wn_option wn_program_table[] = {
    WN_PATH(struct wn_program_options, script, NULL, "The program's file, looked for from the spec on."),
    WN_JSON(struct wn_program_options, command, "[\"python3\"]",
            "What is put in front of the script: an interpreter and its arguments; [] where it runs by itself."),
    WN_JSON(struct wn_program_options, options, "{}", "The program's own options, which it checks itself."),
    WN_NUMBER(struct wn_program_options, patience_s, "600", 0.1, 1e6,
              "Seconds of silence on a request after which the program is taken for hung and started anew."),
    WN_NUMBER(struct wn_program_options, start_s, "3600", 0.1, 1e6, "The same for its start, which may load a model."),
    WN_INT(struct wn_program_options, attempts, "5", 1, 100, "How many processes one request may cost."),
    WN_OPTIONS_END
};

static wn_status lay_out(struct wn_program *p, const char *command, wn_error *err)
{
    const cJSON *word;
    uint64_t count = 0;
    p->command = cJSON_Parse(command);
    if (!cJSON_IsArray(p->command))
        return wn_fail(err, WN_E_ARG, "command: %.200s is not a list of words; give one such as [\"python3\", \"-u\"]",
                       command);
    p->argv = calloc((uint64_t)cJSON_GetArraySize(p->command) + 2, sizeof *p->argv);
    if (!p->argv)
        return wn_fail(err, WN_E_MEMORY, "no memory for a command line");
    cJSON_ArrayForEach(word, p->command)
    {
        if (!cJSON_IsString(word))
            return wn_fail(err, WN_E_ARG, "command: word %llu is not a string", (unsigned long long)count + 1);
        p->argv[count++] = word->valuestring;
    }
    p->argv[count] = p->script;
    return WN_OK;
}

wn_status wn_program_init(struct wn_program *p, const wn_host *host, const struct wn_program_options *o,
                          const char *kind, wn_error *err)
{
    const wn_places *places = host->extension(host->ctx, WN_PLACES_1);
    *p = (struct wn_program){ 0 };
    if (*o->options != '{')
        return wn_fail(err, WN_E_ARG, "options: %.200s is not an object", o->options);
    WN_TRY(host->resolve(host->ctx, o->script, p->script, sizeof p->script, err));
    host->uses_file(host->ctx, p->script);
    WN_TRY(lay_out(p, o->command, err));
    p->setup = (struct wn_worker_setup){
        .host = host,
        .name = o->script,
        .argv = p->argv,
        .modules = places && *places->python ? places->python : NULL,
        .kind = kind,
        .options = o->options,
        .start_s = o->start_s,
        .answer_s = o->patience_s,
        .attempts = (uint64_t)o->attempts,
    };
    return WN_OK;
}

void wn_program_free(struct wn_program *p)
{
    cJSON_Delete(p->command);
    free(p->argv);
}
