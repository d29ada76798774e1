/* bayesian - learns, from the noises tried so far, where in a small subspace of the noises a better one is to be
 * expected.
 *
 * Mockus 1978; Jones, Schonlau & Welch, "Efficient Global Optimization of Expensive Black-Box Functions", 1998: a
 * Gaussian process of the scores, and next the place of the largest expected improvement. It needs few coordinates, so
 * the noises are restricted to
 *
 *     sphere   sqrt(n) (w_1 u_1 + ... + w_d u_d), |w| = 1: the sphere of a noise's usual length in the span of d
 *              orthogonal directions, which are those of noises 0 .. d-1
 *     haar     noise 0, with the coarsest Haar band as coordinates: `levels` levels
 *
 * and both are as likely as any noise, if w is drawn as normal numbers are. So the improvement's maximum is sought
 * among points drawn that way, half of them anywhere, half of them near the best so far. No paper sets the numbers for
 * diffusion: 4 directions, 8 noises before the first guess, 30 in all (as SES), 512 points are this plugin's own. */
#include "gp.h"

#include <explore/chance.h>
#include <explore/directions.h>
#include <explore/flock.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DIMENSIONS = 256 };
static const double near = 0.95; // cosine to the best of the points near it

struct options {
    int64_t evaluations;
    int64_t initial;
    const char *subspace;
    int64_t directions;
    int64_t levels;
    int64_t proposals;
};

static const wn_option options[] = {
    WN_INT(struct options, evaluations, "30", 1, 1000, "noises tried in all"),
    WN_INT(struct options, initial, "8", 2, 1000, "of them, drawn before there is anything to learn from"),
    WN_ENUM(struct options, subspace, "\"sphere\"", "sphere|haar", "where noises are looked for"),
    WN_INT(struct options, directions, "4", 2, MAX_DIMENSIONS, "orthogonal noises that span the sphere"),
    WN_INT(struct options, levels, "16", 1, 16, "of the Haar transform; 16 = as many as the latent has"),
    WN_INT(struct options, proposals, "512", 1, 1e6, "points compared for the next noise"),
    WN_OPTIONS_END
};

struct search {
    const struct options *o;
    const wn_env *env;
    struct wn_purse purse;
    bool is_sphere;
    uint64_t dimensions;
    struct wn_band band;
    struct gp gp;
    struct wn_flock flock;     // [initial]
    float *base, *noise;       // [directions or 1][latent_values], [latent_values]
    double *places;            // [initial][dimensions], of the flock
    double *best, *point, *at; // [dimensions]: the best place so far; a point, and the one of most improvement
    double best_score;         // NaN until there is one
    uint64_t draws;
};

/* ---- the subspace ---------------------------------------------------------------------------------------------- */

static double uniform(struct search *s)
{
    return wn_uniform(s->env->random_u64(s->env->ctx, WN_STREAM_CHOICES, s->draws++));
}

static void normalise(struct search *s, double *place)
{
    double squares = 0;
    for (uint64_t i = 0; i < s->dimensions; i++)
        squares += place[i] * place[i];
    for (uint64_t i = 0; s->is_sphere && i < s->dimensions; i++)
        place[i] /= sqrt(squares);
}

/* As noises are distributed: normal numbers (Box & Muller), on the sphere their direction. */
static void draw_place(struct search *s, double *place)
{
    for (uint64_t i = 0; i < s->dimensions; i++) {
        const double length = sqrt(-2 * log(uniform(s)));
        place[i] = length * cos(2 * 3.14159265358979323846 * uniform(s));
    }
    normalise(s, place);
}

static void draw_near(struct search *s, double *place)
{
    draw_place(s, place);
    for (uint64_t i = 0; i < s->dimensions; i++)
        place[i] = near * s->best[i] + sqrt(1 - near * near) * place[i];
    normalise(s, place);
}

static void make_noise(struct search *s, const double *place)
{
    const uint64_t n = s->env->latent_values;
    if (!s->is_sphere) {
        memcpy(s->noise, s->base, n * sizeof *s->noise);
        wn_band_set(&s->band, place, s->noise);
        return;
    }
    for (uint64_t i = 0; i < n; i++) {
        double sum = 0;
        for (uint64_t k = 0; k < s->dimensions; k++)
            sum += place[k] * (double)s->base[k * n + i];
        s->noise[i] = (float)(sqrt((double)n) * sum);
    }
}

/* ---- the search ------------------------------------------------------------------------------------------------ */

/* Where to look next: of `proposals` points that of the most expected improvement. */
static void choose(struct search *s)
{
    double most = -1;
    for (int64_t i = 0; i < s->o->proposals; i++) {
        if (i % 2 == 0)
            draw_place(s, s->point);
        else
            draw_near(s, s->point);
        const double improvement = gp_expected_improvement(&s->gp, s->point);
        if (improvement > most) {
            most = improvement;
            memcpy(s->at, s->point, s->dimensions * sizeof *s->at);
        }
    }
}

/* Tries places [count][dimensions], as many as can be paid for. Where it was time that did not reach, by a guess, the
 * search goes on as long as there is any. */
