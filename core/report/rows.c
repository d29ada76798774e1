/* rows.c - prompts as rows. The order in which candidates came is the order of their ordinals, and what was paid never
 * falls along it. */
#include "report/rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A long run's steps are thinned to about so many, which is more than a plot shows. Hardly two candidates take the same
 * time, so seconds always are. */
enum { GRID_POINTS = 96, GRID_SECONDS = 40 };

wn_status rows_create(struct rows *r, const struct data *d, uint64_t columns, wn_error *err)
{
    const uint64_t room = d->trial_count + 1;

    *r = (struct rows){ 0, columns, NULL, NULL };
    if (columns < SIZE_MAX / sizeof *r->values / room)
        r->values = malloc((room * columns + 1) * sizeof *r->values);
    r->trials = malloc(room * sizeof *r->trials);
    if (r->values && r->trials)
        return WN_OK;
    rows_free(r);
    return wn_fail(err, WN_E_MEMORY, "no memory for the curves of %llu prompts", (unsigned long long)d->trial_count);
}

void rows_free(struct rows *r)
{
    free(r->values);
    free(r->trials);
    r->values = NULL;
    r->trials = NULL;
}

double *rows_next(const struct rows *r)
{
    return r->values + r->count * r->columns;
}

void rows_keep(struct rows *r, uint64_t trial)
{
    const double *row = rows_next(r);

    for (uint64_t i = 0; i < r->columns; i++)
        if (isnan(row[i]))
            return;
    r->trials[r->count++] = trial;
}

bool rows_is_done(const struct data_trial *t)
{
    return strcmp(t->state, "done") == 0;
}

uint64_t rows_pool_size(const struct data_trial *t)
{
    uint64_t n = 0;

    for (uint64_t i = 0; i < t->candidate_count; i++)
        n += t->candidates[i].finished;
    return n;
}

/* ---- what searching costs ---- */

static uint64_t price_of(const struct data_candidate *c, enum currency currency)
{
    if (currency == CURRENCY_NFE)
        return c->nfe_total;
    return currency == CURRENCY_CALLS ? c->ordinal : (uint64_t)llround(fmin(fmax(c->seconds, 0), 1e12) * 1e6);
}

static bool is_told(const struct data *d, enum currency currency)
{
    for (uint64_t i = 0; currency == CURRENCY_CALLS && i < d->trial_count; i++)
        if (rows_is_done(&d->trials[i]) && d->trials[i].verifier_calls != d->trials[i].candidate_count)
            return false;
    return true;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static uint64_t first_price(const struct data_trial *t, enum currency currency)
{
    uint64_t first = UINT64_MAX;

    for (uint64_t i = 0; i < t->candidate_count; i++)
        if (t->candidates[i].finished && price_of(&t->candidates[i], currency) < first)
            first = price_of(&t->candidates[i], currency);
    return first;
}

/* From where all prompts have a score; 0 is no place on an axis of doublings. */
static uint64_t start_of(const struct data *d, enum currency currency)
{
    uint64_t start = 1;

    for (uint64_t i = 0; i < d->trial_count; i++)
        if (rows_is_done(&d->trials[i]) && rows_pool_size(&d->trials[i]) > 0 &&
            first_price(&d->trials[i], currency) > start)
            start = first_price(&d->trials[i], currency);
    return start;
}

/* Equal ones once; a long grid in steps of equal ratio; both ends stay. */
static uint64_t thin(uint64_t *x, uint64_t count, uint64_t most)
{
    uint64_t kept = 0, few;
    double ratio;

    for (uint64_t i = 0; i < count; i++)
        if (kept == 0 || x[kept - 1] != x[i])
            x[kept++] = x[i];
    ratio = kept > most ? pow((double)x[kept - 1] / (double)x[0], 1.0 / (double)most) : 1;
    few = kept > 0;
    for (uint64_t i = 1; i < kept; i++)
        if (i == kept - 1 || (double)x[i] >= ratio * (double)x[few - 1])
            x[few++] = x[i];
    return few;
}

static uint64_t prices(const struct data *d, enum currency currency, uint64_t *x)
{
    const uint64_t start = start_of(d, currency);
    uint64_t count = 0;

    for (uint64_t i = 0; i < d->trial_count; i++)
        for (uint64_t k = 0; rows_is_done(&d->trials[i]) && k < d->trials[i].candidate_count; k++) {
            const struct data_candidate *c = &d->trials[i].candidates[k];
            if (c->finished && price_of(c, currency) >= start)
                x[count++] = price_of(c, currency);
        }
    return count;
}

wn_status grid_create(const struct data *d, enum currency currency, struct grid *g, wn_error *err)
{
    uint64_t all = 0;

    for (uint64_t i = 0; i < d->trial_count; i++)
        all += d->trials[i].candidate_count;
    *g = (struct grid){ currency, calloc(all + 1, sizeof *g->x), 0 };
    if (!g->x)
        return wn_fail(err, WN_E_MEMORY, "no memory for the costs of %llu candidates", (unsigned long long)all);
    g->count = is_told(d, currency) ? prices(d, currency, g->x) : 0;
    qsort(g->x, g->count, sizeof *g->x, by_number);
    g->count = thin(g->x, g->count, currency == CURRENCY_SECONDS ? GRID_SECONDS : GRID_POINTS);
    return WN_OK;
}

void grid_free(struct grid *g)
{
    free(g->x);
    g->x = NULL;
}

/* ---- filling rows ---- */

void rows_best_so_far(const struct data *d, const struct data_trial *t, const struct grid *g, uint64_t metric,
                      double *row)
{
    const struct data_candidate *best = NULL;
    uint64_t next = 0;

    for (uint64_t k = 0; k < g->count; k++) {
        for (; next < t->candidate_count && price_of(&t->candidates[next], g->currency) <= g->x[k]; next++) {
            const struct data_candidate *c = &t->candidates[next];
            if (c->finished && (!best || data_prefers(d, c, best)))
                best = c;
        }
        row[k] = best ? best->values[metric] : NAN;
    }
}

bool rows_pool(const struct data *d, const struct data_trial *t, uint64_t metric, struct stats_scored *pool)
{
    uint64_t size = 0;
    bool has_opinion = false;

    for (uint64_t i = 0; i < t->candidate_count; i++) {
        const struct data_candidate *c = &t->candidates[i];
        if (!c->finished)
            continue;
        has_opinion = has_opinion || !isnan(c->values[metric]);
        pool[size++] = (struct stats_scored){ data_guide(d, c), c->values[metric] };
    }
    return has_opinion;
}

uint64_t rows_common_pool(const struct data *d, uint64_t metric, struct stats_scored *scratch)
{
    uint64_t common = UINT64_MAX;

    for (uint64_t i = 0; i < d->trial_count; i++)
        if (rows_is_done(&d->trials[i]) && rows_pool(d, &d->trials[i], metric, scratch) &&
            rows_pool_size(&d->trials[i]) < common)
            common = rows_pool_size(&d->trials[i]);
    return common == UINT64_MAX ? 0 : common;
}

uint64_t rows_longest_pool(const struct data *d)
{
    uint64_t longest = 0;

    for (uint64_t i = 0; i < d->trial_count; i++)
        longest = rows_pool_size(&d->trials[i]) > longest ? rows_pool_size(&d->trials[i]) : longest;
    return longest;
}
