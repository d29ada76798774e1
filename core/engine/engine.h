/* engine.h - what the trials and threads of one run share. Filled by experiment.c before the first thread starts, and
 * constant from then on but for the counters and the failure.
 *
 *     trial (a thread for each live search)     scores, peeks
 *        | wave of tasks
 *     batcher (engine thread)                   velocities, solver steps
 *        | jobs that arrived
 *     scoring: decoder (thread)                 latents to images
 *        | jobs with images
 *     scoring: lanes (a thread for each verifier)   guide -> wakes the trial; judges
 *        | jobs with all scores
 *     recorder (thread)                         PNG, ledger
 *
 * The timeline notes who is busy when.
 */
#ifndef WINNOW_ENGINE_ENGINE_H
#define WINNOW_ENGINE_ENGINE_H

#include "engine/batcher.h"
#include "engine/ground.h"
#include "engine/identity.h"
#include "engine/timeline.h"
#include "ledger/ledger.h"
#include "plugin/instance.h"

#include <pthread.h>

struct allotment;
struct scoring;
struct recorder;
struct reuse;

/* One column of a candidate's scores: a metric of the guide, or of a judge. The guide's come first. */
struct column {
    uint32_t verifier; /* index into spec.verifiers */
    uint32_t metric;
};

struct quest;

struct engine {
    const struct spec *spec;
    const struct instances *instances;
    struct process *process;
    struct ledger *ledger;

    const wn_sampler *sampler;
    void *sampler_self;
    wn_sampler_info info;
    struct solver solver;
    struct ground *smaller[WN_SHRINK_MAX + 1]; /* by factor: the canvases that the search's plan names; else NULL */
    uint32_t batch;                            /* samples in one velocity call */
    uint64_t latent_height;
    uint64_t latent_width;

    struct column *columns; /* [column_count] */
    uint32_t column_count;
    uint32_t guide_columns;
    double guide_sign;         /* +1, or -1 where the guide's lower is better */
    bool guide_is_comparative; /* scores depend on the set */
    bool has_comparative;      /* the guide or a judge is */

    struct batcher *batcher;
    struct scoring *scoring;
    struct recorder *recorder;
    struct reuse *reuse; /* NULL: the spec names no cache */
    struct stats stats;
    struct timeline *timeline;
    struct quest *quest;         /* NULL in a run */
    struct allotment *allotment; /* of the run's budget */

    pthread_mutex_t mutex;
    wn_error failure; /* the first that ends the run; code WN_OK while there is none */
    atomic_bool is_failed;
    uint32_t failed_in_a_row; /* trials that the sampler failed, without one that went well between */
    uint32_t trials_without_picture; /* that ended before one was finished */
    uint32_t trials_with_best;
    double best_sum;     /* of those trials' best offers */
    struct paid {        /* in seconds as budgets count them, of all trials */
        double now;      /* for what this start made */
        double recorded; /* for what the ledger had */
        double let_go; /* that ended trials had left, and nobody else gets; less where they spent more than they had */
    } paid;
};

/* A noise that a search made itself, no stream's: it is found again by running the search on what the ledger knows,
 * until it spawns of it. Nothing is sampled but what the search looks at itself. */
struct quest {
    struct identity noise;
    float *found;                    /* [values], the caller's to free; NULL until it was spawned */
    uint64_t nfe;                    /* sampled, for what the search looked at */
    const struct spec_budget *spent; /* [prompt]: by those before it, on which its part of a run's budget depends */
};

const wn_verifier *engine_verifier(const struct engine *e, uint32_t index);

/* The image of a glimpse that a verifier asks for, as its place behind the final image: 1 .. solver.glimpse_count; 0 =
 * it asks for none. */
uint32_t engine_glimpse(const struct engine *e, uint32_t verifier);
/* Fills columns and solver.glimpse. [setup] */
wn_status engine_make_columns(struct engine *e, wn_error *err);

/* WN_E_ARG: none that the search's plan names. [any] */
wn_status engine_shrink(const struct engine *e, uint64_t factor, const struct ground **ground, wn_error *err);

/* Whether everybody should come to an end: the user interrupted, or the run failed. [any] */
bool engine_is_stopping(const struct engine *e);
/* Ends the run; the first error stays. [any] */
void engine_fail(struct engine *e, const wn_error *err);
/* What a sampler or verifier returned, as its candidates are told it. A failed device is no candidate's fault: nothing
 * is recorded of those at work, the run ends with WN_E_DEVICE and can be resumed; they are told WN_E_CANCELLED. [any]
 */
wn_status engine_blame(struct engine *e, wn_status status, const wn_error *err);
/* The same of a sampler: what it cannot do for one candidate it can do for none, so WN_E_UNSUPPORTED ends the run. */
wn_status engine_blame_sampler(struct engine *e, wn_status status, const wn_error *err);
/* One line for the ledger's events and the log. [any] */
WN_PRINTF(3, 4) void engine_event(struct engine *e, const char *kind, const char *format, ...);

#endif
