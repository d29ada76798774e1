/* view.c - see view.h. */
#include "sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- samples ----------------------------------------------------------------------------------------------------- */

static wn_sample handle_of(const struct view *v, const struct view_sample *s)
{
    return (uint64_t)s->generation << 32 | (uint64_t)(s - v->samples + 1);
}

struct view_sample *view_find(const struct view *v, wn_sample handle, wn_error *err)
{
    const uint64_t slot = (handle & UINT32_MAX) - 1;
    if (slot < v->sample_count && v->samples[slot].is_live && v->samples[slot].generation == handle >> 32)
        return &v->samples[slot];
    wn_fail(err, WN_E_ARG, "it names sample %llu, which was dropped or never spawned", (unsigned long long)handle);
    return NULL;
}

/* Moves the table: pointers into it end here. */
static struct view_sample *new_slot(struct view *v, wn_error *err)
{
    if (v->free_slot == 0 && v->sample_count == v->sample_capacity) {
        const uint64_t capacity = v->sample_capacity ? 2 * v->sample_capacity : 32;
        struct view_sample *grown = realloc(v->samples, capacity * sizeof *grown);
        if (!grown) {
            wn_fail(err, WN_E_MEMORY, "no memory for %llu samples", (unsigned long long)capacity);
            return NULL;
        }
        v->samples = grown;
        v->sample_capacity = capacity;
    }
    struct view_sample *s = v->free_slot ? &v->samples[v->free_slot - 1] : &v->samples[v->sample_count++];
    const uint32_t generation = v->free_slot ? s->generation : 0;
    v->free_slot = v->free_slot ? s->next_free : 0;
    *s = (struct view_sample){ .generation = generation, .is_live = true };
    return s;
}

static void free_slot(struct view *v, struct view_sample *s)
{
    v->real->drop(v->real->ctx, s->own.sample);
    v->real->drop(v->real->ctx, s->own.origin);
    v->real->drop(v->real->ctx, s->own.trail);
    *s = (struct view_sample){ .generation = s->generation + 1, .next_free = v->free_slot };
    v->free_slot = (uint64_t)(s - v->samples + 1);
}

static void view_drop(void *ctx, wn_sample sample)
{
    struct view *v = ctx;
    wn_error ignored;
    struct view_sample *s = sample ? view_find(v, sample, &ignored) : NULL;
    if (s)
        free_slot(v, s);
}

/* ---- the budget -------------------------------------------------------------------------------------------------- */

static double view_budget_left(void *ctx, int32_t currency)
{
    const struct view *v = ctx;
    if (currency == WN_CURRENCY_CANDIDATES && v->track.is_draft)
        return (double)INFINITY;
    const double left = v->real->budget_left(v->real->ctx, currency);
    if (currency < WN_CURRENCY_NFE || currency > WN_CURRENCY_CANDIDATES || isinf(v->limit[currency]))
        return left;
    return fmax(0, fmin(left, v->limit[currency] - (v->start[currency] - left)));
}

wn_status view_pay(struct view *v, uint64_t nfe, uint64_t calls, wn_error *err)
{
    const double nfe_left = view_budget_left(v, WN_CURRENCY_NFE);
    const double calls_left = view_budget_left(v, WN_CURRENCY_VERIFIER_CALLS);
    const bool has_time = view_budget_left(v, WN_CURRENCY_SECONDS) > 0;
    if (nfe + calls == 0 || (has_time && (double)nfe <= nfe_left && (double)calls <= calls_left))
        return WN_OK;
    return wn_fail(err, WN_E_BUDGET,
                   "%llu evaluations and %llu verifier calls would pass the stage's part of the budget",
                   (unsigned long long)nfe, (unsigned long long)calls);
}

uint64_t view_cost(void *ctx, uint64_t from, uint64_t to)
{
    const struct view *v = ctx;
    if (to > v->track.steps || from >= to)
        return 0;
    if (v->track.is_draft)
        return (to - from) * v->real->evals_per_velocity;
    return v->real->cost(v->real->ctx, track_point(&v->track, from), track_point(&v->track, to));
}

