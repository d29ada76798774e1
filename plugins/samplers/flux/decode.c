/* decode.c - from clean latents to 8-bit pictures, by the autoencoder or, for previews, the tiny one. It shares nothing
 * with the velocity's lane but read-only weights.
 */
#include "flux.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Values of the largest picture on the way: as large as the result, with the channels of the level before it. */
static uint64_t widest_picture(const struct flux *f, uint64_t h, uint64_t w)
{
    const uint64_t stride = nn_vae_stride(&f->vae);
    return f->vae.channels[f->vae.levels > 1 ? 1 : 0] * h * w * stride * stride;
}

uint64_t decoder_items(const struct flux *f, uint64_t h, uint64_t w)
{
    return items_for(f, 3 * widest_picture(f, h, w));
}

/* Whole, it takes that picture, one of about half its channels, and some bands. Many drivers give no more than 4 GiB in
 * one piece. */
static bool is_tiled(const struct flux *f, uint64_t h, uint64_t w)
{
    const uint64_t bytes = 6 * widest_picture(f, h, w);
    return strcmp(f->options->decode, "tiles") == 0 ||
           (strcmp(f->options->decode, "auto") == 0 && bytes > UINT64_C(15) << 28);
}

nn_graph *decoder_graph(const struct flux *f, uint64_t h, uint64_t w)
{
    const nn_vae_bands bands = { .is_tiled = is_tiled(f, h, w) };
    return nn_vae_decoder_graph(&f->vae, f->parts.weights[PART_VAE], h, w, &bands);
}

static wn_status program_for(struct flux *f, uint64_t h, uint64_t w, int32_t quality, const nn_program **out,
                             wn_error *err)
{
    static const char *const names[] = { "z", "image", NULL };
    struct sized_program *s = sized_find(f->decoder, &f->decode_clock, h, w, quality);
    *out = &s->program;
    if (s->program.program)
        return WN_OK;
    nn_graph *g = quality == WN_QUALITY_FULL ? decoder_graph(f, h, w)
                                             : nn_taef1_decoder_graph(&f->taef1, f->parts.weights[PART_PREVIEW], h, w);
    return nn_program_make(g, &f->device, f->dtype, decoder_items(f, h, w), names, &s->program, err);
}

/* [C, positions] -> [positions, C]; the autoencoder's latents are not scaled. */
static void load(const struct flux *f, int32_t quality, const float *x0, uint64_t positions, float *z)
{
    const uint64_t channels = f->vae.latent_channels;
    const float scaling = quality == WN_QUALITY_FULL ? f->vae.scaling : 1.0f;
    const float shift = quality == WN_QUALITY_FULL ? f->vae.shift : 0.0f;
    for (uint64_t c = 0; c < channels; c++)
        for (uint64_t i = 0; i < positions; i++)
            z[i * channels + c] = x0[c * positions + i] / scaling + shift;
}

/* Halves go to even, as numpy's round does; what is not a number becomes 0. */
static uint8_t to_u8(float y)
{
    return y > 0.0f ? (uint8_t)rintf((y < 1.0f ? y : 1.0f) * 255.0f) : 0;
}

static void store(int32_t quality, const float *image, uint64_t values, uint8_t *rgb)
{
    for (uint64_t i = 0; i < values; i++)
        rgb[i] = to_u8(quality == WN_QUALITY_FULL ? image[i] * 0.5f + 0.5f : image[i]);
}

static wn_status reserve(struct flux *f, uint64_t floats, wn_error *err)
{
    if (f->pictures_size >= floats)
        return WN_OK;
    float *larger = realloc(f->pictures, floats * sizeof *larger);
    if (!larger)
        return wn_fail(err, WN_E_MEMORY, "out of memory for %llu floats of pictures", (unsigned long long)floats);
    f->pictures = larger;
    f->pictures_size = floats;
    return WN_OK;
}

static wn_status run_chunk(struct flux *f, const nn_program *p, uint64_t positions, uint64_t pixels, uint64_t count,
                           const float *const *x0, int32_t quality, uint8_t *const *rgb, wn_error *err)
{
    const uint64_t latent = f->vae.latent_channels * positions;
    float *images = f->pictures + count * latent;
    void **data = calloc(2 * count, sizeof *data);
    if (!data)
        return wn_fail(err, WN_E_MEMORY, "out of memory for a batch");
    for (uint64_t i = 0; i < count; i++) {
        data[2 * i] = f->pictures + i * latent;
        data[2 * i + 1] = images + i * 3 * pixels;
        load(f, quality, x0[i], positions, f->pictures + i * latent);
    }
    const wn_status status = nn_program_run(p, count, data, err);
    for (uint64_t i = 0; i < count && status == WN_OK; i++)
        store(quality, images + i * 3 * pixels, 3 * pixels, rgb[i]);
    free(data);
    return status;
}

wn_status decode_run(struct flux *f, const wn_canvas *canvas, uint64_t count, const float *const *x0, int32_t quality,
                     uint8_t *const *rgb, wn_error *err)
{
    const uint64_t stride = nn_vae_stride(&f->vae);
    const uint64_t h = canvas->height_px / stride;
    const uint64_t w = canvas->width_px / stride;
    const uint64_t pixels = (uint64_t)canvas->height_px * canvas->width_px;
    const nn_program *p;
    if (quality != WN_QUALITY_PREVIEW || !f->parts.weights[PART_PREVIEW])
        quality = WN_QUALITY_FULL; /* without a tiny decoder, previews are decoded in full */
    WN_TRY(program_for(f, h, w, quality, &p, err));
    WN_TRY(reserve(f, p->max_items * (f->vae.latent_channels * h * w + 3 * pixels), err));
    for (uint64_t first = 0; first < count; first += p->max_items) {
        const uint64_t n = count - first < p->max_items ? count - first : p->max_items;
        WN_TRY(run_chunk(f, p, h * w, pixels, n, x0 + first, quality, rgb + first, err));
    }
    return WN_OK;
}
