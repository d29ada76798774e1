/* rows.h - the tables behind curves: a row for each prompt that counts, a column for each point, and what fills a row.
 * stats.c takes means and intervals of their columns. */
#ifndef WINNOW_REPORT_ROWS_H
#define WINNOW_REPORT_ROWS_H

#include "report/data.h"
#include "report/stats.h"

struct rows {
    uint64_t count, columns;
    double *values;   /* [count][columns], room for one row more */
    uint64_t *trials; /* the trial of each row */
};

wn_status rows_create(struct rows *r, const struct data *d, uint64_t columns, wn_error *err);
void rows_free(struct rows *r);
double *rows_next(const struct rows *r); /* the row to be written */
/* Keeps the row just written when all of its values are there. */
void rows_keep(struct rows *r, uint64_t trial);

/* A prompt counts once its trial is done. */
bool rows_is_done(const struct data_trial *t);
uint64_t rows_pool_size(const struct data_trial *t); /* finished candidates */

/* ---- what searching costs ---- */

enum currency { CURRENCY_NFE, CURRENCY_CALLS, CURRENCY_SECONDS, CURRENCIES };

/* What one prompt has paid, at most: NFE, verifier calls or microseconds, ascending. */
struct grid {
    enum currency currency;
    uint64_t *x;
    uint64_t count;
};

/* Every price at which some prompt had a new score, from where all prompts have one, thinned to about a hundred steps
 * of equal ratio. Empty where nothing is finished, or the ledger does not tell the price: a guide that compares calls
 * again for candidates that it has seen. */
wn_status grid_create(const struct data *d, enum currency currency, struct grid *g, wn_error *err);
void grid_free(struct grid *g);

/* ---- filling rows ---- */

/* row[g->count]: the metric of what the guide prefers among the candidates paid for, the earlier of equals. */
void rows_best_so_far(const struct data *d, const struct data_trial *t, const struct grid *g, uint64_t metric,
                      double *row);

/* The finished candidates as (guide, metric): pool[rows_pool_size]; false when the metric has no opinion on any.
 */
bool rows_pool(const struct data *d, const struct data_trial *t, uint64_t metric, struct stats_scored *pool);

/* The largest n that every prompt's pool can answer. scratch: as long as the largest pool. */
uint64_t rows_common_pool(const struct data *d, uint64_t metric, struct stats_scored *scratch);

uint64_t rows_longest_pool(const struct data *d);

#endif
