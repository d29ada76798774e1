/* chance.c - see chance.h. */
#include "chance.h"

#include <math.h>
#include <string.h>

double wn_uniform(uint64_t bits)
{
    return ((double)(bits >> 12) + 0.5) * 0x1p-52;
}

bool wn_beats(double a, double b)
{
    return a > b || (isnan(b) && !isnan(a));
}

uint64_t wn_best(uint64_t n, const double *scores)
{
    uint64_t best = 0;
    for (uint64_t i = 1; i < n; i++)
        if (wn_beats(scores[i], scores[best]))
            best = i;
    return best;
}

/* By insertion: sets are small, and equals stay where they are. */
void wn_rank(uint64_t n, const double *scores, uint64_t *order)
{
    for (uint64_t i = 0; i < n; i++) {
        uint64_t at = i;
        for (; at > 0 && wn_beats(scores[i], scores[order[at - 1]]); at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
}

double wn_quantile(uint64_t n, const double *scores, double q, double *sorted)
{
    uint64_t count = 0;
    for (uint64_t i = 0; i < n; i++) {
        if (isnan(scores[i]))
            continue;
        uint64_t at = count++;
        for (; at > 0 && sorted[at - 1] > scores[i]; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = scores[i];
    }
    if (count == 0)
        return (double)NAN;
    const double place = q * (double)(count - 1);
    const uint64_t below = (uint64_t)place < count - 1 ? (uint64_t)place : count - 1;
    const uint64_t above = below + 1 < count ? below + 1 : below;
    return sorted[below] + (place - (double)below) * (sorted[above] - sorted[below]);
}

void wn_softmax(uint64_t n, const double *logs, double *weights)
{
    const double most = logs[wn_best(n, logs)];
    const bool has_one = !isnan(most) && most > -(double)INFINITY;
    double sum = 0;
    for (uint64_t i = 0; i < n; i++) {
        const double above = isinf(most) && logs[i] == most ? 0 : logs[i] - most; // inf - inf
        weights[i] = !has_one ? 1 : isnan(logs[i]) ? 0 : exp(above);
        sum += weights[i];
    }
    for (uint64_t i = 0; i < n; i++)
        weights[i] /= sum;
}

double wn_effective(uint64_t n, const double *weights)
{
    double squares = 0;
    for (uint64_t i = 0; i < n; i++)
        squares += weights[i] * weights[i];
    return 1 / squares;
}

uint64_t wn_pick(uint64_t n, const double *weights, double u)
{
    uint64_t last = 0; // with a weight: what rounding leaves over falls to it
    double sum = 0;
    for (uint64_t i = 0; i < n; i++) {
        sum += weights[i];
        if (u < sum)
            return i;
        if (weights[i] > 0)
            last = i;
    }
    return last;
}

void wn_apportion(uint64_t n, const double *weights, uint64_t total, uint64_t *children, double *rest)
{
    uint64_t given = 0;
    for (uint64_t i = 0; i < n; i++) {
        const double share = weights[i] * (double)total;
        children[i] = (uint64_t)share;
        rest[i] = share - (double)children[i];
        given += children[i];
    }
    for (; given < total; given++) {
        const uint64_t next = wn_best(n, rest);
        children[next]++;
        rest[next] = -1;
    }
}
