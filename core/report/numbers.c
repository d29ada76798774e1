/* numbers.c - from candidates to curves. Each curve is a table, one row for each prompt that counts and one column for
 * each point, whose column means and intervals stats.c knows how to take.
 */
#include "report/numbers.h"

#include "base/arena.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NFE_POINTS = 96 }; /* more than a plot shows; a long run's steps are thinned to about this many */

/* Rows under construction: values[rows][columns], the trial of each row in trials[rows]. */
struct table {
    uint64_t rows, columns;
    double *values;
    uint64_t *trials;
};

struct context {
    const struct data *d;
    struct numbers *n;
    struct stats_scored *pool; /* scratch, as long as the longest trial */
    wn_error *err;
};

static wn_status no_memory(struct context *x)
{
    return wn_fail(x->err, WN_E_MEMORY, "no memory for the curves of %llu prompts",
                   (unsigned long long)x->d->trial_count);
}

static wn_status table_create(struct context *x, uint64_t columns, struct table *t)
{
    t->rows = 0;
    t->columns = columns;
    t->values = arena_array(x->n->memory, x->d->trial_count * columns + 1, sizeof *t->values);
    t->trials = arena_array(x->n->memory, x->d->trial_count + 1, sizeof *t->trials);
    return t->values && t->trials ? WN_OK : no_memory(x);
}

/* Keeps the row that was just written when all of its values are there. */
static void table_keep(struct table *t, uint64_t trial)
{
    const double *row = t->values + t->rows * t->columns;

    for (uint64_t i = 0; i < t->columns; i++)
        if (isnan(row[i]))
            return;
    t->trials[t->rows++] = trial;
}

/* Column means as points; x is filled in by the caller. */
static wn_status table_points(struct context *x, const struct table *t, struct numbers_point **points)
{
    struct stats_interval *y = arena_array(x->n->memory, t->columns + 1, sizeof *y);

    *points = arena_array(x->n->memory, t->columns + 1, sizeof **points);
    if (!y || !*points)
        return no_memory(x);
    WN_TRY(stats_means(t->rows, t->columns, t->values, y, x->err));
    for (uint64_t i = 0; i < t->columns; i++)
        (*points)[i].y = y[i];
    return WN_OK;
}

static bool is_done(const struct data_trial *t)
{
    return strcmp(t->state, "done") == 0;
}

/* ---- exact best of n ---- */

static uint64_t pool_size(const struct data_trial *t)
{
    uint64_t n = 0;

    for (uint64_t i = 0; i < t->candidate_count; i++)
        n += t->candidates[i].finished;
    return n;
}

/* Fills the scratch pool; false when the metric has no opinion on one of the candidates. */
static bool fill_pool(struct context *x, const struct data_trial *t, uint64_t metric, uint64_t *size)
{
    *size = 0;
    for (uint64_t i = 0; i < t->candidate_count; i++) {
        const struct data_candidate *c = &t->candidates[i];
        if (!c->finished)
            continue;
        if (isnan(c->values[metric]))
            return false;
        x->pool[(*size)++] = (struct stats_scored){ data_guide(x->d, c), c->values[metric] };
    }
    return *size > 0;
}

/* The largest n that every prompt's pool can answer. */
static uint64_t common_pool(struct context *x, uint64_t metric)
{
    uint64_t common = UINT64_MAX, size;

    for (uint64_t i = 0; i < x->d->trial_count; i++)
        if (is_done(&x->d->trials[i]) && fill_pool(x, &x->d->trials[i], metric, &size) && size < common)
            common = size;
    return common == UINT64_MAX ? 0 : common;
}

static wn_status compute_best_of(struct context *x, struct numbers_curve *c, struct table *t)
{
    uint64_t longest = 0, size;
    double *row;

    WN_TRY(table_create(x, common_pool(x, c->metric), t));
    for (uint64_t i = 0; i < x->d->trial_count; i++)
        longest = pool_size(&x->d->trials[i]) > longest ? pool_size(&x->d->trials[i]) : longest;
    row = arena_array(x->n->memory, longest + 1, sizeof *row);
    if (!row)
        return no_memory(x);
    for (uint64_t i = 0; t->columns > 0 && i < x->d->trial_count; i++) {
        if (!is_done(&x->d->trials[i]) || !fill_pool(x, &x->d->trials[i], c->metric, &size))
            continue;
        stats_best_of(size, x->pool, row);
        memcpy(t->values + t->rows * t->columns, row, t->columns * sizeof *row);
        table_keep(t, i);
    }
    WN_TRY(table_points(x, t, &c->best_of));
    c->best_of_count = t->columns;
    for (uint64_t i = 0; i < t->columns; i++)
        c->best_of[i].x = i + 1;
    return WN_OK;
}

