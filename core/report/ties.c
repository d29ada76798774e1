/* ties.c - a metric that gives half of the candidates one score chooses among them by luck. */
#include "base/arena.h"
#include "report/checks.h"
#include "report/rank.h"
#include "report/rows.h"

#include <math.h>
#include <stdlib.h>

/* row[2]: the share of pairs that tie; whether the best place is shared. values: scratch. NaN where there are no pairs.
 */
static void fill(const struct data_metric *m, uint64_t metric, const struct data_trial *t, double *values, double *row)
{
    uint64_t count = 0;

    for (uint64_t i = 0; i < t->candidate_count; i++)
        if (t->candidates[i].finished && !isnan(t->candidates[i].values[metric]))
            values[count++] = t->candidates[i].values[metric];
    row[0] = rank_tied_share(count, values);
    if (count > 1)
        row[1] = m->higher_is_better ? values[count - 1] == values[count - 2] : values[0] == values[1];
}

static wn_status compute(const struct data *d, struct tie *tie, double *values, wn_error *err)
{
    struct stats_interval y[2];
    struct rows r;
    wn_status status;

    WN_TRY(rows_create(&r, d, 2, err));
    for (uint64_t i = 0; i < d->trial_count; i++)
        if (rows_is_done(&d->trials[i])) {
            rows_next(&r)[1] = NAN;
            fill(&d->metrics[tie->metric], tie->metric, &d->trials[i], values, rows_next(&r));
            rows_keep(&r, i);
        }
    tie->prompts = r.count;
    status = stats_means(r.count, 2, r.values, y, err);
    tie->share = y[0];
    tie->top = y[1];
    rows_free(&r);
    return status;
}

wn_status ties_compute(const struct data *d, const struct numbers *n, struct checks *k, wn_error *err)
{
    double *values = calloc(rows_longest_pool(d) + 1, sizeof *values);
    wn_status status = WN_OK;

    k->ties = arena_array(k->memory, n->curve_count + 1, sizeof *k->ties);
    if (!k->ties || !values)
        status = wn_fail(err, WN_E_MEMORY, "no memory to count ties");
    for (uint64_t i = 0; status == WN_OK && i < n->curve_count; i++) {
        k->ties[i].metric = n->curves[i].metric;
        status = compute(d, &k->ties[k->tie_count++], values, err);
    }
    free(values);
    return status;
}
