/* vit_model.h - a vision transformer ready for pictures: preparation, compiled graph, and a short memory of what it has
 * computed, so that an image scored with several prompts, or asked for twice in a row, is computed once.
 */
#ifndef WINNOW_NN_MODELS_VIT_MODEL_H
#define WINNOW_NN_MODELS_VIT_MODEL_H

#include "../image/preprocess.h"
#include "vit.h"

#include <stdbool.h>

enum { NN_VIT_CHUNK = 8 }; /* images of one call */

typedef struct nn_vit_model nn_vit_model;

/* preprocess must make square images of v->image_px. class_only: of the states only the class token's, [1, width].
 * Weights stay the caller's and open until close. [setup] */
NN_API wn_status nn_vit_model_open(const nn_vit *v, const nn_weights *w, const nn_preprocess *preprocess,
                                   bool class_only, const nn_device *device, int64_t dtype, nn_vit_model **out,
                                   wn_error *err);
NN_API void nn_vit_model_close(nn_vit_model *m); /* NULL is fine. [setup] */

/* states[i]: [tokens or 1, width] of image i, owned by the model and valid until the next call. count is at most
 * NN_VIT_CHUNK. [serial] */
NN_API wn_status nn_vit_model_states(nn_vit_model *m, uint64_t count, const wn_image *images, const float **states,
                                     wn_error *err);
/* Images computed so far: fewer than asked for where some came again. [serial] */
NN_API uint64_t nn_vit_model_computed(const nn_vit_model *m);

#endif
