/* svdd - at every step several ways on, and only the best one is taken.
 *
 * Li et al., "Derivative-Free Guidance in Continuous and Discrete Diffusion Models with Soft Value-Based Decoding",
 * 2024 (SVDD); with blocks of several steps it is Singh et al., "CoDe: Blockwise Control for Denoising Diffusion
 * Models", 2025:
 *
 *     one noise
 *     every `block` steps: M copies go on by stochastic steps; score the images that they predict
 *         go on with the best, or with one drawn with weights exp(score / temperature)
 *
 * The value of a state is the score of its x0-prediction, as in SVDD-PM, which needs no training. M is 20 as in the
 * paper for images. Its temperature goes to 0 in practice, which is the default here; CoDe's blocks are of 5 steps. The
 * last step adds no noise, so that children of it would be one and the same: selection ends before it. */
#include <winnow/search.h>

#include <explore/chance.h>
#include <explore/flock.h>
#include <explore/kernel.h>

#include <math.h>
#include <stdlib.h>

struct options {
    int64_t children;
    int64_t block;
    double temperature;
    const char *kernel;
    double scale;
};

static const wn_option options[] = { WN_INT(struct options, children, "20", 2, 4096, "ways tried from one state, M"),
                                     WN_INT(struct options, block, "1", 1, 10000,
                                            "steps between selections, B; SVDD 1, CoDe 5"),
                                     WN_NUMBER(struct options, temperature, "0", 0, 1e6,
                                               "of the choice, in units of the guide's score; 0 = the best is taken"),
                                     WN_KERNEL_OPTIONS(struct options, "cps"), WN_OPTIONS_END };

struct search {
    const struct options *o;
    const wn_env *env;
    struct wn_purse purse;
    struct wn_flock state;    // the one that goes on
    struct wn_flock children; // [children]
    double *weights;          // [children]
    uint64_t stream, choices;
    bool is_narrow; // once there was no time for all children
};

/* As many children as all blocks that are left can have, and two at least, as long as that lasts. */
static uint64_t width_of(struct search *s)
{
    const wn_env *env = s->env;
    const uint64_t way = env->steps - 1 - s->state.point, block = (uint64_t)s->o->block;
    const struct wn_price each = { (double)(way * env->evals_per_velocity), (double)((way + block - 1) / block), 0 };
    const struct wn_price rest = wn_price_advance(env, 1, env->steps - 1, env->steps, true);
    const uint64_t width = wn_purse_width(&s->purse, (uint64_t)s->o->children, each, rest);
    s->is_narrow = s->is_narrow || width < (uint64_t)s->o->children;
    return width < 2 ? 2 : width;
}

/* As many children as can be paid for, and one of them to the end; 0 = not even two. */
static uint64_t take_block(struct search *s, uint64_t to)
{
    const wn_env *env = s->env;
    const struct wn_price rest = wn_price_advance(env, 1, to, env->steps, true);
    uint64_t count = width_of(s);
    while (count > 1 && !wn_purse_take(&s->purse, wn_price_kicks(env, count, to - s->state.point, to, true), rest))
        count--;
    return count > 1 ? count : 0;
}

static uint64_t choose(struct search *s)
{
    const struct wn_flock *c = &s->children;
    if (s->o->temperature <= 0)
        return wn_best(c->count, c->scores);
    for (uint64_t i = 0; i < c->count; i++)
        s->weights[i] = c->scores[i] / s->o->temperature;
    wn_softmax(c->count, s->weights, s->weights);
    return wn_pick(c->count, s->weights, wn_uniform(s->env->random_u64(s->env->ctx, WN_STREAM_CHOICES, s->choices++)));
}

static wn_status run_block(struct search *s, uint64_t count, uint64_t to, wn_error *err)
{
    for (uint64_t i = 0; i < count; i++)
        WN_TRY(wn_flock_breed(&s->children, &s->state, 0, err));
    WN_TRY(wn_flock_kick(&s->children, to, wn_kernel_of(s->o->kernel, s->o->scale), &s->stream, err));
    WN_TRY(wn_flock_score(&s->children, err));
    const uint64_t chosen = choose(s);
    wn_flock_clear(&s->state);
    WN_TRY(wn_flock_breed(&s->state, &s->children, chosen, err));
    wn_flock_clear(&s->children);
    return WN_OK;
}

/* The noise is scored too: then its velocity is paid for once, and all children share it. */
static wn_status walk(struct search *s, wn_error *err)
{
    const wn_env *env = s->env;
    const uint64_t last = env->steps - 1, block = (uint64_t)s->o->block;
    WN_TRY(wn_purse_gauge(&s->purse, true, err));
    WN_TRY(wn_flock_draw(&s->state, 0, 1, err));
    if (!wn_purse_take(&s->purse, wn_price_advance(env, 1, 0, 0, false), wn_price_advance(env, 1, 0, env->steps, true)))
        return wn_flock_break_off(&s->state, &s->purse, err);
    WN_TRY(wn_flock_score(&s->state, err));
    while (s->state.point < last) {
        const uint64_t to = last - s->state.point > block ? s->state.point + block : last;
        const uint64_t count = take_block(s, to);
        if (count == 0)
            return wn_flock_break_off(&s->state, &s->purse, err);
        WN_TRY(run_block(s, count, to, err));
    }
    WN_TRY(wn_flock_finish(&s->state, &s->purse, err));
    return s->is_narrow ? wn_fail(err, WN_E_BUDGET, "there was no time for all children") : WN_OK;
}

static wn_status run(void *self, const wn_env *env, wn_error *err)
{
    const struct options *o = self;
    const uint64_t most = (uint64_t)o->children;
    struct search s = { .o = o, .env = env, .purse = wn_purse_open(env), .stream = WN_STREAM_AUX };
    s.weights = calloc(most, sizeof *s.weights);
    wn_status status =
        s.weights ? WN_OK : wn_fail(err, WN_E_MEMORY, "no memory for %llu children", (unsigned long long)most);
    if (status == WN_OK)
        status = wn_flock_open(env, 1, &s.state, err);
    if (status == WN_OK)
        status = wn_flock_open(env, most, &s.children, err);
    if (status == WN_OK)
        status = walk(&s, err);
    wn_flock_close(&s.state);
    wn_flock_close(&s.children);
    free(s.weights);
    return status;
}

static void plan(const void *values, uint64_t steps, uint64_t evals_per_velocity, wn_search_plan *p)
{
    const struct options *o = values;
    const uint64_t children = (uint64_t)o->children, block = (uint64_t)o->block;
    p->candidates = 1;
    p->verifier_calls = 1 + children * ((steps - 1 + block - 1) / block) + 1;
    p->nfe = (1 + children * (steps - 1)) * evals_per_velocity;
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
    .name = "svdd",
    .version = "1.0",
    .summary = "the best of several stochastic ways on, step by step or in blocks",
    .source = "Li et al. 2024, arXiv 2408.08252 (SVDD); Singh et al. 2025 (CoDe)",
    .options = options,
    .options_size = sizeof(struct options),
    .create = create,
    .vtable = &search,
};

WN_MODULE(&plugin);
