/* numbers.c - from candidates to curves: rows.c fills tables, stats.c takes their means and intervals. */
#include "report/numbers.h"

#include "base/arena.h"
#include "report/rows.h"

#include <math.h>
#include <string.h>

struct context {
    const struct data *d;
    struct numbers *n;
    struct stats_scored *pool; /* scratch, as long as the largest pool */
    double *row;               /* scratch, as long */
    struct grid grids[CURRENCIES];
    wn_error *err;
};

static wn_status no_memory(struct context *x)
{
    return wn_fail(x->err, WN_E_MEMORY, "no memory for the curves of %llu prompts",
                   (unsigned long long)x->d->trial_count);
}

/* Column means as points at x; x NULL: at 1, 2, ... */
static wn_status points_of(struct context *x, const struct rows *r, const uint64_t *at, struct numbers_point **points)
{
    struct stats_interval *y = arena_array(x->n->memory, r->columns + 1, sizeof *y);

    *points = arena_array(x->n->memory, r->columns + 1, sizeof **points);
    if (!y || !*points)
        return no_memory(x);
    WN_TRY(stats_means(r->count, r->columns, r->values, y, x->err));
    for (uint64_t i = 0; i < r->columns; i++)
        (*points)[i] = (struct numbers_point){ at ? at[i] : i + 1, y[i] };
    return WN_OK;
}

/* ---- exact best of n ---- */

static void fill_best_of(struct context *x, uint64_t metric, struct rows *r)
{
    for (uint64_t i = 0; r->columns > 0 && i < x->d->trial_count; i++) {
        const struct data_trial *t = &x->d->trials[i];
        if (!rows_is_done(t) || !rows_pool(x->d, t, metric, x->pool))
            continue;
        stats_best_of(rows_pool_size(t), x->pool, x->row);
        memcpy(rows_next(r), x->row, r->columns * sizeof *x->row);
        rows_keep(r, i);
    }
}

static void ends_from_rows(const struct rows *r, struct numbers_curve *c)
{
    for (uint64_t i = 0; i < r->count; i++) {
        c->from_of[r->trials[i]] = r->values[i * r->columns];
        c->to_of[r->trials[i]] = r->values[(i + 1) * r->columns - 1];
    }
}

static wn_status compute_best_of(struct context *x, struct numbers_curve *c)
{
    struct rows r;
    wn_status status;

    WN_TRY(rows_create(&r, x->d, rows_common_pool(x->d, c->metric, x->pool), x->err));
    fill_best_of(x, c->metric, &r);
    status = points_of(x, &r, NULL, &c->best_of);
    c->best_of_count = status == WN_OK && r.count > 0 ? r.columns : 0;
    ends_from_rows(&r, c);
    rows_free(&r);
    return status;
}

/* ---- best so far against what it cost ---- */

static wn_status compute_against(struct context *x, uint64_t metric, const struct grid *g,
                                 struct numbers_point **points, uint64_t *count)
{
    struct rows r;
    wn_status status;

    WN_TRY(rows_create(&r, x->d, g->count, x->err));
    for (uint64_t i = 0; g->count > 0 && i < x->d->trial_count; i++) {
        if (!rows_is_done(&x->d->trials[i]) || rows_pool_size(&x->d->trials[i]) == 0)
            continue;
        rows_best_so_far(x->d, &x->d->trials[i], g, metric, rows_next(&r));
        rows_keep(&r, i);
    }
    status = points_of(x, &r, g->x, points);
    *count = status == WN_OK && r.count > 0 ? g->count : 0;
    rows_free(&r);
    return status;
}

static wn_status compute_all_against(struct context *x, struct numbers_curve *c)
{
    WN_TRY(compute_against(x, c->metric, &x->grids[CURRENCY_NFE], &c->against_nfe, &c->against_nfe_count));
    WN_TRY(compute_against(x, c->metric, &x->grids[CURRENCY_CALLS], &c->against_calls, &c->against_calls_count));
    return compute_against(x, c->metric, &x->grids[CURRENCY_SECONDS], &c->against_seconds, &c->against_seconds_count);
}

/* ---- gains ---- */

static void ends_from_offers(const struct data *d, struct numbers_curve *c)
{
    for (uint64_t i = 0; i < d->trial_count; i++)
        if (rows_is_done(&d->trials[i]) && d->trials[i].first) {
            c->from_of[i] = d->trials[i].first->values[c->metric];
            c->to_of[i] = d->trials[i].winner->values[c->metric];
        }
}

