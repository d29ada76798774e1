/* trial.h - one prompt's search: its samples, its budget, what it has seen, and the env through which it works.
 *
 * A sample is its noise and the moves that were asked of it. Nothing is sampled until a score or a peek needs it, and
 * what the ledger has recorded is never sampled: so resuming, replaying and caching are one mechanism.
 */
#ifndef WINNOW_ENGINE_TRIAL_H
#define WINNOW_ENGINE_TRIAL_H

#include "base/arena.h"
#include "engine/budget.h"
#include "engine/engine.h"
#include "engine/keeper.h"

/* Where clones stand together until one of them moves: what they share is carried out once. */
struct stem {
    struct walk walk; /* the moves that they share, and the state where these led; none while `below` has it */
    struct kept kept;
    struct stem *below;  /* from which this one goes on; NULL once it has a state of its own */
    bool wants_velocity; /* where it leads: paid for before it was cloned */
    uint32_t users;      /* samples and stems above */
    uint64_t carried_in; /* the round of carrying that it is in */
};

/* A canvas of the trial: the run's, or a smaller one. */
struct footing {
    struct conditioning conditioning;
    struct identity context;
    const struct solver *solver;
    uint32_t shrink; /* 1: the run's */
    struct footing *next;
};

struct sample {
    bool is_live;
    bool has_paid_velocity; /* the velocity at `point` is charged already */
    bool has_stream;
    uint32_t slot;
    uint32_t generation; /* tells a dropped sample from a new one in its place */
    uint32_t point;      /* where the search has it; walk.point may lag behind */
    uint32_t next_free;
    uint64_t asked_in; /* the last call that named it */
    struct footing *footing;
    struct walk walk; /* all moves are here; the state is the stem's while there is one */
    struct stem *stem;
    struct kept kept;
    struct identity noise;
    uint64_t stream;        /* of its noise, when has_stream */
    uint64_t nfe;           /* of its own path */
    uint64_t unscored_nfe;  /* charged since it was scored last: no candidate has it in its total yet */
    uint64_t unsampled_nfe; /* charged but not yet evaluated or answered */
    double peek_seconds;    /* of peeks since it was scored last: they count with the score that follows */
    bool is_scored;         /* as it stands */
    wn_sample origin;       /* of which it was spawned while that had no score; 0 = none */
    struct identity parent; /* candidate it was derived from, "" = none, or the origin */
    struct identity scored; /* itself, when its score was asked for last */
};

/* A candidate that this trial has scored, as it was the first time. */
struct seen {
    struct identity id;
    struct identity parent;
    uint64_t ordinal; /* 0 = empty slot of the table */
    uint64_t nfe;
    uint64_t nfe_total;
    double score; /* the guide's last, higher is better */
};

struct seen_table {
    struct seen *slots; /* [capacity], a power of two */
    uint64_t capacity;
    uint64_t count;
};

enum { ORIGIN_SLOTS = 256 };

struct trial {
    struct engine *engine;
    uint32_t index;
    const wn_prompt *prompt;
    struct noise_source noise;
    struct blends blends;
    struct footing footing; /* on the run's canvas, and those on smaller ones behind it */
    struct budget budget;

    struct keeper keeper;
    struct sample **samples; /* [sample_capacity] */
    uint32_t sample_count;   /* slots ever used */
    uint32_t sample_capacity;
    uint32_t free_slot; /* slot + 1, 0 = none */
    struct seen_table seen;
    struct {
        struct identity noise;
        uint64_t stream_plus_1;
    } origins[ORIGIN_SLOTS]; /* streams of noises that env handed out, to be named in lineages */

    uint64_t call_count;  /* of those that name many samples */
    uint64_t carry_count; /* rounds in which stems were carried */
    uint64_t set_count;   /* calls of score */
    uint64_t offer_count;
    struct identity choice; /* the best offer so far, under a guide that compares */
    double best_offer;      /* NaN until one has a score */
    bool has_picture;       /* of a finished candidate */
    double best_picture;

    wn_error fault; /* of the sampler, told the search through env, or of the guide; code WN_OK while there is none */
    wn_env env;
    struct arena *arena;
    pthread_mutex_t mutex; /* guards the set under way and what follows */
    pthread_cond_t changed;
    bool has_guide_spoken; /* of any candidate, were it only to say that it has no opinion */
    wn_error guide_fault;  /* its last failure; code WN_OK while there is none */
    uint64_t jobs;         /* not yet recorded or given up */
};

/* Runs the search on prompt `index` to its end and records how it ended. Returns what ended it: WN_OK (also after
 * WN_E_BUDGET), WN_E_CANCELLED, or the failure of the trial. [any] */
