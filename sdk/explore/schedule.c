/* schedule.c - see schedule.h. */
#include "schedule.h"

#include <math.h>

uint64_t wn_point_of(const wn_env *env, double sigma)
{
    uint64_t nearest = 0;
    for (uint64_t i = 1; i <= env->steps; i++)
        if (fabs((double)env->sigma[i] - sigma) < fabs((double)env->sigma[nearest] - sigma))
            nearest = i;
    return nearest;
}

uint64_t wn_stage(uint64_t steps, double first, uint64_t stages, uint64_t i)
{
    const double share = first + (1 - first) * (double)i / (double)stages;
    const double point = floor(share * (double)steps + 0.5);
    return point < 1 ? 1 : point > (double)steps ? steps : (uint64_t)point;
}
