/* clip_layout.h - CLIP checkpoints as OpenAI and open_clip write them, seen under the names of Hugging Face.
 *
 * Both layouts hold the same numbers. OpenAI's packs q, k and v into one matrix, and its two projections are stored for
 * x P instead of x W^T. Renamed, split and transposed once, the rest of the toolkit knows one layout. Internal.
 */
#ifndef WINNOW_NN_MODELS_CLIP_LAYOUT_H
#define WINNOW_NN_MODELS_CLIP_LAYOUT_H

#include "../weights/weights.h"

/* Whether the weights are in OpenAI's layout: "visual.conv1.weight" and the like. */
int clip_layout_is_original(const nn_weights *w);

/* Replaces *w by its view under Hugging Face's names. Tensors that the towers do not need are left out. */
wn_status clip_layout_rename(nn_weights **w, wn_error *err);

#endif
