/* The command line becomes a small spec, so that names, options and mistakes are treated as everywhere else. */
#include "cli/verifiers.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_VERIFIERS = 64 };

/* The key is a number, because a verifier may be a path, and may be given twice with different models. */
static void put_verifier(struct json_text *j, uint32_t number, const char *name, const char *model)
{
    char key[16];
    snprintf(key, sizeof key, "v%u", number);
    json_key(j, key), json_object(j);
    json_key(j, "use"), json_string(j, name);
    json_key(j, "options"), json_object(j);
    if (model)
        json_key(j, "model"), json_string(j, model);
    json_end(j), json_end(j);
}

static void write_spec(const struct cli *c, struct buffer *text)
{
    const char *names[MAX_VERIFIERS], *models[MAX_VERIFIERS];
    const uint32_t count = cli_values(c, "verifier", names, MAX_VERIFIERS);
    const uint32_t model_count = cli_values(c, "model", models, MAX_VERIFIERS);
    struct json_text j = json_begin(text, 2);
    json_object(&j);
    json_key(&j, "winnow"), json_u64(&j, 0);
    json_key(&j, "verifiers"), json_object(&j);
    for (uint32_t i = 0; i < count; i++)
        put_verifier(&j, i + 1, names[i], i < model_count ? models[i] : NULL);
    json_end(&j), json_end(&j);
}

int verifiers_load(struct cli *c, struct spec **spec)
{
    struct buffer text = BUFFER_INIT(1 << 20);
    struct spec_request request = { .path = cli_value(c, "spec", NULL), .without_run = true };
    if (!request.path && !cli_flag(c, "verifier"))
        return cli_usage(c, "scored by what? give --verifier or --spec");
    if (!request.path) {
        write_spec(c, &text);
        request.path = "command line";
        request.text = buffer_string(&text);
    }
    const int code = cli_load_spec(c, &request, spec);
    buffer_free(&text);
    if (code == EXIT_FINE && (*spec)->verifier_count == 0)
        return cli_usage(c, "%s names no verifiers", (*spec)->path);
    return code;
}

char (*verifiers_labels(const struct cli *c, const struct spec *spec))[VERIFIERS_LABEL_BYTES]
{
    char(*labels)[VERIFIERS_LABEL_BYTES] = calloc(spec->verifier_count, sizeof *labels);
    for (uint32_t v = 0; labels && v < spec->verifier_count; v++) {
        const wn_plugin *plugin = spec->verifiers[v].plugin;
        uint32_t same = 1;
        char number[16] = "";
        for (uint32_t i = 0; i < v; i++)
            same += strcmp(spec->verifiers[i].plugin->name, plugin->name) == 0;
        if (same > 1)
            snprintf(number, sizeof number, "-%u", same);
        if (cli_flag(c, "spec"))
            snprintf(labels[v], sizeof labels[v], "%s", spec->verifiers[v].name);
        else
            snprintf(labels[v], sizeof labels[v], "%s%s", plugin->name, number);
    }
    return labels;
}
