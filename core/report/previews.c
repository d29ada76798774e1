/* previews.c - do the scores of unfinished samples foretell those of what becomes of them?
 *
 * A preview is held against the mean of the finished candidates that descend from it, through whatever the search did
 * in between, and only against previews of its prompt at the same point. Only what the search let live has descendants,
 * so the correlation is that among survivors: of a narrowed range, and lower than that among all.
 */
#include "base/arena.h"
#include "report/checks.h"
#include "report/family.h"
#include "report/rank.h"
#include "report/rows.h"

#include <math.h>
#include <stdlib.h>

/* One prompt's candidates. All arrays are as long as the longest trial. */
struct work {
    const struct data *d;
    uint64_t *parents;
    double *sum, *count; /* of finished descendants */
    double *x, *y;
    wn_error *err;
};

static wn_status work_create(struct work *w, const struct data *d, wn_error *err)
{
    uint64_t longest = 1;

    for (uint64_t i = 0; i < d->trial_count; i++)
        longest = d->trials[i].candidate_count > longest ? d->trials[i].candidate_count : longest;
    *w = (struct work){ d,
                        calloc(longest, sizeof *w->parents),
                        calloc(longest, sizeof *w->sum),
                        calloc(longest, sizeof *w->count),
                        calloc(longest, sizeof *w->x),
                        calloc(longest, sizeof *w->y),
                        err };
    return w->parents && w->sum && w->count && w->x && w->y
               ? WN_OK
               : wn_fail(err, WN_E_MEMORY, "no memory for the previews of %llu candidates",
                         (unsigned long long)longest);
}

static void work_free(struct work *w)
{
    free(w->parents);
    free(w->sum);
    free(w->count);
    free(w->x);
    free(w->y);
}

/* Every finished candidate tells its score to all of its unfinished ancestors. */
static wn_status collect(struct work *w, const struct data_trial *t)
{
    WN_TRY(family_parents(t, w->parents, w->err));
    for (uint64_t i = 0; i < t->candidate_count; i++)
        w->sum[i] = w->count[i] = 0;
    for (uint64_t i = 0; i < t->candidate_count; i++) {
        const double score = data_guide(w->d, &t->candidates[i]);
        if (!t->candidates[i].finished || isnan(score))
            continue;
        for (uint64_t a = w->parents[i]; a != FAMILY_NONE; a = w->parents[a]) {
            w->sum[a] += score;
            w->count[a]++;
        }
    }
    return WN_OK;
}

/* One prompt's rho at one point; NaN where there is no order. */
static wn_status correlate(struct work *w, const struct data_trial *t, uint64_t point, uint64_t *previews, double *rho)
{
    uint64_t n = 0;

    for (uint64_t i = 0; i < t->candidate_count; i++) {
        const struct data_candidate *c = &t->candidates[i];
        if (c->finished || c->point != point || w->count[i] == 0 || isnan(data_guide(w->d, c)))
            continue;
        w->x[n] = data_guide(w->d, c);
        w->y[n++] = w->sum[i] / w->count[i];
    }
    *previews = n;
    return rank_spearman(n, w->x, w->y, rho, w->err);
}

static wn_status compute_point(struct work *w, struct preview *p)
{
    struct rows r;
    wn_status status;

    WN_TRY(rows_create(&r, w->d, 1, w->err));
    for (uint64_t i = 0; i < w->d->trial_count; i++) {
        uint64_t previews = 0;
        if (!rows_is_done(&w->d->trials[i]))
            continue;
        status = collect(w, &w->d->trials[i]);
        if (status == WN_OK)
            status = correlate(w, &w->d->trials[i], p->point, &previews, rows_next(&r));
        if (status != WN_OK) {
            rows_free(&r);
            return status;
        }
        p->previews += isnan(*rows_next(&r)) ? 0 : previews;
        rows_keep(&r, i);
    }
    p->prompts = r.count;
    status = stats_means(r.count, 1, r.values, &p->rho, w->err);
    rows_free(&r);
    return status;
}

static bool is_known(const struct checks *k, uint64_t point)
{
    for (uint64_t i = 0; i < k->preview_count; i++)
        if (k->previews[i].point == point)
            return true;
    return false;
}

static int by_point(const void *a, const void *b)
{
    uint64_t x = ((const struct preview *)a)->point, y = ((const struct preview *)b)->point;

    return (x > y) - (x < y);
}

/* The first POINTS_MAX different points at which something was scored unfinished. */
static void find_points(const struct data *d, struct checks *k, uint64_t most)
{
    for (uint64_t i = 0; i < d->trial_count; i++)
        for (uint64_t c = 0; c < d->trials[i].candidate_count && k->preview_count < most; c++)
            if (!d->trials[i].candidates[c].finished && !is_known(k, d->trials[i].candidates[c].point))
                k->previews[k->preview_count++].point = d->trials[i].candidates[c].point;
    qsort(k->previews, k->preview_count, sizeof *k->previews, by_point);
}

wn_status previews_compute(const struct data *d, struct checks *k, wn_error *err)
{
    enum { POINTS_MAX = 64 };
    struct work w;
    wn_status status;

    k->previews = arena_array(k->memory, POINTS_MAX, sizeof *k->previews);
    if (!k->previews)
        return wn_fail(err, WN_E_MEMORY, "no memory for %d points", POINTS_MAX);
    find_points(d, k, POINTS_MAX);
    status = work_create(&w, d, err);
    for (uint64_t i = 0; status == WN_OK && i < k->preview_count; i++)
        status = compute_point(&w, &k->previews[i]);
    work_free(&w);
    return status;
}
