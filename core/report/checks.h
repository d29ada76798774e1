/* checks.h - what a reader should know before believing a run's curves: whether the search exploits its guide, whether
 * previews foretell, how often scores tie, how different the candidates of a prompt are.
 *
 * Each is computed once and shown by the page and summary.json. Intervals are bootstrap intervals over prompts.
 */
#ifndef WINNOW_REPORT_CHECKS_H
#define WINNOW_REPORT_CHECKS_H

#include "report/numbers.h"

enum gap_verdict { GAP_NONE, GAP_HACKED, GAP_HACKED_LATE };

/* Gains since the first point, in spreads: the standard deviation among the candidates of one prompt. Signs are turned
 * so that more is better. */
struct gap_point {
    uint64_t x; /* candidates where the curves are exact, else NFE of one prompt */
    struct stats_interval guide, judge;
    struct stats_interval gap; /* guide less judge, a difference for each prompt */
};

/* A judge held against the guide. */
struct gap {
    uint64_t curve;   /* the judge's in numbers.curves */
    uint64_t prompts; /* on which both have opinions */
    bool is_exact;    /* best of n; else best so far */
    struct gap_point *points;
    uint64_t count; /* 0 where one of the two is the same for all candidates */
    double guide_spread, judge_spread;
    /* From the first point with a quarter of all compute to the end; place 0: there is none. */
    uint64_t late;
    struct stats_interval late_guide, late_judge;
    enum gap_verdict verdict; /* guide up and judge down, neither by chance: over all, or only since `late` */
};

/* Scores of unfinished samples at one point of the schedule, against those of the finished ones that came of them. */
struct preview {
    uint64_t point;
    uint64_t previews;         /* that have finished descendants, in prompts that count */
    uint64_t prompts;          /* with an order: two or more that differ */
    struct stats_interval rho; /* Spearman's, within a prompt */
};

/* How often a metric cannot tell two finished candidates of a prompt apart. */
struct tie {
    uint64_t metric;
    uint64_t prompts;
    struct stats_interval share; /* of pairs */
    struct stats_interval top;   /* of prompts, whose best place is shared */
};

/* How different a prompt's finished candidates look: look.h. */
struct diversity {
    uint64_t prompts;
    double candidates;              /* of a prompt, on average */
    struct stats_interval distance; /* mean over pairs */
    struct stats_interval vendi;
};

struct checks {
    struct gap *gaps; /* one for each judge */
    uint64_t gap_count;
    struct preview *previews; /* by point */
    uint64_t preview_count;
    struct tie *ties; /* one for each curve */
    uint64_t tie_count;
    struct diversity whole, early, late; /* the pool; its first and its last half; prompts 0: no pictures */
    bool is_sampled;                     /* diversity: of some prompts or candidates only */
    struct arena *memory;
};

wn_status checks_compute(const struct data *d, const struct numbers *n, struct checks **out, wn_error *err);
void checks_free(struct checks *k); /* NULL is fine */

/* The parts, each in a file of its name. Memory comes from k->memory. */
wn_status gap_compute(const struct data *d, const struct numbers *n, struct checks *k, wn_error *err);
wn_status previews_compute(const struct data *d, struct checks *k, wn_error *err);
wn_status ties_compute(const struct data *d, const struct numbers *n, struct checks *k, wn_error *err);
wn_status diversity_compute(const struct data *d, struct checks *k, wn_error *err);

#endif
