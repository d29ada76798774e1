/* spectral - evolves the coarsest wavelet band of a noise, which decides the composition, and leaves the fine ones.
 *
 * "Spectral Evolution Search", 2026 (SES, arXiv 2602.03208), the cross-entropy method on a Haar band:
 *
 *     one noise; mean 0, variance 1 for each number of its coarsest band
 *     until all evaluations are spent:
 *         a population of bands ~ N(mean, variance), each put into the noise, sampled and scored
 *         elites = the best of all so far
 *         mean, variance = theirs (unbiased, + 1e-7)
 *
 * Population 10, 5 elites that are kept across generations, 30 evaluations, 4 levels: the paper's. At FLUX's 128 x 128
 * latents that searches 1,024 of 262,144 numbers. Latents too small for 4 levels get fewer, so that a channel's band
 * has 2 x 2 numbers at least. The transform is orthonormal, so a candidate drawn with mean 0 and variance 1 is a noise
 * as any. */
#include <winnow/search.h>

#include <explore/chance.h>
#include <explore/directions.h>
#include <explore/flock.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MIN_SIDE = 2 };

struct options {
    int64_t evaluations;
    int64_t population;
    int64_t elites;
    int64_t levels;
};

static const wn_option options[] = {
    WN_INT(struct options, evaluations, "30", 1, 1e6, "noises tried in all"),
    WN_INT(struct options, population, "10", 2, 4096, "noises in a generation"),
    WN_INT(struct options, elites, "5", 2, 4096, "best ones so far that the next generation is drawn around"),
    WN_INT(struct options, levels, "4", 1, 16, "of the Haar transform; less where the latent is small"), WN_OPTIONS_END
};

struct search {
    const struct options *o;
    const wn_env *env;
    struct wn_purse purse;
    struct wn_band band;
    struct wn_flock flock; // [population]
    float *base, *noise;   // [latent_values]
    double *mean, *spread; // [band.values]; spread is the standard deviation
    double *bands;         // [elites + population][band.values]: the elites, best first, then a generation
    double *sorted;        // [elites][band.values]
    double *scores;        // [elites + population]
    double *sorted_scores; // [elites]
    uint64_t *order;       // [elites + population]
    uint64_t archived, stream;
};

/* ---- a generation ---------------------------------------------------------------------------------------------- */

static wn_status spawn(struct search *s, double *band, wn_error *err)
{
    const wn_env *env = s->env;
    WN_TRY(env->noise(env->ctx, s->stream++, s->noise, err)); // its own band is as normal as can be
    wn_band_get(&s->band, s->noise, band);
    for (uint64_t i = 0; i < s->band.values; i++)
        band[i] = s->mean[i] + s->spread[i] * band[i];
    memcpy(s->noise, s->base, env->latent_values * sizeof *s->noise);
    wn_band_set(&s->band, band, s->noise);
    WN_TRY(env->spawn(env->ctx, s->noise, 0, &s->flock.samples[s->flock.count], err));
    s->flock.count++;
    return WN_OK;
}

static wn_status try_generation(struct search *s, uint64_t count, wn_error *err)
{
    const wn_env *env = s->env;
    for (uint64_t i = 0; i < count; i++)
        WN_TRY(spawn(s, s->bands + (s->archived + i) * s->band.values, err));
    WN_TRY(wn_flock_advance(&s->flock, env->steps, err));
    WN_TRY(wn_flock_score(&s->flock, err));
    for (uint64_t i = 0; i < count; i++) {
        s->scores[s->archived + i] = s->flock.scores[i];
        WN_TRY(env->offer(env->ctx, s->flock.samples[i], err));
    }
    wn_flock_clear(&s->flock);
    return WN_OK;
}

/* The best of elites and generation are the elites now, without those that have no score. */
static void archive(struct search *s, uint64_t count)
{
    const uint64_t values = s->band.values, all = s->archived + count, most = (uint64_t)s->o->elites;
    wn_rank(all, s->scores, s->order);
    uint64_t kept = 0;
    for (; kept < most && kept < all && !isnan(s->scores[s->order[kept]]); kept++) {
        memcpy(s->sorted + kept * values, s->bands + s->order[kept] * values, values * sizeof *s->sorted);
        s->sorted_scores[kept] = s->scores[s->order[kept]];
    }
    memcpy(s->bands, s->sorted, kept * values * sizeof *s->bands);
    memcpy(s->scores, s->sorted_scores, kept * sizeof *s->scores);
    s->archived = kept;
}

