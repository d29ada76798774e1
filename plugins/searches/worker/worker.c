/* worker.c - a search in a program of the user's: the calls of env, as frames.
 *
 * Searches of several prompts run at once, and a program is one search at a time, so there are as many processes as
 * searches are under way; those that are done wait for the next.
 *
 * A process that dies in the midst of a search would take the search with it: what env did cannot be done again. But a
 * search is a function of its options and of what env answers. So the answers are kept (transcript.c), the search
 * begins again in a new process, and its calls are answered from there until it is where the old one was. */
#include "calls.h"
#include "transcript.h"

#include <worker/program.h>

#include <winnow/search.h>

#include <pthread.h>
#include <stdlib.h>

enum { CALL_MAX_TEXT = 8 << 20 };

struct idle {
    struct idle *next;
    struct wn_worker *worker;
};

struct searches {
    struct wn_program program;
    pthread_mutex_t mutex;
    struct idle *idle;
};

/* One search on one prompt. */
struct run {
    struct wn_worker *worker;
    struct calls calls;
    struct transcript transcript;
};

/* ---- the conversation ---- */

static wn_status answer_new(struct run *r, const cJSON *message, const struct wn_frame *frame, wn_error *err)
{
    struct answer a;
    WN_TRY(calls_make(&r->calls, message, frame, &a, err));
    const struct wn_part part = { a.data, a.data_bytes };
    const wn_status status = wn_worker_send(r->worker, a.message, &part, 1, err);
    if (transcript_add(&r->transcript, frame, a.message, a.data, a.data_bytes) != WN_OK) /* takes both */
        return wn_fail(err, WN_E_MEMORY, "no memory for a search of %llu calls",
                       (unsigned long long)r->transcript.count);
    return status;
}

/* Noise is large, and a function of its stream: it is made again rather than kept. */
static wn_status answer_noise(struct run *r, const cJSON *message, const struct wn_frame *frame, wn_error *err)
{
    struct answer a;
    WN_TRY(calls_make(&r->calls, message, frame, &a, err));
    const struct wn_part part = { a.data, a.data_bytes };
    const wn_status status = wn_worker_send(r->worker, a.message, &part, 1, err);
    answer_free(&a);
    return status;
}

static wn_status answer(struct run *r, const cJSON *message, const struct wn_frame *frame, wn_error *err)
{
    if (wn_message_is(message, "noise"))
        return answer_noise(r, message, frame, err);
    const struct transcript_entry *known = transcript_next(&r->transcript);
    if (!known)
        return answer_new(r, message, frame, err);
    if (known->is_lost)
        return wn_fail(
            err, WN_E_IO,
            "its process has died, and it had looked at more states (%d MiB) than are kept to begin it again; "
            "start the run again, which knows its scores",
            TRANSCRIPT_MAX_BYTES >> 20);
    if (known->call != transcript_hash(frame))
        return wn_fail(err, WN_E_ARG,
                       "begun again after its process had died, the search makes another call than the first time "
                       "(%.100s); a search is a function of its options and of what env answers",
                       frame->text);
    const struct wn_part part = { known->data, known->data_bytes };
    return wn_worker_send(r->worker, known->answer, &part, 1, err);
}

static cJSON *make_request(const wn_env *env)
{
    cJSON *message = wn_message_new("run", 1), *sigma;
    const int shape[3] = { (int)env->latent_channels, (int)env->latent_height, (int)env->latent_width };
    cJSON_AddItemToObject(message, "prompt", wn_message_prompt(env->prompt));
    cJSON_AddNumberToObject(message, "steps", (double)env->steps);
    sigma = cJSON_AddArrayToObject(message, "sigma");
    for (uint64_t i = 0; i <= env->steps; i++)
        cJSON_AddItemToArray(sigma, cJSON_CreateNumber((double)env->sigma[i]));
    cJSON_AddItemToObject(message, "latent_shape", cJSON_CreateIntArray(shape, 3));
    cJSON_AddNumberToObject(message, "batch_hint", (double)env->batch_hint);
    cJSON_AddNumberToObject(message, "evals_per_velocity", (double)env->evals_per_velocity);
    return message;
}

/* Until the search is done. *is_done tells an end from a call. */
static wn_status serve_one(struct run *r, int *is_done, wn_error *err)
{
    cJSON *message;
    struct wn_frame frame;
    const struct wn_frame_limits limits = { CALL_MAX_TEXT, r->calls.env->latent_values * sizeof(float) };
    WN_TRY(wn_worker_receive(r->worker, limits, &message, &frame, err));
    *is_done = wn_message_is(message, "done") || wn_message_is(message, "error");
    wn_status status = WN_OK;
    if (wn_message_is(message, "error"))
        status = wn_worker_refused(r->worker, message, err);
    else if (!*is_done)
        status = answer(r, message, &frame, err);
    cJSON_Delete(message);
    wn_frame_free(&frame);
    return status;
}

