/* solver.h - carries one sample along its lineage: Euler steps, stochastic steps, re-noising, previews; all float32.
 *
 * A walk is a state x and the moves that a search asked of it. Moves are recorded first and carried out when a score
 * needs them; the solver is told velocities one at a time, so that it never cares where they come from. Deterministic:
 * the same moves from the same noise give the same bits, carried out at once or in pieces.
 *
 * Threads: a walk belongs to one thread at a time.
 */
#ifndef WINNOW_ENGINE_SOLVER_H
#define WINNOW_ENGINE_SOLVER_H

#include "engine/noise.h"

#include <stdbool.h>

enum { MOVE_ADVANCE = 1, MOVE_RENOISE, MOVE_KICK };

struct move {
    int32_t kind;
    uint32_t point;  /* where it leads */
    double eta;      /* MOVE_KICK */
    uint64_t stream; /* of z: MOVE_KICK, MOVE_RENOISE */
};

struct walk {
    float *x; /* [values] where the first `done` moves (and a part of the next) led; the glimpses behind it */
    float *v; /* [values] or NULL: the velocity at x when has_velocity */
    bool has_velocity;
    uint32_t point; /* of x on the schedule */
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
};

enum { GLIMPSES_MAX = 4 };

struct solver {
    const float *sigma; /* [steps + 1], 1 .. 0 */
    uint32_t steps;
    uint64_t values;
    /* Points whose x0-predictions a walk keeps as it goes by: what it thought of the image on the way. One that is
     * jumped over has the prediction from before the jump; one that is passed again, the last. */
    uint32_t glimpse_count;
    uint32_t glimpse[GLIMPSES_MAX]; /* < steps */
};

uint64_t solver_floats(const struct solver *s);                                        /* of walk.x */
const float *solver_glimpse(const struct solver *s, const struct walk *w, uint32_t i); /* [values] */

void noise_source_fill(const struct noise_source *source, uint64_t stream, float *dst, uint64_t n);

/* Appends a move; an advance that follows an advance extends it. WN_E_MEMORY. */
wn_status walk_append(struct walk *w, struct move move, wn_error *err);
void walk_finish(struct walk *w); /* frees x, v and moves */

/* Carries out all moves that need no new velocity. True: the walk waits for one at *sigma; false: it has arrived, and
 * has its velocity where want_velocity asks for it. z: scratch [values]. */
bool solver_wants(const struct solver *s, const struct noise_source *source, struct walk *w, bool want_velocity,
                  float *z, float *sigma);
/* Whether the velocity asked for is to be kept in w->v rather than used up by a move. */
bool solver_keeps(const struct walk *w);
/* Uses the velocity that was asked for; v may be w->v. */
void solver_take(const struct solver *s, const struct noise_source *source, struct walk *w, const float *v, float *z);

/* x0 = x - sigma v at the walk's point; a copy of x on the clean end. dst [values]. */
void solver_x0(const struct solver *s, const struct walk *w, float *dst);

/* The kernels, on n values. Flow convention: x = (1 - sigma) x0 + sigma eps, v = eps - x0. */
void solver_euler(uint64_t n, float *x, const float *v, float from, float to); /* x += (to - from) v */
/* From noise level a to b >= a: x = r x + sqrt(b^2 - r^2 a^2) z, r = (1 - b) / (1 - a). */
void solver_renoise(uint64_t n, float *x, const float *z, float a, float b);
/* Coefficient-preserving step: x = (1 - to) x0 + to (cos(eta pi/2) eps + sin(eta pi/2) z); "Coefficients-Preserving
 * Sampling for Reinforcement Learning with Flow Matching", Wang & Yu 2025. eta 0 is the Euler step, to the bit. */
void solver_kick(uint64_t n, float *x, const float *v, const float *z, float from, float to, double eta);

#endif
