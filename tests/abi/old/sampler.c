/* A sampler of the old days: everything shrinks, v = rate x, so a picture is its own noise, paler. */
#include <winnow/sampler.h>

#include <stdlib.h>
#include <string.h>

enum { STRIDE_PX = 8 };

struct options {
    double shrink;
};

static const wn_option options[] = { WN_NUMBER(struct options, shrink, "0.5", 0, 1, "velocity as a part of x"),
                                     WN_OPTIONS_END };

struct wn_cond {
    uint64_t values;
};

static wn_status describe(void *self, wn_sampler_info *info, wn_error *err)
{
    (void)self, (void)err;
    info->parametrisation = WN_PARAMETRISATION_FLOW;
    info->latent_channels = 1;
    info->latent_stride_px = STRIDE_PX;
    info->size_multiple_px = STRIDE_PX;
    info->min_size_px = STRIDE_PX;
    info->max_size_px = 256;
    info->evals_per_velocity = 1;
    info->max_batch = 4;
    strcpy(info->model_key, "old");
    return WN_OK;
}

static wn_status schedule(void *self, const wn_canvas *canvas, float *sigma, wn_error *err)
{
    (void)self, (void)err;
    for (uint32_t i = 0; i <= canvas->steps; i++)
        sigma[i] = 1 - (float)i / (float)canvas->steps;
    return WN_OK;
}

static wn_status encode(void *self, const wn_prompt *prompt, const wn_canvas *canvas, const float *sigma,
                        wn_cond **cond, wn_error *err)
{
    (void)self, (void)prompt, (void)sigma;
    *cond = malloc(sizeof **cond);
    if (!*cond)
        return wn_fail(err, WN_E_MEMORY, "no memory for a prompt");
    (*cond)->values = (uint64_t)(canvas->width_px / STRIDE_PX) * (canvas->height_px / STRIDE_PX);
    return WN_OK;
}

static void cond_free(void *self, wn_cond *cond)
{
    (void)self;
    free(cond);
}

static wn_status velocity(void *self, const wn_canvas *canvas, uint64_t count, const wn_velocity_item *items,
                          wn_error *err)
{
    const struct options *o = *(const struct options **)self;
    (void)canvas, (void)err;
    for (uint64_t i = 0; i < count; i++)
        for (uint64_t k = 0; k < items[i].cond->values; k++)
            items[i].v[k] = (float)o->shrink * items[i].x[k];
    return WN_OK;
}

static uint8_t gray(float x)
{
    const float level = 128 + 64 * x;
    return (uint8_t)(level < 0 ? 0 : level > 255 ? 255 : level);
}

static wn_status decode(void *self, const wn_canvas *canvas, uint64_t count, const float *const *x0, int32_t quality,
                        uint8_t *const *rgb, wn_error *err)
{
    const uint32_t width = canvas->width_px, columns = width / STRIDE_PX;
    (void)self, (void)quality, (void)err;
    for (uint64_t i = 0; i < count; i++)
        for (uint32_t y = 0; y < canvas->height_px; y++)
            for (uint32_t x = 0; x < width; x++)
                memset(rgb[i] + 3 * ((uint64_t)y * width + x),
                       gray(x0[i][(uint64_t)(y / STRIDE_PX) * columns + x / STRIDE_PX]), 3);
    return WN_OK;
}

static wn_status create(const wn_host *host, const void *values, void **self, wn_error *err)
{
    const void **state = malloc(sizeof *state);
    (void)host;
    if (!state)
        return wn_fail(err, WN_E_MEMORY, "no memory");
    *state = values;
    *self = state;
    return WN_OK;
}

static const wn_sampler sampler = { .struct_size = sizeof sampler,
                                    .describe = describe,
                                    .schedule = schedule,
                                    .encode = encode,
                                    .cond_free = cond_free,
                                    .velocity = velocity,
                                    .decode = decode };
static const wn_plugin plugin = { .struct_size = sizeof plugin,
                                  .kind = WN_KIND_SAMPLER,
                                  .name = "old",
                                  .version = "1.0",
                                  .summary = "noise, paler",
                                  .source = "",
                                  .options = options,
                                  .options_size = sizeof(struct options),
                                  .create = create,
                                  .destroy = free,
                                  .vtable = &sampler };
WN_MODULE(&plugin);
