/* zero_order - climbs from noise to noise: the best neighbour of a pivot becomes the next pivot.
 *
 * Ma et al., "Inference-Time Scaling for Diffusion Models beyond Scaling Denoising Steps", 2025, algorithm "zero-order
 * search"; text to image uses 2 neighbours. The paper leaves the distance open; this is its first author's kernel:
 * a neighbour of n at cosine c is |n| (c u + sqrt(1 - c^2) w), u = n / |n|, w a random unit vector orthogonal to u. It
 * has n's length exactly, so it is as likely a noise as n.
 *
 * When no neighbour is better the pivot stays and draws new ones; after `patience` such rounds the search starts again
 * from a fresh noise. What was best stays offered. */
#include <winnow/search.h>

#include <explore/directions.h>
#include <explore/flock.h>

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct options {
    int64_t neighbours;
    int64_t iterations;
    double cosine;
    int64_t patience;
};

static const wn_option options[] = {
    WN_INT(struct options, neighbours, "2", 1, 4096, "noises tried around the pivot in one iteration, N"),
    WN_INT(struct options, iterations, "8", 1, 1e6, "rounds of neighbours"),
    WN_NUMBER(struct options, cosine, "0.95", -1, 1,
              "cosine between a neighbour and its pivot; nearer to 1 is more local"),
    WN_INT(struct options, patience, "0", 0, 1e6,
           "iterations without a better neighbour before a fresh pivot is drawn; 0 = stay with the pivot"),
    WN_OPTIONS_END
};

struct climb {
    const struct options *o;
    const wn_env *env;
    struct wn_purse purse;
    float *pivot;       // [latent_values]
    float *noise;       // [1 + neighbours][latent_values]: a fresh pivot or nothing, then the neighbours
    wn_sample *samples; // [1 + neighbours]
    double *scores;     // [1 + neighbours]
    double pivot_score;
    wn_sample pivot_sample; // kept as the neighbours' parent
    uint64_t pivots;        // drawn so far
    uint64_t directions;
    uint64_t stale; // iterations since the pivot moved
};

static wn_status spawn(struct climb *c, uint64_t slot, wn_error *err)
{
    const float *noise = c->noise + slot * c->env->latent_values;
    return c->env->spawn(c->env->ctx, noise, slot > 0 ? c->pivot_sample : 0, &c->samples[slot], err);
}

static wn_status draw(struct climb *c, bool is_fresh, uint64_t neighbours, wn_error *err)
{
    const wn_env *env = c->env;
    const uint64_t n = env->latent_values;
    if (is_fresh) {
        WN_TRY(env->noise(env->ctx, c->pivots++, c->pivot, err));
        memcpy(c->noise, c->pivot, n * sizeof *c->pivot);
        WN_TRY(spawn(c, 0, err));
        env->drop(env->ctx, c->pivot_sample);
        c->pivot_sample = c->samples[0];
    }
    for (uint64_t i = 1; i <= neighbours; i++) {
        WN_TRY(env->noise(env->ctx, WN_STREAM_AUX + c->directions++, c->noise + i * n, err));
        wn_turn(n, c->pivot, c->o->cosine, c->noise + i * n);
        WN_TRY(spawn(c, i, err));
    }
    return WN_OK;
}

/* Scores the pivot and its neighbours, and offers those from `first` on, which are new. The pivot is scored each time,
 * because a guide that compares has to see it among its neighbours; any other is not asked again. */
static wn_status judge(struct climb *c, uint64_t first, uint64_t neighbours, wn_error *err)
{
    const wn_env *env = c->env;
    c->samples[0] = c->pivot_sample;
    WN_TRY(env->advance(env->ctx, 1 + neighbours, c->samples, env->steps, err));
    WN_TRY(env->score(env->ctx, 1 + neighbours, c->samples, c->scores, err));
    for (uint64_t i = first; i <= neighbours; i++)
        WN_TRY(env->offer(env->ctx, c->samples[i], err));
    c->pivot_score = c->scores[0];
    return WN_OK;
}

