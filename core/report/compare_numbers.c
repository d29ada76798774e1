/* compare_numbers.c - from what every prompt's search had after every candidate to means, differences and curves.
 *
 * A row is a prompt, averaged over the seeds of the algorithm (for a difference: over the seeds that both have, each
 * difference taken within a seed). Resampling rows is resampling prompts each with all of its seeds: seeds are fresh
 * noises for every prompt, so their spread is in the rows already, and drawing seeds anew within a drawn prompt would
 * count it twice. Where there is only one prompt, rows are its seeds.
 */
#include "report/comparison.h"

#include "base/arena.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CURVE_POINTS = 48 }; /* more than a plot shows */

const char *const compare_currency_names[COMPARE_CURRENCIES] = { "nfe", "seconds", "verifier_calls" };

wn_status compare_no_memory(wn_error *err)
{
    return wn_fail(err, WN_E_MEMORY, "no memory for a comparison");
}

/* ---- rows ------------------------------------------------------------------------------------------------------ */

/* Values of all columns of one prompt and run; false when it has none. */
typedef bool row_maker(const struct compare *c, const struct compare_run *r, uint64_t prompt, const void *arg,
                       double *row);

struct rows {
    uint64_t count, columns;
    double *values; /* [count][columns] */
};

static bool is_whole(uint64_t columns, const double *row)
{
    for (uint64_t i = 0; i < columns; i++)
        if (isnan(row[i]))
            return false;
    return true;
}

/* Adds row to the mean at rows->values[at], where `members` rows are in it. */
static void mix_in(struct rows *rows, uint64_t members, const double *row)
{
    double *mean = rows->values + rows->count * rows->columns;
    for (uint64_t i = 0; i < rows->columns; i++)
        mean[i] = members ? mean[i] + (row[i] - mean[i]) / (double)(members + 1) : row[i];
}

static bool rows_begin(struct rows *rows, uint64_t capacity, uint64_t columns, double **row)
{
    *rows = (struct rows){ 0, columns, calloc(capacity * columns + 1, sizeof(double)) };
    *row = calloc(columns + 1, sizeof **row);
    return rows->values && *row;
}

uint64_t compare_most_rows(const struct compare *c)
{
    return c->prompt_count > c->run_count ? c->prompt_count : c->run_count;
}

static wn_status rows_make(const struct compare *c, const struct compare_algorithm *a, uint64_t columns,
                           row_maker *make, const void *arg, struct rows *rows, wn_error *err)
{
    const bool over_seeds = c->prompt_count == 1;
    double *row;
    if (!rows_begin(rows, compare_most_rows(c), columns, &row)) {
        free(row);
        return compare_no_memory(err);
    }
    for (uint64_t p = 0; p < c->prompt_count; p++) {
        uint64_t members = 0;
        for (uint64_t i = 0; i < a->run_count; i++) {
            if (!make(c, &c->runs[a->runs[i]], p, arg, row) || !is_whole(columns, row))
                continue;
            mix_in(rows, members++, row);
            if (over_seeds) {
                rows->count++;
                members = 0;
            }
        }
        rows->count += members > 0;
    }
    free(row);
    return WN_OK;
}

static void rows_free(struct rows *rows)
{
    free(rows->values);
}

/* ---- algorithms ------------------------------------------------------------------------------------------------ */

static bool first_row(const struct compare *c, const struct compare_run *r, uint64_t prompt, const void *arg,
                      double *row)
{
    *row = compare_first(c, r, prompt, *(const uint64_t *)arg);
    return true;
}

static bool final_row(const struct compare *c, const struct compare_run *r, uint64_t prompt, const void *arg,
                      double *row)
{
    (void)c;
    *row = compare_final(r, prompt, *(const uint64_t *)arg);
    return true;
}

static bool spent_row(const struct compare *c, const struct compare_run *r, uint64_t prompt, const void *arg,
                      double *row)
{
    (void)c, (void)arg;
    memcpy(row, r->paths[prompt].spent, sizeof r->paths[prompt].spent);
    return true;
}

static wn_status sum_up(const struct compare *c, const struct compare_algorithm *a, row_maker *make, uint64_t metric,
                        struct stats_interval *out, wn_error *err)
{
    struct rows rows;
    WN_TRY(rows_make(c, a, 1, make, &metric, &rows, err));
    const wn_status status = stats_means(rows.count, 1, rows.values, out, err);
    rows_free(&rows);
    return status;
}

