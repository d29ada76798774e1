/* cmd_serve.c - the other half of `"isolate": true`: one verifier of one spec, served to the winnow that started this
 * process. Not for people; core/plugin/isolate.c says what the hello brings. */
#include "base/log.h"
#include "cli/commands.h"

#include <worker/serve.h>

#include <stdlib.h>
#include <string.h>

struct serve {
    struct cli *cli;
    struct spec *spec;
    struct instances *instances;
    char label[200]; /* "/verifiers/clip (clipscore): ", which the host on the other side puts in front as well */
};

static const char *without_label(const struct serve *s, const char *line)
{
    const size_t length = strlen(s->label);
    return length > 0 && strncmp(line, s->label, length) == 0 ? line + length : line;
}

static void send_line(void *arg, int32_t level, const char *line)
{
    wn_serve_log(level, without_label(arg, line));
}

/* The process that asks has one build loaded, and another may lie there by now. */
static wn_status check_build(const struct registry_module *module, const char *wanted, wn_error *err)
{
    char digest[65];
    WN_TRY(registry_digest(module, digest, err));
    if (strcmp(digest, wanted) == 0)
        return WN_OK;
    return wn_fail(
        err, WN_E_MISSING,
        "%s is another build than the one that the run has loaded (%.16s, now %.16s); start the command again",
        module->path, wanted, digest);
}

static wn_status load(struct serve *s, const cJSON *options, uint64_t *threads, wn_error *err)
{
    const char *text, *directory, *file, *digest;
    const struct registry_module *module;
    const wn_plugin *plugin;
    char path[4096];
    wn_error why = { 0 };
    char *report = NULL;
    WN_TRY(wn_message_text(options, "spec", "", &text, err));
    WN_TRY(wn_message_text(options, "directory", ".", &directory, err));
    WN_TRY(wn_message_u64(options, "threads", 0, threads, err));
    WN_TRY(wn_message_text(options, "module", "", &file, err));
    WN_TRY(wn_message_text(options, "sha256", "", &digest, err));
    if (!cli_registry(s->cli))
        return wn_fail(err, WN_E_MISSING, "no plugins");
    registry_find(s->cli->process.registry, WN_KIND_VERIFIER, file, &plugin, &module,
                  &why); /* then its names come first */
    snprintf(path, sizeof path, "%s/isolated", directory);
    const struct spec_request request = { .path = path, .text = text, .without_run = true };
    const wn_status status = spec_load(&request, s->cli->process.registry, &s->spec, &report, &why);
    free(report);
    if (status != WN_OK)
        return wn_fail(err, status, "%s", why.message);
    if (s->spec->verifier_count != 1)
        return wn_fail(err, WN_E_FORMAT, "its spec has %u verifiers, not one", s->spec->verifier_count);
    return check_build(s->spec->verifiers[0].module, digest, err);
}

static wn_status open_verifier(void *arg, const cJSON *options, struct wn_service *service, wn_error *err)
{
    struct serve *s = arg;
    uint64_t threads = 0;
    wn_error why = { 0 };
    WN_TRY(load(s, options, &threads, err));
    const struct spec_use *use = &s->spec->verifiers[0];
    snprintf(s->label, sizeof s->label, "%s (%s): ", use->pointer, use->plugin->name);
    struct process *process = cli_process(s->cli, (uint32_t)threads);
    if (!process)
        return wn_fail(err, WN_E_MEMORY, "no memory or threads");
    process->progress = wn_serve_progress;
    const wn_status status = instances_create(s->spec, process, INSTANCES_VERIFIERS, &s->instances, &why);
    if (status != WN_OK)
        return wn_fail(err, status, "%s", without_label(s, why.message));
    const struct instance *made = &s->instances->verifiers[0];
    *service = (struct wn_service){ use->plugin->name, use->plugin->version, &made->verifier,
                                    made->self,        s->instances->files,  s->instances->file_count };
    return WN_OK;
}

static void close_verifier(void *arg)
{
    struct serve *s = arg;
    log_set_sink(NULL, NULL);
    instances_destroy(s->instances);
    spec_free(s->spec);
}

static int run(struct cli *c)
{
    struct serve s = { .cli = c };
    const struct wn_service_maker maker = { open_verifier, close_verifier, &s };
    wn_error err = { 0 };
    log_set_level(WN_LOG_DEBUG); /* the other side chooses what is shown */
    log_set_sink(send_line, &s);
    const wn_status status = wn_serve_verifier(&maker, &err);
    log_set_sink(NULL, NULL);
    return exit_code_of(status);
}

const struct command cmd_serve = {
    .name = "serve",
    .arguments = "",
    .summary = "offer a verifier to the winnow that started this process",
    .run = run,
};
