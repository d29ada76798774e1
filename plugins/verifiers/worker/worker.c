/* worker.c - the user's own program as a verifier, in Python or in any language that reads and writes frames.
 *
 * What it measures it says itself, when it starts (describe). That it may crash, hang or write nonsense is dealt with
 * in sdk/worker; sdk/doc/protocol.md is what such a program has to do, sdk/python does it for Python. */
#include <worker/program.h>
#include <worker/verifier.h>

#include <stdlib.h>

struct worker {
    struct wn_program program;
    struct wn_worker_verifier *verifier;
};

static void destroy(void *self)
{
    struct worker *w = self;
    if (!w)
        return;
    wn_worker_verifier_close(w->verifier);
    wn_program_free(&w->program);
    free(w);
}

static wn_status create(const wn_host *host, const void *options, void **self, wn_error *err)
{
    struct worker *w = calloc(1, sizeof *w);
    if (!w)
        return wn_fail(err, WN_E_MEMORY, "no memory");
    wn_status status = wn_program_init(&w->program, host, options, "verifier", err);
    if (status == WN_OK)
        status = wn_worker_verifier_open(&w->program.setup, &w->verifier, err);
    if (status != WN_OK) {
        destroy(w);
        return status;
    }
    *self = w;
    return WN_OK;
}

static wn_status describe(void *self, wn_verifier_info *info, wn_error *err)
{
    return wn_worker_verifier_describe(((struct worker *)self)->verifier, info, err);
}

static wn_status score(void *self, const wn_score_request *request, wn_error *err)
{
    return wn_worker_verifier_score(((struct worker *)self)->verifier, request, err);
}

static const wn_verifier verifier = {
    .struct_size = sizeof verifier,
    .score = score,
    .describe = describe,
};

static const wn_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = WN_KIND_VERIFIER,
    .name = "worker",
    .version = "1.0",
    .summary = "a program of yours, in Python or another language, in a process of its own",
    .source = "",
    .options = wn_program_table,
    .options_size = sizeof(struct wn_program_options),
    .create = create,
    .destroy = destroy,
    .vtable = &verifier,
};

WN_MODULE(&plugin);