/* Around the elites; two at least are needed to say how far. */
static void refit(struct search *s)
{
    const uint64_t n = s->archived, values = s->band.values;
    for (uint64_t i = 0; n >= 2 && i < values; i++) {
        double sum = 0, squares = 0;
        for (uint64_t k = 0; k < n; k++)
            sum += s->bands[k * values + i];
        s->mean[i] = sum / (double)n;
        for (uint64_t k = 0; k < n; k++) {
            const double off = s->bands[k * values + i] - s->mean[i];
            squares += off * off;
        }
        s->spread[i] = sqrt(squares / (double)(n - 1) + 1e-7);
    }
}

static wn_status evolve(struct search *s, wn_error *err)
{
    const wn_env *env = s->env;
    const uint64_t all = (uint64_t)s->o->evaluations;
    WN_TRY(env->noise(env->ctx, 0, s->base, err));
    WN_TRY(wn_purse_gauge(&s->purse, false, err));
    for (uint64_t done = 0; done < all;) {
        const uint64_t left = all - done, most = (uint64_t)s->o->population, wanted = left < most ? left : most;
        const struct wn_price each = wn_price_advance(env, 1, 0, env->steps, false);
        const uint64_t count = wn_purse_take_most(&s->purse, wanted, each, wn_price_nothing);
        if (count > 0)
            WN_TRY(try_generation(s, count, err));
        if (count < wanted && (count == 0 || !wn_purse_is_timed(&s->purse))) // how long it takes is a guess
            return wn_fail(err, WN_E_BUDGET, "the budget ended after %llu of %llu evaluations",
                           (unsigned long long)(done + count), (unsigned long long)all);
        archive(s, count);
        refit(s);
        done += count;
    }
    return WN_OK;
}

static bool reserve(struct search *s)
{
    const uint64_t n = s->env->latent_values, elites = (uint64_t)s->o->elites,
                   all = elites + (uint64_t)s->o->population;
    s->base = malloc(n * sizeof *s->base);
    s->noise = malloc(n * sizeof *s->noise);
    s->mean = calloc(s->band.values, sizeof *s->mean);
    s->spread = calloc(s->band.values, sizeof *s->spread);
    s->bands = calloc(all * s->band.values, sizeof *s->bands);
    s->sorted = calloc(elites * s->band.values, sizeof *s->sorted);
    s->scores = calloc(all, sizeof *s->scores);
    s->sorted_scores = calloc(elites, sizeof *s->sorted_scores);
    s->order = calloc(all, sizeof *s->order);
    for (uint64_t i = 0; s->spread && i < s->band.values; i++)
        s->spread[i] = 1;
    return s->base && s->noise && s->mean && s->spread && s->bands && s->sorted && s->scores && s->sorted_scores &&
           s->order;
}

static wn_status run(void *self, const wn_env *env, wn_error *err)
{
    const struct options *o = self;
    struct search s = { .o = o, .env = env, .purse = wn_purse_open(env), .stream = WN_STREAM_AUX };
    s.band = wn_band_of(env, (uint64_t)o->levels, MIN_SIDE);
    wn_status status = wn_flock_open(env, (uint64_t)o->population, &s.flock, err);
    if (status == WN_OK && !reserve(&s))
        status = wn_fail(err, WN_E_MEMORY, "no memory for %lld bands of %llu values", (long long)o->population,
                         (unsigned long long)s.band.values);
    if (status == WN_OK)
        status = evolve(&s, err);
    wn_flock_close(&s.flock);
    free(s.base), free(s.noise), free(s.mean), free(s.spread), free(s.bands), free(s.sorted);
    free(s.scores), free(s.sorted_scores), free(s.order);
    return status;
}

static void plan(const void *values, uint64_t steps, uint64_t evals_per_velocity, wn_search_plan *p)
{
    const struct options *o = values;
    p->candidates = (uint64_t)o->evaluations;
    p->verifier_calls = p->candidates;
    p->across_calls = 1;
    p->nfe = p->candidates * steps * evals_per_velocity;
}

static const wn_search search = {
    .struct_size = sizeof search,
    .plan = plan,
    .run = run,
};

static const wn_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = WN_KIND_SEARCH,
    .name = "spectral",
    .version = "1.0",
    .summary = "cross-entropy method on the coarsest Haar band of a noise",
    .source = "Spectral Evolution Search 2026, arXiv 2602.03208",
    .options = options,
    .options_size = sizeof(struct options),
    .vtable = &search,
};

WN_MODULE(&plugin);
