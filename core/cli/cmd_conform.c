/* cmd_conform.c - does a plugin keep the rules? The kit of sdk/conform, with a host around it.
 *
 * A small spec is made around the plugin, so that its options are bound, its inputs made and its host furnished just as
 * in a run. One thread only: the kit forks. For the check of what happens without memory the command starts itself anew
 * with an allocator that can fail.
 */
#include "base/home.h"
#include "base/json_text.h"
#include "base/plain.h"
#include "cli/commands.h"
#include "cli/terminal.h"
#include "plugin/handshake.h"
#include "plugin/instance.h"
#include "plugin/registry.h"

#include <conform.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef WINNOW_LIBDIR
#define WINNOW_LIBDIR "lib"
#endif

enum { MAX_OUTPUT = 1 << 20 };

struct conform {
    struct cli *c;
    const wn_plugin *plugin;
    struct spec *spec;
    struct instances *instances;
    struct buffer out;
    struct json_text json;
    uint32_t passed, failed, skipped;
};

/* ---- the allocator ------------------------------------------------------------------------------------------ */

static bool find_allocator(char *path, uint64_t size)
{
    home_path(path, size, "../lib/winnow-conform/failing-malloc.so");
    if (!*path)
        home_path(path, size, "../" WINNOW_LIBDIR "/winnow-conform/failing-malloc.so");
    return *path != '\0';
}

/* The command line, NUL after each word, and pointers to the words behind it. */
static char **read_command_line(struct buffer *words)
{
    wn_error ignored;
    if (buffer_read_file(words, "/proc/self/cmdline", &ignored) != WN_OK || words->size == 0)
        return NULL;
    char **argv = calloc(words->size + 1, sizeof *argv);
    uint64_t n = 0;
    for (uint64_t at = 0; argv && at < words->size; at += strlen((char *)words->data + at) + 1)
        argv[n++] = (char *)words->data + at;
    return argv;
}

/* Returns when that cannot be, or is already so: the check is then skipped. */
static void start_anew_with_allocator(void)
{
    char path[4096];
    static const char mark[] = "WINNOW_CONFORM_ALLOCATOR";
    if (dlsym(RTLD_DEFAULT, "conform_fail_at") || getenv(mark) || getenv("LD_PRELOAD") ||
        !find_allocator(path, sizeof path))
        return;
    struct buffer words = BUFFER_INIT(1 << 20);
    char **argv = read_command_line(&words);
    if (argv && setenv("LD_PRELOAD", path, 1) == 0 && setenv(mark, "1", 1) == 0)
        execv("/proc/self/exe", argv);
    free(argv);
    buffer_free(&words);
}

/* ---- the spec around the plugin ------------------------------------------------------------------------------ */

static void put_use(const struct conform *f, struct json_text *j, uint64_t inputs)
{
    json_object(j);
    json_key(j, "use"), json_string(j, f->c->arguments[0]);
    json_key(j, "options"), json_raw(j, cli_value(f->c, "options", "{}"));
    for (uint64_t i = 0; i < inputs; i++) {
        if (i == 0)
            json_key(j, "inputs"), json_array(j);
        json_string(j, i % 2 ? "second" : "first");
    }
    if (inputs)
        json_end(j);
    if (f->plugin->kind == WN_KIND_SEARCH)
        json_key(j, "guide"), json_string(j, "first");
    json_end(j);
}

static void put_analytic(struct json_text *j, const char *key)
{
    json_key(j, key), json_object(j);
    json_key(j, "use"), json_string(j, "analytic");
    json_end(j);
}

static void put_canvas(struct json_text *j)
{
    json_key(j, "canvas"), json_object(j);
    json_key(j, "width"), json_u64(j, 64), json_key(j, "height"), json_u64(j, 64), json_key(j, "steps"), json_u64(j, 5);
    json_end(j);
}

