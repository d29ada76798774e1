/* start.h - where the paths of candidates begin: at noise alone, or at a picture with noise over it. */
#ifndef WINNOW_ENGINE_START_H
#define WINNOW_ENGINE_START_H

#include "spec/spec.h"

/* The noise levels that are carried out, sigma [spec->canvas.steps + 1]: the sampler's, or the last of them where the
 * spec starts from a picture. The sampler's must fall from 1 to 0. */
wn_status start_schedule(const struct spec *spec, void *sampler, float *sigma, wn_error *err);

/* The spec's picture as a latent [values], to be freed; NULL where it starts from noise alone. */
wn_status start_latent(const struct spec *spec, void *sampler, uint64_t values, float **latent, wn_error *err);

#endif
