/* vae.h - the autoencoder of latent diffusion models (AutoencoderKL; Rombach et al. 2022), any size, from diffusers
 * folders and from BFL and Comfy files.
 *
 * Easy to get wrong:
 *  - decode: latent / scaling + shift (divide, then add); encode is the inverse;
 *  - BFL counts the decoder's blocks from the output (`up.0` is the last to run), diffusers from the input;
 *  - the encoder's strided convolutions pad right and bottom only;
 *  - the decoder has one more residual block a level than the encoder;
 *  - attention in the middle has one head over all channels;
 *  - FLUX has no quant convolutions; other models do.
 */
#ifndef WINNOW_NN_MODELS_VAE_H
#define WINNOW_NN_MODELS_VAE_H

#include "../graph.h"
#include "../weights/weights.h"

enum { NN_VAE_MAX_LEVELS = 8 };

typedef struct nn_vae {
    int32_t is_bfl; /* names as in ae.safetensors */
    int32_t has_quant;
    int32_t has_post_quant;
    int32_t has_attention;
    uint64_t levels;
    uint64_t channels[NN_VAE_MAX_LEVELS]; /* from the image to the latent */
    uint64_t blocks;                      /* residual blocks of an encoder level */
    uint64_t groups;
    uint64_t latent_channels;
    uint64_t sample_px; /* side of the images it was trained on */
    float scaling;
    float shift;
    char prefix[64];
} nn_vae;

/* config.json beside the weights (a folder), or the sizes off the weights and FLUX.1's scaling (a single file). [any]
 */
NN_API wn_status nn_vae_read(const char *path, const nn_weights *w, nn_vae *out, wn_error *err);

/* Pixels for one latent position along a side. */
NN_API uint64_t nn_vae_stride(const nn_vae *c);

/* How a picture is cut into bands of rows while it is made. It changes memory and time, and no bit of the result. */
typedef struct nn_vae_bands {
    uint64_t positions; /* of a band, about; 0: by the picture's size */
    int32_t is_tiled;   /* decode: what the last level would keep beside its picture is computed in bands, twice */
} nn_vae_bands;

/* z [h * w, latent_channels], unscaled (latent / scaling + shift) -> "image" [H * W, 3], about -1..1. bands NULL:
 * zeros.
 */
NN_API nn_graph *nn_vae_decoder_graph(const nn_vae *c, const nn_weights *w, uint64_t height, uint64_t width,
                                      const nn_vae_bands *bands);
/* image [H * W, 3] in -1..1 -> "moments" [h * w, 2 latent_channels]: means, then log variances. */
NN_API nn_graph *nn_vae_encoder_graph(const nn_vae *c, const nn_weights *w, uint64_t height_px, uint64_t width_px,
                                      const nn_vae_bands *bands);

#endif
