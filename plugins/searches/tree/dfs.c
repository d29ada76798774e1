/* dfs.c - depth first with backtracking: who scores too low at a level goes back into the noise and comes again.
 *
 * Zhang et al., "Inference-time Scaling of Diffusion Models through Classical Search", 2025, DFS: when the score of the
 * prediction at a level is below its threshold, noise is added up to an earlier level and sampling resumes from
 * there, until the sample's tries are used up; then it goes on whatever it scores. Hard prompts take more compute than
 * easy ones. Thresholds are the user's in the paper; here they are a quantile of what pilots score at the same level.
 */
#include "tree.h"

#include <math.h>

struct dfs {
    const struct options *o;
    const wn_env *env;
    struct wn_purse purse;
    struct wn_gates gates;
    struct wn_flock pilots; // [pilots]
    struct wn_flock sample; // one
    uint64_t noises, stream;
};

/* Points that one backtrack leads back, at most. */
static uint64_t way_back(const struct options *o, uint64_t steps)
{
    const double points = floor(o->back * (double)steps + 0.5);
    return points < 1 ? 1 : (uint64_t)points;
}

static struct wn_gates gates_of(const struct options *o, uint64_t steps)
{
    struct wn_gates gates;
    gates.count = tree_levels(o, steps, steps - 1, gates.points);
    return gates;
}

/* Brings the sample to level i and scores it. False: the budget does not allow it. */
static wn_status visit(struct dfs *d, uint64_t i, bool *is_paid_for, wn_error *err)
{
    const wn_env *env = d->env;
    const uint64_t to = d->gates.points[i];
    const struct wn_price price = wn_price_advance(env, 1, d->sample.point, to, d->sample.is_paid);
    *is_paid_for = wn_purse_take(&d->purse, price, wn_price_advance(env, 1, to, env->steps, true));
    if (!*is_paid_for)
        return WN_OK;
    WN_TRY(wn_flock_advance(&d->sample, to, err));
    return wn_flock_score(&d->sample, err);
}

/* Back into the noise, if the way down to this level again can be paid for. *level: the next one to visit. */
static wn_status backtrack(struct dfs *d, uint64_t *level, bool *is_paid_for, wn_error *err)
{
    const wn_env *env = d->env;
    const uint64_t here = d->sample.point, far = way_back(d->o, env->steps), to = far < here ? here - far : 0;
    const struct wn_price again = wn_price_advance(env, 1, to, here, false);
    *is_paid_for = wn_purse_affords(&d->purse, wn_price_sum(again, wn_price_advance(env, 1, here, env->steps, true)));
    if (!*is_paid_for)
        return WN_OK;
    WN_TRY(env->renoise(env->ctx, d->sample.samples[0], to, d->stream++, err));
    d->sample.point = to;
    d->sample.is_paid = false;
    while (*level > 0 && d->gates.points[*level - 1] > to)
        --*level;
    return WN_OK;
}

static wn_status make_sample(struct dfs *d, wn_error *err)
{
    int64_t tries = d->o->tries;
    bool is_paid_for = true;
    WN_TRY(wn_flock_draw(&d->sample, d->noises++, 1, err));
    for (uint64_t level = 0; level < d->gates.count && is_paid_for;) {
        WN_TRY(visit(d, level, &is_paid_for, err));
        if (!is_paid_for)
            break;
        const bool goes_on = tries == 0 || wn_passes(&d->gates, level, d->sample.scores[0]);
        if (goes_on)
            level++;
        else
            WN_TRY(backtrack(d, &level, &is_paid_for, err));
        tries -= !goes_on;
    }
    return is_paid_for ? wn_flock_finish(&d->sample, &d->purse, err) : wn_flock_break_off(&d->sample, &d->purse, err);
}

static wn_status make_all(struct dfs *d, wn_error *err)
{
    const uint64_t pilots = (uint64_t)d->o->pilots;
    WN_TRY(wn_purse_gauge(&d->purse, true, err));
    WN_TRY(wn_pilot(&d->pilots, &d->purse, pilots, d->o->quantile, &d->gates, err));
    d->noises = pilots;
    for (int64_t i = 0; i < d->o->samples; i++)
        WN_TRY(make_sample(d, err));
    return WN_OK;
}

wn_status tree_dfs(const struct options *o, const wn_env *env, wn_error *err)
{
    struct dfs d = { .o = o, .env = env, .purse = wn_purse_open(env), .stream = WN_STREAM_AUX };
    d.gates = gates_of(o, env->steps);
    wn_status status = wn_flock_open(env, (uint64_t)o->pilots, &d.pilots, err);
    if (status == WN_OK)
        status = wn_flock_open(env, 1, &d.sample, err);
    if (status == WN_OK)
        status = make_all(&d, err);
    wn_flock_close(&d.pilots);
    wn_flock_close(&d.sample);
    return status;
}

/* At most: every sample backtracks as often as it may. A backtrack wastes its preview and goes its way again. */
void tree_dfs_plan(const struct options *o, uint64_t steps, uint64_t evals, wn_search_plan *plan)
{
    const uint64_t levels = gates_of(o, steps).count, pilots = (uint64_t)o->pilots;
    const uint64_t samples = (uint64_t)o->samples, tries = (uint64_t)o->tries;
    plan->candidates = pilots + samples;
    plan->across_calls = 1;
    plan->verifier_calls = pilots * (levels + 1) + samples * (levels * (tries + 1) + 1);
    plan->nfe = (plan->candidates * steps + samples * tries * (way_back(o, steps) + 1)) * evals;
}
