/* gp.h - a Gaussian process over a few coordinates: what is known of a score from the places where it was asked for.
 *
 * Rasmussen & Williams, "Gaussian Processes for Machine Learning", 2006, chapters 2 and 5. Matern kernel of order 5/2,
 * as Snoek, Larochelle & Adams, "Practical Bayesian Optimization of Machine Learning Algorithms", 2012, use it; one
 * length scale for all coordinates, the one of a short list under which the scores are most likely; the variance is
 * then known in closed form. Scores are standardised inside. One thread at a time. */
#ifndef BAYESIAN_GP_H
#define BAYESIAN_GP_H

#include <winnow/search.h>

#include <stdbool.h>

struct gp {
    uint64_t dimensions, capacity;
    uint64_t count;
    double *places; /* [capacity][dimensions] */
    double *scores; /* [capacity] */
    /* of gp_fit: */
    double length, variance, mean, deviation;
    double *factor; /* [count][count], column major: L of K = L L^T */
    double *alpha;  /* [count]: K^-1 y */
    double *work;   /* [capacity] */
};

wn_status gp_open(uint64_t dimensions, uint64_t capacity, struct gp *gp, wn_error *err);
void gp_close(struct gp *gp); /* zeroed is fine */

/* At most `capacity` of them. Not NaN. */
void gp_add(struct gp *gp, const double *place, double score);
/* typical: a usual distance between two places; length scales of 1/8 to 2 of it are compared. Needs 2 places.
 * WN_E_INTERNAL when no kernel matrix can be factored. */
wn_status gp_fit(struct gp *gp, double typical, wn_error *err);
/* Expected improvement over the best score so far, in standard deviations of the scores. After gp_fit. */
double gp_expected_improvement(struct gp *gp, const double *place);
/* What the score there is thought to be, and how sure. After gp_fit. */
void gp_predict(struct gp *gp, const double *place, double *mean, double *deviation);

#endif
