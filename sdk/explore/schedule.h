/* schedule.h - where on the way from noise to image a search looks. Pure functions, [any]. */
#ifndef WINNOW_EXPLORE_SCHEDULE_H
#define WINNOW_EXPLORE_SCHEDULE_H

#include <winnow/search.h>

/* The point whose sigma is nearest; the noisier of two that are as near. */
uint64_t wn_point_of(const wn_env *env, double sigma);

/* Stage i of `stages`, evenly spread from share `first` of the schedule to its end, as a point in 1 .. steps: stage 0
 * is at `first`, stage `stages` at the end. Needs no schedule but its length, so that a plan can use it. */
uint64_t wn_stage(uint64_t steps, double first, uint64_t stages, uint64_t i);

#endif
