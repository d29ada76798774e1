/* paired.h - is the mean of paired differences more than chance? Pure functions. */
#ifndef WINNOW_REPORT_PAIRED_H
#define WINNOW_REPORT_PAIRED_H

#include <stdint.h>

/* Differences up to which all sign patterns are gone through; beyond, PAIRED_FLIPS are drawn from a fixed start. */
enum { PAIRED_EXACT = 16, PAIRED_FLIPS = 20000 };

/* Two-sided p of Fisher's sign-flip permutation test for the mean of `count` differences: if both sides were alike,
 * each difference could as well have had the other sign. The share of sign patterns whose mean is at least as far from
 * 0; where patterns are drawn, (1 + hits) / (1 + draws), which is never too small. NaN for no difference. */
double paired_p(uint64_t count, const double *differences);

/* Holm's step-down adjustment for the family p[count]; NaNs are no members. adjusted is not p. */
void paired_holm(uint64_t count, const double *p, double *adjusted);

#endif