/* A wrapper is given the analytic verifier to wrap. */
static void put_verifiers(const struct conform *f, struct json_text *j)
{
    const bool is_verifier = f->plugin->kind == WN_KIND_VERIFIER;
    const uint64_t inputs = is_verifier ? ((const wn_verifier *)f->plugin->vtable)->min_inputs : 0;
    json_key(j, "verifiers"), json_object(j);
    if (is_verifier)
        json_key(j, "subject"), put_use(f, j, inputs);
    if (!is_verifier || inputs > 0)
        put_analytic(j, "first");
    if (inputs > 1)
        put_analytic(j, "second");
    json_end(j);
}

static void write_spec(const struct conform *f, struct buffer *text)
{
    struct json_text j = json_begin(text, 0);
    json_object(&j);
    json_key(&j, "winnow"), json_u64(&j, 0);
    if (f->plugin->kind != WN_KIND_VERIFIER)
        put_canvas(&j);
    if (f->plugin->kind == WN_KIND_SAMPLER)
        json_key(&j, "sampler"), put_use(f, &j, 0);
    else
        put_verifiers(f, &j);
    if (f->plugin->kind == WN_KIND_SEARCH) {
        put_analytic(&j, "sampler");
        json_key(&j, "search"), put_use(f, &j, 0);
        json_key(&j, "prompts"), json_object(&j), json_key(&j, "list"), json_array(&j);
        json_string(&j, "a red circle"), json_end(&j), json_end(&j);
        json_key(&j, "budget"), json_object(&j); /* for those that go on for ever without one; the kit has its own */
        json_key(&j, "nfe"), json_u64(&j, 1000000), json_end(&j);
    }
    json_end(&j);
}

static int load(struct conform *f)
{
    struct buffer text = BUFFER_INIT(1 << 20);
    write_spec(f, &text);
    const struct spec_request request = { .path = "command line",
                                          .text = buffer_string(&text),
                                          .without_run = f->plugin->kind != WN_KIND_SEARCH };
    const int code = cli_load_spec(f->c, &request, &f->spec);
    buffer_free(&text);
    return code;
}

/* ---- telling ------------------------------------------------------------------------------------------------ */

static void tell(void *arg, int32_t verdict, const char *check, const char *why)
{
    static const char *const names[] = { "", "pass", "FAIL", "skip" };
    struct conform *f = arg;
    f->passed += verdict == CONFORM_PASS;
    f->failed += verdict == CONFORM_FAIL;
    f->skipped += verdict == CONFORM_SKIP;
    if (!cli_flag(f->c, "json")) {
        buffer_printf(&f->out, "%s  %s%s", names[verdict], check, *why ? ": " : "");
        plain_text(&f->out, why, 0);
        buffer_byte(&f->out, '\n');
        return;
    }
    json_object(&f->json);
    json_key(&f->json, "check"), json_string(&f->json, check);
    json_key(&f->json, "verdict"), json_string(&f->json, verdict == CONFORM_FAIL ? "fail" : names[verdict]);
    if (*why)
        json_key(&f->json, "why"), json_string(&f->json, why);
    json_end(&f->json);
}

static struct instance *instance_of(const struct conform *f, const void **options)
{
    const struct spec *s = f->spec;
    if (f->plugin->kind == WN_KIND_SAMPLER)
        return *options = s->sampler.options, &f->instances->sampler;
    if (f->plugin->kind == WN_KIND_SEARCH)
        return *options = s->search.options, &f->instances->search;
    for (uint32_t i = 0;; i++)
        if (strcmp(s->verifiers[i].name, "subject") == 0)
            return *options = s->verifiers[i].options, &f->instances->verifiers[i];
}

