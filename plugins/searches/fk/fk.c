/* fk - Feynman-Kac steering: particles that are resampled on the way, in proportion to what their predictions score.
 *
 * Singhal et al., "A General Framework for Inference-time Scaling and Steering of Diffusion Models", 2025:
 *
 *     k noises, weights 1
 *     at each of the resampling points: stochastic steps to it; r = score of the predicted image
 *         weight *= G,  G = exp(lambda (r - r before))         diff
 *                           exp(lambda max of r so far)        max
 *                           exp(lambda sum of r so far)        add
 *         resample k particles in proportion to weight, weights 1
 *     finish all
 *
 * The paper resamples at steps 20, 40, 60 and 80 of 100, here at i / (resamplings + 1) of the schedule; k 4, lambda 10,
 * multinomial draws and potential `max` are its text-to-image settings. With `ess` below 1 it resamples only when
 * the effective sample size is below that share of k; weights then accumulate until it does.
 *
 * A potential's last factor makes the particles' law the tilted one: for max and add it divides by all earlier factors.
 * It would only choose among particles that are finished: all of them are offered, so the guide's best wins, and there
 * is nothing left to weigh. The ODE would leave copies identical for ever; hence stochastic steps. */
#include <winnow/search.h>

#include <explore/chance.h>
#include <explore/flock.h>
#include <explore/kernel.h>
#include <explore/schedule.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct options {
    int64_t particles;
    int64_t resamplings;
    const char *potential;
    double lambda;
    double ess;
    const char *resampling;
    const char *kernel;
    double scale;
};

static const wn_option options[] = {
    WN_INT(struct options, particles, "4", 1, 4096, "k"),
    WN_INT(struct options, resamplings, "4", 1, WN_STOPS_MAX, "points on the way where particles may be resampled"),
    WN_ENUM(struct options, potential, "\"max\"", "max|diff|add", "what of a particle's scores weighs it"),
    WN_NUMBER(struct options, lambda, "10", 0, 1e9, "weight of the scores, in 1 / units of the guide's score"),
    WN_NUMBER(struct options, ess, "1", 0, 1,
              "resample when the effective sample size is below this share of the particles; 1 = always"),
    WN_ENUM(struct options, resampling, "\"multinomial\"", "multinomial|systematic",
            "independent draws, or one for all, which spreads them more evenly"),
    WN_KERNEL_OPTIONS(struct options, "cps"),
    WN_OPTIONS_END
};

/* What a particle's weight depends on; its copies inherit it. */
struct past {
    double log_weight; // since the last resampling
    double last, top, sum;
};

struct search {
    const struct options *o;
    const wn_env *env;
    struct wn_purse purse;
    struct wn_flock particles, copies;
    struct past *pasts, *copied; // [particles]
    double *weights;             // [particles]
    uint64_t stream, choices;
};

/* A guide without opinion on a particle says the worst it says of any. False: it has none on any. */
static bool fill_gaps(struct wn_flock *f)
{
    double worst = (double)NAN;
    for (uint64_t i = 0; i < f->count; i++)
        worst = fmin(worst, f->scores[i]);
    for (uint64_t i = 0; i < f->count; i++)
        if (isnan(f->scores[i]))
            f->scores[i] = worst;
    return !isnan(worst);
}

static void add_factor(const struct options *o, struct past *p, double r)
{
    const double rise = r - p->last;
    p->last = r;
    p->top = fmax(p->top, r);
    p->sum += r;
    p->log_weight += o->lambda * (strcmp(o->potential, "diff") == 0  ? rise
                                  : strcmp(o->potential, "max") == 0 ? p->top
                                                                     : p->sum);
}

static void weigh(struct search *s)
{
    const bool has_opinion = fill_gaps(&s->particles);
    for (uint64_t i = 0; i < s->particles.count; i++) {
        if (has_opinion)
            add_factor(s->o, &s->pasts[i], s->particles.scores[i]);
        s->weights[i] = s->pasts[i].log_weight;
    }
    wn_softmax(s->particles.count, s->weights, s->weights);
}

static double draw(struct search *s)
{
    return wn_uniform(s->env->random_u64(s->env->ctx, WN_STREAM_CHOICES, s->choices++));
}

static wn_status resample(struct search *s, wn_error *err)
{
    const uint64_t k = s->particles.count;
    const bool is_systematic = strcmp(s->o->resampling, "systematic") == 0;
    const double shift = is_systematic ? draw(s) : 0;
    for (uint64_t i = 0; i < k; i++) {
        const double u = is_systematic ? ((double)i + shift) / (double)k : draw(s);
        const uint64_t parent = wn_pick(k, s->weights, u);
        WN_TRY(wn_flock_breed(&s->copies, &s->particles, parent, err));
        s->copied[i] = s->pasts[parent];
        s->copied[i].log_weight = 0;
    }
    struct past *const old_pasts = s->pasts;
    wn_flock_swap(&s->particles, &s->copies);
    wn_flock_clear(&s->copies);
    s->pasts = s->copied, s->copied = old_pasts;
    return WN_OK;
}

