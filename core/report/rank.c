#include "report/rank.h"

#include "report/stats.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

struct item {
    double value;
    uint64_t place;
};

static int by_value(const void *a, const void *b)
{
    double x = ((const struct item *)a)->value, y = ((const struct item *)b)->value;

    return (x > y) - (x < y);
}

/* Ranks less their mean, which is (count - 1) / 2 whatever the ties. items: scratch */
static void centred_ranks(uint64_t count, const double *values, struct item *items, double *ranks)
{
    for (uint64_t i = 0; i < count; i++)
        items[i] = (struct item){ values[i], i };
    qsort(items, count, sizeof *items, by_value);
    for (uint64_t first = 0, end; first < count; first = end) {
        for (end = first; end < count && items[end].value == items[first].value;)
            end++;
        for (uint64_t i = first; i < end; i++)
            ranks[items[i].place] = (double)(first + end - 1) / 2 - (double)(count - 1) / 2;
    }
}

static double product(uint64_t count, const double *x, const double *y)
{
    double sum = 0;

    for (uint64_t i = 0; i < count; i++)
        sum += x[i] * y[i];
    return sum;
}

wn_status rank_spearman(uint64_t count, const double *x, const double *y, double *rho, wn_error *err)
{
    struct item *items = calloc(count + 1, sizeof *items);
    double *a = calloc(count + 1, sizeof *a), *b = calloc(count + 1, sizeof *b);

    *rho = NAN;
    if (items && a && b) {
        centred_ranks(count, x, items, a);
        centred_ranks(count, y, items, b);
        const double scale = sqrt(product(count, a, a)) * sqrt(product(count, b, b));
        *rho = scale > 0 ? product(count, a, b) / scale : NAN;
    }
    const bool has_memory = items && a && b;
    free(items);
    free(a);
    free(b);
    return has_memory ? WN_OK : wn_fail(err, WN_E_MEMORY, "no memory to rank %llu values", (unsigned long long)count);
}

double rank_tied_share(uint64_t count, double *values)
{
    double tied = 0;

    qsort(values, count, sizeof *values, stats_ascending);
    for (uint64_t first = 0, end; first < count; first = end) {
        for (end = first; end < count && values[end] == values[first];)
            end++;
        tied += (double)(end - first) * (double)(end - first - 1);
    }
    return count > 1 ? tied / ((double)count * (double)(count - 1)) : NAN;
}
