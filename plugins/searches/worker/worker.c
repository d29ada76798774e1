/* worker.c - a search in a program of the user's: the calls of env, as frames.
 *
 * Searches of several prompts run at once, and a program is one search at a time, so there are as many processes as
 * searches are under way; those that are done wait for the next.
 *
 * A process that dies in the midst of a search would take the search with it: what env did cannot be done again. But a
 * search is a function of its options and of what env answers. So the answers are kept (transcript.c), the search
 * begins again in a new process, and its calls are answered from there until it is where the old one was. */
#include "transcript.h"

#include <worker/program.h>

#include <winnow/search.h>

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES_MAX = 1 << 18, CALL_MAX_TEXT = 8 << 20 };

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
    const wn_env *env;
    struct transcript transcript;
    wn_sample *samples; /* [SAMPLES_MAX at most], of the call in progress */
    double *scores;
};

/* ---- arguments ----------------------------------------------------------------------------------------------------
 */

/* 64 bits, as a decimal string: a JSON number has 53. */
static wn_status get_u64(const cJSON *call, const char *key, uint64_t *value, wn_error *err)
{
    const char *text;
    char *end;
    WN_TRY(wn_message_text(call, key, "", &text, err));
    errno = 0;
    *value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno)
        return wn_fail(err, WN_E_ARG, "%s: \"%.40s\" is not a whole number of 64 bits in a string", key, text);
    return WN_OK;
}

/* A sample's handle has 64 bits as well. 0 where there is none. */
static wn_status get_sample(const cJSON *call, const char *key, wn_sample *sample, wn_error *err)
{
    *sample = 0;
    return cJSON_HasObjectItem(call, key) ? get_u64(call, key, sample, err) : WN_OK;
}

static void put_u64(cJSON *answer, const char *key, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    cJSON_AddStringToObject(answer, key, text);
}

static wn_status get_samples(struct run *r, const cJSON *call, uint64_t *count, wn_error *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(call, "samples"), *item;
    *count = (uint64_t)cJSON_GetArraySize(list);
    if (!cJSON_IsArray(list) || *count > SAMPLES_MAX)
        return wn_fail(err, WN_E_ARG, "samples is not a list of up to %d samples", SAMPLES_MAX);
    free(r->samples);
    free(r->scores);
    r->samples = calloc(*count + 1, sizeof *r->samples);
    r->scores = calloc(*count + 1, sizeof *r->scores);
    if (!r->samples || !r->scores)
        return wn_fail(err, WN_E_MEMORY, "no memory for %llu samples", (unsigned long long)*count);
    *count = 0;
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsString(item))
            return wn_fail(err, WN_E_ARG, "samples is not a list of samples, which are decimal strings");
        r->samples[(*count)++] = strtoull(item->valuestring, NULL, 10); /* env refuses what is none */
    }
    return WN_OK;
}

/* ---- the calls ----------------------------------------------------------------------------------------------------
 */

struct call {
    const cJSON *message;
    const struct wn_frame *frame;
    wn_sample sample;
    uint64_t point;
    cJSON *answer; /* to be added to */
    void *data;    /* of the answer, owned by the call */
    uint64_t data_bytes;
};

static wn_status call_budget_left(struct run *r, struct call *c, wn_error *err)
{
    static const char *const names[] = { "", "nfe", "seconds", "verifier_calls", "candidates" };
    const char *name;
    WN_TRY(wn_message_text(c->message, "currency", "nfe", &name, err));
    for (int32_t i = WN_CURRENCY_NFE; i <= WN_CURRENCY_CANDIDATES; i++)
        if (strcmp(names[i], name) == 0) {
            const double left = r->env->budget_left(r->env->ctx, i);
            cJSON_AddItemToObject(c->answer, "value", isfinite(left) ? cJSON_CreateNumber(left) : cJSON_CreateNull());
            return WN_OK;
        }
    return wn_fail(err, WN_E_ARG, "there is no currency \"%.40s\"; there are nfe, seconds, verifier_calls, candidates",
                   name);
}

static wn_status make_data(struct call *c, uint64_t bytes, wn_error *err)
{
    c->data = malloc(bytes + 1);
    c->data_bytes = bytes;
    return c->data ? WN_OK : wn_fail(err, WN_E_MEMORY, "no memory for %llu bytes", (unsigned long long)bytes);
}

