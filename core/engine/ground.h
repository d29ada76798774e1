/* ground.h - a canvas to sample on, with its schedule: the run's, or one with sides of 1/factor, where a search drafts.
 *
 * The smaller one is what the spec would make were its canvas smaller: the sampler's own schedule for it, ids of its
 * own. Only its noises are the run's, shrunk.
 */
#ifndef WINNOW_ENGINE_GROUND_H
#define WINNOW_ENGINE_GROUND_H

#include "engine/solver.h"

#include <winnow/sampler.h>

struct ground {
    struct spec spec; /* the run's, but for the size of its canvas; owns nothing */
    struct solver solver;
    float *sigma; /* solver.sigma */
};

/* A canvas with sides of 1/factor, 1 for the run's own; the spec's start picture is not on it. sampler: the instance.
 * Sizes are not checked here. ground_free ends it. WN_E_MEMORY, or the sampler's error. [any] */
wn_status ground_make(const struct spec *spec, void *sampler, const wn_sampler_info *info, uint32_t factor,
                      struct ground **out, wn_error *err);
void ground_free(struct ground *g); /* NULL is fine */

#endif
