/* search.c - a search is a function of (options, env). The env here is a toy: latents of a few numbers, a velocity that
 * leads to a point, scores that know it; it keeps account of what was asked for. */
#include "kit.h"

#include <winnow/search.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 5, VALUES = 12, SAMPLES = 1 << 14 };

struct sample {
    float x[VALUES];
    uint32_t point;
    bool is_live, is_scored, has_moved;
    uint64_t shrink; /* 0: on the whole canvas; else the toy's latents are as ever, all but their shape */
};

struct toy {
    struct kit *k;
    float sigma[STEPS + 1];
    struct sample *samples; /* [SAMPLES] */
    uint64_t count;
    uint64_t shrinks; /* as planned */
    double budget;    /* NFE */
    uint64_t nfe, scored, offered;
    uint64_t trace;       /* a hash of all that was asked */
    bool has_failed;      /* score has, as it was told to */
    wn_status fails_with; /* of score, from the second call on; WN_OK = never */
};

static void note(struct toy *t, uint64_t what, uint64_t value)
{
    t->trace = ((t->trace ^ what) * 0x100000001b3u ^ value) * 0x100000001b3u;
}

static struct sample *sample_of(struct toy *t, wn_sample handle)
{
    if (handle == 0 || handle > t->count || !t->samples[handle - 1].is_live) {
        kit_fail(t->k, "it names sample %llu, which was dropped or never spawned", (unsigned long long)handle);
        return NULL;
    }
    return &t->samples[handle - 1];
}

static wn_status take(struct toy *t, double nfe, wn_error *err)
{
    if (t->k->is_cancelled)
        return wn_fail(err, WN_E_CANCELLED, "interrupted");
    if ((double)t->nfe + nfe > t->budget)
        return wn_fail(err, WN_E_BUDGET, "the budget is used up");
    t->nfe += (uint64_t)nfe;
    return WN_OK;
}

/* ---- the env ------------------------------------------------------------------------------------------------ */

static double budget_left(void *ctx, int32_t currency)
{
    const struct toy *t = ctx;
    return currency == WN_CURRENCY_NFE ? t->budget - (double)t->nfe : (double)INFINITY;
}

static wn_status noise(void *ctx, uint64_t stream, float *dst, wn_error *err)
{
    (void)err;
    note(ctx, 1, stream);
    kit_noise(stream, dst, VALUES);
    return WN_OK;
}

static wn_status blend(void *ctx, uint64_t base, uint64_t with, double cosine, uint64_t *stream, wn_error *err)
{
    if (with < WN_STREAM_AUX || with >= WN_STREAM_BLEND || !(cosine >= -1 && cosine <= 1))
        return wn_fail(err, WN_E_ARG, "a blend with stream %llu at cosine %g", (unsigned long long)with, cosine);
    note(ctx, 9, base ^ with);
    *stream = WN_STREAM_BLEND | (base * 31 + with);
    return WN_OK;
}

static uint64_t random_u64(void *ctx, uint64_t stream, uint64_t index)
{
    uint64_t state = stream * 0x9e3779b97f4a7c15u + index;
    (void)ctx;
    const uint64_t high = kit_random(&state);
    return high << 33 ^ (uint64_t)kit_random(&state) << 2 ^ kit_random(&state);
}

static wn_status spawn(void *ctx, const float *x, wn_sample parent, wn_sample *out, wn_error *err)
{
    struct toy *t = ctx;
    if (parent && !sample_of(t, parent))
        return wn_fail(err, WN_E_ARG, "no such parent");
    if (t->count == SAMPLES)
        return wn_fail(err, WN_E_MEMORY, "more than %d samples", SAMPLES);
    struct sample *s = &t->samples[t->count++];
    memcpy(s->x, x, sizeof s->x);
    s->is_live = true;
    *out = t->count;
    note(t, 2, parent);
    return WN_OK;
}

