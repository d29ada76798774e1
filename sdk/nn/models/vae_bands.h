/* vae_bands.h - convolutions after a group norm, in bands of rows. Statistics are over the whole picture; what is
 * normalised by them, as large as the picture, exists for one band at a time. So a band more or less changes no bit.
 */
#ifndef WINNOW_NN_MODELS_VAE_BANDS_H
#define WINNOW_NN_MODELS_VAE_BANDS_H

#include "scope.h"
#include "vae.h"

/* A picture on its way through a tower. */
struct picture {
    nn_t x; // [height * width, channels]
    uint64_t height;
    uint64_t width;
    uint64_t band; /* positions that are wanted in one; 0: by the picture's size */
};

extern const float vae_eps;

/* Weight and bias of a norm over n channels. */
nn_layer vae_norm_layer(const nn_scope *s, const char *leaf, uint64_t n);
/* to = conv(silu(norm(p))) + residual, of 3 x 3. residual, unless 0, may be to->x, and so may p->x. */
void vae_conv_normed(const nn_scope *s, const nn_vae *c, const char *norm, const char *conv, const struct picture *p,
                     nn_t residual, const struct picture *to);
/* to += p through a 1x1 convolution. */
void vae_add_shortcut(const nn_scope *s, const char *leaf, const struct picture *p, const struct picture *to);

#endif
