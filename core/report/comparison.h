/* comparison.h - a comparison as its parts see it. compare_load.c reads the runs and says what they have in common,
 * compare_algorithms.c says which are one algorithm, compare_numbers.c computes, and compare_page.c, compare_json.c and
 * compare_table.c only show. Internal to core/report. */
#ifndef WINNOW_REPORT_COMPARISON_H
#define WINNOW_REPORT_COMPARISON_H

#include "report/compare.h"
#include "report/data.h"
#include "report/stats.h"
#include "spec/tree.h"

enum compare_currency { COMPARE_NFE, COMPARE_SECONDS, COMPARE_CALLS, COMPARE_CURRENCIES };

/* Where two searches are compared: each at its own end, or both within what the thriftier of the two spent on the same
 * prompt, in one currency. */
enum { COMPARE_AT_END = COMPARE_CURRENCIES, COMPARE_PLACES };

extern const char *const compare_currency_names[COMPARE_CURRENCIES]; /* "nfe", "seconds", "verifier_calls" */

/* What a prompt's search had after each finished candidate. */
struct compare_step {
    double spent[COMPARE_CURRENCIES];
    const struct data_candidate *best; /* the guide's pick so far */
};

struct compare_path {
    const struct data_trial *trial;
    struct compare_step *steps; /* by rising costs */
    uint64_t count;
    double spent[COMPARE_CURRENCIES]; /* in all, also on what was never finished */
    bool is_told[COMPARE_CURRENCIES]; /* what of it the steps took; calls are not where a guide was asked again */
};

struct compare_run {
    const char *directory;
    struct data *data;
    const struct tree_node *spec; /* resolved */
    struct cJSON *manifest;
    const char *seed;
    const char *ground; /* canonical text of seed, noise, canvas and sampler: runs of one begin with the same noises */
    uint64_t algorithm;
    bool is_point;              /* of a sweep */
    uint64_t *metric_of;        /* [metric_count] index into data->metrics */
    struct compare_path *paths; /* [prompt_count] */
};

struct compare_algorithm {
    const char *name;   /* "zero_order, iterations=4"; with the guide's name where guides differ */
    const char *column; /* the same without the guide: where it stands in the table */
    const char *search;
    const char *guide; /* verifier */
    const char *key;   /* canonical text of all that makes it */
    const struct tree_node *spec;
    uint64_t *runs; /* indices */
    uint64_t run_count;
    double spent[COMPARE_CURRENCIES]; /* mean over prompts and runs */
    struct stats_interval *first;     /* [metric_count]: without search; NaN where that is not known */
    struct stats_interval *final;     /* [metric_count] */
};

struct compare_point {
    double x;
    struct stats_interval y;
};

struct compare_curve {
    struct compare_point *points;
    uint64_t count;
};

/* One difference, `right` less `left`. */
struct compare_difference {
    struct stats_interval mean;
    uint64_t rows; /* prompts that count */
    double p;
    double p_holm; /* within one metric and place, over all pairs */
};

struct compare_pair {
    uint64_t left, right;                   /* algorithms */
    uint64_t seeds;                         /* that both have; 0: each side's seeds are averaged by themselves */
    struct compare_difference *differences; /* [metric_count][COMPARE_PLACES] */
};

struct compare_category {
    const char *name;
    uint64_t prompts;
    double *first, *final; /* [algorithm_count][metric_count] */
};

struct compare {
    struct arena *memory;
    struct compare_run *runs;
    uint64_t run_count;
    uint64_t skipped_points;     /* of sweeps, which have not begun */
    struct data_metric *metrics; /* common ones, as they are to be shown */
    uint64_t metric_count;
    const char **left_out; /* metrics that not all have */
    uint64_t left_out_count;
    const struct data_trial **prompts; /* common and done: the first run's */
    uint64_t prompt_count;
    uint64_t most_prompts; /* that any run has */
    struct compare_algorithm *algorithms;
    uint64_t algorithm_count;
    struct compare_curve *curves; /* [COMPARE_CURRENCIES][algorithm_count][metric_count] */
    struct compare_pair *pairs;
    uint64_t pair_count;
    struct compare_category *categories; /* in order of appearance */
    uint64_t category_count;
};

wn_status compare_load(struct compare *c, uint64_t count, const char *const *directories, wn_error *err);
wn_status compare_group(struct compare *c, wn_error *err);
wn_status compare_compute(struct compare *c, wn_error *err);

/* Parts of the last. */
wn_status compare_make_paths(struct compare *c, struct compare_run *r, wn_error *err);
wn_status compare_compute_pairs(struct compare *c, wn_error *err);
uint64_t compare_most_rows(const struct compare *c);

/* A metric of the picture that there would be without search: the prompt's first one, where no score came before it;
 * else that of another run on the same ground. NaN: none is known, or no opinion. */
double compare_first(const struct compare *c, const struct compare_run *r, uint64_t prompt, uint64_t metric);
double compare_final(const struct compare_run *r, uint64_t prompt, uint64_t metric); /* of the winner */
/* Of the guide's pick among what was finished within x of a currency; where nothing is yet, compare_first. */
double compare_within(const struct compare *c, const struct compare_run *r, uint64_t prompt, uint64_t metric,
                      int currency, double x);

/* Canonical text of a verifier's node and of all that it is wrapped around; appended. */
void compare_verifier_text(const struct tree_node *spec, const char *verifier, struct buffer *out);

/* The algorithm at a row and a column of the paper's layout; NULL where there is none. */
const struct compare_algorithm *compare_at(const struct compare *c, const char *guide, const char *column);

const struct compare_curve *compare_curve_of(const struct compare *c, int currency, uint64_t algorithm,
                                             uint64_t metric);
const struct compare_difference *compare_difference_of(const struct compare *c, const struct compare_pair *p,
                                                       uint64_t metric, int place);

/* One plot with a curve for each algorithm: compare_plot.c. */
void compare_plot(const struct compare *c, int currency, uint64_t metric, struct buffer *out);
/* The pairs' differences at the end with their intervals, beside 0: compare_forest.c. */
void compare_forest(const struct compare *c, uint64_t metric, struct buffer *out);
void compare_page(const struct compare *c, struct buffer *out);

wn_status compare_no_memory(wn_error *err);

#endif
