/* vendi.h - how many different things are in a pool. Pure. */
#ifndef WINNOW_REPORT_VENDI_H
#define WINNOW_REPORT_VENDI_H

#include <winnow/plugin.h>

/* The Vendi score (Friedman and Dieng 2023, arXiv 2210.02410): exp of the entropy of the eigenvalues of K / n, where K
 * [n][n] says how alike two members are: symmetric, positive semidefinite, ones on its diagonal. n when all differ, 1
 * when all are alike; in between an effective number. Overwrites K. Eigenvalues by Jacobi's rotations, O(n^3). */
double vendi_score(uint64_t n, double *kernel);

#endif