static wn_status call_noise(struct run *r, struct call *c, wn_error *err)
{
    uint64_t stream;
    WN_TRY(get_u64(c->message, "stream", &stream, err));
    WN_TRY(make_data(c, r->env->latent_values * sizeof(float), err));
    return r->env->noise(r->env->ctx, stream, c->data, err);
}

static wn_status call_random(struct run *r, struct call *c, wn_error *err)
{
    uint64_t stream, index;
    WN_TRY(get_u64(c->message, "stream", &stream, err));
    WN_TRY(get_u64(c->message, "index", &index, err));
    put_u64(c->answer, "value", r->env->random_u64(r->env->ctx, stream, index));
    return WN_OK;
}

static wn_status call_spawn(struct run *r, struct call *c, wn_error *err)
{
    wn_sample parent, made;
    WN_TRY(get_sample(c->message, "parent", &parent, err));
    if (c->frame->data_bytes != r->env->latent_values * sizeof(float))
        return wn_fail(err, WN_E_ARG, "a noise of %llu bytes; a latent has %llu float32",
                       (unsigned long long)c->frame->data_bytes, (unsigned long long)r->env->latent_values);
    WN_TRY(r->env->spawn(r->env->ctx, c->frame->data, parent, &made, err));
    put_u64(c->answer, "sample", made);
    return WN_OK;
}

static wn_status call_clone(struct run *r, struct call *c, wn_error *err)
{
    wn_sample made;
    WN_TRY(r->env->clone(r->env->ctx, c->sample, &made, err));
    put_u64(c->answer, "sample", made);
    return WN_OK;
}

static wn_status call_drop(struct run *r, struct call *c, wn_error *err)
{
    (void)err;
    r->env->drop(r->env->ctx, c->sample);
    return WN_OK;
}

static wn_status call_advance(struct run *r, struct call *c, wn_error *err)
{
    uint64_t count;
    WN_TRY(get_samples(r, c->message, &count, err));
    return r->env->advance(r->env->ctx, count, r->samples, c->point, err);
}

static wn_status call_renoise(struct run *r, struct call *c, wn_error *err)
{
    uint64_t stream;
    WN_TRY(get_u64(c->message, "stream", &stream, err));
    return r->env->renoise(r->env->ctx, c->sample, c->point, stream, err);
}

static wn_status call_kick(struct run *r, struct call *c, wn_error *err)
{
    uint64_t stream, kind;
    double scale;
    WN_TRY(get_u64(c->message, "stream", &stream, err));
    WN_TRY(wn_message_u64(c->message, "kernel", 0, &kind, err));
    WN_TRY(wn_message_number(c->message, "scale", 0, &scale, err));
    return r->env->kick(r->env->ctx, c->sample, c->point, (wn_kernel){ (int64_t)kind, scale }, stream, err);
}

static wn_status call_cost(struct run *r, struct call *c, wn_error *err)
{
    uint64_t from;
    WN_TRY(wn_message_u64(c->message, "from", 0, &from, err));
    cJSON_AddNumberToObject(c->answer, "value", (double)r->env->cost(r->env->ctx, from, c->point));
    return WN_OK;
}

static wn_status call_blend(struct run *r, struct call *c, wn_error *err)
{
    uint64_t base, with, stream;
    double cosine;
    WN_TRY(get_u64(c->message, "base", &base, err));
    WN_TRY(get_u64(c->message, "with", &with, err));
    WN_TRY(wn_message_number(c->message, "cosine", 0, &cosine, err));
    WN_TRY(r->env->blend(r->env->ctx, base, with, cosine, &stream, err));
    put_u64(c->answer, "value", stream);
    return WN_OK;
}

static wn_status call_peek(struct run *r, struct call *c, wn_error *err)
{
    WN_TRY(make_data(c, 2 * r->env->latent_values * sizeof(float), err));
    float *x = c->data;
    return r->env->peek(r->env->ctx, c->sample, x, x + r->env->latent_values, err);
}

static wn_status call_score(struct run *r, struct call *c, wn_error *err)
{
    uint64_t count;
    WN_TRY(get_samples(r, c->message, &count, err));
    WN_TRY(r->env->score(r->env->ctx, count, r->samples, r->scores, err));
    WN_TRY(make_data(c, count * sizeof *r->scores, err));
    memcpy(c->data, r->scores, c->data_bytes);
    return WN_OK;
}

static wn_status call_offer(struct run *r, struct call *c, wn_error *err)
{
    return r->env->offer(r->env->ctx, c->sample, err);
}

