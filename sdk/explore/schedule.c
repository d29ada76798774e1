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

uint64_t wn_stops(uint64_t steps, double first, uint64_t asked, uint64_t latest, uint64_t points[WN_STOPS_MAX])
{
    uint64_t count = 0;
    for (uint64_t i = 0; i < asked && i < WN_STOPS_MAX; i++) {
        const double share = first + (1 - first) * (double)i / (double)asked;
        const double nearest = fmax(floor(share * (double)steps + 0.5), 1);
        const uint64_t point = nearest < (double)latest ? (uint64_t)nearest : latest;
        if (count == 0 || point > points[count - 1])
            points[count++] = point;
    }
    return count;
}
