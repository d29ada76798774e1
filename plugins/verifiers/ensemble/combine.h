/* combine.h - many opinions of a set into one number for each candidate; higher is better. */
#ifndef WINNOW_ENSEMBLE_COMBINE_H
#define WINNOW_ENSEMBLE_COMBINE_H

#include <stdint.h>

struct opinion {
    double weight; /* >= 0 */
    double sign;   /* -1 where the member's lower values are better, else 1 */
    double low;    /* what is expected of sign * value; finite, and low < high, for the methods that scale by it */
    double high;
};

/* How the opinions are made comparable, and how they are put together. */
struct method {
    const char *name;
    void (*rescale)(const struct opinion *opinion, uint64_t count, double *values, double *spare); /* may be NULL */
    double (*mix)(const struct opinion *opinion, uint64_t members, const double *values, uint64_t stride);
    int compares;    /* a candidate's result depends on the others of its set */
    int has_weights; /* whether weights mean anything */
    int has_range;   /* rescales by low and high */
    int has_fronts;
    double low; /* of the result, as expected; 0, 0 = sums of the members' */
    double high;
};

const struct method *combine_method(const char *name); /* NULL when there is none */

struct opinions {
    uint64_t members;
    uint64_t count;                /* of candidates, all of one prompt */
    const struct opinion *opinion; /* [members] */
    double *values;                /* [members][count], as the members said; spoiled. Not finite = no opinion */
    double *spare;                 /* [2 * count] */
};

void combine(const struct method *method, const struct opinions *o, double *result);

#endif