static wn_status try_places(struct search *s, uint64_t wanted, const double *places, wn_error *err)
{
    const wn_env *env = s->env;
    const struct wn_price each = wn_price_advance(env, 1, 0, env->steps, false);
    const uint64_t count = wn_purse_take_most(&s->purse, wanted, each, wn_price_nothing);
    for (uint64_t i = 0; i < count; i++) {
        make_noise(s, places + i * s->dimensions);
        WN_TRY(env->spawn(env->ctx, s->noise, 0, &s->flock.samples[i], err));
        s->flock.count++;
    }
    if (count > 0) {
        WN_TRY(wn_flock_advance(&s->flock, env->steps, err));
        WN_TRY(wn_flock_score(&s->flock, err));
    }
    for (uint64_t i = 0; i < count; i++) {
        const double score = s->flock.scores[i];
        WN_TRY(env->offer(env->ctx, s->flock.samples[i], err));
        if (isfinite(score))
            gp_add(&s->gp, places + i * s->dimensions, score);
        if (wn_beats(score, s->best_score)) {
            s->best_score = score;
            memcpy(s->best, places + i * s->dimensions, s->dimensions * sizeof *s->best);
        }
    }
    wn_flock_clear(&s->flock);
    return count == wanted || (count > 0 && wn_purse_is_timed(&s->purse))
               ? WN_OK
               : wn_fail(err, WN_E_BUDGET, "the budget ended before %lld evaluations", (long long)s->o->evaluations);
}

/* Two places are needed to learn from; a guide without opinions gets noises at random. */
static wn_status improve(struct search *s, wn_error *err)
{
    const double typical = s->is_sphere ? sqrt(2) : sqrt(2 * (double)s->dimensions);
    if (s->gp.count < 2) {
        draw_place(s, s->at);
    } else {
        WN_TRY(gp_fit(&s->gp, typical, err));
        choose(s);
    }
    return try_places(s, 1, s->at, err);
}

static wn_status prepare(struct search *s, wn_error *err)
{
    const wn_env *env = s->env;
    for (uint64_t i = 0; i < (s->is_sphere ? s->dimensions : 1); i++)
        WN_TRY(env->noise(env->ctx, i, s->base + i * env->latent_values, err));
    if (s->is_sphere)
        wn_orthonormalise(s->dimensions, env->latent_values, s->base);
    return WN_OK;
}

static wn_status learn(struct search *s, wn_error *err)
{
    const uint64_t all = (uint64_t)s->o->evaluations, first = s->flock.capacity;
    WN_TRY(prepare(s, err));
    WN_TRY(wn_purse_gauge(&s->purse, false, err));
    for (uint64_t i = 0; i < first; i++)
        draw_place(s, s->places + i * s->dimensions);
    WN_TRY(try_places(s, first, s->places, err));
    for (uint64_t i = first; i < all; i++)
        WN_TRY(improve(s, err));
    return WN_OK;
}

static wn_status reserve(struct search *s, wn_error *err)
{
    const uint64_t n = s->env->latent_values, d = s->dimensions;
    const uint64_t all = (uint64_t)s->o->evaluations, asked = (uint64_t)s->o->initial,
                   first = asked < all ? asked : all;
    WN_TRY(gp_open(d, all, &s->gp, err));
    WN_TRY(wn_flock_open(s->env, first, &s->flock, err));
    s->base = malloc((s->is_sphere ? d : 1) * n * sizeof *s->base);
    s->noise = malloc(n * sizeof *s->noise);
    s->places = malloc(first * d * sizeof *s->places);
    s->best = calloc(d, sizeof *s->best);
    s->point = calloc(d, sizeof *s->point);
    s->at = calloc(d, sizeof *s->at);
    if (s->base && s->noise && s->places && s->best && s->point && s->at)
        return WN_OK;
    return wn_fail(err, WN_E_MEMORY, "no memory for %llu directions of %llu values", (unsigned long long)d,
                   (unsigned long long)n);
}

static wn_status check_subspace(const struct search *s, wn_error *err)
{
    if (s->is_sphere && s->dimensions > s->env->latent_values)
        return wn_fail(err, WN_E_ARG, "%llu directions are more than the latent's %llu values; give fewer",
                       (unsigned long long)s->dimensions, (unsigned long long)s->env->latent_values);
    if (s->dimensions > MAX_DIMENSIONS)
        return wn_fail(err, WN_E_ARG,
                       "a Haar band of %llu numbers is too wide to learn, %d are allowed; give more levels",
                       (unsigned long long)s->dimensions, MAX_DIMENSIONS);
    return WN_OK;
}

static wn_status run(void *self, const wn_env *env, wn_error *err)
{
    const struct options *o = self;
    struct search s = { .o = o, .env = env, .purse = wn_purse_open(env), .best_score = (double)NAN };
    s.is_sphere = strcmp(o->subspace, "sphere") == 0;
    s.band = wn_band_of(env, (uint64_t)o->levels, 1);
    s.dimensions = s.is_sphere ? (uint64_t)o->directions : s.band.values;
    wn_status status = check_subspace(&s, err);
    if (status == WN_OK)
        status = reserve(&s, err);
    if (status == WN_OK)
        status = learn(&s, err);
    gp_close(&s.gp);
    wn_flock_close(&s.flock);
    free(s.base), free(s.noise), free(s.places), free(s.best), free(s.point), free(s.at);
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
    .name = "bayesian",
    .version = "1.0",
    .summary = "a Gaussian process with expected improvement over a small subspace of the noises",
    .source = "Jones et al. 1998, efficient global optimization",
    .options = options,
    .options_size = sizeof(struct options),
    .vtable = &search,
};

WN_MODULE(&plugin);