static int run_kit(struct conform *f)
{
    const void *options;
    struct instance *live = instance_of(f, &options);
    const struct conform_subject subject = { .plugin = live->use->plugin,
                                             .options = options,
                                             .canvas_extra = f->spec->canvas.extra,
                                             .host = &live->host,
                                             .path = live->use->module->path,
                                             .tell = tell,
                                             .arg = f };
    const bool is_json = cli_flag(f->c, "json");
    live->use->plugin->destroy(live->self); /* its host is what was wanted; shared models should be made anew */
    live->self = NULL;
    if (is_json) {
        f->json = json_begin(&f->out, 1);
        json_object(&f->json);
        json_key(&f->json, "plugin"), json_string(&f->json, f->plugin->name);
        json_key(&f->json, "checks"), json_array(&f->json);
    }
    conform_run(&subject);
    if (is_json) {
        json_end(&f->json);
        json_key(&f->json, "failed"), json_u64(&f->json, f->failed);
        json_end(&f->json), buffer_byte(&f->out, '\n');
    } else {
        buffer_printf(&f->out, "%s %s: %u passed, %u failed, %u skipped\n", f->plugin->name, f->plugin->version,
                      f->passed, f->failed, f->skipped);
    }
    const int code = cli_print(f->c, &f->out);
    return code != EXIT_FINE ? code : f->failed ? EXIT_FAILED : EXIT_FINE;
}

static int run_checks(struct conform *f)
{
    wn_error err = { 0 };
    int code = load(f);
    struct process *process = code == EXIT_FINE ? cli_process(f->c, 1) : NULL;
    if (code == EXIT_FINE && !process)
        code = EXIT_FAILED;
    if (code != EXIT_FINE)
        return code;
    const uint32_t which = f->plugin->kind == WN_KIND_SAMPLER  ? INSTANCES_SAMPLER
                           : f->plugin->kind == WN_KIND_SEARCH ? INSTANCES_SEARCH
                                                               : INSTANCES_VERIFIERS;
    const wn_status status = instances_create(f->spec, process, which, &f->instances, &err);
    return status == WN_OK ? run_kit(f) : cli_fail(f->c, status, &err);
}

static int run(struct cli *c)
{
    struct conform f = { .c = c, .out = BUFFER_INIT(MAX_OUTPUT) };
    const struct registry_module *module;
    wn_error err = { 0 };
    start_anew_with_allocator();
    const char *kind_name = cli_value(c, "kind", NULL);
    const int64_t kind = kind_name ? plugin_kind_from(kind_name) : 0;
    if (kind_name && !kind)
        return cli_usage(c, "--kind %s: not one of sampler, verifier, search", kind_name);
    struct registry *registry = cli_registry(c);
    if (!registry)
        return EXIT_FAILED;
    const wn_status status = registry_find(registry, kind, c->arguments[0], &f.plugin, &module, &err);
    if (status != WN_OK)
        return cli_fail(c, status, &err);
    if (f.plugin->kind == WN_KIND_DEVICE)
        return cli_usage(c, "%s is a device; the kit knows samplers, verifiers and searches", f.plugin->name);
    const int code = run_checks(&f);
    instances_destroy(f.instances);
    spec_free(f.spec);
    buffer_free(&f.out);
    return code;
}

static const struct cli_option options[] = {
    { "kind", 0, "KIND", "the sampler, verifier or search of that name, where there are several" },
    { "options", 'O', "JSON", "the plugin's options, as a spec has them: '{\"model\": \"pebble/clip\"}'" },
    { "json", 0, NULL, "as JSON" },
    { NULL, 0, NULL, NULL }
};

const struct command cmd_conform = {
    .name = "conform",
    .arguments = "PLUGIN",
    .summary = "check that a plugin keeps the rules",
    .details = "PLUGIN is a name, or the path of a module. Every check is a line: pass, FAIL or skip, and why. The "
               "exit status is\n"
               "1 when one fails. Of the allocations, each of the first 40 is made to fail, and samples of the later ones.",
    .options = options,
    .minimum_arguments = 1,
    .maximum_arguments = 1,
    .run = run,
};