static bool take_way(struct search *s, uint64_t to)
{
    const wn_env *env = s->env;
    const struct wn_flock *f = &s->particles;
    return wn_purse_take(&s->purse, wn_price_kicks(env, f->count, to - f->point, to, f->is_paid),
                         wn_price_advance(env, 1, to, env->steps, true));
}

/* Where particles are resampled: a stochastic step must follow, or copies would stay copies. */
static uint64_t stops_of(const struct options *o, uint64_t steps, uint64_t *points)
{
    const uint64_t n = (uint64_t)o->resamplings;
    return steps > 2 ? wn_stops(steps, 1 / (double)(n + 1), n, steps - 2, points) : 0;
}

/* As many particles as there is time for. */
static uint64_t width_of(const struct search *s, uint64_t stops)
{
    const wn_env *env = s->env;
    const struct wn_price each = { (double)(env->steps * env->evals_per_velocity), (double)(stops + 1), 1 };
    return wn_purse_width(&s->purse, (uint64_t)s->o->particles, each, wn_price_nothing);
}

static wn_status walk(struct search *s, wn_error *err)
{
    uint64_t stops[WN_STOPS_MAX];
    WN_TRY(wn_purse_gauge(&s->purse, true, err));
    const uint64_t count = stops_of(s->o, s->env->steps, stops), k = width_of(s, count);
    const wn_kernel kernel = wn_kernel_of(s->o->kernel, s->o->scale);
    WN_TRY(wn_flock_draw(&s->particles, 0, k, err));
    for (uint64_t i = 0; i < count; i++) {
        const uint64_t to = stops[i];
        if (!take_way(s, to))
            return wn_flock_break_off(&s->particles, &s->purse, err);
        WN_TRY(wn_flock_kick(&s->particles, to, kernel, &s->stream, err));
        WN_TRY(wn_flock_score(&s->particles, err));
        weigh(s);
        if (s->o->ess >= 1 || wn_effective(k, s->weights) < s->o->ess * (double)k)
            WN_TRY(resample(s, err));
    }
    WN_TRY(wn_flock_finish_by_kicks(&s->particles, &s->purse, kernel, &s->stream, err));
    return k < (uint64_t)s->o->particles ? wn_fail(err, WN_E_BUDGET, "there was time for %llu of %lld particles",
                                                   (unsigned long long)k, (long long)s->o->particles)
                                         : WN_OK;
}

static wn_status run(void *self, const wn_env *env, wn_error *err)
{
    const struct options *o = self;
    const uint64_t k = (uint64_t)o->particles;
    struct search s = { .o = o, .env = env, .purse = wn_purse_open(env), .stream = WN_STREAM_AUX };
    s.weights = calloc(k, sizeof *s.weights);
    s.pasts = calloc(k, sizeof *s.pasts);
    s.copied = calloc(k, sizeof *s.copied);
    for (uint64_t i = 0; s.pasts && i < k; i++)
        s.pasts[i].top = -(double)INFINITY;
    wn_status status = s.weights && s.pasts && s.copied
                           ? WN_OK
                           : wn_fail(err, WN_E_MEMORY, "no memory for %llu particles", (unsigned long long)k);
    if (status == WN_OK)
        status = wn_flock_open(env, k, &s.particles, err);
    if (status == WN_OK)
        status = wn_flock_open(env, k, &s.copies, err);
    if (status == WN_OK)
        status = walk(&s, err);
    wn_flock_close(&s.particles);
    wn_flock_close(&s.copies);
    free(s.weights);
    free(s.pasts);
    free(s.copied);
    return status;
}

static void plan(const void *values, uint64_t steps, uint64_t evals_per_velocity, wn_search_plan *p)
{
    const struct options *o = values;
    uint64_t stops[WN_STOPS_MAX];
    p->candidates = (uint64_t)o->particles;
    p->verifier_calls = p->candidates * (stops_of(o, steps, stops) + 1);
    p->nfe = p->candidates * steps * evals_per_velocity;
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
    .name = "fk",
    .version = "1.0",
    .summary = "particles resampled on the way by what their predictions score",
    .source = "Singhal et al. 2025, arXiv 2501.06848, Feynman-Kac steering",
    .options = options,
    .options_size = sizeof(struct options),
    .create = create,
    .vtable = &search,
};

WN_MODULE(&plugin);