static const struct {
    const char *op;
    wn_status (*make)(struct run *r, struct call *c, wn_error *err);
} calls[] = {
    { "budget_left", call_budget_left },
    { "noise", call_noise },
    { "random", call_random },
    { "spawn", call_spawn },
    { "clone", call_clone },
    { "drop", call_drop },
    { "advance", call_advance },
    { "renoise", call_renoise },
    { "kick", call_kick },
    { "peek", call_peek },
    { "score", call_score },
    { "offer", call_offer },
    { "cost", call_cost },
    { "blend", call_blend },
};

enum { CALLS = sizeof calls / sizeof calls[0] };

static wn_status make_call(struct run *r, struct call *c, wn_error *err)
{
    for (uint32_t i = 0; i < CALLS; i++)
        if (wn_message_is(c->message, calls[i].op)) {
            WN_TRY(get_sample(c->message, "sample", &c->sample, err));
            WN_TRY(wn_message_u64(c->message, "point", 0, &c->point, err));
            return calls[i].make(r, c, err);
        }
    return wn_fail(err, WN_E_UNSUPPORTED, "env has no call \"%.40s\"", wn_message_op(c->message));
}

/* ---- the conversation ---------------------------------------------------------------------------------------------
 */

static void drop_call(struct call *c)
{
    cJSON_Delete(c->answer);
    free(c->data);
}

/* Makes the call. A refusal is an answer too: the budget that was spent then is spent now. */
static wn_status find_answer(struct run *r, struct call *c, wn_error *err)
{
    wn_error why = { 0 };
    c->answer = wn_message_new("answer", 0);
    const wn_status status = make_call(r, c, &why);
    if (status == WN_E_CANCELLED) {
        drop_call(c);
        return wn_fail(err, status, "%s", why.message);
    }
    if (status == WN_OK)
        return WN_OK;
    c->data_bytes = 0;
    cJSON_ReplaceItemInObjectCaseSensitive(c->answer, "op", cJSON_CreateString("error"));
    cJSON_AddStringToObject(c->answer, "code", wn_message_code(status));
    cJSON_AddStringToObject(c->answer, "message", why.message);
    return WN_OK;
}

static wn_status answer_new(struct run *r, const cJSON *message, const struct wn_frame *frame, wn_error *err)
{
    struct call c = { .message = message, .frame = frame };
    WN_TRY(find_answer(r, &c, err));
    const struct wn_part part = { c.data, c.data_bytes };
    const wn_status status = wn_worker_send(r->worker, c.answer, &part, 1, err);
    if (transcript_add(&r->transcript, frame, c.answer, c.data, c.data_bytes) != WN_OK) /* takes both */
        return wn_fail(err, WN_E_MEMORY, "no memory for a search of %llu calls",
                       (unsigned long long)r->transcript.count);
    return status;
}

/* Noise is large, and a function of its stream: it is made again rather than kept. */
static wn_status answer_noise(struct run *r, const cJSON *message, const struct wn_frame *frame, wn_error *err)
{
    struct call c = { .message = message, .frame = frame };
    WN_TRY(find_answer(r, &c, err));
    const struct wn_part part = { c.data, c.data_bytes };
    const wn_status status = wn_worker_send(r->worker, c.answer, &part, 1, err);
    drop_call(&c);
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
            err, WN_E_DEVICE,
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
    const struct wn_frame_limits limits = { CALL_MAX_TEXT, r->env->latent_values * sizeof(float) };
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
    cJSON *request = make_request(r->env);
    wn_status status = wn_worker_send(r->worker, request, NULL, 0, err);
    cJSON_Delete(request);
    transcript_rewind(&r->transcript);
    while (status == WN_OK && !is_done)
        status = serve_one(r, &is_done, err);
    return status;
}

/* ---- processes ----------------------------------------------------------------------------------------------------
 */

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
    struct run r = { .env = env };
    WN_TRY(take_worker(s, &r.worker, err));
    const wn_status status = run_in(&r, err);
    if (status == WN_OK)
        give_worker(s, r.worker);
    else
        wn_worker_stop(r.worker);
    transcript_free(&r.transcript);
    free(r.samples);
    free(r.scores);
    return status;
}

/* Nobody but the program knows, and it is not asked before the run: the budget is the bound. */
static void plan(const void *options, uint64_t steps, uint64_t evals_per_velocity, wn_search_plan *p)
{
    (void)options, (void)steps, (void)evals_per_velocity;
    p->candidates = p->nfe = p->verifier_calls = UINT64_MAX;
}

/* ---- life ---------------------------------------------------------------------------------------------------------
 */

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
