/* random - best of n: draw n noises, sample each, keep the best. The baseline of every search, and hard to beat.
 *
 * Ma et al., "Inference-Time Scaling for Diffusion Models beyond Scaling Denoising Steps", 2025, section 3.1. */
#include <winnow/search.h>

#include <explore/flock.h>

#include <stdlib.h>

struct options {
    int64_t candidates;
    int64_t wave;
};

static const wn_option options[] = { WN_INT(struct options, candidates, "16", 1, 1e6, "how many noises are tried, n"),
                                     WN_INT(struct options, wave, "0", 0, 1e6,
                                            "samples scored at once; 0 = as many as the engine likes to batch"),
                                     WN_OPTIONS_END };

struct wave {
    uint64_t count;
    float *noise;       // [latent_values]
    wn_sample *samples; // [count]
    double *scores;     // [count]
};

/* What is left of n, of a wave, and of the budget. What a wave takes in seconds is a guess: one by itself at first,
 * then half of what there seems to be time for. */
static uint64_t next_count(const struct options *o, struct wn_purse *purse, uint64_t done, uint64_t most)
{
    const wn_env *env = purse->env;
    const struct wn_price each = wn_price_advance(env, 1, 0, env->steps, false);
    const uint64_t left = (uint64_t)o->candidates - done, wanted = left < most ? left : most;
    if (!wn_purse_is_timed(purse))
        return wn_purse_take_most(purse, wanted, each, wn_price_nothing);
    const uint64_t width = wn_purse_width(purse, wanted, each, wn_price_nothing);
    return wn_purse_take_most(purse, done == 0 ? 1 : (width + 1) / 2, each, wn_price_nothing);
}

static wn_status run_wave(const wn_env *env, const struct wave *w, uint64_t first, wn_error *err)
{
    for (uint64_t i = 0; i < w->count; i++) {
        WN_TRY(env->noise(env->ctx, first + i, w->noise, err));
        WN_TRY(env->spawn(env->ctx, w->noise, 0, &w->samples[i], err));
    }
    WN_TRY(env->advance(env->ctx, w->count, w->samples, env->steps, err));
    WN_TRY(env->score(env->ctx, w->count, w->samples, w->scores, err));
    for (uint64_t i = 0; i < w->count; i++) {
        WN_TRY(env->offer(env->ctx, w->samples[i], err));
        env->drop(env->ctx, w->samples[i]);
    }
    return WN_OK;
}

static wn_status run_waves(const struct options *o, const wn_env *env, struct wave *w, uint64_t most, wn_error *err)
{
    struct wn_purse purse = wn_purse_open(env);
    for (uint64_t done = 0; done < (uint64_t)o->candidates; done += w->count) {
        w->count = next_count(o, &purse, done, most);
        if (w->count == 0)
            return wn_fail(err, WN_E_BUDGET, "the budget ended after %llu of %lld candidates", (unsigned long long)done,
                           (long long)o->candidates);
        WN_TRY(run_wave(env, w, done, err));
    }
    return WN_OK;
}

static wn_status run(void *self, const wn_env *env, wn_error *err)
{
    const struct options *o = self;
    const uint64_t wave = o->wave > 0 ? (uint64_t)o->wave : env->batch_hint;
    const uint64_t most = wave < (uint64_t)o->candidates ? wave : (uint64_t)o->candidates;
    struct wave w = {
        .noise = malloc(env->latent_values * sizeof *w.noise),
        .samples = calloc(most, sizeof *w.samples),
        .scores = calloc(most, sizeof *w.scores),
    };
    const wn_status status = w.noise && w.samples && w.scores
                                 ? run_waves(o, env, &w, most, err)
                                 : wn_fail(err, WN_E_MEMORY, "no memory for a wave of %llu", (unsigned long long)most);
    free(w.noise);
    free(w.samples);
    free(w.scores);
    return status;
}

static void plan(const void *values, uint64_t steps, uint64_t evals_per_velocity, wn_search_plan *p)
{
    const struct options *o = values;
    p->candidates = (uint64_t)o->candidates;
    p->verifier_calls = p->candidates;
    p->nfe = p->candidates * steps * evals_per_velocity;
}

static const wn_search search = {
    .struct_size = sizeof search,
    .flags = WN_SEARCH_POOL_IS_IID,
    .plan = plan,
    .run = run,
};

static const wn_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = WN_KIND_SEARCH,
    .name = "random",
    .version = "1.0",
    .summary = "best of n independent noises",
    .source = "Ma et al. 2025, arXiv 2501.09732, random search",
    .options = options,
    .options_size = sizeof(struct options),
    .vtable = &search,
};

WN_MODULE(&plugin);
