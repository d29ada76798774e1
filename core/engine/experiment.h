/* experiment.h - runs a checked spec: trials on threads, one batcher for the sampler, verifiers on theirs.
 *
 * Results are a function of (spec, seed, scores): the number of threads, the batch composition and interruptions do not
 * change a bit of them. A run that was killed is continued by running it again: its searches run from their start and
 * what the ledger has is answered from there.
 */
#ifndef WINNOW_ENGINE_EXPERIMENT_H
#define WINNOW_ENGINE_EXPERIMENT_H

#include "ledger/ledger.h"
#include "plugin/instance.h"
#include "spec/spec.h"

struct timeline;

/* How a run stands, for the progress line; a consistent copy. */
struct experiment_status {
    uint32_t prompts_done, prompts_failed, prompt_count;
    uint64_t candidates_done, candidates_planned;
    uint64_t nfe_sampled;  /* evaluations really made by this process */
    uint64_t nfe_reused;   /* of those: cheaper ones, for what the sample remembered of the one before */
    uint64_t nfe_replayed; /* answered from the ledger */
    uint64_t nfe_cached;   /* answered from the cache that the spec names */
    uint64_t candidates_replayed;
    uint64_t pictures_cached, scores_cached;
    double best_mean; /* mean of the trials' best guide scores so far; NaN at first */
    double seconds;
    double batch_fill;  /* mean items of a velocity call / engine.batch */
    double eta_seconds; /* NaN while unknown; where seconds are the budget, no more than is left of it */
    double budget_seconds, budget_spent; /* of all prompts; budget_seconds is infinite where seconds are no budget */
};

struct experiment_result {
    uint32_t done, failed; /* prompts */
    bool interrupted;      /* resumable: exit code 75 */
    struct experiment_status status;
    struct timeline *timeline; /* the caller's to end, whatever was returned; NULL when no search began */
};

/* Records in the ledger of the spec, which the caller opened and closes. Runs to the end, to the first interrupt
 * (process->cancelled), or to a failure of the ledger or of a device (WN_E_DEVICE: resumable). report_status is called
 * about 4 times a second from one thread; may be NULL. Failing prompts are recorded and do not end the run. */
wn_status experiment_run(const struct spec *spec, struct instances *instances, struct process *process,
                         struct ledger *ledger, void (*report_status)(void *arg, const struct experiment_status *s),
                         void *arg, struct experiment_result *result, wn_error *err);

struct quest;

/* Looks for a noise that the search on a prompt makes itself; see engine.h. The ledger is only read. WN_E_MISSING when
 * the search ends without it. */
wn_status experiment_seek(const struct spec *spec, struct instances *instances, struct process *process,
                          struct ledger *ledger, uint32_t prompt, struct quest *quest, wn_error *err);

#endif