/* ---- streams ----------------------------------------------------------------------------------------------------- */

/* Later stages draw what no stage before has drawn. */
uint64_t view_stream(const struct view *v, uint64_t stream)
{
    if (stream >= WN_STREAM_BLEND)
        return stream;
    return stream < WN_STREAM_AUX ? v->streams + stream : stream + v->aux;
}

static uint64_t survivors(const struct view *v)
{
    return v->before ? v->before->count : 0;
}

static bool resumes(const struct view *v)
{
    return v->track.first > 0;
}

static wn_status view_noise(void *ctx, uint64_t stream, float *dst, wn_error *err)
{
    struct view *v = ctx;
    const uint64_t n = v->real->latent_values, count = survivors(v);
    const bool is_own = stream < WN_STREAM_AUX && count > 0;
    if (is_own && (stream < count || resumes(v))) {
        memcpy(dst, v->before->noises + stream % count * n, n * sizeof *dst);
        return WN_OK;
    }
    if (stream < WN_STREAM_AUX && stream >= v->drawn)
        v->drawn = stream + 1;
    return v->real->noise(v->real->ctx, view_stream(v, stream), dst, err);
}

static uint64_t view_random(void *ctx, uint64_t stream, uint64_t index)
{
    struct view *v = ctx;
    return v->real->random_u64(v->real->ctx, view_stream(v, stream), index);
}

static wn_status view_blend(void *ctx, uint64_t base, uint64_t with, double cosine, uint64_t *stream, wn_error *err)
{
    struct view *v = ctx;
    if (base < survivors(v))
        return wn_fail(err, WN_E_UNSUPPORTED,
                       "it blends the noise of a survivor, which is no stream here; let a search "
                       "that mixes noises from their streams be the first stage");
    return v->real->blend(v->real->ctx, view_stream(v, base), view_stream(v, with), cosine, stream, err);
}

/* ---- making samples ---------------------------------------------------------------------------------------------- */

static const struct survivor *survivor_of(const struct view *v, const float *noise)
{
    const uint64_t n = v->real->latent_values;
    for (uint64_t i = 0; i < survivors(v); i++)
        if (memcmp(v->before->noises + i * n, noise, n * sizeof *noise) == 0)
            return &v->before->all[i];
    return NULL;
}

/* The survivor's trail, which stands where this stage begins unless a long step led over that point. */
static wn_status go_on(struct view *v, const struct survivor *from, struct survivor *s, wn_error *err)
{
    const wn_env *env = v->real;
    WN_TRY(env->clone(env->ctx, from->trail, &s->sample, err));
    WN_TRY(env->advance(env->ctx, 1, &s->sample, v->track.first, err));
    return env->clone(env->ctx, from->origin, &s->origin, err);
}

static wn_status begin(struct view *v, const float *noise, wn_sample parent, struct survivor *s, wn_error *err)
{
    const wn_env *env = v->real;
    const struct survivor *from = survivor_of(v, noise);
    if (resumes(v) && !from)
        return wn_fail(err, WN_E_ARG,
                       "it makes a noise of its own, but this stage goes on from where its survivors "
                       "stand; let it start again from their noises with \"resume\": 0");
    if (resumes(v))
        return go_on(v, from, s, err);
    parent = parent ? parent : from ? from->sample : 0;
    if (v->track.shrink > 1) {
        WN_TRY(env->spawn(env->ctx, noise, parent, &s->origin, err));
        return env->shrink(env->ctx, s->origin, v->track.shrink, &s->sample, err);
    }
    WN_TRY(env->spawn(env->ctx, noise, parent, &s->sample, err));
    return v->after ? env->clone(env->ctx, s->sample, &s->origin, err) : WN_OK;
}

