/* stats.h - the arithmetic of the report: exact best-of-n curves and bootstrap intervals. Pure functions. */
#ifndef WINNOW_REPORT_STATS_H
#define WINNOW_REPORT_STATS_H

#include <winnow/plugin.h>

struct stats_scored {
    double guide; /* higher is better; NaN = never preferred */
    double value; /* what the picked candidate is worth; NaN = not known */
};

/* What the candidate that the guide prefers among n is worth on average, over all sets of n out of a pool of `count`
 * independent candidates: for every n at once, out[n - 1]. With the pool in falling order of the guide, the best of n
 * is the one of rank r in C(count - r, n - 1) of C(count, n) sets; ties share their places. This is the unbiased
 * estimator (a U-statistic) of the best of n fresh candidates. Sets whose pick has no known value do not count; NaN
 * where that is all of them. Uses up the pool. */
void stats_best_of(uint64_t count, struct stats_scored *pool, double *out);

struct stats_interval {
    double mean;
    double low; /* NaN for fewer than STATS_LEAST rows */
    double high;
};

/* Of five rows without any effect, all lie on one side of 0 in one case of 16: no interval of 95 % can be had of so
 * few.
 */
enum { STATS_RESAMPLES = 4000, STATS_LEAST = 6 };

/* Column means of values[rows][columns], each with its 95 % interval over STATS_RESAMPLES bootstrap resamples of the
 * rows (prompts): the expanded percentile interval, whose quantiles are stats_level and one less it. Every call
 * resamples the same way, so intervals of differences are paired. WN_E_MEMORY. */
wn_status stats_means(uint64_t rows, uint64_t columns, const double *values, struct stats_interval *out, wn_error *err);

/* The quantile of the resamples' means where a 95 % interval of so many rows begins (STATS_LEAST at least). Resamples
 * spread by sqrt(1 - 1/rows) of what they should, and know nothing of what Student's t adds: at 2.5 % the interval of a
 * few rows is too narrow, and at this level it is as wide as Student's where rows are normal (Hesterberg, "What
 * teachers should know about the bootstrap", 2014, 4.4). */
double stats_level(uint64_t rows);

/* Of doubles, for qsort. */
int stats_ascending(const void *a, const void *b);

/* The next draw of 64 bits (splitmix64); from state 0, the same whenever and wherever a report is written. */
uint64_t stats_random(uint64_t *state);

#endif