/* ---- best so far against evaluations ---- */

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static uint64_t first_nfe(const struct data_trial *t)
{
    uint64_t first = UINT64_MAX;

    for (uint64_t i = 0; i < t->candidate_count; i++)
        if (t->candidates[i].finished && t->candidates[i].nfe_total < first)
            first = t->candidates[i].nfe_total;
    return first;
}

/* The common grid: every number of evaluations at which some prompt had new scores, from where all prompts have one. */
static uint64_t all_nfe(const struct data *d, uint64_t *grid)
{
    uint64_t start = 0, count = 0, kept = 0;

    for (uint64_t i = 0; i < d->trial_count; i++)
        if (is_done(&d->trials[i]) && pool_size(&d->trials[i]) > 0 && first_nfe(&d->trials[i]) > start)
            start = first_nfe(&d->trials[i]);
    for (uint64_t i = 0; i < d->trial_count; i++)
        for (uint64_t k = 0; is_done(&d->trials[i]) && k < d->trials[i].candidate_count; k++)
            if (d->trials[i].candidates[k].finished && d->trials[i].candidates[k].nfe_total >= start)
                grid[count++] = d->trials[i].candidates[k].nfe_total;
    qsort(grid, count, sizeof *grid, by_number);
    for (uint64_t i = 0; i < count; i++)
        if (kept == 0 || grid[kept - 1] != grid[i])
            grid[kept++] = grid[i];
    return kept;
}

/* Thins a long grid to steps of equal ratio; both ends stay. */
static uint64_t thin(uint64_t *grid, uint64_t count)
{
    double ratio = count > NFE_POINTS ? pow((double)grid[count - 1] / (double)grid[0], 1.0 / NFE_POINTS) : 1;
    uint64_t kept = count > 0;

    for (uint64_t i = 1; i < count; i++)
        if (i == count - 1 || (double)grid[i] >= ratio * (double)grid[kept - 1])
            grid[kept++] = grid[i];
    return kept;
}

/* What the guide prefers among the candidates finished within `nfe` evaluations; the earlier one of equals. */
static const struct data_candidate *pick(const struct data *d, const struct data_trial *t, uint64_t nfe)
{
    const struct data_candidate *best = NULL;

    for (uint64_t i = 0; i < t->candidate_count; i++) {
        const struct data_candidate *c = &t->candidates[i];
        if (!c->finished || c->nfe_total > nfe)
            continue;
        if (!best || data_prefers(d, c, best))
            best = c;
    }
    return best;
}

static wn_status compute_against_nfe(struct context *x, struct numbers_curve *c, uint64_t count, const uint64_t *grid)
{
    struct table t;

    WN_TRY(table_create(x, count, &t));
    for (uint64_t i = 0; count > 0 && i < x->d->trial_count; i++) {
        double *row = t.values + t.rows * t.columns;
        if (!is_done(&x->d->trials[i]) || pool_size(&x->d->trials[i]) == 0)
            continue;
        for (uint64_t k = 0; k < count; k++)
            row[k] = pick(x->d, &x->d->trials[i], grid[k])->values[c->metric];
        table_keep(&t, i);
    }
    WN_TRY(table_points(x, &t, &c->against_nfe));
    c->against_nfe_count = t.rows > 0 ? count : 0;
    for (uint64_t k = 0; k < count; k++)
        c->against_nfe[k].x = grid[k];
    return WN_OK;
}

/* ---- gains ---- */

static void ends_from_table(const struct table *t, struct numbers_curve *c)
{
    for (uint64_t r = 0; r < t->rows; r++) {
        c->from_of[t->trials[r]] = t->values[r * t->columns];
        c->to_of[t->trials[r]] = t->values[(r + 1) * t->columns - 1];
    }
}

static void ends_from_offers(const struct data *d, struct numbers_curve *c)
{
    for (uint64_t i = 0; i < d->trial_count; i++)
        if (is_done(&d->trials[i]) && d->trials[i].first) {
            c->from_of[i] = d->trials[i].first->values[c->metric];
            c->to_of[i] = d->trials[i].winner->values[c->metric];
        }
}

static wn_status compute_gain(struct context *x, struct numbers_curve *c)
{
    struct stats_interval y[3];
    struct table t;

    WN_TRY(table_create(x, 3, &t));
    for (uint64_t i = 0; i < x->d->trial_count; i++) {
        double *row = t.values + t.rows * 3;
        row[0] = c->from_of[i];
        row[1] = c->to_of[i];
        row[2] = c->to_of[i] - c->from_of[i];
        table_keep(&t, i);
    }
    WN_TRY(stats_means(t.rows, 3, t.values, y, x->err));
    c->prompts = t.rows;
    c->from = y[0];
    c->to = y[1];
    c->gain = y[2];
    return WN_OK;
}

