/* identity.h - names a candidate by the hash of what made it, so that equal work is recognised wherever it was done. */
#ifndef WINNOW_ENGINE_IDENTITY_H
#define WINNOW_ENGINE_IDENTITY_H

#include "engine/solver.h"

enum { IDENTITY_DIGITS = 32 };

/* The first half of a SHA-256, as lower-case hex. */
struct identity {
    char text[IDENTITY_DIGITS + 1];
};

/* What all candidates of one prompt have in common: model, canvas with the sampler's own options, schedule, prompt,
 * solver, and the picture that they start from. canvas_options: the table that describes canvas->extra, or NULL. */
struct identity identity_context(const struct spec *spec, const char *model_key, const wn_option *canvas_options,
                                 const float *sigma, const char *prompt);

struct identity identity_noise(const float *noise, uint64_t values);

/* A candidate: context, noise, moves, and the sources of the moves' own randomness. */
struct identity identity_candidate(const struct identity *context, const struct identity *noise,
                                   const struct noise_source *source, uint32_t move_count, const struct move *moves);

#endif
