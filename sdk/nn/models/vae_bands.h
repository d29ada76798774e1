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

/* Rows of a picture. */
struct rows {
    uint64_t first, count;
};

extern const float vae_eps;

/* Weight and bias of a norm over n channels. */
nn_layer vae_norm_layer(const nn_scope *s, const char *leaf, uint64_t n);

/* ---- whole pictures ------------------------------------------------------------------------------------------ */

/* to = conv(silu(norm(p))) + residual, of 3 x 3. residual, unless 0, may be to->x, and so may p->x. */
void vae_conv_normed(const nn_scope *s, const nn_vae *c, const char *norm, const char *conv, const struct picture *p,
                     nn_t residual, const struct picture *to);
/* to += p through a 1x1 convolution. */
void vae_add_shortcut(const nn_scope *s, const char *leaf, const struct picture *p, const struct picture *to);

/* ---- their parts --------------------------------------------------------------------------------------------- */

uint64_t vae_band_count(const struct picture *p);
struct rows vae_band(const struct picture *p, uint64_t index);
/* The rows of p that a 3 x 3 convolution reads for `wanted` rows of its result, which is `upsample` times as high. */
struct rows vae_reads(const struct picture *p, struct rows wanted, uint64_t upsample);
nn_t vae_window(const nn_scope *s, const struct picture *p, nn_t x, struct rows r);

/* Moments of a picture like p, of `channels`, measured band by band: x holds rows r of it. */
nn_t vae_moments(const nn_scope *s, const nn_vae *c, const struct picture *p, uint64_t channels);
void vae_measure(const nn_scope *s, const nn_vae *c, const struct picture *p, nn_t moments, nn_t x, struct rows r);
nn_t vae_table(const nn_scope *s, const struct picture *p, const char *leaf, nn_t moments, uint64_t channels);

/* Rows `wanted` of a 3 x 3 convolution of p; x holds rows `has` of it. */
nn_t vae_conv_rows(const nn_scope *s, nn_layer l, const struct picture *p, nn_t x, struct rows has, struct rows wanted,
                   uint64_t upsample, const nn_epilogue *e);

#endif