static wn_status view_spawn(void *ctx, const float *noise, wn_sample parent, wn_sample *out, wn_error *err)
{
    struct view *v = ctx;
    const struct view_sample *p = parent ? view_find(v, parent, err) : NULL;
    if (parent && !p)
        return err->code;
    const wn_sample real_parent = p ? p->own.sample : 0;
    struct view_sample *s = new_slot(v, err);
    if (!s)
        return err->code;
    if (begin(v, noise, real_parent, &s->own, err) != WN_OK) {
        free_slot(v, s);
        return err->code;
    }
    const struct survivor *from = resumes(v) || v->track.is_draft || v->trail > 0 ? NULL : survivor_of(v, noise);
    s->known = from && from->is_whole ? from : NULL;
    s->own.is_whole = !resumes(v) && !v->track.is_draft; /* until it moves otherwise */
    *out = handle_of(v, s);
    return WN_OK;
}

wn_status view_copy(const wn_env *env, wn_sample from, wn_sample *to, wn_error *err)
{
    *to = 0;
    return from ? env->clone(env->ctx, from, to, err) : WN_OK;
}

static wn_status copy_own(const wn_env *env, const struct survivor *from, struct survivor *to, wn_error *err)
{
    *to = (struct survivor){ .score = from->score, .set = from->set, .is_whole = from->is_whole };
    WN_TRY(view_copy(env, from->sample, &to->sample, err));
    WN_TRY(view_copy(env, from->origin, &to->origin, err));
    return view_copy(env, from->trail, &to->trail, err);
}

static wn_status view_clone(void *ctx, wn_sample sample, wn_sample *out, wn_error *err)
{
    struct view *v = ctx;
    if (!view_find(v, sample, err))
        return err->code;
    struct view_sample *s = new_slot(v, err);
    if (!s)
        return err->code;
    const struct view_sample like = *view_find(v, sample, err);
    const uint32_t generation = s->generation;
    *s = like;
    s->generation = generation;
    if (copy_own(v->real, &like.own, &s->own, err) != WN_OK) {
        free_slot(v, s);
        return err->code;
    }
    *out = handle_of(v, s);
    return WN_OK;
}

bool view_is_at_end(const struct view *v, const struct view_sample *s)
{
    return s->point == v->track.steps;
}

/* ---- looking ----------------------------------------------------------------------------------------------------- */

static bool is_unfinished(const struct view *v, const struct view_sample *s)
{
    return v->track.is_draft || !view_is_at_end(v, s);
}

static wn_status view_peek(void *ctx, wn_sample sample, float *x, float *x0, wn_error *err)
{
    struct view *v = ctx;
    const wn_env *env = v->real;
    struct view_sample *s = view_find(v, sample, err);
    if (!s)
        return err->code;
    if (v->track.shrink > 1)
        return wn_fail(err, WN_E_UNSUPPORTED,
                       "it looks at latents, which on a smaller canvas have another shape than its noises; let it be a "
                       "stage without \"shrink\"");
    const bool is_draft_end = v->track.is_draft && view_is_at_end(v, s);
    const bool wants_velocity = is_unfinished(v, s) && (x0 || (is_draft_end && x));
    WN_TRY(view_pay(v, wants_velocity && !s->is_paid ? env->evals_per_velocity : 0, 0, err));
    s->is_paid |= wants_velocity;
    if (!is_draft_end)
        return env->peek(env->ctx, s->own.sample, x, x0, err);
    float *clean = x0 ? x0 : x;
    WN_TRY(env->peek(env->ctx, s->own.sample, NULL, clean, err));
    if (x && x != clean)
        memcpy(x, clean, env->latent_values * sizeof *x);
    return WN_OK;
}

static wn_status score(struct view *v, uint64_t count, const wn_sample *samples, double *scores, wn_sample *real,
                       wn_error *err)
{
    uint64_t nfe = 0, calls = 0;
    for (uint64_t i = 0; i < count; i++) {
        const struct view_sample *s = view_find(v, samples[i], err);
        if (!s)
            return err->code;
        real[i] = s->own.sample;
        nfe += is_unfinished(v, s) && !s->is_paid ? v->real->evals_per_velocity : 0;
        calls += !s->is_scored;
    }
    WN_TRY(view_pay(v, nfe, calls, err));
    WN_TRY(v->real->score(v->real->ctx, count, real, scores, err));
    v->sets++;
    for (uint64_t i = 0; i < count; i++) {
        struct view_sample *s = view_find(v, samples[i], err);
        s->is_paid |= is_unfinished(v, s);
        s->is_scored = true;
        s->own.score = scores[i];
        s->own.set = v->sets;
    }
    return WN_OK;
}

