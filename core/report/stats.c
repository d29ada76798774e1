/* stats.c - how good would a smaller search have been, and how sure are we?
 *
 * A pool of N independent candidates holds every smaller search: instead of running best-of-4 we average over all sets
 * of 4. Prompts are the unit that varies, so intervals come from resampling prompts, never candidates.
 */
#include "report/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double rank_of(double guide)
{
    return isnan(guide) ? -INFINITY : guide;
}

static int by_guide(const void *a, const void *b)
{
    double x = rank_of(((const struct stats_scored *)a)->guide), y = rank_of(((const struct stats_scored *)b)->guide);

    return (x < y) - (x > y);
}

/* Of a run of equal guides all are picked as often, so each comes to stand for the whole run: its value is the sum of
 * those that are known over all, and its guide, which has done its work, the share of all that they are. */
static void share_ties(uint64_t count, struct stats_scored *pool)
{
    for (uint64_t first = 0, end; first < count; first = end) {
        double sum = 0, known = 0;
        for (end = first; end < count && rank_of(pool[end].guide) == rank_of(pool[first].guide); end++) {
            sum += isnan(pool[end].value) ? 0 : pool[end].value;
            known += isnan(pool[end].value) ? 0 : 1;
        }
        const double all = (double)(end - first);
        for (uint64_t i = first; i < end; i++)
            pool[i] = (struct stats_scored){ known / all, sum / all };
    }
}

/* Over the sets of n whose pick has a value; NaN where there is none. */
static double mean_of_sets(uint64_t count, const struct stats_scored *shared, uint64_t n)
{
    double weight = (double)n / (double)count; /* C(count-1, n-1) / C(count, n) */
    double sum = 0, known = 0;

    for (uint64_t rank = 1; rank + n <= count + 1; rank++) {
        sum += weight * shared[rank - 1].value;
        known += weight * shared[rank - 1].guide;
        weight *= (double)(count + 1 - rank - n) / (double)(count - rank + (rank == count));
    }
    return sum / known;
}

void stats_best_of(uint64_t count, struct stats_scored *pool, double *out)
{
    qsort(pool, count, sizeof *pool, by_guide);
    share_ties(count, pool);
    for (uint64_t n = 1; n <= count; n++)
        out[n - 1] = mean_of_sets(count, pool, n);
}

uint64_t stats_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static void add_row(uint64_t columns, const double *row, double *sums)
{
    for (uint64_t c = 0; c < columns; c++)
        sums[c] += row[c];
}

int stats_ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Quantile q of sorted values, linear between neighbours. */
static double quantile(uint64_t count, const double *sorted, double q)
{
    double at = q * (double)(count - 1);
    uint64_t i = (uint64_t)at;

    return i + 1 < count ? sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]) : sorted[i];
}

/* means: [columns][STATS_RESAMPLES]; sums: [columns] scratch */
static void resample(uint64_t rows, uint64_t columns, const double *values, double *means, double *sums)
{
    uint64_t state = 0;

    for (uint64_t b = 0; b < STATS_RESAMPLES; b++) {
        memset(sums, 0, columns * sizeof *sums);
        for (uint64_t i = 0; i < rows; i++)
            add_row(columns, values + stats_random(&state) % rows * columns, sums);
        for (uint64_t c = 0; c < columns; c++)
            means[c * STATS_RESAMPLES + b] = sums[c] / (double)rows;
    }
}

/* Student's quantile of 97.5 % is Fisher's expansion (Abramowitz and Stegun 26.7.5), to 0.003 from 5 degrees of
 * freedom.
 */
double stats_level(uint64_t rows)
{
    const double z = 1.959963984540054, z3 = z * z * z, z5 = z3 * z * z, z7 = z5 * z * z;
    const double n = (double)rows, v = n - 1;
    const double t = z + (z3 + z) / (4 * v) + (5 * z5 + 16 * z3 + 3 * z) / (96 * v * v) +
                     (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * v * v * v);

    return erfc(sqrt(n / v) * t / sqrt(2)) / 2;
}

static struct stats_interval interval_of(uint64_t rows, double mean, double *means)
{
    struct stats_interval i = { rows > 0 ? mean : NAN, NAN, NAN };

    if (rows >= STATS_LEAST) {
        qsort(means, STATS_RESAMPLES, sizeof *means, stats_ascending);
        i.low = quantile(STATS_RESAMPLES, means, stats_level(rows));
        i.high = quantile(STATS_RESAMPLES, means, 1 - stats_level(rows));
    }
    return i;
}

wn_status stats_means(uint64_t rows, uint64_t columns, const double *values, struct stats_interval *out, wn_error *err)
{
    double *sums = calloc(columns + (columns == 0), sizeof *sums);
    double *means = calloc(columns + (columns == 0), STATS_RESAMPLES * sizeof *means);

    if (!sums || !means) {
        free(sums);
        free(means);
        return wn_fail(err, WN_E_MEMORY, "no memory to resample %llu numbers", (unsigned long long)columns);
    }
    for (uint64_t i = 0; i < rows; i++)
        add_row(columns, values + i * columns, sums);
    for (uint64_t c = 0; c < columns; c++)
        out[c].mean = sums[c] / (double)rows;
    if (rows >= STATS_LEAST)
        resample(rows, columns, values, means, sums);
    for (uint64_t c = 0; c < columns; c++)
        out[c] = interval_of(rows, out[c].mean, means + c * STATS_RESAMPLES);
    free(sums);
    free(means);
    return WN_OK;
}