/* The best of the neighbours becomes the pivot if it beats the pivot; a NaN beats nothing. */
static void move(struct climb *c, uint64_t neighbours)
{
    const wn_env *env = c->env;
    uint64_t best = 0;
    double best_score = c->pivot_score;
    for (uint64_t i = 1; i <= neighbours; i++) {
        if (c->scores[i] > best_score || (isnan(best_score) && !isnan(c->scores[i]))) {
            best = i;
            best_score = c->scores[i];
        }
    }
    c->stale = best > 0 ? 0 : c->stale + 1;
    c->pivot_score = best_score;
    for (uint64_t i = 1; i <= neighbours; i++)
        env->drop(env->ctx, i == best ? c->pivot_sample : c->samples[i]);
    if (best > 0) {
        c->pivot_sample = c->samples[best];
        memcpy(c->pivot, c->noise + best * env->latent_values, env->latent_values * sizeof *c->pivot);
    }
}

static wn_status iterate(struct climb *c, bool is_fresh, wn_error *err)
{
    const uint64_t fresh = is_fresh ? 1 : 0;
    const struct wn_price each = wn_price_advance(c->env, 1, 0, c->env->steps, false);
    const uint64_t wanted = fresh + (uint64_t)c->o->neighbours;
    const bool is_asked_again = !is_fresh && WN_HAS(wn_env, c->env, guide_compares) && c->env->guide_compares;
    const struct wn_price pivot = { 0, is_asked_again, 0 };
    const uint64_t count = wn_purse_take_most(&c->purse, wanted, each, pivot);
    if (count == 0)
        return wn_fail(err, WN_E_BUDGET, "the budget ended");
    const uint64_t neighbours = count - fresh;
    WN_TRY(draw(c, is_fresh, neighbours, err));
    WN_TRY(judge(c, is_fresh ? 0 : 1, neighbours, err));
    if (is_fresh)
        c->stale = 0;
    move(c, neighbours);
    return WN_OK;
}

static wn_status climb(struct climb *c, wn_error *err)
{
    WN_TRY(wn_purse_gauge(&c->purse, false, err));
    for (int64_t i = 0; i < c->o->iterations; i++) {
        const bool gives_up = c->o->patience > 0 && c->stale >= (uint64_t)c->o->patience;
        WN_TRY(iterate(c, i == 0 || gives_up, err));
    }
    return WN_OK;
}

static wn_status run(void *self, const wn_env *env, wn_error *err)
{
    const struct options *o = self;
    const uint64_t slots = 1 + (uint64_t)o->neighbours;
    struct climb c = {
        .o = o,
        .env = env,
        .purse = wn_purse_open(env),
        .pivot = malloc(env->latent_values * sizeof *c.pivot),
        .noise = malloc(slots * env->latent_values * sizeof *c.noise),
        .samples = calloc(slots, sizeof *c.samples),
        .scores = calloc(slots, sizeof *c.scores),
        .pivot_score = NAN,
    };
    const wn_status status = c.pivot && c.noise && c.samples && c.scores
                                 ? climb(&c, err)
                                 : wn_fail(err, WN_E_MEMORY, "no memory for %llu noises", (unsigned long long)slots);
    free(c.pivot);
    free(c.noise);
    free(c.samples);
    free(c.scores);
    return status;
}

/* An upper bound: with patience, iterations may begin with a fresh pivot. The others score theirs again. */
static void plan(const void *values, uint64_t steps, uint64_t evals_per_velocity, wn_search_plan *p)
{
    const struct options *o = values;
    const uint64_t rounds = (uint64_t)o->iterations;
    const uint64_t pivots = o->patience > 0 ? 1 + (rounds - 1) / (uint64_t)o->patience : 1;
    p->candidates = rounds * (uint64_t)o->neighbours + pivots;
    p->verifier_calls = p->candidates;
    p->calls_again = rounds - 1;
    p->across_calls = o->patience > 0;
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
    .name = "zero_order",
    .version = "1.0",
    .summary = "hill climbing among the neighbours of a pivot noise",
    .source = "Ma et al. 2025, arXiv 2501.09732, zero-order search; kernel of its first author",
    .options = options,
    .options_size = sizeof(struct options),
    .vtable = &search,
};

WN_MODULE(&plugin);
