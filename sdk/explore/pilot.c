/* pilot.c - see pilot.h. */
#include "pilot.h"

#include "chance.h"

#include <stdlib.h>

static struct wn_price price_of(const wn_env *env, const struct wn_gates *gates, uint64_t count)
{
    struct wn_price sum = wn_price_nothing;
    uint64_t from = 0;
    for (uint64_t i = 0; i <= gates->count; i++) {
        const uint64_t to = i < gates->count ? gates->points[i] : env->steps;
        sum = wn_price_sum(sum, wn_price_advance(env, count, from, to, i > 0));
        from = to;
    }
    return sum;
}

static wn_status go(struct wn_flock *flock, struct wn_purse *purse, double quantile, struct wn_gates *gates,
                    double *sorted, wn_error *err)
{
    for (uint64_t i = 0; i < gates->count; i++) {
        const uint64_t to = gates->points[i];
        const struct wn_price price = wn_price_advance(flock->env, flock->count, flock->point, to, flock->is_paid);
        if (!wn_purse_take(purse, price, wn_price_advance(flock->env, 1, to, flock->env->steps, true)))
            return wn_flock_break_off(flock, purse, err);
        WN_TRY(wn_flock_advance(flock, to, err));
        WN_TRY(wn_flock_score(flock, err));
        gates->thresholds[i] = wn_quantile(flock->count, flock->scores, quantile, sorted);
    }
    return wn_flock_finish(flock, purse, err);
}

wn_status wn_pilot(struct wn_flock *flock, struct wn_purse *purse, uint64_t pilots, double quantile,
                   struct wn_gates *gates, wn_error *err)
{
    uint64_t count = pilots;
    while (count > 0 && !wn_purse_affords(purse, price_of(flock->env, gates, count)))
        count--;
    if (count == 0)
        return wn_fail(err, WN_E_BUDGET, "not one sample can be paid for");
    double *sorted = calloc(count, sizeof *sorted);
    wn_status status = sorted ? wn_flock_draw(flock, 0, count, err)
                              : wn_fail(err, WN_E_MEMORY, "no memory for %llu pilots", (unsigned long long)count);
    if (status == WN_OK)
        status = go(flock, purse, quantile, gates, sorted, err);
    free(sorted);
    if (status == WN_OK && count < pilots)
        return wn_fail(err, WN_E_BUDGET, "the budget ended with the pilots");
    return status;
}

bool wn_passes(const struct wn_gates *gates, uint64_t i, double score)
{
    return !wn_beats(gates->thresholds[i], score);
}
