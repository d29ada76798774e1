/* data.h - a run as the report sees it, read once from ledger.db, manifest.json and spec.resolved.json. */
#ifndef WINNOW_REPORT_DATA_H
#define WINNOW_REPORT_DATA_H

#include <winnow/plugin.h>

#include <stdbool.h>

struct arena;

enum data_role { DATA_GUIDE = 1, DATA_JUDGE, DATA_OTHER };

struct data_metric {
    const char *verifier;
    const char *name;
    const char *title; /* VERIFIER.NAME */
    int role;          /* enum data_role */
    bool higher_is_better;
    bool is_yes_or_no; /* every recorded value is 0 or 1: shown in percent */
    double largest;    /* of the recorded values' magnitudes: how many digits are worth showing */
};

struct data_candidate {
    const char *id;
    uint64_t ordinal;
    uint64_t point;
    bool finished;
    const char *parent;  /* "" = none */
    const char *lineage; /* JSON, or "" */
    uint64_t nfe;
    uint64_t nfe_total;
    double seconds;    /* of model, decoder and guide, of all candidates up to this one */
    const char *image; /* relative to the run, "" = none */
    uint64_t offer;    /* 1.. in order of offers, 0 = never offered; the first */
    uint64_t last_offer;
    double *values; /* [metric_count]; NaN = no opinion, or not recorded */
};

struct data_trial {
    uint64_t id;
    const char *prompt_id, *prompt, *category;
    const char *state, *ended;
    uint64_t nfe;
    uint64_t verifier_calls;
    double seconds;
    struct data_candidate *candidates; /* by ordinal */
    uint64_t candidate_count, candidate_capacity;
    const struct data_candidate *first;  /* finished; NULL while nothing is */
    const struct data_candidate *winner; /* the best offer by the guide; the best finished one before any offer */
};

struct data {
    const char *directory;
    const char *name;
    const char *search;
    bool pool_is_iid;
    bool guide_compares;         /* scores of different sets cannot be compared: the last offer is the best */
    struct data_metric *metrics; /* [0] is the guide's */
    uint64_t metric_count;
    struct data_trial *trials;
    uint64_t trial_count, trial_capacity;
    const char *spec; /* texts, "" when the file is absent */
    const char *manifest;
    struct arena *memory;
};

/* WN_E_MISSING when the directory holds no run, WN_E_FORMAT when its files contradict what winnow writes. */
wn_status data_load(const char *run_dir, struct data **out, wn_error *err);
void data_free(struct data *d); /* NULL is fine */

/* Whether the first finished candidate is what there would be without search: no score came before it, so nothing was
 * chosen on the way to it. */
bool data_first_is_plain(const struct data_trial *t);

/* Whether the guide prefers c; of equals, neither. Any score is better than none. */
bool data_prefers(const struct data *d, const struct data_candidate *c, const struct data_candidate *than);

/* A candidate's guide score turned so that higher is better; NaN when there is none. */
double data_guide(const struct data *d, const struct data_candidate *c);

#endif