static wn_status sum_costs(const struct compare *c, struct compare_algorithm *a, wn_error *err)
{
    struct stats_interval y[COMPARE_CURRENCIES];
    struct rows rows;
    WN_TRY(rows_make(c, a, COMPARE_CURRENCIES, spent_row, NULL, &rows, err));
    wn_status status = stats_means(rows.count, COMPARE_CURRENCIES, rows.values, y, err);
    for (int i = 0; i < COMPARE_CURRENCIES; i++)
        a->spent[i] = y[i].mean;
    rows_free(&rows);
    return status;
}

static wn_status compute_algorithms(struct compare *c, wn_error *err)
{
    for (uint64_t i = 0; i < c->algorithm_count; i++) {
        struct compare_algorithm *a = &c->algorithms[i];
        a->first = arena_array(c->memory, c->metric_count, sizeof *a->first);
        a->final = arena_array(c->memory, c->metric_count, sizeof *a->final);
        if (!a->first || !a->final)
            return compare_no_memory(err);
        for (uint64_t m = 0; m < c->metric_count; m++) {
            WN_TRY(sum_up(c, a, first_row, m, &a->first[m], err));
            WN_TRY(sum_up(c, a, final_row, m, &a->final[m], err));
        }
        WN_TRY(sum_costs(c, a, err));
    }
    return WN_OK;
}

/* ---- curves ---------------------------------------------------------------------------------------------------- */

struct grid {
    uint64_t metric;
    int currency;
    uint64_t count;
    double x[CURVE_POINTS];
};

static bool curve_row(const struct compare *c, const struct compare_run *r, uint64_t prompt, const void *arg,
                      double *row)
{
    const struct grid *g = arg;
    for (uint64_t i = 0; i < g->count; i++)
        row[i] = compare_within(c, r, prompt, g->metric, g->currency, g->x[i]);
    return r->paths[prompt].count > 0;
}

static bool is_told(const struct compare *c, const struct compare_algorithm *a, int currency)
{
    for (uint64_t i = 0; i < a->run_count; i++)
        for (uint64_t p = 0; p < c->prompt_count; p++)
            if (!c->runs[a->runs[i]].paths[p].is_told[currency])
                return false;
    return true;
}

/* From where every prompt has a picture to the last candidate of all: where something changes, thinned to equal ratios.
 */
static wn_status make_grid(const struct compare *c, const struct compare_algorithm *a, struct grid *g, wn_error *err)
{
    double start = 0, *all, ratio;
    uint64_t count = 0, capacity = 1;
    for (uint64_t i = 0; i < a->run_count; i++)
        for (uint64_t p = 0; p < c->prompt_count; p++) {
            const struct compare_path *path = &c->runs[a->runs[i]].paths[p];
            capacity += path->count;
            if (path->count)
                start = fmax(start, path->steps[0].spent[g->currency]);
        }
    if (!(all = calloc(capacity, sizeof *all)))
        return compare_no_memory(err);
    for (uint64_t i = 0; i < a->run_count; i++)
        for (uint64_t p = 0; p < c->prompt_count; p++) {
            const struct compare_path *path = &c->runs[a->runs[i]].paths[p];
            for (uint64_t k = 0; k < path->count; k++)
                if (path->steps[k].spent[g->currency] >= start && path->steps[k].spent[g->currency] > 0)
                    all[count++] = path->steps[k].spent[g->currency];
        }
    qsort(all, count, sizeof *all, stats_ascending);
    ratio = count ? pow(all[count - 1] / all[0], 1.0 / (CURVE_POINTS - 2)) : 1;
    for (uint64_t i = 0; i < count; i++)
        if (g->count == 0 || (i + 1 == count && all[i] > g->x[g->count - 1]) ||
            (all[i] > g->x[g->count - 1] && all[i] >= ratio * g->x[g->count - 1]))
            g->x[g->count++] = all[i];
    free(all);
    return WN_OK;
}

