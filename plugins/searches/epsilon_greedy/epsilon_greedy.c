/* epsilon_greedy - at every step looks for a better noise of that step, mostly near the best so far, now and then
 * anywhere.
 *
 * Ramesh & Mardani, "Test-Time Scaling of Diffusion Models via Noise Trajectory Search", 2025:
 *
 *     one noise
 *     at every step: a pivot noise for it, then K times
 *         N candidates: with probability epsilon a fresh noise, else the pivot moved by up to lambda sqrt(d)
 *         the step with each; score the image that is predicted after it; the best is the pivot
 *         take the step with the pivot
 *
 * K 20, N 4, epsilon 0.4, lambda 0.15: the paper's; with epsilon 0 it is zero-order search at each step. A candidate
 * near the pivot is (pivot + t e) / sqrt(1 + t^2), t uniform in [0, lambda], e a fresh noise: e is as long as sqrt(d)
 * and as good as orthogonal to the pivot, so that is the paper's move, brought back to the length of a noise. The pivot
 * is left only for a better one; so each step is at least as good as its best candidate. The last step adds no noise
 * and is taken as it is. */
#include <winnow/search.h>

#include <explore/chance.h>
#include <explore/flock.h>
#include <explore/kernel.h>

#include <math.h>
#include <stdlib.h>

struct options {
    int64_t iterations;
    int64_t candidates;
    double epsilon;
    double radius;
    const char *kernel;
    double scale;
};

static const wn_option options[] = { WN_INT(struct options, iterations, "20", 1, 200,
                                            "rounds of candidates at a step, K"),
                                     WN_INT(struct options, candidates, "4", 1, 4096, "noises tried in a round, N"),
                                     WN_NUMBER(struct options, epsilon, "0.4", 0, 1, "probability of a fresh noise"),
                                     WN_NUMBER(struct options, radius, "0.15", 0.001, 100,
                                               "farthest move from the pivot, in lengths of a noise, lambda"),
                                     WN_KERNEL_OPTIONS(struct options, "cps"),
                                     WN_OPTIONS_END };

struct search {
    const struct options *o;
    const wn_env *env;
    struct wn_purse purse;
    struct wn_flock state;    // where it stands: one sample
    struct wn_flock best;     // the step with the pivot: one sample, or none before the first round
    struct wn_flock children; // [candidates]
    uint64_t *noises;         // [candidates]: streams of the children's steps
    uint64_t pivot;           // stream
    uint64_t stream, choices;
    uint64_t width; // candidates of a round, as far as there is time for all steps
    bool is_narrow; // at some step that was less than asked for
};

static double draw(struct search *s)
{
    return wn_uniform(s->env->random_u64(s->env->ctx, WN_STREAM_CHOICES, s->choices++));
}

static wn_status propose(struct search *s, uint64_t *noise, wn_error *err)
{
    const uint64_t fresh = s->stream++;
    *noise = fresh;
    if (draw(s) < s->o->epsilon)
        return WN_OK;
    const double t = s->o->radius * draw(s);
    return s->env->blend(s->env->ctx, s->pivot, fresh, 1 / sqrt(1 + t * t), noise, err);
}

static wn_status try_round(struct search *s, uint64_t count, uint64_t to, wn_error *err)
{
    const wn_env *env = s->env;
    const wn_kernel kernel = wn_kernel_of(s->o->kernel, s->o->scale);
    for (uint64_t i = 0; i < count; i++) {
        WN_TRY(propose(s, &s->noises[i], err));
        WN_TRY(wn_flock_breed(&s->children, &s->state, 0, err));
        WN_TRY(env->kick(env->ctx, s->children.samples[i], to, kernel, s->noises[i], err));
    }
    s->children.point = to;
    WN_TRY(wn_flock_score(&s->children, err));
    const uint64_t first = wn_best(count, s->children.scores);
    if (s->best.count == 0 || wn_beats(s->children.scores[first], s->best.scores[0])) {
        wn_flock_clear(&s->best);
        WN_TRY(wn_flock_breed(&s->best, &s->children, first, err));
        s->pivot = s->noises[first];
    }
    wn_flock_clear(&s->children);
    return WN_OK;
}

/* The candidates of a round that can be paid for, with the rest of the way for one. */
static uint64_t take_round(struct search *s, uint64_t to)
{
    const wn_env *env = s->env;
    const struct wn_price rest = wn_price_advance(env, 1, to, env->steps, true);
    return wn_purse_take_most(&s->purse, s->width, wn_price_kicks(env, 1, 1, to, true), rest);
}