static wn_status clone(void *ctx, wn_sample sample, wn_sample *out, wn_error *err)
{
    struct toy *t = ctx;
    const struct sample *from = sample_of(t, sample);
    if (!from || t->count == SAMPLES)
        return wn_fail(err, WN_E_ARG, "no sample to clone, or no room");
    t->samples[t->count++] = *from;
    *out = t->count;
    note(t, 3, sample);
    return WN_OK;
}

static void drop(void *ctx, wn_sample sample)
{
    struct toy *t = ctx;
    struct sample *s = sample ? sample_of(t, sample) : NULL;
    if (s)
        s->is_live = false;
}

static wn_status go(struct toy *t, struct sample *s, uint64_t point, wn_error *err)
{
    if (point > STEPS || point < s->point)
        return wn_fail(err, WN_E_ARG, "from point %u to %llu of %d", s->point, (unsigned long long)point, STEPS);
    WN_TRY(take(t, (double)(point - s->point), err));
    s->has_moved |= point > s->point;
    for (; s->point < point; s->point++)
        for (int i = 0; i < VALUES; i++)
            s->x[i] *= 0.8f;
    s->is_scored = false;
    return WN_OK;
}

static wn_status advance(void *ctx, uint64_t count, const wn_sample *samples, uint64_t point, wn_error *err)
{
    struct toy *t = ctx;
    note(t, 4, count * 1000 + point);
    double nfe = 0;
    for (uint64_t i = 0; i < count; i++) {
        const struct sample *s = sample_of(t, samples[i]);
        if (!s || s->point > point)
            return wn_fail(err, WN_E_ARG, "a sample that cannot be advanced");
        nfe += (double)(point - s->point);
    }
    if ((double)t->nfe + nfe > t->budget && !t->k->is_cancelled)
        return wn_fail(err, WN_E_BUDGET, "the budget is used up");
    for (uint64_t i = 0; i < count; i++)
        WN_TRY(go(t, sample_of(t, samples[i]), point, err));
    return WN_OK;
}

static wn_status renoise(void *ctx, wn_sample sample, uint64_t point, uint64_t stream, wn_error *err)
{
    struct toy *t = ctx;
    struct sample *s = sample_of(t, sample);
    float z[VALUES];
    if (!s || point > s->point)
        return wn_fail(err, WN_E_ARG, "a sample that cannot be renoised");
    note(t, 5, stream);
    kit_noise(stream, z, VALUES);
    for (int i = 0; i < VALUES; i++)
        s->x[i] += z[i];
    s->point = (uint32_t)point;
    return WN_OK;
}

static wn_status kick(void *ctx, wn_sample sample, uint64_t point, wn_kernel kernel, uint64_t stream, wn_error *err)
{
    struct toy *t = ctx;
    struct sample *s = sample_of(t, sample);
    const double most = kernel.kind == WN_KERNEL_CPS ? 1 : DBL_MAX;
    if (!s || kernel.kind < WN_KERNEL_CPS || kernel.kind > WN_KERNEL_RBF_VP ||
        !(kernel.scale >= 0 && kernel.scale <= most) || point <= s->point)
        return wn_fail(err, WN_E_ARG, "a kick to point %llu with kernel %lld of scale %g", (unsigned long long)point,
                       (long long)kernel.kind, kernel.scale);
    note(t, 6, stream);
    WN_TRY(take(t, 1, err));
    s->point = (uint32_t)(point > STEPS ? STEPS : point);
    s->has_moved = true;
    return WN_OK;
}

static wn_status kick_cps(void *ctx, wn_sample sample, uint64_t point, double eta, uint64_t stream, wn_error *err)
{
    return kick(ctx, sample, point, (wn_kernel){ WN_KERNEL_CPS, eta }, stream, err);
}

static wn_status peek(void *ctx, wn_sample sample, float *x, float *x0, wn_error *err)
{
    struct toy *t = ctx;
    const struct sample *s = sample_of(t, sample);
    if (!s)
        return wn_fail(err, WN_E_ARG, "no such sample");
    if (x)
        memcpy(x, s->x, sizeof s->x);
    if (x0)
        memcpy(x0, s->x, sizeof s->x);
    return WN_OK;
}

