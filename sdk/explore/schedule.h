/* schedule.h - where on the way from noise to image a search looks. Pure functions, [any]. */
#ifndef WINNOW_EXPLORE_SCHEDULE_H
#define WINNOW_EXPLORE_SCHEDULE_H

#include <winnow/search.h>

/* The point whose sigma is nearest; the noisier of two that are as near. */
uint64_t wn_point_of(const wn_env *env, double sigma);

enum { WN_STOPS_MAX = 64 };

/* Points where a search stops to look: `asked` of them (at most WN_STOPS_MAX), evenly spread from share `first` of the
 * schedule to its end, which is not one of them; none beyond `latest`. Rising: those that would fall on one point are
 * one. Returns how many there are. Needs no more of the schedule than its length, so that a plan can use it. */
uint64_t wn_stops(uint64_t steps, double first, uint64_t asked, uint64_t latest, uint64_t points[WN_STOPS_MAX]);

#endif
