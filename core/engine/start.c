/* start.c - a picture is known to a sampler as a latent; the path from it is the end of the sampler's own schedule. */
#include "engine/start.h"

#include "base/image_file.h"

#include <winnow/image_to_latent.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const wn_sampler *sampler_of(const struct spec *spec)
{
    return spec->sampler.plugin->vtable;
}

/* ---- the schedule ----------------------------------------------------------------------------------------------- */

static wn_status check_schedule(const float *sigma, uint32_t steps, wn_error *err)
{
    for (uint32_t i = 0; i < steps; i++)
        if (!(sigma[i] > sigma[i + 1]))
            return wn_fail(err, WN_E_INTERNAL, "the sampler's schedule does not fall: sigma[%u] = %g, sigma[%u] = %g",
                           i, (double)sigma[i], i + 1, (double)sigma[i + 1]);
    if (sigma[0] != 1.0f || sigma[steps] != 0.0f)
        return wn_fail(err, WN_E_INTERNAL, "the sampler's schedule leads from %g to %g, not from 1 to 0",
                       (double)sigma[0], (double)sigma[steps]);
    return WN_OK;
}

wn_status start_schedule(const struct spec *spec, void *sampler, float *sigma, wn_error *err)
{
    const uint32_t steps = spec->canvas.steps, all = steps + spec->skipped_steps;
    wn_canvas canvas = spec->canvas;
    canvas.steps = all;
    float *whole = calloc((size_t)all + 1, sizeof *whole);
    if (!whole)
        return wn_fail(err, WN_E_MEMORY, "no memory for a schedule of %u steps", all);
    wn_status status = sampler_of(spec)->schedule(sampler, &canvas, whole, err);
    if (status == WN_OK)
        status = check_schedule(whole, all, err);
    if (status == WN_OK)
        memcpy(sigma, whole + spec->skipped_steps, ((size_t)steps + 1) * sizeof *sigma);
    free(whole);
    return status;
}

/* ---- the picture ------------------------------------------------------------------------------------------------ */

static const wn_image_to_latent *encoder_of(const struct spec *spec, void *sampler)
{
    const wn_sampler *s = sampler_of(spec);
    const wn_image_to_latent *e =
        WN_HAS(wn_sampler, s, extension) && s->extension ? s->extension(sampler, WN_IMAGE_TO_LATENT) : NULL;
    return e && WN_HAS(wn_image_to_latent, e, encode) && e->encode ? e : NULL;
}

static wn_status encode(const struct spec *spec, void *sampler, const wn_image *image, uint64_t values, float *latent,
                        wn_error *err)
{
    const wn_canvas *canvas = &spec->canvas;
    const wn_image_to_latent *encoder = encoder_of(spec, sampler);
    if (!encoder)
        return wn_fail(err, WN_E_UNSUPPORTED, "sampler %s cannot start from a picture; take canvas.image away",
                       spec->sampler.plugin->name);
    if (image->width_px != canvas->width_px || image->height_px != canvas->height_px)
        return wn_fail(err, WN_E_ARG,
                       "canvas.image: %s has %u x %u px, the canvas %u x %u; scale or crop it, or change the canvas",
                       spec->start_image, image->width_px, image->height_px, canvas->width_px, canvas->height_px);
    WN_TRY(encoder->encode(sampler, canvas, image, latent, err));
    for (uint64_t i = 0; i < values; i++)
        if (!isfinite(latent[i]))
            return wn_fail(err, WN_E_INTERNAL, "canvas.image: the sampler makes a latent of %s that is not finite",
                           spec->start_image);
    return WN_OK;
}

wn_status start_latent(const struct spec *spec, void *sampler, uint64_t values, float **latent, wn_error *err)
{
    wn_image image;
    *latent = NULL;
    if (!spec->start_image)
        return WN_OK;
    WN_TRY(image_read(spec->start_image, &image, err));
    *latent = calloc(values, sizeof **latent);
    wn_status status =
        *latent ? encode(spec, sampler, &image, values, *latent, err)
                : wn_fail(err, WN_E_MEMORY, "no memory for a latent of %llu values", (unsigned long long)values);
    image_free(&image);
    if (status != WN_OK) {
        free(*latent);
        *latent = NULL;
    }
    return status;
}
