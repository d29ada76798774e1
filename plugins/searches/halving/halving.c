/* halving - successive halving: many begin, at each rung the better part by preview goes on, few are finished.
 *
 * Karnin, Koren & Somekh, "Almost Optimal Exploration in Multi-Armed Bandits", 2013; Jamieson & Talwalkar,
 * "Non-stochastic Best Arm Identification and Hyperparameter Optimization", 2016: there an arm is trained a little more
 * at each rung, here a sample is denoised a little further, and what is compared is the image that it predicts so far.
 *
 *     n noises
 *     at each rung: advance all to it, score their previews, keep the best share
 *     finish those that are left
 *
 * No paper sets the constants for diffusion. Half is kept, as the name says. The first rung is at 0.3 of the schedule:
 * before, a prediction is the mean of all images of its prompt and says little of its own; the others follow evenly. */
#include <winnow/search.h>

#include <explore/chance.h>
#include <explore/flock.h>
#include <explore/schedule.h>

#include <math.h>
#include <stdlib.h>

struct options {
    int64_t candidates;
    int64_t rungs;
    double keep;
    double first;
    int64_t rounds;
};

static const wn_option options[] = {
    WN_INT(struct options, candidates, "16", 1, 4096, "noises that a round begins with, n"),
    WN_INT(struct options, rungs, "2", 1, WN_STOPS_MAX, "times that samples are dropped on the way"),
    WN_NUMBER(struct options, keep, "0.5", 0.001, 1, "share that goes on at a rung, rounded up"),
    WN_NUMBER(struct options, first, "0.3", 0, 1, "where on the schedule the first rung is; the others follow evenly"),
    WN_INT(struct options, rounds, "1", 1, 1e6, "how often all of it is done, with fresh noises each time"),
    WN_OPTIONS_END
};

/* Of count samples, those that go on after a rung. */
static uint64_t kept(const struct options *o, uint64_t count)
{
    const uint64_t left = (uint64_t)ceil((double)count * o->keep - 1e-9);
    return left < 1 ? 1 : left;
}

struct ladder {
    uint64_t count, points[WN_STOPS_MAX + 1]; // the rungs, and the end of the schedule behind them
};

static struct ladder ladder_of(const struct options *o, uint64_t steps)
{
    struct ladder l;
    l.count = wn_stops(steps, o->first, (uint64_t)o->rungs, steps - 1, l.points);
    l.points[l.count] = steps;
    return l;
}

/* Of a whole round that begins with n noises. */
static struct wn_price price_of(const struct options *o, const wn_env *env, const struct ladder *l, uint64_t n)
{
    struct wn_price sum = wn_price_nothing;
    uint64_t from = 0;
    for (uint64_t i = 0; i <= l->count; i++) {
        sum = wn_price_sum(sum, wn_price_advance(env, n, from, l->points[i], i > 0));
        n = kept(o, n);
        from = l->points[i];
    }
    return sum;
}

static wn_status climb(const struct options *o, const struct ladder *l, struct wn_flock *flock, struct wn_purse *purse,
                       uint64_t *order, wn_error *err)
{
    const wn_env *env = flock->env;
    for (uint64_t i = 0; i < l->count; i++) {
        const uint64_t to = l->points[i];
        const struct wn_price price = wn_price_advance(env, flock->count, flock->point, to, flock->is_paid);
        if (!wn_purse_take(purse, price, wn_price_advance(env, 1, to, env->steps, true)))
            return wn_flock_break_off(flock, purse, err);
        WN_TRY(wn_flock_advance(flock, to, err));
        WN_TRY(wn_flock_score(flock, err));
        wn_rank(flock->count, flock->scores, order);
        WN_TRY(wn_flock_keep(flock, kept(o, flock->count), order, err));
    }
    return wn_flock_finish(flock, purse, err);
}

/* The last round that a budget pays for begins with as many noises as it can carry to the end. */
static wn_status run_rounds(const struct options *o, struct wn_flock *flock, uint64_t *order, wn_error *err)
{
    const wn_env *env = flock->env;
    const uint64_t most = (uint64_t)o->candidates;
    const struct ladder l = ladder_of(o, env->steps);
    struct wn_purse purse = wn_purse_open(env);
    WN_TRY(wn_purse_gauge(&purse, true, err));
    for (uint64_t i = 0; i < (uint64_t)o->rounds; i++) {
        uint64_t n = most;
        while (n > 0 && !wn_purse_affords(&purse, price_of(o, env, &l, n)))
            n--;
        if (n == 0)
            return wn_fail(err, WN_E_BUDGET, "the budget ended after %llu of %lld rounds", (unsigned long long)i,
                           (long long)o->rounds);
        WN_TRY(wn_flock_draw(flock, i * most, n, err));
        WN_TRY(climb(o, &l, flock, &purse, order, err));
        if (n < most)
            return wn_fail(err, WN_E_BUDGET, "the budget ended within round %llu", (unsigned long long)i + 1);
    }
    return WN_OK;
}

static wn_status run(void *self, const wn_env *env, wn_error *err)
{
    const struct options *o = self;
    struct wn_flock flock;
    uint64_t *order = calloc((uint64_t)o->candidates, sizeof *order);
    wn_status status = wn_flock_open(env, (uint64_t)o->candidates, &flock, err);
    if (status == WN_OK && !order)
        status = wn_fail(err, WN_E_MEMORY, "no memory for %lld samples", (long long)o->candidates);
    if (status == WN_OK)
        status = run_rounds(o, &flock, order, err);
    wn_flock_close(&flock);
    free(order);
    return status;
}

static void plan(const void *values, uint64_t steps, uint64_t evals_per_velocity, wn_search_plan *p)
{
    const struct options *o = values;
    const uint64_t rounds = (uint64_t)o->rounds;
    uint64_t n = (uint64_t)o->candidates, from = 0;
    const struct ladder l = ladder_of(o, steps);
    for (uint64_t i = 0; i <= l.count; i++) {
        const uint64_t to = l.points[i];
        // a preview is a step begun
        p->nfe += rounds * n * (to - from + (to < steps) - (i > 0)) * evals_per_velocity;
        p->verifier_calls += rounds * n;
        p->candidates = rounds * n;
        n = kept(o, n);
        from = to;
    }
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
    .name = "halving",
    .version = "1.0",
    .summary = "successive halving: the better part of the samples goes on at each rung",
    .source = "Karnin et al. 2013; Jamieson & Talwalkar 2016",
    .options = options,
    .options_size = sizeof(struct options),
    .vtable = &search,
};

WN_MODULE(&plugin);
