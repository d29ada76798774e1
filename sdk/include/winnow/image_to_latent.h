/* image_to_latent.h - an extension of samplers: pictures to start from.
 *
 * A sampler whose model has an encoder answers WN_IMAGE_TO_LATENT with a table; a host that is asked to start from a
 * picture (canvas.image of a spec) mixes its latent with noise and begins at a lower sigma. Since 0.4.
 */
#ifndef WINNOW_IMAGE_TO_LATENT_H
#define WINNOW_IMAGE_TO_LATENT_H

#include <winnow/sampler.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WN_IMAGE_TO_LATENT "winnow.image_to_latent/1"

typedef struct wn_image_to_latent {
    uint64_t struct_size;

    /* The clean latent [C, h, w] whose decoding is closest to the image, which has the canvas' size: the mean, where
     * the encoder gives a distribution. The same image gives the same latent. [serial] */
    wn_status (*encode)(void *self, const wn_canvas *canvas, const wn_image *image, float *latent, wn_error *err);
} wn_image_to_latent;

#ifdef __cplusplus
}
#endif

#endif
