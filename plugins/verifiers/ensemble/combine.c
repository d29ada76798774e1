/* combine.c - the methods, as formulas on a matrix.
 *
 * First each member's column is rescaled by itself, then each candidate's row is mixed to one number. What a result is
 * computed from does not depend on the order of the candidates, to the last bit: counts are exact, and sums over a
 * column are taken in the order of its values. */
#include "combine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- columns: values[count] of one member, NaN where it has no opinion ------------------------------------------- */

/* How many others a candidate beats; a tie is half. */
static void to_points(const struct opinion *opinion, uint64_t count, double *values, double *spare)
{
    (void)opinion;
    memcpy(spare, values, count * sizeof *spare);
    for (uint64_t i = 0; i < count; i++) {
        double points = -0.5; /* its tie with itself */
        for (uint64_t k = 0; k < count; k++)
            points += spare[k] < spare[i] ? 1 : spare[k] == spare[i] ? 0.5 : 0;
        values[i] = isnan(spare[i]) ? NAN : points;
    }
}

static uint64_t count_known(uint64_t count, const double *values)
{
    uint64_t known = 0;
    for (uint64_t i = 0; i < count; i++)
        known += isnan(values[i]) ? 0 : 1;
    return known;
}

/* Which share of the others it beats: (r - 1) / (n - 1) for the average rank r of n, 1 being the worst. */
static void to_shares(const struct opinion *opinion, uint64_t count, double *values, double *spare)
{
    const double others = (double)count_known(count, values) - 1;
    to_points(opinion, count, values, spare);
    for (uint64_t i = 0; i < count; i++)
        values[i] = isnan(values[i]) ? NAN : others > 0 ? values[i] / others : 0.5;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* (value - mean) / deviation of the set; 0 where all are the same. */
static void to_zscores(const struct opinion *opinion, uint64_t count, double *values, double *spare)
{
    (void)opinion;
    uint64_t known = 0;
    double sum = 0, squares = 0;
    for (uint64_t i = 0; i < count; i++)
        if (!isnan(values[i]))
            spare[known++] = values[i];
    qsort(spare, known, sizeof *spare, by_value);
    for (uint64_t i = 0; i < known; i++)
        sum += spare[i];
    const double mean = sum / (double)known;
    for (uint64_t i = 0; i < known; i++)
        squares += (spare[i] - mean) * (spare[i] - mean);
    const double deviation = sqrt(squares / (double)known);
    const int is_same = known == 0 || spare[0] == spare[known - 1]; /* the deviation may still be a rounding error */
    for (uint64_t i = 0; i < count; i++)
        values[i] = isnan(values[i]) ? NAN : is_same ? 0 : (values[i] - mean) / deviation;
}

/* Where the value lies in the range that the member expects: 0 its bad end, 1 its good one. */
static void to_units(const struct opinion *opinion, uint64_t count, double *values, double *spare)
{
    (void)spare;
    for (uint64_t i = 0; i < count; i++)
        values[i] = (values[i] - opinion->low) / (opinion->high - opinion->low);
}

/* ---- rows: values[m * stride] of one candidate ------------------------------------------------------------------- */

/* Of the members that have an opinion. */
static double mean(const struct opinion *opinion, uint64_t members, const double *values, uint64_t stride)
{
    double sum = 0, weights = 0;
    for (uint64_t m = 0; m < members; m++)
        if (!isnan(values[m * stride])) {
            sum += opinion[m].weight * values[m * stride];
            weights += opinion[m].weight;
        }
    return weights > 0 ? sum / weights : NAN;
}

/* Who has no opinion gives no points. */
static double total(const struct opinion *opinion, uint64_t members, const double *values, uint64_t stride)
{
    double sum = 0, weights = 0;
    for (uint64_t m = 0; m < members; m++)
        if (!isnan(values[m * stride])) {
            sum += opinion[m].weight * values[m * stride];
            weights += opinion[m].weight;
        }
    return weights > 0 ? sum : NAN;
}

static double sum_of_all(const struct opinion *opinion, uint64_t members, const double *values, uint64_t stride)
{
    double sum = 0;
    for (uint64_t m = 0; m < members; m++)
        if (opinion[m].weight > 0)
            sum += opinion[m].weight * values[m * stride];
    return sum;
}

static double product_of_all(const struct opinion *opinion, uint64_t members, const double *values, uint64_t stride)
{
    double product = 1;
    for (uint64_t m = 0; m < members; m++) {
        const double value = values[m * stride];
        if (opinion[m].weight > 0)
            product *= isnan(value) ? NAN : pow(value > 0 ? value : 0, opinion[m].weight);
    }
    return product;
}

static double least_of_all(const struct opinion *opinion, uint64_t members, const double *values, uint64_t stride)
{
    double least = INFINITY;
    (void)opinion;
    for (uint64_t m = 0; m < members; m++) {
        if (isnan(values[m * stride]))
            return NAN;
        least = fmin(least, values[m * stride]);
    }
    return least;
}

/* ---- methods ----------------------------------------------------------------------------------------------------- */

static const struct method methods[] = {
    { .name = "rank", .rescale = to_shares, .mix = mean, .compares = 1, .has_weights = 1, .high = 1 },
    { .name = "borda", .rescale = to_points, .mix = total, .compares = 1, .has_weights = 1, .high = 100 },
    { .name = "weighted", .mix = sum_of_all, .has_weights = 1 },
    { .name = "zscore", .rescale = to_zscores, .mix = mean, .compares = 1, .has_weights = 1, .low = -3, .high = 3 },
    { .name = "min", .rescale = to_units, .mix = least_of_all, .has_range = 1, .high = 1 },
    { .name = "product", .rescale = to_units, .mix = product_of_all, .has_weights = 1, .has_range = 1, .high = 1 },
    { .name = "pareto", .rescale = to_shares, .mix = mean, .compares = 1, .has_fronts = 1, .low = -10, .high = 1 },
};

const struct method *combine_method(const char *name)
{
    for (uint64_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (strcmp(methods[i].name, name) == 0)
            return &methods[i];
    return NULL;
}

/* ---- fronts ------------------------------------------------------------------------------------------------------ */

/* Who lacks one opinion can neither be beaten nor beat in all: it stays out of the comparison. */
static void leave_out_partly_unknown(const struct opinions *o)
{
    for (uint64_t i = 0; i < o->count; i++) {
        int is_known = 1;
        for (uint64_t m = 0; m < o->members; m++)
            is_known &= !isnan(o->values[m * o->count + i]);
        for (uint64_t m = 0; m < o->members && !is_known; m++)
            o->values[m * o->count + i] = NAN;
    }
}

/* Whether a is nowhere worse than b and somewhere better. */
static int dominates(const struct opinions *o, uint64_t a, uint64_t b)
{
    int is_better = 0;
    for (uint64_t m = 0; m < o->members; m++) {
        const double *values = o->values + m * o->count;
        if (values[a] < values[b])
            return 0;
        is_better |= values[a] > values[b];
    }
    return is_better;
}

/* result: each candidate's mean share; becomes share - front. Fronts are what is left when those nobody dominates are
 * taken away, again and again; that is the longest chain of candidates, each dominating the next, that ends in this
 * one. Who dominates has the larger mean share, so one pass from the largest down finds it. A share is above 0 in front
 * 0 and below 1 in the others: the front decides, the share breaks ties. */
static void subtract_fronts(const struct opinions *o, double *result)
{
    double *share = o->spare, *front = o->spare + o->count;
    memcpy(share, result, o->count * sizeof *share);
    for (uint64_t done = 0; done < o->count; done++) {
        uint64_t next = 0;
        for (uint64_t i = 0; i < o->count; i++)
            if (!isnan(share[i]) && (isnan(share[next]) || share[i] > share[next]))
                next = i;
        if (isnan(share[next]))
            break; /* the others stay out */
        front[next] = 0;
        for (uint64_t k = 0; k < o->count; k++) /* share is NaN where the front is known, result where there is none */
            if (isnan(share[k]) && !isnan(result[k]) && front[k] + 1 > front[next] && dominates(o, k, next))
                front[next] = front[k] + 1;
        share[next] = NAN;
    }
    for (uint64_t i = 0; i < o->count; i++)
        result[i] -= isnan(result[i]) ? 0 : front[i];
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

void combine(const struct method *method, const struct opinions *o, double *result)
{
    for (uint64_t m = 0; m < o->members; m++)
        for (uint64_t i = 0; i < o->count; i++) {
            double *value = &o->values[m * o->count + i];
            *value = isfinite(*value) ? o->opinion[m].sign * *value : NAN;
        }
    if (method->has_fronts)
        leave_out_partly_unknown(o);
    for (uint64_t m = 0; m < o->members && method->rescale; m++)
        method->rescale(&o->opinion[m], o->count, o->values + m * o->count, o->spare);
    for (uint64_t i = 0; i < o->count; i++)
        result[i] = method->mix(o->opinion, o->members, o->values + i, o->count);
    if (method->has_fronts)
        subtract_fronts(o, result);
}