static wn_status view_score(void *ctx, uint64_t count, const wn_sample *samples, double *scores, wn_error *err)
{
    wn_sample *real = calloc(count + 1, sizeof *real);
    wn_status status = real ? score(ctx, count, samples, scores, real, err)
                            : wn_fail(err, WN_E_MEMORY, "no memory to score %llu samples", (unsigned long long)count);
    free(real);
    return status;
}

/* What is finished is a result; what is not the last stage's is also one that may go on. */
static wn_status view_offer(void *ctx, wn_sample sample, wn_error *err)
{
    struct view *v = ctx;
    struct view_sample *s = view_find(v, sample, err);
    if (!s)
        return err->code;
    if (!view_is_at_end(v, s) || !s->is_scored)
        return wn_fail(err, WN_E_ARG, "it offers a sample that is at point %llu of %llu and %s scored",
                       (unsigned long long)s->point, (unsigned long long)v->track.steps,
                       s->is_scored ? "is" : "is not");
    if (!v->track.is_draft)
        WN_TRY(v->real->offer(v->real->ctx, s->own.sample, err));
    if (!v->after || s->is_offered)
        return WN_OK;
    s->is_offered = true;
    struct survivor offered = s->own;
    if (v->trail > 0 && !offered.trail)
        offered.trail = offered.sample; /* a draft that ends there */
    return crew_add(v->after, &offered, err);
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

/* The levels of the stage's canvas at the points of its track, which are in their order, each at or behind its place.
 */
static wn_status read_schedule(struct view *v, wn_error *err)
{
    const wn_env *env = v->real;
    const struct track *t = &v->track;
    v->sigma = calloc(env->steps + 1, sizeof *v->sigma);
    if (!v->sigma)
        return wn_fail(err, WN_E_MEMORY, "no memory for a schedule of %llu steps", (unsigned long long)env->steps);
    if (t->shrink > 1)
        WN_TRY(env->shrunk_sigma(env->ctx, t->shrink, v->sigma, err));
    else
        memcpy(v->sigma, env->sigma, (env->steps + 1) * sizeof *v->sigma);
    for (uint64_t i = 0; i <= t->steps; i++)
        v->sigma[i] = v->sigma[track_point(t, i)];
    return WN_OK;
}

wn_status view_open(struct view *v, wn_error *err)
{
    const struct track *t = &v->track;
    const uint64_t known = v->real->struct_size < sizeof v->env ? v->real->struct_size : sizeof v->env;
    WN_TRY(read_schedule(v, err));
    for (int32_t c = WN_CURRENCY_NFE; c < VIEW_CURRENCIES; c++)
        v->start[c] = v->real->budget_left(v->real->ctx, c);
    memcpy(&v->env, v->real, known);
    v->env.struct_size = sizeof v->env;
    v->env.shrink = NULL;
    v->env.shrunk_sigma = NULL;
    v->env.ctx = v;
    v->env.steps = t->steps;
    v->env.sigma = v->sigma;
    v->env.budget_left = view_budget_left;
    v->env.noise = view_noise;
    v->env.random_u64 = view_random;
    v->env.spawn = view_spawn;
    v->env.clone = view_clone;
    v->env.drop = view_drop;
    v->env.advance = view_advance;
    v->env.renoise = view_renoise;
    v->env.kick_cps = view_kick_cps;
    v->env.peek = view_peek;
    v->env.score = view_score;
    v->env.offer = view_offer;
    v->env.cost = view_cost;
    v->env.blend = view_blend;
    v->env.kick = view_kick;
    return WN_OK;
}

void view_close(struct view *v)
{
    for (uint64_t i = 0; i < v->sample_count; i++)
        if (v->samples[i].is_live)
            free_slot(v, &v->samples[i]);
    free(v->samples);
    free(v->sigma);
}
