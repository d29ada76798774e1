/* numbers.h - the curves, gains and tables of a report, computed once and shown by the page, the table and
 * summary.json.
 *
 * A prompt counts once its trial is done, and for a metric when the metric has an opinion on what the guide picked (for
 * exact curves: on all of its finished candidates).
 */
#ifndef WINNOW_REPORT_NUMBERS_H
#define WINNOW_REPORT_NUMBERS_H

#include "report/data.h"
#include "report/stats.h"

struct numbers_point {
    uint64_t x; /* n, or what one prompt cost: evaluations of the model, verifier calls, microseconds */
    struct stats_interval y;
};

/* One metric of the guide's pick. */
struct numbers_curve {
    uint64_t metric; /* index into data.metrics: the guide's or a judge's */
    uint64_t prompts;
    struct numbers_point *best_of; /* n = 1, 2, ..., exact; only for pools of independent candidates */
    uint64_t best_of_count;
    struct numbers_point *against_nfe; /* best so far, in the order in which the candidates came */
    uint64_t against_nfe_count;
    struct numbers_point *against_calls; /* none where the guide compares: see rows.h */
    uint64_t against_calls_count;
    struct numbers_point *against_seconds; /* of model, decoder and guide; differ from run to run */
    uint64_t against_seconds_count;
    /* The gain of searching: from the first candidate to the pick of all; n = 1 to the largest n where curves are
     * exact. */
    struct stats_interval from, to, gain;
    double *from_of, *to_of; /* [trial_count]; NaN where the prompt does not count */
};

struct numbers_category {
    const char *name;
    uint64_t prompts;  /* with a trial that is done */
    double *from, *to; /* [curve_count]; NaN when none counts */
    struct stats_interval *gain;
};

struct numbers {
    struct numbers_curve *curves; /* [0] is the guide's */
    uint64_t curve_count;
    struct numbers_category *categories; /* in order of appearance */
    uint64_t category_count;
    uint64_t prompts, done, failed;
    uint64_t candidates; /* finished ones */
    uint64_t nfe, verifier_calls;
    struct arena *memory;
};

wn_status numbers_compute(const struct data *d, struct numbers **out, wn_error *err);
void numbers_free(struct numbers *n); /* NULL is fine */

#endif