/* category NULL: all. */
static wn_status compute_gain(struct context *x, const struct numbers_curve *c, const char *category, uint64_t *prompts,
                              struct stats_interval y[3])
{
    struct rows r;
    wn_status status;

    WN_TRY(rows_create(&r, x->d, 3, x->err));
    for (uint64_t i = 0; i < x->d->trial_count; i++) {
        double *row = rows_next(&r);
        if (category && strcmp(x->d->trials[i].category, category) != 0)
            continue;
        row[0] = c->from_of[i];
        row[1] = c->to_of[i];
        row[2] = c->to_of[i] - c->from_of[i];
        rows_keep(&r, i);
    }
    *prompts = r.count;
    status = stats_means(r.count, 3, r.values, y, x->err);
    rows_free(&r);
    return status;
}

static wn_status compute_curve(struct context *x, struct numbers_curve *c)
{
    struct stats_interval y[3];

    c->from_of = arena_array(x->n->memory, x->d->trial_count + 1, sizeof *c->from_of);
    c->to_of = arena_array(x->n->memory, x->d->trial_count + 1, sizeof *c->to_of);
    if (!c->from_of || !c->to_of)
        return no_memory(x);
    for (uint64_t i = 0; i < x->d->trial_count; i++)
        c->from_of[i] = c->to_of[i] = NAN;
    if (x->d->pool_is_iid)
        WN_TRY(compute_best_of(x, c));
    else
        ends_from_offers(x->d, c);
    WN_TRY(compute_gain(x, c, NULL, &c->prompts, y));
    c->from = y[0];
    c->to = y[1];
    c->gain = y[2];
    return compute_all_against(x, c);
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
    c->gain = arena_array(x->n->memory, x->n->curve_count, sizeof *c->gain);
    if (!c->from || !c->to || !c->gain)
        return NULL;
    x->n->category_count++;
    return c;
}

/* Over the category's prompts that count for the curve. */
static wn_status compare_category(struct context *x, struct numbers_category *category, uint64_t curve)
{
    struct stats_interval y[3];
    uint64_t prompts;

    WN_TRY(compute_gain(x, &x->n->curves[curve], category->name, &prompts, y));
    category->from[curve] = y[0].mean;
    category->to[curve] = y[1].mean;
    category->gain[curve] = y[2];
    return WN_OK;
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
        c->prompts += rows_is_done(&x->d->trials[i]);
    }
    for (uint64_t i = 0; i < x->n->category_count; i++)
        for (uint64_t k = 0; k < x->n->curve_count; k++)
            WN_TRY(compare_category(x, &x->n->categories[i], k));
    return WN_OK;
}

static void count_all(const struct data *d, struct numbers *n)
{
    for (uint64_t i = 0; i < d->trial_count; i++) {
        const struct data_trial *t = &d->trials[i];
        n->prompts++;
        n->done += rows_is_done(t);
        n->failed += strcmp(t->state, "failed") == 0;
        n->candidates += rows_pool_size(t);
        n->nfe += t->nfe;
        n->verifier_calls += t->verifier_calls;
    }
}

static wn_status compute(struct context *x)
{
    const struct data *d = x->d;
    struct numbers *n = x->n;

    x->pool = arena_array(n->memory, rows_longest_pool(d) + 1, sizeof *x->pool);
    x->row = arena_array(n->memory, rows_longest_pool(d) + 1, sizeof *x->row);
    n->curves = arena_array(n->memory, d->metric_count, sizeof *n->curves);
    if (!x->row || !x->pool || !n->curves)
        return no_memory(x);
    for (int i = 0; i < CURRENCIES; i++)
        WN_TRY(grid_create(d, (enum currency)i, &x->grids[i], x->err));
    for (uint64_t m = 0; m < d->metric_count; m++)
        if (d->metrics[m].role != DATA_OTHER) {
            n->curves[n->curve_count].metric = m;
            WN_TRY(compute_curve(x, &n->curves[n->curve_count++]));
        }
    count_all(d, n);
    return compute_categories(x);
}

wn_status numbers_compute(const struct data *d, struct numbers **out, wn_error *err)
{
    struct arena *memory = arena_create();
    struct numbers *n = memory ? arena_alloc(memory, sizeof *n) : NULL;
    struct context x = { .d = d, .n = n, .err = err };
    wn_status status;

    *out = NULL;
    if (!n) {
        arena_destroy(memory);
        return wn_fail(err, WN_E_MEMORY, "no memory for the numbers of a report");
    }
    n->memory = memory;
    status = compute(&x);
    for (int i = 0; i < CURRENCIES; i++)
        grid_free(&x.grids[i]);
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
