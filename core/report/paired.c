/* paired.c - sums over sign patterns. Going through all of them in Gray-code order turns one sign at a time; the
 * running sum is computed anew now and then, so rounding does not pile up.
 */
#include "report/paired.h"

#include "report/stats.h"

#include <math.h>
#include <stdbool.h>

enum { ANEW = 1024 }; /* patterns after which the sum is taken afresh */

/* Sums that differ by rounding only are ties, and ties count: the observed pattern itself must. */
static double threshold(uint64_t count, const double *d)
{
    double sum = 0, size = 0;
    for (uint64_t i = 0; i < count; i++) {
        sum += d[i];
        size += fabs(d[i]);
    }
    return fabs(sum) - 1e-12 * size;
}

static double sum_of(uint64_t count, const double *d, uint64_t negative)
{
    double sum = 0;
    for (uint64_t i = 0; i < count; i++)
        sum += negative >> i & 1 ? -d[i] : d[i];
    return sum;
}

/* A pattern and its opposite have sums of one size, so the last sign stays. */
static double exact(uint64_t count, const double *d)
{
    const uint64_t patterns = UINT64_C(1) << (count - 1);
    const double least = threshold(count, d);
    double sum = sum_of(count, d, 0);
    uint64_t hits = fabs(sum) >= least, negative = 0;
    for (uint64_t k = 1; k < patterns; k++) {
        uint64_t turned = 0;
        while (!(k >> turned & 1))
            turned++;
        negative ^= UINT64_C(1) << turned;
        sum += negative >> turned & 1 ? -2 * d[turned] : 2 * d[turned];
        if (k % ANEW == 0)
            sum = sum_of(count, d, negative);
        hits += fabs(sum) >= least;
    }
    return (double)hits / (double)patterns;
}

static double drawn(uint64_t count, const double *d)
{
    const double least = threshold(count, d);
    uint64_t hits = 0, state = 0;
    for (uint64_t k = 0; k < PAIRED_FLIPS; k++) {
        double sum = 0;
        for (uint64_t i = 0; i < count; i += 64) {
            const uint64_t left = count - i;
            sum += sum_of(left < 64 ? left : 64, d + i, stats_random(&state));
        }
        hits += fabs(sum) >= least;
    }
    return (1.0 + (double)hits) / (1.0 + PAIRED_FLIPS);
}

double paired_p(uint64_t count, const double *differences)
{
    if (count == 0)
        return NAN;
    return count <= PAIRED_EXACT ? exact(count, differences) : drawn(count, differences);
}

/* The place of the smallest p that comes after `last`, equals by their place; `count` when there is none. */
static uint64_t next_larger(uint64_t count, const double *p, uint64_t last)
{
    uint64_t next = count;
    for (uint64_t i = 0; i < count; i++) {
        const bool is_after = last == count ? !isnan(p[i]) : p[i] > p[last] || (p[i] == p[last] && i > last);
        if (is_after && (next == count || p[i] < p[next]))
            next = i;
    }
    return next;
}

void paired_holm(uint64_t count, const double *p, double *adjusted)
{
    uint64_t left = 0;
    double most = 0;
    for (uint64_t i = 0; i < count; i++) {
        left += (uint64_t)!isnan(p[i]);
        adjusted[i] = (double)NAN;
    }
    for (uint64_t i = next_larger(count, p, count); left > 0; i = next_larger(count, p, i)) {
        most = fmax(most, fmin((double)left-- * p[i], 1));
        adjusted[i] = most;
    }
}