wn_status trial_run(struct engine *e, uint32_t index, wn_error *err);

/* Where the noises of a prompt come from; blends are the caller's to add. [any] */
struct noise_source trial_noise(const struct spec *spec, const wn_prompt *prompt);

/* The guide failed on a candidate of the trial: all may go well without its word, but not if it never speaks. [any] */
void trial_note_guide_fault(struct trial *t, const wn_error *err);

/* trial_env.c: the functions of wn_env. */
void trial_bind_env(struct trial *t);
struct sample *trial_sample(struct trial *t, wn_sample handle, wn_error *err); /* NULL: dropped, or never one */
/* The same for one of several in a call, after call_count++: NULL also when the call has named it before. */
struct sample *trial_sample_once(struct trial *t, wn_sample handle, wn_error *err);
wn_status trial_goes_on(const struct trial *t, wn_error *err); /* WN_E_CANCELLED, or the sampler's fault */
void trial_charge(struct sample *s, uint64_t nfe);

/* Whether it is at the end of the run's own schedule: a candidate. On a smaller canvas nothing is one. */
bool sample_is_finished(const struct sample *s);
bool sample_is_at_end(const struct sample *s); /* there is no velocity */
/* A live sample with nothing but its place, made like another or anew. The pointer is good while the sample lives. */
struct sample *trial_new_sample(struct trial *t, const struct sample *like, struct footing *on, wn_sample *handle,
                                wn_error *err);
void trial_free_sample(struct trial *t, struct sample *s);

/* trial_shrink.c: canvases, and env's calls for smaller ones. */
void trial_stand(struct trial *t); /* makes t->footing; trial_leave ends it and the others */
void trial_leave(struct trial *t);
wn_status trial_shrink(void *ctx, wn_sample sample, uint64_t factor, wn_sample *out, wn_error *err);
wn_status trial_shrunk_sigma(void *ctx, uint64_t factor, float *sigma, wn_error *err);

/* trial_state.c: the states of samples. A new sample's is x [values]; a clone's is its original's, with its moves. */
wn_status state_create(struct trial *t, struct sample *s, const float *x, wn_error *err);
wn_status state_share(struct trial *t, struct sample *from, struct sample *to, wn_error *err);
void state_drop(struct trial *t, struct sample *s);
/* Gives each sample a state of its own, for its moves to start from, and memory for a velocity where one is wanted or a
 * step needs it. Blocks while stems are carried, once each. */
wn_status state_own(struct trial *t, uint32_t count, struct sample *const *samples, const bool *wants_velocity,
                    wn_error *err);
/* The sample was sampled: what it remembers counts from now on, or no longer. */
void state_weigh(struct trial *t, struct sample *s);
/* Puts away what has no room; to be called when the work on states is over. */
wn_status state_settle(struct trial *t, wn_error *err);
/* What a failure below means to the search: the end. The trial remembers it, should the search not. */
wn_status trial_hand_up(struct trial *t, wn_status status, const wn_error *fault, wn_error *err);
void trial_free_samples(struct trial *t);

/* trial_lineage.c: JSON that says how a sample came to be, free() it. WN_E_MEMORY; WN_E_ARG: too many moves. */
wn_status trial_lineage(const struct trial *t, const struct sample *s, char **text, wn_error *err);

/* trial_score.c: env->score. */
wn_status trial_score(void *ctx, uint64_t count, const wn_sample *samples, double *scores, wn_error *err);
/* Brings a state of the sample's own to where it stands. Blocks. Charges nothing. */
wn_status state_bring_up(struct trial *t, struct sample *s, bool wants_velocity, wn_error *err);
/* trial_state.c: env->peek. */
wn_status trial_peek(void *ctx, wn_sample sample, float *x, float *x0, wn_error *err);
/* A task without an owner is the trial's own, of state_own and trial_peek. */
void trial_task_ended(struct task *task, wn_status status, const wn_error *err);
/* Counts them to the trial's budget: of a candidate that is made now, or recorded. */
void trial_pay_seconds(struct trial *t, double seconds, bool is_recorded);
void trial_wait(struct trial *t, const uint32_t *remaining); /* until it is 0; guarded by the trial's mutex */
/* What the batcher calls when samples have arrived, or never will; arg is the engine. */
void trial_tasks_ended(void *arg, uint32_t count, struct task *const *tasks, wn_status status, const wn_error *err);

/* trial_seen.c */
struct seen *seen_find(const struct seen_table *table, const struct identity *id); /* NULL = never scored */
struct seen *seen_add(struct seen_table *table,
                      const struct identity *id); /* with the next ordinal; NULL = no memory */

#endif
