/* replay.h - makes candidates of a run again, from their lineages.
 *
 * A noise that is a stream's is drawn; one that the search made itself is found by running the search again on what the
 * ledger knows (experiment_seek). Then the moves are carried out by the engine's solver: the same bits as in the
 * run, which depend on no batch.
 */
#ifndef WINNOW_ENGINE_REPLAY_H
#define WINNOW_ENGINE_REPLAY_H

#include "ledger/ledger.h"
#include "plugin/instance.h"

/* What the candidates of one prompt share, from call to call; zeroed at first, replay_forget ends it. */
struct replay_prompt {
    const wn_prompt *prompt;
    uint64_t shrink; /* of the canvas */
    struct wn_cond *cond;
};

struct replay {
    const struct spec *spec;     /* the run's; prompts[candidate->trial] is the candidate's */
    struct instances *instances; /* the sampler; the search and the guide too, where replay_needs_search says so */
    struct process *process;
    struct ledger *ledger;
    const struct ledger_candidate *candidate;
    const struct spec_budget *spent; /* [candidate->trial]: what the prompts before it did, where the search is made */
    struct replay_prompt *kept; /* NULL: the prompt is encoded for this candidate alone */
    /* Where the same noise and moves are wanted of the same model computed in another way (another dtype makes another
     * model_key): the key that it has as the run computed it. NULL: the sampler's own. */
    const char *model_key;
    const float *noise; // [values of a noise]: the candidate's, found before; NULL: drawn or sought
};

/* replay_result_finish ends it. */
struct replay_result {
    wn_image image;  /* of an unfinished candidate the preview that was scored */
    uint64_t values; /* of a latent */
    float *noise;    // [values; more where it was shrunk]
    float *latent;   // [values]: clean, what the image is decoded from
    uint64_t nfe;    /* really spent */
    bool was_sought; /* the noise, by running the search */
    char model_key[72];
};

/* Whether the noise is one that the search made. */
wn_status replay_needs_search(const struct ledger_candidate *c, bool *needs, wn_error *err);

/* WN_E_ARG: what the spec, the model and the lineage make has another id than the candidate. WN_E_CANCELLED. */
wn_status replay_run(const struct replay *r, struct replay_result *result, wn_error *err);
/* The same of several of one prompt, with `kept` for all or none: their velocities are asked for together, as the run
 * does. Those that fail have the reason in errors[i], the others code WN_OK there. */
void replay_run_all(uint64_t count, const struct replay *r, struct replay_result *results, wn_error *errors);
void replay_result_finish(struct replay_result *result); /* a zeroed one is fine */

/* Before the sampler is destroyed, and when the next prompt comes. */
void replay_forget(const struct replay *r);

#endif