static wn_status compute_curve(struct context *x, struct numbers_curve *c, uint64_t count, const uint64_t *grid)
{
    struct table t;

    c->from_of = arena_array(x->n->memory, x->d->trial_count + 1, sizeof *c->from_of);
    c->to_of = arena_array(x->n->memory, x->d->trial_count + 1, sizeof *c->to_of);
    if (!c->from_of || !c->to_of)
        return no_memory(x);
    for (uint64_t i = 0; i < x->d->trial_count; i++)
        c->from_of[i] = c->to_of[i] = NAN;
    if (x->d->pool_is_iid) {
        WN_TRY(compute_best_of(x, c, &t));
        ends_from_table(&t, c);
    } else {
        ends_from_offers(x->d, c);
    }
    WN_TRY(compute_gain(x, c));
    return compute_against_nfe(x, c, count, grid);
}

/* ---- categories and counts ---- */

static struct numbers_category *category_of(struct context *x, const char *name)
{
    struct numbers_category *c = x->n->categories;

    for (uint64_t i = 0; i < x->n->category_count; i++, c++)
        if (strcmp(c->name, name) == 0)
            return c;
    c->name = name;
    c->from = arena_array(x->n->memory, x->n->curve_count, sizeof *c->from);
    c->to = arena_array(x->n->memory, x->n->curve_count, sizeof *c->to);
    if (!c->from || !c->to)
        return NULL;
    x->n->category_count++;
    return c;
}

/* Means over the category's prompts that count for the curve. */
static void compare_category(struct context *x, struct numbers_category *category, uint64_t curve)
{
    const struct numbers_curve *c = &x->n->curves[curve];
    double from = 0, to = 0, count = 0;

    for (uint64_t i = 0; i < x->d->trial_count; i++)
        if (!isnan(c->from_of[i]) && !isnan(c->to_of[i]) && strcmp(x->d->trials[i].category, category->name) == 0) {
            from += c->from_of[i];
            to += c->to_of[i];
            count++;
        }
    category->from[curve] = count > 0 ? from / count : NAN;
    category->to[curve] = count > 0 ? to / count : NAN;
}

static wn_status compute_categories(struct context *x)
{
    x->n->categories = arena_array(x->n->memory, x->d->trial_count + 1, sizeof *x->n->categories);
    if (!x->n->categories)
        return no_memory(x);
    for (uint64_t i = 0; i < x->d->trial_count; i++) {
        struct numbers_category *c = category_of(x, x->d->trials[i].category);
        if (!c)
            return no_memory(x);
        c->prompts += is_done(&x->d->trials[i]);
    }
    for (uint64_t i = 0; i < x->n->category_count; i++)
        for (uint64_t k = 0; k < x->n->curve_count; k++)
            compare_category(x, &x->n->categories[i], k);
    return WN_OK;
}

static void count_all(const struct data *d, struct numbers *n)
{
    for (uint64_t i = 0; i < d->trial_count; i++) {
        const struct data_trial *t = &d->trials[i];
        n->prompts++;
        n->done += is_done(t);
        n->failed += strcmp(t->state, "failed") == 0;
        n->candidates += pool_size(t);
        n->nfe += t->nfe;
        n->verifier_calls += t->verifier_calls;
    }
}

static wn_status compute(struct context *x)
{
    const struct data *d = x->d;
    struct numbers *n = x->n;
    uint64_t longest = 0, all = 0, count;
    uint64_t *grid;

    for (uint64_t i = 0; i < d->trial_count; i++) {
        all += d->trials[i].candidate_count;
        longest = d->trials[i].candidate_count > longest ? d->trials[i].candidate_count : longest;
    }
    grid = arena_array(n->memory, all + 1, sizeof *grid);
    x->pool = arena_array(n->memory, longest + 1, sizeof *x->pool);
    n->curves = arena_array(n->memory, d->metric_count, sizeof *n->curves);
    if (!grid || !x->pool || !n->curves)
        return no_memory(x);
    count = thin(grid, all_nfe(d, grid));
    for (uint64_t m = 0; m < d->metric_count; m++)
        if (d->metrics[m].role != DATA_OTHER) {
            n->curves[n->curve_count].metric = m;
            WN_TRY(compute_curve(x, &n->curves[n->curve_count++], count, grid));
        }
    count_all(d, n);
    return compute_categories(x);
}

wn_status numbers_compute(const struct data *d, struct numbers **out, wn_error *err)
{
    struct arena *memory = arena_create();
    struct numbers *n = memory ? arena_alloc(memory, sizeof *n) : NULL;
    struct context x = { d, n, NULL, err };
    wn_status status;

    *out = NULL;
    if (!n) {
        arena_destroy(memory);
        return wn_fail(err, WN_E_MEMORY, "no memory for the numbers of a report");
    }
    n->memory = memory;
    status = compute(&x);
    if (status == WN_OK)
        *out = n;
    else
        numbers_free(n);
    return status;
}

void numbers_free(struct numbers *n)
{
    if (n)
        arena_destroy(n->memory);
}
