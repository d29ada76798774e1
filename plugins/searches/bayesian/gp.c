/* gp.c - see gp.h. The matrices are small (a place for each image that was made), so nothing is updated: every fit
 * starts anew, in n^3 / 3 operations a length scale. */
#include "gp.h"

#include <lapacke.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LENGTHS = 5 };
static const double nugget = 1e-6; // of the variance: keeps places that nearly coincide apart

wn_status gp_open(uint64_t dimensions, uint64_t capacity, struct gp *gp, wn_error *err)
{
    *gp = (struct gp){ .dimensions = dimensions, .capacity = capacity };
    gp->places = malloc(capacity * dimensions * sizeof *gp->places);
    gp->scores = malloc(capacity * sizeof *gp->scores);
    gp->factor = malloc(capacity * capacity * sizeof *gp->factor);
    gp->alpha = malloc(capacity * sizeof *gp->alpha);
    gp->work = malloc(capacity * sizeof *gp->work);
    if (gp->places && gp->scores && gp->factor && gp->alpha && gp->work)
        return WN_OK;
    gp_close(gp);
    return wn_fail(err, WN_E_MEMORY, "no memory for a process over %llu places", (unsigned long long)capacity);
}

void gp_close(struct gp *gp)
{
    free(gp->places);
    free(gp->scores);
    free(gp->factor);
    free(gp->alpha);
    free(gp->work);
    *gp = (struct gp){ 0 };
}

void gp_add(struct gp *gp, const double *place, double score)
{
    memcpy(gp->places + gp->count * gp->dimensions, place, gp->dimensions * sizeof *place);
    gp->scores[gp->count++] = score;
}

/* ---- fitting ---------------------------------------------------------------------------------------------------- */

static double kernel(const struct gp *gp, const double *a, const double *b)
{
    double squares = 0;
    for (uint64_t i = 0; i < gp->dimensions; i++)
        squares += (a[i] - b[i]) * (a[i] - b[i]);
    const double r = sqrt(5 * squares) / gp->length;
    return (1 + r + r * r / 3) * exp(-r);
}

static void standardise(struct gp *gp)
{
    double sum = 0, squares = 0;
    for (uint64_t i = 0; i < gp->count; i++)
        sum += gp->scores[i];
    gp->mean = sum / (double)gp->count;
    for (uint64_t i = 0; i < gp->count; i++)
        squares += (gp->scores[i] - gp->mean) * (gp->scores[i] - gp->mean);
    gp->deviation = sqrt(squares / (double)gp->count);
    if (!(gp->deviation > 0))
        gp->deviation = 1; // all scores are equal
}

/* Factor, alpha and variance under gp->length; *likelihood: the log of the scores' density but for a constant. False
 * when the matrix cannot be factored. */
static bool factor(struct gp *gp, double *likelihood)
{
    const lapack_int n = (lapack_int)gp->count;
    for (uint64_t i = 0; i < gp->count; i++) {
        for (uint64_t k = 0; k <= i; k++)
            gp->factor[k * gp->count + i] =
                kernel(gp, gp->places + i * gp->dimensions, gp->places + k * gp->dimensions);
        gp->factor[i * gp->count + i] += nugget;
        gp->alpha[i] = (gp->scores[i] - gp->mean) / gp->deviation;
    }
    if (LAPACKE_dpotrf(LAPACK_COL_MAJOR, 'L', n, gp->factor, n) != 0 ||
        LAPACKE_dpotrs(LAPACK_COL_MAJOR, 'L', n, 1, gp->factor, n, gp->alpha, n) != 0)
        return false;
    double fit = 0, half_log_det = 0;
    for (uint64_t i = 0; i < gp->count; i++) {
        fit += gp->alpha[i] * (gp->scores[i] - gp->mean) / gp->deviation;
        half_log_det += log(gp->factor[i * gp->count + i]);
    }
    gp->variance = fmax(fit / (double)n, 1e-12);
    *likelihood = -0.5 * (double)n * log(gp->variance) - half_log_det;
    return true;
}

wn_status gp_fit(struct gp *gp, double typical, wn_error *err)
{
    double best = 0, best_likelihood = -(double)INFINITY, likelihood;
    standardise(gp);
    for (int i = 0; i < LENGTHS; i++) {
        gp->length = ldexp(typical, i - 3);
        if (factor(gp, &likelihood) && likelihood > best_likelihood) {
            best = gp->length;
            best_likelihood = likelihood;
        }
    }
    gp->length = best;
    if (!(best > 0) || !factor(gp, &likelihood))
        return wn_fail(err, WN_E_INTERNAL, "the kernel matrix of %llu places cannot be factored",
                       (unsigned long long)gp->count);
    return WN_OK;
}

/* ---- asking ----------------------------------------------------------------------------------------------------- */

/* In standardised scores. */
static void predict(struct gp *gp, const double *place, double *mean, double *deviation)
{
    const lapack_int n = (lapack_int)gp->count;
    double sum = 0, explained = 0;
    for (uint64_t i = 0; i < gp->count; i++) {
        gp->work[i] = kernel(gp, place, gp->places + i * gp->dimensions);
        sum += gp->work[i] * gp->alpha[i];
    }
    LAPACKE_dtrtrs(LAPACK_COL_MAJOR, 'L', 'N', 'N', n, 1, gp->factor, n, gp->work, n);
    for (uint64_t i = 0; i < gp->count; i++)
        explained += gp->work[i] * gp->work[i];
    *mean = sum;
    *deviation = sqrt(gp->variance * fmax(1 + nugget - explained, 0));
}

void gp_predict(struct gp *gp, const double *place, double *mean, double *deviation)
{
    predict(gp, place, mean, deviation);
    *mean = gp->mean + gp->deviation * *mean;
    *deviation *= gp->deviation;
}

double gp_expected_improvement(struct gp *gp, const double *place)
{
    double mean, deviation, best = -(double)INFINITY;
    for (uint64_t i = 0; i < gp->count; i++)
        best = fmax(best, (gp->scores[i] - gp->mean) / gp->deviation);
    predict(gp, place, &mean, &deviation);
    const double rise = mean - best;
    if (!(deviation > 0))
        return fmax(rise, 0);
    const double z = rise / deviation;
    const double below = 0.5 * erfc(-z / sqrt(2)), density = exp(-0.5 * z * z) / sqrt(2 * 3.14159265358979323846);
    return rise * below + deviation * density;
}
