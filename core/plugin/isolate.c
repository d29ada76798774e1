/* isolate.c - see isolate.h. All that can go wrong between two processes is sdk/worker's; here is only what the other
 * process is told: a spec with one verifier, whose options are written out as this process has bound them. */
#include "plugin/isolate.h"

#include "base/json_text.h"
#include "plugin/options.h"
#include "plugin/registry.h"

#include <worker/verifier.h>

#include <stdlib.h>

enum { ATTEMPTS = 5, START_S = 3600 };

struct isolated {
    struct wn_worker_setup setup;
    const char *argv[5];
    struct wn_worker_verifier *verifier;
};

/* {"winnow": 0, "seed": ..., "verifiers": {NAME: {"use": ..., "options": {...}}}} */
static void write_spec(struct json_text *j, const struct spec *spec, const struct spec_use *use,
                       const struct tree_node *options)
{
    json_object(j);
    json_key(j, "winnow"), json_u64(j, 0);
    json_key(j, "seed"), json_u64(j, spec->seed);
    json_key(j, "verifiers"), json_object(j);
    json_key(j, use->name), json_object(j);
    json_key(j, "use"), json_string(j, use->plugin->name);
    json_key(j, "options"), tree_write(j, options, false);
    json_end(j), json_end(j), json_end(j);
}

/* What `winnow serve` reads in the hello; its spec is a text, because a JSON number has no 64 bits for the seed. */
static wn_status write_hello(struct host_shared *s, const struct spec_use *use, const wn_host *host, struct buffer *out,
                             wn_error *err)
{
    struct buffer spec = BUFFER_INIT(2 * TREE_MAX_BYTES);
    struct json_text inner = json_begin(&spec, 0), j = json_begin(out, 0);
    struct tree_node *options = tree_new(s->arena, TREE_OBJECT);
    char digest[65];
    WN_TRY(registry_digest(use->module, digest, err));
    if (!options || !options_write(use->plugin->options, use->options, options, s->arena))
        return wn_fail(err, WN_E_MEMORY, "no memory for its options");
    write_spec(&inner, s->spec, use, options);
    json_object(&j);
    json_key(&j, "directory"), json_string(&j, s->spec->directory);
    json_key(&j, "threads"), json_u64(&j, host->thread_count(host->ctx));
    json_key(&j, "module"), json_string(&j, use->module->path);
    json_key(&j, "sha256"), json_string(&j, digest);
    json_key(&j, "spec"), json_string(&j, buffer_string(&spec));
    json_end(&j);
    wn_status status = buffer_status(&spec, "isolate", err);
    buffer_free(&spec);
    return status == WN_OK ? buffer_status(out, "isolate", err) : status;
}

static wn_status start(struct isolated *i, struct host_shared *s, const struct spec_use *use, const wn_host *host,
                       wn_error *err)
{
    struct buffer hello = BUFFER_INIT(4 * TREE_MAX_BYTES);
    wn_status status = write_hello(s, use, host, &hello, err);
    const char *options = status == WN_OK ? arena_string(s->arena, buffer_string(&hello)) : NULL;
    buffer_free(&hello);
    WN_TRY(status);
    if (!options)
        return wn_fail(err, WN_E_MEMORY, "no memory for its options");
    if (!*s->places.command)
        return wn_fail(err, WN_E_MISSING, "isolate: the winnow command is not beside this program");
    i->argv[0] = s->places.command;
    i->argv[1] = "serve";
    i->argv[2] = *registry_extra_dirs(s->process->registry) ? "--plugin-dir" : NULL;
    i->argv[3] = registry_extra_dirs(s->process->registry);
    i->setup = (struct wn_worker_setup){
        .host = host,
        .name = use->plugin->name,
        .argv = i->argv,
        .kind = "verifier",
        .options = options,
        .start_s = START_S, /* a model may take its time to load; the user sees it, and can end it */
        .answer_s = use->patience_s,
        .attempts = ATTEMPTS,
    };
    return wn_worker_verifier_open(&i->setup, &i->verifier, err);
}

wn_status isolate_create(struct host_shared *s, const struct spec_use *use, const wn_host *host, void **self,
                         wn_error *err)
{
    struct isolated *i = calloc(1, sizeof *i);
    if (!i)
        return wn_fail(err, WN_E_MEMORY, "no memory");
    atomic_store(&s->has_drawn, true); /* the seed is told, and may be used over there */
    const wn_status status = start(i, s, use, host, err);
    if (status == WN_OK)
        *self = i;
    else
        free(i);
    return status;
}

void isolate_destroy(void *self)
{
    struct isolated *i = self;
    if (i)
        wn_worker_verifier_close(i->verifier);
    free(i);
}

static wn_status describe(void *self, wn_verifier_info *info, wn_error *err)
{
    return wn_worker_verifier_describe(((struct isolated *)self)->verifier, info, err);
}

static wn_status score(void *self, const wn_score_request *request, wn_error *err)
{
    return wn_worker_verifier_score(((struct isolated *)self)->verifier, request, err);
}

const wn_verifier isolate_verifier = {
    .struct_size = sizeof isolate_verifier,
    .score = score,
    .describe = describe,
};
