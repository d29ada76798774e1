/* rank.h - orders compared: rank correlation and ties. Pure functions. */
#ifndef WINNOW_REPORT_RANK_H
#define WINNOW_REPORT_RANK_H

#include <winnow/plugin.h>

/* Spearman's rho: Pearson's correlation of the ranks, equals sharing their mean rank. NaN where one side has no order
 * (fewer than two values, or all equal). No value may be NaN. WN_E_MEMORY. */
wn_status rank_spearman(uint64_t count, const double *x, const double *y, double *rho, wn_error *err);

/* The share of the count (count - 1) / 2 pairs whose values are equal; NaN for fewer than two. Sorts the values. */
double rank_tied_share(uint64_t count, double *values);

#endif