/* Every seventh sample has no score: a guide may have no opinion. */
static wn_status score(void *ctx, uint64_t count, const wn_sample *samples, double *scores, wn_error *err)
{
    struct toy *t = ctx;
    note(t, 7, count);
    WN_TRY(take(t, 0, err));
    if (t->fails_with != WN_OK && t->scored > 0) {
        t->has_failed = true;
        return wn_fail(err, t->fails_with, "the toy was told to fail");
    }
    for (uint64_t i = 0; i < count; i++) {
        struct sample *s = sample_of(t, samples[i]);
        if (!s)
            return wn_fail(err, WN_E_ARG, "no such sample");
        double distance = 0;
        for (int v = 0; v < VALUES; v++)
            distance += ((double)s->x[v] - 0.1 * v) * ((double)s->x[v] - 0.1 * v);
        s->is_scored = true;
        scores[i] = ++t->scored % 7 == 6 ? (double)NAN : -distance;
    }
    return WN_OK;
}

static wn_status offer(void *ctx, wn_sample sample, wn_error *err)
{
    struct toy *t = ctx;
    const struct sample *s = sample_of(t, sample);
    if (!s)
        return wn_fail(err, WN_E_ARG, "no such sample");
    if (s->shrink)
        kit_fail(t->k, "it offers a sample on a canvas shrunk by %llu", (unsigned long long)s->shrink);
    if (s->point != STEPS || !s->is_scored)
        kit_fail(t->k, "it offers a sample that is not finished and scored");
    t->offered++;
    note(t, 8, sample);
    return WN_OK;
}

static uint64_t cost(void *ctx, uint64_t from, uint64_t to)
{
    (void)ctx;
    return to > from ? to - from : 0;
}

static wn_status shrink(void *ctx, wn_sample sample, uint64_t factor, wn_sample *out, wn_error *err)
{
    struct toy *t = ctx;
    const struct sample *from = sample_of(t, sample);
    if (!from || from->has_moved || from->shrink || factor < 2 || factor > WN_SHRINK_MAX || !(t->shrinks >> factor & 1))
        return wn_fail(err, WN_E_ARG, "a sample that is not there, has moved or is shrunk, or factor %llu, not planned",
                       (unsigned long long)factor);
    WN_TRY(clone(ctx, sample, out, err));
    t->samples[*out - 1].shrink = factor;
    t->samples[*out - 1].is_scored = false;
    note(t, 10, factor);
    return WN_OK;
}

static wn_status shrunk_sigma(void *ctx, uint64_t factor, float *sigma, wn_error *err)
{
    const struct toy *t = ctx;
    if (factor != 1 && (factor > WN_SHRINK_MAX || !(t->shrinks >> factor & 1)))
        return wn_fail(err, WN_E_ARG, "factor %llu, not planned", (unsigned long long)factor);
    memcpy(sigma, t->sigma, sizeof t->sigma);
    return WN_OK;
}

static wn_env env_of(struct toy *t)
{
    static const wn_prompt prompt = { "a red circle", "one", "", "{}" };
    return (wn_env){ .struct_size = sizeof(wn_env),
                     .ctx = t,
                     .prompt = &prompt,
                     .steps = STEPS,
                     .sigma = t->sigma,
                     .latent_values = VALUES,
                     .latent_channels = 3,
                     .latent_height = 2,
                     .latent_width = 2,
                     .evals_per_velocity = 1,
                     .batch_hint = 8,
                     .budget_left = budget_left,
                     .noise = noise,
                     .random_u64 = random_u64,
                     .spawn = spawn,
                     .clone = clone,
                     .drop = drop,
                     .advance = advance,
                     .renoise = renoise,
                     .kick_cps = kick_cps,
                     .kick = kick,
                     .peek = peek,
                     .score = score,
                     .blend = blend,
                     .offer = offer,
                     .cost = cost,
                     .shrink = shrink,
                     .shrunk_sigma = shrunk_sigma };
}

