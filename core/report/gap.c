/* gap.c - does the search find better pictures, or its guide's weakness?
 *
 * Guide and judge speak different units, so both gains are told in spreads: how far apart, in standard deviations, the
 * candidates of one prompt are for that metric. A guide that climbs two spreads while the judge stands still has been
 * climbed for nothing; one that climbs while the judge falls has been exploited. The second test, from a quarter of the
 * compute on, finds searches that first improve and then overdo it; where it looks is fixed beforehand, because a peak
 * picked from the curve would always be followed by a fall.
 */
#include "base/arena.h"
#include "report/checks.h"
#include "report/rows.h"
#include "report/show.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GUIDE, JUDGE, GAP, SERIES };

struct work {
    const struct data *d;
    struct gap *gap;
    uint64_t judge; /* metric */
    uint64_t count; /* points */
    struct grid grid;
    struct stats_scored *pool; /* scratch, as long as the largest pool */
    double *best;              /* the same */
    wn_error *err;
};

/* Squares of the deviations from the prompt's mean, added up; *count: degrees of freedom. */
static double squares_of(const struct data_trial *t, uint64_t metric, uint64_t *count)
{
    double n = 0, mean = 0, sum = 0; /* Welford's */

    for (uint64_t i = 0; i < t->candidate_count; i++) {
        const double value = t->candidates[i].values[metric];
        if (!t->candidates[i].finished || isnan(value))
            continue;
        const double step = value - mean;
        mean += step / ++n;
        sum += step * (value - mean);
    }
    *count = n > 0 ? (uint64_t)n - 1 : 0;
    return sum;
}

/* The standard deviation among the finished candidates of one prompt, pooled over prompts; 0 where all are equal. */
static double spread_of(const struct data *d, uint64_t metric)
{
    double squares = 0;
    uint64_t freedom = 0, count;

    for (uint64_t i = 0; i < d->trial_count; i++)
        if (rows_is_done(&d->trials[i])) {
            squares += squares_of(&d->trials[i], metric, &count);
            freedom += count;
        }
    return freedom > 0 ? sqrt(squares / (double)freedom) : 0;
}

static bool fill(struct work *w, const struct data_trial *t, uint64_t metric, double *row)
{
    if (!w->gap->is_exact) {
        rows_best_so_far(w->d, t, &w->grid, metric, row);
        return true;
    }
    if (!rows_pool(w->d, t, metric, w->pool))
        return false;
    stats_best_of(rows_pool_size(t), w->pool, w->best);
    memcpy(row, w->best, w->count * sizeof *row);
    return true;
}

/* From values to gains in spreads. */
static void standardise(const struct data_metric *m, double spread, uint64_t count, double *row)
{
    const double first = row[0], unit = m->higher_is_better ? spread : -spread;

    for (uint64_t i = 0; i < count; i++)
        row[i] = (row[i] - first) / unit;
}

/* [guide's gains, judge's gains, gaps], and for the late test both gains since `late`. */
static void fill_rows(struct work *w, struct rows *r)
{
    const struct gap *g = w->gap;
    const uint64_t n = w->count;

    for (uint64_t i = 0; i < w->d->trial_count; i++) {
        const struct data_trial *t = &w->d->trials[i];
        double *row = rows_next(r), *guide = row + GUIDE * n, *judge = row + JUDGE * n;
        if (!rows_is_done(t) || rows_pool_size(t) == 0 || !fill(w, t, 0, guide) || !fill(w, t, w->judge, judge))
            continue;
        standardise(&w->d->metrics[0], g->guide_spread, n, guide);
        standardise(&w->d->metrics[w->judge], g->judge_spread, n, judge);
        for (uint64_t k = 0; k < n; k++)
            row[GAP * n + k] = guide[k] - judge[k];
        row[SERIES * n] = guide[n - 1] - guide[g->late];
        row[SERIES * n + 1] = judge[n - 1] - judge[g->late];
        rows_keep(r, i);
    }
}

