/* solver.h - carries one sample along its lineage: the spec's steps, stochastic steps, re-noising, previews; all
 * float32.
 *
 * A walk is a state x and the moves that a search asked of it. Moves are recorded first and carried out when a score
 * needs them; the solver is told velocities one at a time, so that it never cares where they come from. Deterministic:
 * the same moves from the same noise give the same bits, carried out at once or in pieces.
 *
 * Threads: a walk belongs to one thread at a time.
 */
#ifndef WINNOW_ENGINE_SOLVER_H
#define WINNOW_ENGINE_SOLVER_H

#include "engine/blend.h"
#include "engine/noise.h"

#include <winnow/search.h>

#include <stdbool.h>

enum { MOVE_ADVANCE = 1, MOVE_RENOISE, MOVE_KICK };

struct move {
    int32_t kind;
    uint32_t point;   /* where it leads */
    uint64_t stream;  /* of z: MOVE_KICK, MOVE_RENOISE */
    wn_kernel kernel; /* MOVE_KICK */
};

struct walk {
    const struct solver *solver; /* of the canvas that it is on */
    float *x;     /* [values] where the first `done` moves (and a part of the next) led; the glimpses behind it */
    float *v;     /* [values] or NULL: the velocity at x when has_velocity */
    void *memory; /* [memory_bytes] or NULL: what the sampler remembers of its last velocity, when has_memory */
    bool has_velocity;
    bool has_memory;
    bool is_halfway; /* through a step of Heun: x is where Euler's would lead, v the velocity where it began */
    uint32_t point;  /* of x on the schedule */
    uint32_t done;
    uint32_t move_count;
    uint32_t move_capacity;
    struct move *moves;
};

/* Where a prompt's noise comes from. Streams from WN_STREAM_AUX up are Philox of aux_seed in every mode. */
struct noise_source {
    enum spec_noise mode;
    uint64_t seed;
    uint64_t aux_seed;
    const struct blends *blends; /* for streams from WN_STREAM_BLEND up; NULL where there are none */
};

enum { GLIMPSES_MAX = 4 };

struct solver {
    enum spec_solver method;
    const float *sigma; /* [steps + 1]; falls to 0, from 1 where start is NULL */
    uint32_t steps;
    uint64_t values;
    uint64_t memory_bytes; /* that a walk remembers between two velocities; 0 = none */
    const float *start;    /* [values] of a picture to begin at, with noise over it; NULL: noise alone */
    /* Of a canvas with sides of 1/shrink: it begins with the run's noise, of shrink^2 times as many values. */
    uint32_t shrink;        /* 0 and 1: the run's own canvas */
    uint64_t rows, columns; /* where it is not: of one channel's latent */
    /* Points whose x0-predictions a walk keeps as it goes by: what it thought of the image on the way. One that is
     * jumped over has the prediction from before the jump; one that is passed again, the last. */
    uint32_t glimpse_count;
    uint32_t glimpse[GLIMPSES_MAX]; /* < steps */
};

uint64_t solver_floats(const struct solver *s);                                        /* of walk.x */
const float *solver_glimpse(const struct solver *s, const struct walk *w, uint32_t i); /* [values] */

/* Velocities that advancing from a point to a later one takes; 0 where it is not later. */
uint64_t solver_velocities(const struct solver *s, uint64_t from, uint64_t to);
/* Whether advancing needs walk.v. */
bool solver_needs_v(const struct solver *s);

uint64_t solver_noise_values(const struct solver *s); /* of the noise that a walk begins with */
/* The state where a walk begins, of its noise: the noise, or (1 - sigma) picture + sigma noise; on a smaller canvas the
 * noise shrunk to it. x may be noise, but not there. */
void solver_begin(const struct solver *s, const float *noise, float *x);

void noise_source_fill(const struct noise_source *source, uint64_t stream, float *dst, uint64_t n);

/* Appends a move; an advance that follows an advance extends it. WN_E_MEMORY. */
wn_status walk_append(struct walk *w, struct move move, wn_error *err);
/* Takes x, v, memory and how far they were carried over; the moves stay where they are. */
void walk_move_state(struct walk *to, struct walk *from);
/* What the walk remembers is of no more use: it is at its end, or was noised anew. */
void walk_forget(struct walk *w);
void walk_finish(struct walk *w); /* frees x, v, memory and moves */

/* Carries out all moves that need no new velocity. True: the walk waits for one at *sigma; false: it has arrived, and
 * has its velocity where want_velocity asks for it. z: scratch [values]. */
bool solver_wants(const struct solver *s, const struct noise_source *source, struct walk *w, bool want_velocity,
                  float *z, float *sigma);
/* Whether the velocity asked for is to be kept in w->v rather than used up by a move. */
bool solver_keeps(const struct solver *s, const struct walk *w);
/* Uses the velocity that was asked for; v may be w->v. */
void solver_take(const struct solver *s, const struct noise_source *source, struct walk *w, const float *v, float *z);

/* x0 = x - sigma v at the walk's point; a copy of x on the clean end. dst [values]. */
void solver_x0(const struct solver *s, const struct walk *w, float *dst);

/* Each value is the sum of factor x factor of noise's over factor: from [planes][factor rows][factor columns] to
 * [planes][rows][columns]. */
void solver_shrink(uint64_t planes, uint64_t rows, uint64_t columns, uint32_t factor, const float *noise, float *dst);

/* The kernels, on n values. Flow convention: x = (1 - sigma) x0 + sigma eps, v = eps - x0. */
void solver_euler(uint64_t n, float *x, const float *v, float from, float to); /* x += (to - from) v */
/* From noise level a to b >= a: x = r x + sqrt(b^2 - r^2 a^2) z, r = (1 - b) / (1 - a). */
void solver_renoise(uint64_t n, float *x, const float *z, float a, float b);
/* The second half of Heun's step, of order 2: x is where Euler's led, v the velocity there, v_from where it began. */
void solver_heun(uint64_t n, float *x, const float *v_from, const float *v, float from, float to);
/* A stochastic step, as winnow/search.h defines its kinds; without noise it does not read z. */
bool solver_kick_has_noise(wn_kernel kernel, float to);
void solver_kick(uint64_t n, float *x, const float *v, const float *z, float from, float to, wn_kernel kernel);

#endif
