/* brittle - a sampler for the tests of `winnow drift`: it leads every noise to zero in float32, and to what is no
 * number in f16; at its end it says how many samples it was given at once. */
#include <winnow/sampler.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STRIDE_PX = 8, MOST = 16 };

struct options {
    const char *dtype;
};

static const wn_option options[] = { WN_ENUM(struct options, dtype, "\"f32\"", "f32|bf16|f16", "type of numbers"),
                                     WN_OPTIONS_END };

struct sampler {
    const struct options *o;
    const wn_host *host;
    uint64_t most;
};

struct wn_cond {
    uint64_t values;
};

static wn_status encode(void *self, const wn_prompt *prompt, const wn_canvas *canvas, const float *sigma,
                        wn_cond **cond, wn_error *err)
{
    (void)self, (void)prompt, (void)sigma;
    *cond = malloc(sizeof **cond);
    if (!*cond)
        return wn_fail(err, WN_E_MEMORY, "no memory");
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
    struct sampler *s = self;
    (void)canvas, (void)err;
    s->most = count > s->most ? count : s->most;
    for (uint64_t k = 0; k < count; k++)
        for (uint64_t i = 0; i < items[k].cond->values; i++)
            items[k].v[i] = strcmp(s->o->dtype, "f16") == 0 && i == 3 ? NAN : items[k].x[i];
    return WN_OK;
}

static wn_status decode(void *self, const wn_canvas *canvas, uint64_t count, const float *const *x0, int32_t quality,
                        uint8_t *const *rgb, wn_error *err)
{
    (void)self, (void)x0, (void)quality, (void)err;
    for (uint64_t i = 0; i < count; i++)
        memset(rgb[i], 100, (size_t)canvas->width_px * canvas->height_px * 3);
    return WN_OK;
}

static wn_status schedule(void *self, const wn_canvas *canvas, float *sigma, wn_error *err)
{
    (void)self, (void)err;
    for (uint32_t i = 0; i <= canvas->steps; i++)
        sigma[i] = (float)(canvas->steps - i) / (float)canvas->steps;
    return WN_OK;
}

static wn_status describe(void *self, wn_sampler_info *info, wn_error *err)
{
    (void)self, (void)err;
    info->parametrisation = WN_PARAMETRISATION_FLOW;
    info->latent_channels = 1;
    info->latent_stride_px = info->size_multiple_px = info->min_size_px = STRIDE_PX;
    info->max_size_px = 1024;
    info->evals_per_velocity = 1;
    info->max_batch = MOST;
    snprintf(info->model_key, sizeof info->model_key, "brittle");
    return WN_OK;
}

static wn_status create(const wn_host *host, const void *given, void **self, wn_error *err)
{
    struct sampler *s = calloc(1, sizeof *s);
    if (!s)
        return wn_fail(err, WN_E_MEMORY, "no memory");
    *s = (struct sampler){ .o = given, .host = host };
    *self = s;
    return WN_OK;
}

static void destroy(void *self)
{
    struct sampler *s = self;
    char line[64];
    snprintf(line, sizeof line, "brittle: %llu at once", (unsigned long long)(s ? s->most : 0));
    if (s)
        s->host->log(s->host->ctx, WN_LOG_WARN, line);
    free(s);
}

static const wn_sampler sampler = {
    .struct_size = sizeof sampler,
    .describe = describe,
    .schedule = schedule,
    .encode = encode,
    .cond_free = cond_free,
    .velocity = velocity,
    .decode = decode,
};

static const wn_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = WN_KIND_SAMPLER,
    .name = "brittle",
    .version = "1.0",
    .summary = "Leads to zero in float32, and nowhere in f16.",
    .source = "",
    .options = options,
    .options_size = sizeof(struct options),
    .create = create,
    .destroy = destroy,
    .vtable = &sampler,
};

WN_MODULE(&plugin);