static wn_status converse(struct run *r, wn_error *err)
{
    int is_done = 0;
    WN_TRY(wn_worker_up(r->worker, err));
    cJSON *request = make_request(r->calls.env);
    wn_status status = wn_worker_send(r->worker, request, NULL, 0, err);
    cJSON_Delete(request);
    transcript_rewind(&r->transcript);
    while (status == WN_OK && !is_done)
        status = serve_one(r, &is_done, err);
    return status;
}

/* ---- processes ---- */

static wn_status take_worker(struct searches *s, struct wn_worker **worker, wn_error *err)
{
    pthread_mutex_lock(&s->mutex);
    struct idle *found = s->idle;
    if (found)
        s->idle = found->next;
    pthread_mutex_unlock(&s->mutex);
    *worker = found ? found->worker : NULL;
    free(found);
    return *worker ? WN_OK : wn_worker_start(&s->program.setup, worker, err);
}

static void give_worker(struct searches *s, struct wn_worker *worker)
{
    struct idle *idle = malloc(sizeof *idle);
    if (!idle) {
        wn_worker_stop(worker);
        return;
    }
    pthread_mutex_lock(&s->mutex);
    *idle = (struct idle){ s->idle, worker };
    s->idle = idle;
    pthread_mutex_unlock(&s->mutex);
}

/* A process that got further than the one before was worth its start. */
static wn_status run_in(struct run *r, wn_error *err)
{
    for (uint64_t attempt = 1, known = 0;; attempt++, known = r->transcript.count) {
        const wn_status status = converse(r, err);
        if (r->transcript.count > known) {
            wn_worker_praise(r->worker);
            attempt = 1;
        }
        if (status == WN_OK || !wn_worker_lost(r->worker, attempt, err))
            return status == WN_OK ? WN_OK : err->code;
    }
}

/* After a failure the program stands in the midst of a search: it is not asked for another. */
static wn_status run(void *self, const wn_env *env, wn_error *err)
{
    struct searches *s = self;
    struct run r = { .calls = { .env = env } };
    WN_TRY(take_worker(s, &r.worker, err));
    const wn_status status = run_in(&r, err);
    if (status == WN_OK)
        give_worker(s, r.worker);
    else
        wn_worker_stop(r.worker);
    transcript_free(&r.transcript);
    calls_finish(&r.calls);
    return status;
}

/* Nobody but the program knows, and it is not asked before the run: the budget is the bound. */
static void plan(const void *options, uint64_t steps, uint64_t evals_per_velocity, wn_search_plan *p)
{
    (void)options, (void)steps, (void)evals_per_velocity;
    p->candidates = p->nfe = p->verifier_calls = UINT64_MAX;
}

/* ---- life ---- */

static void destroy(void *self)
{
    struct searches *s = self;
    if (!s)
        return;
    for (struct idle *i = s->idle, *next; i; i = next) {
        next = i->next;
        wn_worker_stop(i->worker);
        free(i);
    }
    wn_program_free(&s->program);
    pthread_mutex_destroy(&s->mutex);
    free(s);
}

/* The first process is started here, so that a wrong option is told before anything is sampled. */
static wn_status create(const wn_host *host, const void *options, void **self, wn_error *err)
{
    struct wn_worker *first;
    struct searches *s = calloc(1, sizeof *s);
    if (!s)
        return wn_fail(err, WN_E_MEMORY, "no memory");
    pthread_mutex_init(&s->mutex, NULL);
    wn_status status = wn_program_init(&s->program, host, options, "search", err);
    if (status == WN_OK)
        status = wn_worker_start(&s->program.setup, &first, err);
    if (status != WN_OK) {
        destroy(s);
        return status;
    }
    give_worker(s, first);
    *self = s;
    return WN_OK;
}

static const wn_search search = {
    .struct_size = sizeof search,
    .plan = plan,
    .run = run,
};

static const wn_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = WN_KIND_SEARCH,
    .name = "worker",
    .version = "1.0",
    .summary = "a search in a program of yours, in Python or another language; needs a budget",
    .source = "",
    .options = wn_program_table,
    .options_size = sizeof(struct wn_program_options),
    .create = create,
    .destroy = destroy,
    .vtable = &search,
};

WN_MODULE(&plugin);
