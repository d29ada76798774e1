/* @NAME@.c - a model of gray pictures, as a sampler: put your own in the place of `velocity` and `decode`.
 *
 * Clean latents are x0 ~ N(m, s^2), m told by the prompt's length. At sigma, x ~ N((1 - sigma) m, V) with V = (1 -
 * sigma)^2 s^2 + sigma^2, so E[x0 | x] = m + (1 - sigma) s^2 / V (x - (1 - sigma) m), and v = (x - E[x0 | x]) / sigma.
 */
#include <winnow/sampler.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STRIDE_PX = 8 };

struct options {
    double spread; /* of this type, because the row below says NUMBER; winnow fills it in */
};
static const wn_option options[] = { WN_NUMBER(struct options, spread, "0.5", 1e-6, 100, "standard deviation, s"),
                                     WN_OPTIONS_END };

struct wn_cond { // a prompt, as the model wants it
    float mean;
};

static wn_status describe(void *self, wn_sampler_info *info, wn_error *err)
{
    (void)err;
    info->parametrisation = WN_PARAMETRISATION_FLOW;
    info->flags = WN_SAMPLER_PREVIEW; // decode serves as a preview too
    info->latent_channels = 1;
    info->latent_stride_px = info->size_multiple_px = info->min_size_px = STRIDE_PX;
    info->max_size_px = 4096;
    info->evals_per_velocity = 1;
    info->max_batch = 256;
    snprintf(info->model_key, sizeof info->model_key, "@NAME@-%a", ((const struct options *)self)->spread); // weights
    return WN_OK;
}

static wn_status schedule(void *self, const wn_canvas *canvas, float *sigma, wn_error *err)
{
    (void)self, (void)err;
    for (uint32_t i = 0; i <= canvas->steps; i++)
        sigma[i] = (float)(canvas->steps - i) / (float)canvas->steps; // 1 .. 0
    return WN_OK;
}

static wn_status encode(void *self, const wn_prompt *prompt, const wn_canvas *canvas, const float *sigma,
                        wn_cond **cond, wn_error *err)
{
    (void)self, (void)canvas, (void)sigma;
    *cond = malloc(sizeof **cond);
    if (!*cond)
        return wn_fail(err, WN_E_MEMORY, "no memory for a prompt");
    (*cond)->mean = (float)(strlen(prompt->text) % 8) / 4 - 1;
    return WN_OK;
}

static void cond_free(void *self, wn_cond *cond)
{
    (void)self;
    free(cond);
}

static uint64_t values_of(const wn_canvas *canvas)
{
    return (uint64_t)(canvas->width_px / STRIDE_PX) * (canvas->height_px / STRIDE_PX);
}

/* An item's result is a function of that item alone, whatever the batch. */
static wn_status velocity(void *self, const wn_canvas *canvas, uint64_t count, const wn_velocity_item *items,
                          wn_error *err)
{
    const float s = (float)((const struct options *)self)->spread;
    (void)err;
    for (uint64_t k = 0; k < count; k++) {
        const float clean = 1 - items[k].sigma, m = items[k].cond->mean;
        const float gain = clean * s * s / (clean * clean * s * s + items[k].sigma * items[k].sigma);
        for (uint64_t i = 0; i < values_of(canvas); i++) // x, v: [1, height / 8, width / 8]
            items[k].v[i] = (items[k].x[i] - m - gain * (items[k].x[i] - clean * m)) / items[k].sigma;
    }
    return WN_OK;
}

static wn_status decode(void *self, const wn_canvas *canvas, uint64_t count, const float *const *x0, int32_t quality,
                        uint8_t *const *rgb, wn_error *err)
{
    const uint32_t width = canvas->width_px, columns = width / STRIDE_PX;
    (void)self, (void)quality, (void)err;
    for (uint64_t k = 0; k < count; k++)
        for (uint32_t y = 0; y < canvas->height_px; y++)
            for (uint32_t x = 0; x < columns; x++) {
                const float level = fminf(fmaxf(128 + 48 * x0[k][y / STRIDE_PX * columns + x], 0), 255);
                memset(rgb[k] + ((size_t)y * width + (size_t)x * STRIDE_PX) * 3, (int)level, STRIDE_PX * 3);
            }
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
                                  .name = "@NAME@",
                                  .version = "0.1",
                                  .summary = "a model of gray pictures",
                                  .options = options,
                                  .options_size = sizeof(struct options),
                                  .vtable = &sampler };
WN_MODULE(&plugin);
