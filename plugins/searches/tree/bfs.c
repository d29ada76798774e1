/* bfs.c - breadth first: at each level every sample has children in proportion to exp(lambda score).
 *
 * Zhang et al., "Inference-time Scaling of Diffusion Models through Classical Search", 2025, BFS-resample. The paper
 * rounds N softmax(tau r), so that the number of samples drifts; here the parts are apportioned and there are always N.
 * Its tau follows the schedule; here it is the constant lambda. N is 8, branching after 1/4, 2/4 and 3/4 of the way: as
 * there. */
#include "tree.h"

#include <explore/chance.h>
#include <explore/kernel.h>

#include <stdlib.h>

struct bfs {
    const struct options *o;
    const wn_env *env;
    struct wn_purse purse;
    struct wn_flock samples, children; // [samples]
    double *weights, *rest;            // [samples]
    uint64_t *counts;                  // [samples]
    uint64_t stream;
};

static wn_status branch(struct bfs *b, wn_error *err)
{
    const uint64_t n = b->samples.count;
    WN_TRY(wn_flock_score(&b->samples, err));
    for (uint64_t i = 0; i < n; i++)
        b->weights[i] = b->o->lambda * b->samples.scores[i];
    wn_softmax(n, b->weights, b->weights);
    wn_apportion(n, b->weights, n, b->counts, b->rest);
    for (uint64_t i = 0; i < n; i++)
        for (uint64_t k = 0; k < b->counts[i]; k++)
            WN_TRY(wn_flock_breed(&b->children, &b->samples, i, err));
    wn_flock_swap(&b->samples, &b->children);
    wn_flock_clear(&b->children);
    return WN_OK;
}

static wn_status walk(struct bfs *b, wn_error *err)
{
    const wn_env *env = b->env;
    const wn_kernel kernel = wn_kernel_of(b->o->kernel, b->o->scale);
    struct wn_flock *f = &b->samples;
    uint64_t points[WN_STOPS_MAX];
    const uint64_t levels = env->steps > 2 ? tree_levels(b->o, env->steps, env->steps - 2, points) : 0;
    const struct wn_price each = { (double)(env->steps * env->evals_per_velocity), (double)(levels + 1), 1 };
    WN_TRY(wn_purse_gauge(&b->purse, true, err));
    const uint64_t n = wn_purse_width(&b->purse, f->capacity, each, wn_price_nothing); // as there is time for
    WN_TRY(wn_flock_draw(f, 0, n, err));
    for (uint64_t i = 0; i < levels; i++) {
        const struct wn_price price = wn_price_kicks(env, f->count, points[i] - f->point, points[i], f->is_paid);
        if (!wn_purse_take(&b->purse, price, wn_price_advance(env, 1, points[i], env->steps, true)))
            return wn_flock_break_off(f, &b->purse, err);
        WN_TRY(wn_flock_kick(f, points[i], kernel, &b->stream, err));
        WN_TRY(branch(b, err));
    }
    WN_TRY(wn_flock_finish_by_kicks(f, &b->purse, kernel, &b->stream, err));
    return n < f->capacity ? wn_fail(err, WN_E_BUDGET, "there was time for %llu of %llu samples", (unsigned long long)n,
                                     (unsigned long long)f->capacity)
                           : WN_OK;
}

wn_status tree_bfs(const struct options *o, const wn_env *env, wn_error *err)
{
    const uint64_t n = (uint64_t)o->samples;
    struct bfs b = { .o = o, .env = env, .purse = wn_purse_open(env), .stream = WN_STREAM_AUX };
    b.weights = calloc(n, sizeof *b.weights);
    b.rest = calloc(n, sizeof *b.rest);
    b.counts = calloc(n, sizeof *b.counts);
    wn_status status = b.weights && b.rest && b.counts
                           ? WN_OK
                           : wn_fail(err, WN_E_MEMORY, "no memory for %llu samples", (unsigned long long)n);
    if (status == WN_OK)
        status = wn_flock_open(env, n, &b.samples, err);
    if (status == WN_OK)
        status = wn_flock_open(env, n, &b.children, err);
    if (status == WN_OK)
        status = walk(&b, err);
    wn_flock_close(&b.samples);
    wn_flock_close(&b.children);
    free(b.weights), free(b.rest), free(b.counts);
    return status;
}

void tree_bfs_plan(const struct options *o, uint64_t steps, uint64_t evals, wn_search_plan *plan)
{
    uint64_t points[WN_STOPS_MAX];
    const uint64_t levels = steps > 2 ? tree_levels(o, steps, steps - 2, points) : 0;
    plan->candidates = (uint64_t)o->samples;
    plan->verifier_calls = plan->candidates * (levels + 1);
    plan->nfe = plan->candidates * steps * evals;
}