static bool is_hacked(const struct stats_interval *guide, const struct stats_interval *judge)
{
    return guide->low > 0 && judge->high < 0;
}

static void take(const struct work *w, const struct stats_interval *y)
{
    struct gap *g = w->gap;
    const uint64_t n = w->count;

    for (uint64_t k = 0; k < n; k++) {
        g->points[k].guide = y[GUIDE * n + k];
        g->points[k].judge = y[JUDGE * n + k];
        g->points[k].gap = y[GAP * n + k];
    }
    g->late_guide = y[SERIES * n];
    g->late_judge = y[SERIES * n + 1];
    g->count = n;
    if (is_hacked(&g->points[n - 1].guide, &g->points[n - 1].judge))
        g->verdict = GAP_HACKED;
    else if (g->late > 0 && is_hacked(&g->late_guide, &g->late_judge))
        g->verdict = GAP_HACKED_LATE;
}

static uint64_t late_place(const struct gap *g, uint64_t count)
{
    uint64_t i = 0;

    while (i + 1 < count && 4 * g->points[i].x < g->points[count - 1].x)
        i++;
    return i + 1 < count ? i : 0;
}

static wn_status compare(struct work *w, struct checks *k)
{
    struct gap *g = w->gap;
    struct rows r;
    wn_status status = WN_OK;
    struct stats_interval *y = arena_array(k->memory, SERIES * w->count + 2, sizeof *y);

    g->points = arena_array(k->memory, w->count, sizeof *g->points);
    if (!y || !g->points)
        return wn_fail(w->err, WN_E_MEMORY, "no memory to compare guide and judge");
    for (uint64_t i = 0; i < w->count; i++)
        g->points[i].x = g->is_exact ? i + 1 : w->grid.x[i];
    g->late = late_place(g, w->count);
    WN_TRY(rows_create(&r, w->d, SERIES * w->count + 2, w->err));
    fill_rows(w, &r);
    g->prompts = r.count;
    if (r.count > 0)
        status = stats_means(r.count, r.columns, r.values, y, w->err);
    if (r.count > 0 && status == WN_OK)
        take(w, y);
    rows_free(&r);
    return status;
}

static wn_status compute_one(struct work *w, struct checks *k)
{
    struct gap *g = w->gap;
    uint64_t judged;

    g->is_exact = w->d->pool_is_iid;
    g->guide_spread = spread_of(w->d, 0);
    g->judge_spread = spread_of(w->d, w->judge);
    w->count = w->grid.count;
    if (g->is_exact) {
        w->count = rows_common_pool(w->d, 0, w->pool);
        judged = rows_common_pool(w->d, w->judge, w->pool);
        w->count = judged < w->count ? judged : w->count;
    }
    return w->count > 1 && g->guide_spread > 0 && g->judge_spread > 0 ? compare(w, k) : WN_OK;
}

static wn_status compute_all(struct work *w, const struct numbers *n, struct checks *k)
{
    if (!k->gaps || !w->pool || !w->best)
        return wn_fail(w->err, WN_E_MEMORY, "no memory to compare guide and judges");
    for (uint64_t i = 1; i < n->curve_count; i++) {
        w->gap = &k->gaps[k->gap_count++];
        w->gap->curve = i;
        w->judge = n->curves[i].metric;
        WN_TRY(compute_one(w, k));
    }
    return WN_OK;
}

wn_status gap_compute(const struct data *d, const struct numbers *n, struct checks *k, wn_error *err)
{
    const uint64_t longest = rows_longest_pool(d) + 1;
    struct work w = { .d = d, .err = err };
    wn_status status = grid_create(d, CURRENCY_NFE, &w.grid, err);

    if (status == WN_OK) {
        w.pool = calloc(longest, sizeof *w.pool);
        w.best = calloc(longest, sizeof *w.best);
        k->gaps = arena_array(k->memory, n->curve_count + 1, sizeof *k->gaps);
        status = compute_all(&w, n, k);
    }
    free(w.pool);
    free(w.best);
    grid_free(&w.grid);
    return status;
}
