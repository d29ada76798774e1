/* batcher.h - the one thread that drives a sampler: tasks of all searches share its velocity calls.
 *
 * Batching is continuous: after each call, samples that have arrived leave and waiting ones take their places, so a
 * batch holds samples of different prompts at different noise levels, all of one canvas; where there are several, they
 * take turns. The oldest wave goes first; a search has one at a time, so none starves another. What a sample becomes
 * does not depend on who shares its batches. When a prompt is encoded all that wait are, so that a sampler which swaps
 * its encoders and its model in memory does so once for them.
 */
#ifndef WINNOW_ENGINE_BATCHER_H
#define WINNOW_ENGINE_BATCHER_H

#include "engine/solver.h"
#include "engine/stats.h"
#include "engine/timeline.h"

#include <winnow/sampler.h>

struct batcher;

/* One prompt on one canvas as the sampler wants it: encoded on the engine thread when the first of its samples is
 * admitted, or before. Samples share a call where they share a canvas, that is, this pointer. */
struct conditioning {
    const wn_prompt *prompt;
    const wn_canvas *canvas;
    const float *sigma; /* of the schedule */
    const struct noise_source *noise;
    /* the batcher's */
    wn_cond *cond;  /* NULL until encoded */
    wn_error fault; /* of encoding, which is not tried again; code WN_OK while there is none */
    bool has_left;
    struct conditioning *next;
};

struct task {
    struct conditioning *conditioning;
    struct walk *walk;  /* left alone by everybody else until the task has ended */
    bool want_velocity; /* at the end, in walk->v */
    double seconds;     /* this task's share of the velocity calls */
    void *owner;
};

/* Tasks handed in together. `tasks` is read until the last of them has ended. */
struct wave {
    struct task **tasks;
    uint32_t count;
    uint32_t next;     /* batcher's */
    struct wave *link; /* batcher's */
};

struct batcher_setup {
    const wn_sampler *sampler;
    void *self;
    const char *name; /* of the sampler instance, for errors */
    uint64_t values;  /* of the largest latent */
    uint32_t batch;
    struct stats *stats;
    struct timeline *timeline; /* NULL = nobody looks */
    /* Tasks that ended together, in their order of arrival, on the engine thread. When status is not WN_OK their
     * samples are not there and err says why. */
    void (*ended)(void *arg, uint32_t count, struct task *const *tasks, wn_status status, const wn_error *err);
    bool (*stopping)(void *arg); /* true: everything still waiting ends with WN_E_CANCELLED */
    /* What the sampler returned, as its tasks are told it; WN_E_CANCELLED when it stopped the run. */
    wn_status (*blame)(void *arg, wn_status status, const wn_error *err);
    void *arg;
};

wn_status batcher_create(const struct batcher_setup *setup, struct batcher **out, wn_error *err);
void batcher_destroy(struct batcher *b); /* NULL is fine; nothing may be waiting */

/* Hands in a wave of at least one task. [any] */
void batcher_submit(struct batcher *b, struct wave *wave);
/* Ends a conditioning whose tasks have all ended; returns when its cond is freed. [any] */
void batcher_release(struct batcher *b, struct conditioning *c);

#endif
