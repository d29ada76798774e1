/* taef1.h - the tiny autoencoder for FLUX.1 latents (madebyollin/taesd, TAEF1): previews at a twentieth of the cost.
 *
 * Easy to get wrong:
 *  - it takes the model's latents as they are: no scaling, no shift;
 *  - its output is 0..1 already;
 *  - the convolutions that follow an upsampling have no bias;
 *  - diffusers' list of layers lacks the leading clamp, so its indices are one less than the original file's.
 */
#ifndef WINNOW_NN_MODELS_TAEF1_H
#define WINNOW_NN_MODELS_TAEF1_H

#include "../graph.h"
#include "../weights/weights.h"

typedef struct nn_taef1 {
    uint64_t width;           /* channels inside: 64 */
    uint64_t latent_channels; /* 16 */
    uint64_t first;           /* index of the first convolution in the list: 0 in diffusers', 1 in the original */
    char prefix[64];
} nn_taef1;

/* Either layout: a diffusers folder (AutoencoderTiny) or taef1_decoder.safetensors. [any] */
NN_API wn_status nn_taef1_read(const nn_weights *w, nn_taef1 *out, wn_error *err);
/* z [h * w, latent_channels] -> "image" [8 h * 8 w, 3], about 0..1. */
NN_API nn_graph *nn_taef1_decoder_graph(const nn_taef1 *c, const nn_weights *w, uint64_t height, uint64_t width);

#endif
