/* chance.h - choices among scored things: who is best, weights, resampling. NaN, a guide without opinion, is worse than
 * every number throughout. Pure functions, [any]. */
#ifndef WINNOW_EXPLORE_CHANCE_H
#define WINNOW_EXPLORE_CHANCE_H

#include <winnow/search.h>

#include <stdbool.h>

/* Of a search's own draws with random_u64; no noise is taken from it. */
#define WN_STREAM_CHOICES ((uint64_t)3 << 32)

/* In (0, 1), of 64 uniform bits. */
double wn_uniform(uint64_t bits);

bool wn_beats(double a, double b);
/* Index of the best of n >= 1; the first of equals. */
uint64_t wn_best(uint64_t n, const double *scores);
/* order [n]: indices, best first; equals stay in their order. */
void wn_rank(uint64_t n, const double *scores, uint64_t *order);
/* The value that a share q of the numbers among scores lies below, between two of them linearly (type 7 of Hyndman and
 * Fan); NaN when all are NaN. sorted [n]: scratch. */
double wn_quantile(uint64_t n, const double *scores, double q, double *sorted);

/* weights [n] = exp(logs) / sum, NaN as weight 0; all equal when no log is a number. May be done in place. */
void wn_softmax(uint64_t n, const double *logs, double *weights);
/* Effective sample size of weights that sum to 1: 1 / sum w^2, between 1 and n. */
double wn_effective(uint64_t n, const double *weights);
/* The index whose share of [0, 1) holds u. */
uint64_t wn_pick(uint64_t n, const double *weights, double u);
/* children [n]: how many of `total` each gets, as near to total * weight as whole numbers that sum to total come
 * (largest remainders; the first of equals). rest [n]: scratch. */
void wn_apportion(uint64_t n, const double *weights, uint64_t total, uint64_t *children, double *rest);

#endif
