/* calls.c - see calls.h. */
#include "calls.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES_MAX = 1 << 18 };

/* ---- arguments ---- */

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

static wn_status get_samples(struct calls *r, const cJSON *call, uint64_t *count, wn_error *err)
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

/* ---- the calls ---- */

struct call {
    const cJSON *message;
    const struct wn_frame *frame;
    wn_sample sample;
    uint64_t point;
    struct answer *a; /* to be added to */
};

static wn_status call_budget_left(struct calls *r, struct call *c, wn_error *err)
{
    static const char *const names[] = { "", "nfe", "seconds", "verifier_calls", "candidates" };
    const char *name;
    WN_TRY(wn_message_text(c->message, "currency", "nfe", &name, err));
    for (int32_t i = WN_CURRENCY_NFE; i <= WN_CURRENCY_CANDIDATES; i++)
        if (strcmp(names[i], name) == 0) {
            const double left = r->env->budget_left(r->env->ctx, i);
            cJSON_AddItemToObject(c->a->message, "value",
                                  isfinite(left) ? cJSON_CreateNumber(left) : cJSON_CreateNull());
            return WN_OK;
        }
    return wn_fail(err, WN_E_ARG, "there is no currency \"%.40s\"; there are nfe, seconds, verifier_calls, candidates",
                   name);
}

static wn_status make_data(struct call *c, uint64_t bytes, wn_error *err)
{
    c->a->data = malloc(bytes + 1);
    c->a->data_bytes = bytes;
    return c->a->data ? WN_OK : wn_fail(err, WN_E_MEMORY, "no memory for %llu bytes", (unsigned long long)bytes);
}

static wn_status call_noise(struct calls *r, struct call *c, wn_error *err)
{
    uint64_t stream;
    WN_TRY(get_u64(c->message, "stream", &stream, err));
    WN_TRY(make_data(c, r->env->latent_values * sizeof(float), err));
    return r->env->noise(r->env->ctx, stream, c->a->data, err);
}

static wn_status call_random(struct calls *r, struct call *c, wn_error *err)
{
    uint64_t stream, index;
    WN_TRY(get_u64(c->message, "stream", &stream, err));
    WN_TRY(get_u64(c->message, "index", &index, err));
    put_u64(c->a->message, "value", r->env->random_u64(r->env->ctx, stream, index));
    return WN_OK;
}

static wn_status call_spawn(struct calls *r, struct call *c, wn_error *err)
{
    wn_sample parent, made;
    WN_TRY(get_sample(c->message, "parent", &parent, err));
    if (c->frame->data_bytes != r->env->latent_values * sizeof(float))
        return wn_fail(err, WN_E_ARG, "a noise of %llu bytes; a latent has %llu float32",
                       (unsigned long long)c->frame->data_bytes, (unsigned long long)r->env->latent_values);
    WN_TRY(r->env->spawn(r->env->ctx, c->frame->data, parent, &made, err));
    put_u64(c->a->message, "sample", made);
    return WN_OK;
}

static wn_status call_clone(struct calls *r, struct call *c, wn_error *err)
{
    wn_sample made;
    WN_TRY(r->env->clone(r->env->ctx, c->sample, &made, err));
    put_u64(c->a->message, "sample", made);
    return WN_OK;
}

static wn_status call_drop(struct calls *r, struct call *c, wn_error *err)
{
    (void)err;
    r->env->drop(r->env->ctx, c->sample);
    return WN_OK;
}

static wn_status call_advance(struct calls *r, struct call *c, wn_error *err)
{
    uint64_t count;
    WN_TRY(get_samples(r, c->message, &count, err));
    return r->env->advance(r->env->ctx, count, r->samples, c->point, err);
}

static wn_status call_renoise(struct calls *r, struct call *c, wn_error *err)
{
    uint64_t stream;
    WN_TRY(get_u64(c->message, "stream", &stream, err));
    return r->env->renoise(r->env->ctx, c->sample, c->point, stream, err);
}