/* As many candidates as all steps that are left can have. */
static void plan_width(struct search *s)
{
    const wn_env *env = s->env;
    const uint64_t rounds = (env->steps - 1 - s->state.point) * (uint64_t)s->o->iterations;
    s->width = wn_purse_width(&s->purse, (uint64_t)s->o->candidates, wn_price_kicks(env, rounds, 1, 1, true),
                              wn_price_advance(env, 1, env->steps - 1, env->steps, true));
    s->is_narrow = s->is_narrow || s->width < (uint64_t)s->o->candidates;
}

/* WN_E_BUDGET when not all rounds could be paid for; the step is taken if one could. */
static wn_status step(struct search *s, wn_error *err)
{
    const uint64_t to = s->state.point + 1;
    bool is_whole = true;
    plan_width(s);
    s->pivot = s->stream++;
    for (int64_t i = 0; i < s->o->iterations && is_whole; i++) {
        const uint64_t count = take_round(s, to);
        is_whole = count == s->width;
        if (count > 0)
            WN_TRY(try_round(s, count, to, err));
    }
    if (s->best.count > 0)
        wn_flock_swap(&s->state, &s->best);
    wn_flock_clear(&s->best);
    return is_whole ? WN_OK : wn_fail(err, WN_E_BUDGET, "the budget ended at step %llu", (unsigned long long)to);
}

/* The first noise is scored too: then its velocity is paid for once, and all children share it. */
static wn_status walk(struct search *s, wn_error *err)
{
    const wn_env *env = s->env;
    wn_status status = WN_OK;
    WN_TRY(wn_purse_gauge(&s->purse, true, err));
    WN_TRY(wn_flock_draw(&s->state, 0, 1, err));
    if (!wn_purse_take(&s->purse, wn_price_advance(env, 1, 0, 0, false), wn_price_advance(env, 1, 0, env->steps, true)))
        return wn_flock_break_off(&s->state, &s->purse, err);
    WN_TRY(wn_flock_score(&s->state, err));
    while (status == WN_OK && s->state.point + 1 < env->steps)
        status = step(s, err);
    if (status == WN_E_BUDGET)
        return wn_flock_break_off(&s->state, &s->purse, err);
    WN_TRY(status);
    WN_TRY(wn_flock_finish(&s->state, &s->purse, err));
    return s->is_narrow ? wn_fail(err, WN_E_BUDGET, "there was no time for all candidates") : WN_OK;
}

static wn_status check_host(const wn_env *env, wn_error *err)
{
    if (WN_HAS(wn_env, env, blend) && env->blend)
        return WN_OK;
    return wn_fail(err, WN_E_UNSUPPORTED, "this host has no env->blend; take winnow 0.1 or later");
}

static wn_status run(void *self, const wn_env *env, wn_error *err)
{
    const struct options *o = self;
    const uint64_t most = (uint64_t)o->candidates;
    struct search s = { .o = o, .env = env, .purse = wn_purse_open(env), .stream = WN_STREAM_AUX };
    WN_TRY(check_host(env, err));
    s.noises = calloc(most, sizeof *s.noises);
    wn_status status =
        s.noises ? WN_OK : wn_fail(err, WN_E_MEMORY, "no memory for %llu noises", (unsigned long long)most);
    if (status == WN_OK)
        status = wn_flock_open(env, 1, &s.state, err);
    if (status == WN_OK)
        status = wn_flock_open(env, 1, &s.best, err);
    if (status == WN_OK)
        status = wn_flock_open(env, most, &s.children, err);
    if (status == WN_OK)
        status = walk(&s, err);
    wn_flock_close(&s.state);
    wn_flock_close(&s.best);
    wn_flock_close(&s.children);
    free(s.noises);
    return status;
}

static void plan(const void *values, uint64_t steps, uint64_t evals_per_velocity, wn_search_plan *p)
{
    const struct options *o = values;
    const uint64_t tries = (uint64_t)o->iterations * (uint64_t)o->candidates * (steps - 1);
    p->candidates = 1;
    p->nfe = (1 + tries) * evals_per_velocity;
    p->verifier_calls = 1 + tries + 1;
    p->across_calls = 1;
}

static wn_status create(const wn_host *host, const void *values, void **self, wn_error *err)
{
    const struct options *o = values;
    (void)host;
    WN_TRY(wn_kernel_check(o->kernel, o->scale, err));
    *self = (void *)(uintptr_t)values; // the options are all there is, and they are only read
    return WN_OK;
}

static const wn_search search = {
    .struct_size = sizeof search,
    .flags = WN_SEARCH_NEEDS_PREVIEW,
    .plan = plan,
    .run = run,
};

static const wn_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = WN_KIND_SEARCH,
    .name = "epsilon_greedy",
    .version = "1.0",
    .summary = "at each step, noises near the best so far and now and then anywhere",
    .source = "Ramesh & Mardani 2025, arXiv 2506.03164, noise trajectory search",
    .options = options,
    .options_size = sizeof(struct options),
    .create = create,
    .vtable = &search,
};

WN_MODULE(&plugin);