static wn_status run(struct kit *k, void *self, double budget, wn_status fails_with, struct toy *t, wn_error *err)
{
    const wn_search *search = k->subject->plugin->vtable;
    wn_search_plan plan = { .struct_size = sizeof plan };
    search->plan(k->subject->options, STEPS, 1, &plan);
    *t = (struct toy){ .k = k, .budget = budget, .fails_with = fails_with, .shrinks = plan.shrinks };
    t->samples = calloc(SAMPLES, sizeof *t->samples);
    if (!t->samples)
        return wn_fail(err, WN_E_MEMORY, "no memory for a toy");
    for (int i = 0; i <= STEPS; i++)
        t->sigma[i] = 1 - (float)i / STEPS;
    const wn_env env = env_of(t);
    const wn_status status = search->run(self, &env, err);
    free(t->samples);
    kit_check_error(k, "run", status, err);
    return status;
}

/* ---- the checks --------------------------------------------------------------------------------------------- */

static const double plenty = 4000;

static void check_plan(struct kit *k, void *self)
{
    const wn_search *search = k->subject->plugin->vtable;
    wn_search_plan plan = { .struct_size = sizeof plan };
    (void)self;
    search->plan(k->subject->options, STEPS, 1, &plan);
    if (plan.candidates == 0 || plan.nfe == 0 || plan.verifier_calls == 0)
        kit_fail(k, "it plans %llu candidates, %llu evaluations, %llu verifier calls",
                 (unsigned long long)plan.candidates, (unsigned long long)plan.nfe,
                 (unsigned long long)plan.verifier_calls);
}

static void check_end(struct kit *k, void *self)
{
    struct toy t;
    wn_error err = { 0 };
    const wn_status status = run(k, self, plenty, WN_OK, &t, &err);
    if (status != WN_OK && status != WN_E_BUDGET)
        kit_fail(k, "run: status %d: %.900s", status, err.message);
    else if (t.offered == 0)
        kit_fail(k, "it ends without an offer");
}

static void check_budget(struct kit *k, void *self)
{
    for (double budget = 0; budget <= 4 * STEPS && !k->why[0]; budget++) {
        struct toy t;
        wn_error err = { 0 };
        const wn_status status = run(k, self, budget, WN_OK, &t, &err);
        if (status != WN_OK && status != WN_E_BUDGET)
            kit_fail(k, "with a budget of %g evaluations it fails with status %d: %.700s", budget, status, err.message);
    }
}

static void check_trace(struct kit *k, void *self)
{
    struct toy a, b;
    wn_error err = { 0 };
    run(k, self, plenty, WN_OK, &a, &err);
    run(k, self, plenty, WN_OK, &b, &err);
    if (a.trace != b.trace)
        kit_fail(k, "two runs with the same answers ask for different things");
}

static void check_failures(struct kit *k, void *self)
{
    static const wn_status statuses[] = { WN_E_IO, WN_E_CANCELLED, WN_E_MEMORY };
    for (int i = 0; i < 3 && !k->why[0]; i++) {
        struct toy t;
        wn_error err = { 0 };
        const wn_status status = run(k, self, plenty, statuses[i], &t, &err);
        if (t.has_failed && status != statuses[i])
            kit_fail(k, "env->score failed with status %d, run returns %d", statuses[i], status);
    }
}

static wn_status exercise(struct kit *k, void *self, wn_error *err)
{
    struct toy t;
    return run(k, self, 20 * STEPS, WN_OK, &t, err);
}

const struct kind_checks *kit_search_checks(void)
{
    static const struct check checks[] = {
        { "plans something", check_plan, false },
        { "ends, with an offer", check_end, false },
        { "a used-up budget is a normal end", check_budget, false },
        { "the same answers lead the same way", check_trace, false },
        { "hands up what fails below it", check_failures, false },
        { NULL, NULL, false },
    };
    static const struct kind_checks own = { checks, exercise };
    return &own;
}