static wn_status call_kick(struct calls *r, struct call *c, wn_error *err)
{
    uint64_t stream, kind;
    double scale;
    WN_TRY(get_u64(c->message, "stream", &stream, err));
    WN_TRY(wn_message_u64(c->message, "kernel", 0, &kind, err));
    WN_TRY(wn_message_number(c->message, "scale", 0, &scale, err));
    return r->env->kick(r->env->ctx, c->sample, c->point, (wn_kernel){ (int64_t)kind, scale }, stream, err);
}

static wn_status call_cost(struct calls *r, struct call *c, wn_error *err)
{
    uint64_t from;
    WN_TRY(wn_message_u64(c->message, "from", 0, &from, err));
    cJSON_AddNumberToObject(c->a->message, "value", (double)r->env->cost(r->env->ctx, from, c->point));
    return WN_OK;
}

static wn_status call_blend(struct calls *r, struct call *c, wn_error *err)
{
    uint64_t base, with, stream;
    double cosine;
    WN_TRY(get_u64(c->message, "base", &base, err));
    WN_TRY(get_u64(c->message, "with", &with, err));
    WN_TRY(wn_message_number(c->message, "cosine", 0, &cosine, err));
    WN_TRY(r->env->blend(r->env->ctx, base, with, cosine, &stream, err));
    put_u64(c->a->message, "value", stream);
    return WN_OK;
}

static wn_status call_peek(struct calls *r, struct call *c, wn_error *err)
{
    WN_TRY(make_data(c, 2 * r->env->latent_values * sizeof(float), err));
    float *x = c->a->data;
    return r->env->peek(r->env->ctx, c->sample, x, x + r->env->latent_values, err);
}

static wn_status call_score(struct calls *r, struct call *c, wn_error *err)
{
    uint64_t count;
    WN_TRY(get_samples(r, c->message, &count, err));
    WN_TRY(r->env->score(r->env->ctx, count, r->samples, r->scores, err));
    WN_TRY(make_data(c, count * sizeof *r->scores, err));
    memcpy(c->a->data, r->scores, c->a->data_bytes);
    return WN_OK;
}

static wn_status call_offer(struct calls *r, struct call *c, wn_error *err)
{
    return r->env->offer(r->env->ctx, c->sample, err);
}

static const struct {
    const char *op;
    wn_status (*make)(struct calls *r, struct call *c, wn_error *err);
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

static wn_status make_call(struct calls *r, struct call *c, wn_error *err)
{
    for (uint32_t i = 0; i < CALLS; i++)
        if (wn_message_is(c->message, calls[i].op)) {
            WN_TRY(get_sample(c->message, "sample", &c->sample, err));
            WN_TRY(wn_message_u64(c->message, "point", 0, &c->point, err));
            return calls[i].make(r, c, err);
        }
    return wn_fail(err, WN_E_UNSUPPORTED, "env has no call \"%.40s\"", wn_message_op(c->message));
}

/* ---- answers ---- */

void answer_free(struct answer *a)
{
    cJSON_Delete(a->message);
    free(a->data);
    *a = (struct answer){ 0 };
}

static void refuse(struct answer *a, const wn_error *why)
{
    a->data_bytes = 0;
    cJSON_ReplaceItemInObjectCaseSensitive(a->message, "op", cJSON_CreateString("error"));
    cJSON_AddStringToObject(a->message, "code", wn_message_code(why->code));
    cJSON_AddStringToObject(a->message, "message", why->message);
}

wn_status calls_make(struct calls *r, const cJSON *message, const struct wn_frame *frame, struct answer *answer,
                     wn_error *err)
{
    wn_error why = { 0 };
    *answer = (struct answer){ .message = wn_message_new("answer", 0) };
    struct call c = { .message = message, .frame = frame, .a = answer };
    const wn_status status = answer->message ? make_call(r, &c, &why) : wn_fail(&why, WN_E_MEMORY, "no memory");
    if (status == WN_E_CANCELLED || !answer->message) {
        answer_free(answer);
        return wn_fail(err, status, "%s", why.message);
    }
    if (status != WN_OK)
        refuse(answer, &why);
    return WN_OK;
}

void calls_finish(struct calls *r)
{
    free(r->samples);
    free(r->scores);
}
