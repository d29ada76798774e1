/* velocity.h - asks a sampler for the velocities of walks, and hands on what each walk remembers (winnow/memory.h).
 *
 * Threads: those of the sampler's velocity.
 */
#ifndef WINNOW_ENGINE_VELOCITY_H
#define WINNOW_ENGINE_VELOCITY_H

#include "engine/solver.h"

#include <winnow/memory.h>

struct velocities {
    const wn_sampler *sampler;
    void *self;
    const wn_memory *memory; /* NULL: nothing is remembered */
    /* its own */
    uint32_t capacity;
    wn_memory_item *items; /* [capacity] */
    struct spare {
        void *memory;
        uint64_t bytes;
    } * spare; /* [capacity]: memory that no walk has */
};

/* For batches of up to `capacity`. WN_E_MEMORY. */
wn_status velocities_open(const wn_sampler *sampler, void *self, uint32_t capacity, struct velocities *out,
                          wn_error *err);
void velocities_close(struct velocities *v); /* all zero is fine */

/* One velocity for each item, all on one canvas; walks[i] is item i's, whose memory goes on. *reused: how many took
 * less work for it, or NULL. Where it fails, all walks are as they were. */
wn_status velocities_ask(struct velocities *v, const wn_canvas *canvas, uint32_t count, const wn_velocity_item *items,
                         struct walk *const *walks, uint32_t *reused, wn_error *err);

/* Bytes that a walk on the canvas remembers: its solver's memory_bytes. [any] */
uint64_t velocity_memory_bytes(const wn_sampler *sampler, void *self, const wn_canvas *canvas);

#endif
