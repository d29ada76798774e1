/* paired.c - sums over sign patterns. Going through all of them in Gray-code order turns one sign at a time; the
 * running sum is computed anew now and then, so rounding does not pile up.
 */
#include "report/paired.h"

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

/* splitmix64: the same patterns whenever and wherever. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static double drawn(uint64_t count, const double *d)
{
    const double least = threshold(count, d);
    uint64_t hits = 0, state = 0;
    for (uint64_t k = 0; k < PAIRED_FLIPS; k++) {
        double sum = 0;
        for (uint64_t i = 0; i < count; i += 64) {
            const uint64_t left = count - i;
            sum += sum_of(left < 64 ? left : 64, d + i, next_random(&state));
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

/* The rank of p[i] among the family, from 0; equals by their place. */
static uint64_t rank_of(uint64_t count, const double *p, uint64_t i)
{
    uint64_t rank = 0;
    for (uint64_t k = 0; k < count; k++)
        rank += p[k] < p[i] || (p[k] == p[i] && k < i);
    return rank;
}

static double scaled(uint64_t count, uint64_t members, const double *p, uint64_t i)
{
    return fmin((double)(members - rank_of(count, p, i)) * p[i], 1);
}

/* Families are small, so the quadratic way is the short one. */
static double adjust(uint64_t count, uint64_t members, const double *p, uint64_t i)
{
    double most = scaled(count, members, p, i);
    for (uint64_t k = 0; k < count; k++)
        if (p[k] <= p[i])
            most = fmax(most, rank_of(count, p, k) <= rank_of(count, p, i) ? scaled(count, members, p, k) : 0);
    return most;
}

void paired_holm(uint64_t count, const double *p, double *adjusted)
{
    uint64_t members = 0;
    for (uint64_t i = 0; i < count; i++)
        members += (uint64_t)!isnan(p[i]);
    for (uint64_t i = 0; i < count; i++)
        adjusted[i] = isnan(p[i]) ? NAN : adjust(count, members, p, i);
}
