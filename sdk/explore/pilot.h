/* pilot.h - how good is good? What a few plain samples score on their way, for searches that go on when a score is high
 * enough: scores of different guides, prompts and noise levels have no scale in common. */
#ifndef WINNOW_EXPLORE_PILOT_H
#define WINNOW_EXPLORE_PILOT_H

#include "flock.h"
#include "schedule.h"

struct wn_gates {
    uint64_t count, points[WN_STOPS_MAX];
    double thresholds[WN_STOPS_MAX]; /* at each point; NaN, which every score passes, where no pilot had a score */
};

/* Samples noises 0 .. pilots-1, or as many as can be paid for, to the end and offers them. thresholds: at each gate
 * that quantile of what they scored there. Leaves the flock empty. WN_E_BUDGET when it could not be all. */
wn_status wn_pilot(struct wn_flock *flock, struct wn_purse *purse, uint64_t pilots, double quantile,
                   struct wn_gates *gates, wn_error *err);

/* Whether a score is high enough for gate i. */
bool wn_passes(const struct wn_gates *gates, uint64_t i, double score);

#endif