static wn_status compute_curve(struct compare *c, const struct compare_algorithm *a, struct grid *g,
                               struct compare_curve *curve, wn_error *err)
{
    struct stats_interval y[CURVE_POINTS];
    struct rows rows;
    WN_TRY(rows_make(c, a, g->count, curve_row, g, &rows, err));
    wn_status status = stats_means(rows.count, g->count, rows.values, y, err);
    curve->points = arena_array(c->memory, g->count + 1, sizeof *curve->points);
    if (status == WN_OK && !curve->points)
        status = compare_no_memory(err);
    for (uint64_t i = 0; status == WN_OK && i < g->count; i++)
        curve->points[i] = (struct compare_point){ g->x[i], y[i] };
    curve->count = status == WN_OK && rows.count ? g->count : 0;
    rows_free(&rows);
    return status;
}

static wn_status compute_curves(struct compare *c, wn_error *err)
{
    c->curves = arena_array(c->memory, COMPARE_CURRENCIES * c->algorithm_count * c->metric_count, sizeof *c->curves);
    if (!c->curves)
        return compare_no_memory(err);
    struct compare_curve *curve = c->curves;
    for (int currency = 0; currency < COMPARE_CURRENCIES; currency++)
        for (uint64_t a = 0; a < c->algorithm_count; a++) {
            struct grid g = { .currency = currency };
            if (is_told(c, &c->algorithms[a], currency))
                WN_TRY(make_grid(c, &c->algorithms[a], &g, err));
            for (g.metric = 0; g.metric < c->metric_count; g.metric++)
                WN_TRY(compute_curve(c, &c->algorithms[a], &g, curve++, err));
        }
    return WN_OK;
}

const struct compare_curve *compare_curve_of(const struct compare *c, int currency, uint64_t algorithm, uint64_t metric)
{
    return &c->curves[((uint64_t)currency * c->algorithm_count + algorithm) * c->metric_count + metric];
}

/* ---- categories ------------------------------------------------------------------------------------------------ */

static double category_mean(const struct compare *c, const struct compare_algorithm *a, const char *category,
                            uint64_t metric, bool is_final)
{
    double sum = 0;
    uint64_t count = 0;
    for (uint64_t p = 0; p < c->prompt_count; p++)
        for (uint64_t i = 0; strcmp(c->prompts[p]->category, category) == 0 && i < a->run_count; i++) {
            const struct compare_run *r = &c->runs[a->runs[i]];
            const double value = is_final ? compare_final(r, p, metric) : compare_first(c, r, p, metric);
            sum += isnan(value) ? 0 : value;
            count += (uint64_t)!isnan(value);
        }
    return count ? sum / (double)count : (double)NAN;
}

static wn_status fill_category(struct compare *c, struct compare_category *category, wn_error *err)
{
    const uint64_t cells = c->algorithm_count * c->metric_count;
    category->first = arena_array(c->memory, cells, sizeof *category->first);
    category->final = arena_array(c->memory, cells, sizeof *category->final);
    if (!category->first || !category->final)
        return compare_no_memory(err);
    for (uint64_t i = 0; i < cells; i++) {
        const struct compare_algorithm *a = &c->algorithms[i / c->metric_count];
        category->first[i] = category_mean(c, a, category->name, i % c->metric_count, false);
        category->final[i] = category_mean(c, a, category->name, i % c->metric_count, true);
    }
    return WN_OK;
}

static wn_status compute_categories(struct compare *c, wn_error *err)
{
    c->categories = arena_array(c->memory, c->prompt_count + 1, sizeof *c->categories);
    if (!c->categories)
        return compare_no_memory(err);
    for (uint64_t p = 0; p < c->prompt_count; p++) {
        uint64_t i = 0;
        while (i < c->category_count && strcmp(c->categories[i].name, c->prompts[p]->category) != 0)
            i++;
        c->category_count += i == c->category_count;
        c->categories[i].name = c->prompts[p]->category;
        c->categories[i].prompts++;
    }
    for (uint64_t i = 0; i < c->category_count; i++)
        WN_TRY(fill_category(c, &c->categories[i], err));
    return WN_OK;
}

wn_status compare_compute(struct compare *c, wn_error *err)
{
    for (uint64_t i = 0; i < c->run_count; i++)
        WN_TRY(compare_make_paths(c, &c->runs[i], err));
    WN_TRY(compute_algorithms(c, err));
    WN_TRY(compute_curves(c, err));
    WN_TRY(compare_compute_pairs(c, err));
    return compute_categories(c, err);
}
