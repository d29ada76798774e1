/* memory.h - an extension of samplers: what a velocity remembers of the one before it, of the same sample.
 *
 * Neighbouring steps ask for nearly the same work, and a sampler may do some of it once for several of them, at the
 * price of an error. What it keeps for that belongs to the sample, not to the sampler: a sampler that kept it itself
 * could not tell samples apart that were cloned, or moved, or made again by a run that goes on after it was killed. So
 * the host keeps it with the sample's state, as bytes of which it knows nothing: a clone goes on with what its original
 * had, a step and a stochastic step hand it on, re-noising and a new noise begin without, and a state that goes to disk
 * takes it along. A velocity is then a function of (x, sigma, cond, what is remembered), and a sample of its lineage.
 *
 * Since 0.4.
 */
#ifndef WINNOW_MEMORY_H
#define WINNOW_MEMORY_H

#include <winnow/sampler.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WN_MEMORY "winnow.memory/1"

/* Beside an item of a velocity batch. Frozen. */
typedef struct wn_memory_item {
    const void *before; /* [bytes]: what the sample remembers; NULL: nothing */
    void *after; /* [bytes], aligned as malloc's: what it is to remember from now on, if has_after; else scratch */
    uint32_t has_after; /* out; 0 as it comes: `before` stays */
    uint32_t is_reused; /* out; 0 as it comes. 1: the velocity took less work than one of a sample without memory */
} wn_memory_item;

typedef struct wn_memory {
    uint64_t struct_size;

    /* Bytes of one sample's memory; 0 = nothing is remembered, and nobody calls this table's velocity. [any] */
    uint64_t (*bytes)(void *self, const wn_canvas *canvas);

    /* As wn_sampler.velocity, to which it is equal, to the last bit, for items that remember nothing and for all that
     * it says of batches; memory[i] is item i's. Where it fails, nothing is remembered of any. [serial, with velocity]
     */
    wn_status (*velocity)(void *self, const wn_canvas *canvas, uint64_t count, const wn_velocity_item *items,
                          wn_memory_item *memory, wn_error *err);
} wn_memory;

#ifdef __cplusplus
}
#endif

#endif
