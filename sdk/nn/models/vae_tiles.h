/* vae_tiles.h - residual blocks that keep no more than one picture of their own size. What a block would keep beside it
 * is computed twice in bands: for the statistics of the norm behind it, and again where it is read.
 */
#ifndef WINNOW_NN_MODELS_VAE_TILES_H
#define WINNOW_NN_MODELS_VAE_TILES_H

#include "vae_bands.h"

/* A picture of twice the sides, which is not there: conv(upsampled(from)), by a layer of 3 x 3. */
struct upsampled {
    struct picture from;
    nn_layer layer;
};

/* A block on an upsampled picture; what it makes is a new tensor. FLUX's last level: 128 channels are kept, and not the
 * upsampled 256. shortcut: the 1x1 convolution where channels change. */
struct picture vae_tiled_first(const nn_scope *s, const nn_vae *c, const struct upsampled *u, uint64_t channels,
                               const char *shortcut);
/* A block whose channels do not change, in place of p. */
void vae_tiled_block(const nn_scope *s, const nn_vae *c, const struct picture *p);

#endif
