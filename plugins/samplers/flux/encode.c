/* encode.c - a picture as a latent, by the autoencoder's encoder: the mean of its distribution, scaled as the
 * transformer has latents. Asked for once in a run; its program and buffers are not kept.
 */
#include "flux.h"

#include <stdlib.h>

/* 8-bit values to -1..1, in the reference's order of roundings: / 255, * 2, - 1. */
static void load(const uint8_t *rgb, uint64_t values, float *image)
{
    for (uint64_t i = 0; i < values; i++)
        image[i] = 2.0f * ((float)rgb[i] / 255.0f) - 1.0f;
}

/* moments [positions, 2 C] -> latent [C, positions] */
static void store(const struct flux *f, const float *moments, uint64_t positions, float *latent)
{
    const uint64_t channels = f->vae.latent_channels;
    for (uint64_t c = 0; c < channels; c++)
        for (uint64_t i = 0; i < positions; i++)
            latent[c * positions + i] = (moments[i * 2 * channels + c] - f->vae.shift) * f->vae.scaling;
}

static wn_status run(struct flux *f, const nn_program *p, const wn_image *image, uint64_t positions, float *latent,
                     wn_error *err)
{
    const uint64_t values = (uint64_t)image->width_px * image->height_px * 3;
    float *pixels = calloc(values, sizeof *pixels);
    float *moments = calloc(positions * 2 * f->vae.latent_channels, sizeof *moments);
    wn_status status = pixels && moments ? WN_OK : wn_fail(err, WN_E_MEMORY, "out of memory for a picture");
    if (status == WN_OK) {
        load(image->rgb, values, pixels);
        status = nn_program_run(p, 1, (void *[]){ pixels, moments }, err);
    }
    if (status == WN_OK)
        store(f, moments, positions, latent);
    free(pixels);
    free(moments);
    return status;
}

wn_status encode_image(void *self, const wn_canvas *canvas, const wn_image *image, float *latent, wn_error *err)
{
    static const char *const names[] = { "image", "moments", NULL };
    struct flux *f = self;
    const uint64_t stride = nn_vae_stride(&f->vae);
    nn_program p = { 0 };
    if (image->width_px != canvas->width_px || image->height_px != canvas->height_px)
        return wn_fail(err, WN_E_ARG, "a picture of %u x %u px for a canvas of %u x %u", image->width_px,
                       image->height_px, canvas->width_px, canvas->height_px);
    WN_TRY(nn_program_make(
        nn_vae_encoder_graph(&f->vae, f->parts.weights[PART_VAE], image->height_px, image->width_px, NULL), &f->device,
        f->dtype, 1, names, &p, err));
    const wn_status status = run(f, &p, image, (image->height_px / stride) * (image->width_px / stride), latent, err);
    nn_program_end(&p);
    return status;
}
