/* A sampler that fails on demand, for prompts that contain a word and at calls that are told. */
#include "probes.h"

#include <winnow/sampler.h>

#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct fail_options {
    const char *encode;
    const char *velocity;
    const char *decode;
    const char *nan;
    int64_t memory_over;
    int32_t is_moody;
    int32_t is_strict;
    int64_t lost_at;
    int64_t fails_at;
};

static atomic_int device_calls; /* of velocity, in all instances */

static const wn_option fail_table[] = {
    WN_STRING(struct fail_options, encode, "\"\"", "encoding fails for prompts that contain this word"),
    WN_STRING(struct fail_options, velocity, "\"\"", "velocity fails for them"),
    WN_STRING(struct fail_options, decode, "\"\"", "decode fails for pictures of them"),
    WN_STRING(struct fail_options, nan, "\"\"", "velocity is NaN for them"),
    WN_INT(struct fail_options, memory_over, "0", 0, 1e6, "velocity runs out of memory over this count; 0 = never"),
    WN_INT(struct fail_options, lost_at, "0", 0, 1e6, "the device fails at this call of velocity; 0 = never"),
    WN_INT(struct fail_options, fails_at, "0", 0, 1e6, "this call of velocity fails; 0 = none"),
    WN_BOOL(struct fail_options, is_moody, "false", "decode fails for latents whose first value is positive"),
    WN_BOOL(struct fail_options, is_strict, "false",
            "velocity fails for what was encoded for another canvas, and for sigmas of another; previews are black"),
    WN_OPTIONS_END
};

struct wn_cond {
    int fails_velocity, gives_nan, fails_decode;
    uint32_t width_px, height_px;
};

static int names(const char *prompt, const char *word)
{
    return word[0] && strstr(prompt, word) != NULL;
}

static wn_status fail_describe(void *self, wn_sampler_info *info, wn_error *err)
{
    (void)self, (void)err;
    *info = (wn_sampler_info){
        .struct_size = info->struct_size,
        .parametrisation = WN_PARAMETRISATION_FLOW,
        .latent_channels = 1,
        .flags = WN_SAMPLER_PREVIEW,
        .latent_stride_px = 8,
        .size_multiple_px = 8,
        .min_size_px = 8,
        .max_size_px = 64,
        .evals_per_velocity = 1,
        .max_batch = 64,
        .model_key = "fail",
    };
    return WN_OK;
}

static wn_status fail_schedule(void *self, const wn_canvas *canvas, float *sigma, wn_error *err)
{
    const struct fail_options *o = self;
    (void)err;
    for (uint32_t i = 0; i <= canvas->steps; i++) {
        sigma[i] = 1 - (float)i / (float)canvas->steps;
        if (o->is_strict) /* each canvas has its own */
            sigma[i] = powf(sigma[i], 32 / (float)canvas->width_px);
    }
    return WN_OK;
}

static bool has_sigma(void *self, const wn_canvas *canvas, float sigma)
{
    float own[65];
    wn_error err;
    bool is_there = false;
    fail_schedule(self, canvas, own, &err);
    for (uint32_t i = 0; i < canvas->steps; i++)
        is_there |= own[i] == sigma;
    return is_there;
}

/* As a device fails, for what fails otherwise is tried again alone. */
static wn_status check_item(void *self, const wn_canvas *canvas, const wn_velocity_item *item, wn_error *err)
{
    const wn_cond *c = item->cond;
    if (!((const struct fail_options *)self)->is_strict)
        return WN_OK;
    if (c->width_px != canvas->width_px || c->height_px != canvas->height_px)
        return wn_fail(err, WN_E_DEVICE, "a prompt encoded for %u px on a canvas of %u px", c->width_px,
                       canvas->width_px);
    return has_sigma(self, canvas, item->sigma)
               ? WN_OK
               : wn_fail(err, WN_E_DEVICE, "sigma %g on a canvas of %u px", (double)item->sigma, canvas->width_px);
}

static wn_status fail_encode(void *self, const wn_prompt *prompt, const wn_canvas *canvas, const float *sigma,
                             wn_cond **cond, wn_error *err)
{
    const struct fail_options *o = self;
    if (o->is_strict && !has_sigma(self, canvas, sigma[1]))
        return wn_fail(err, WN_E_INTERNAL, "sigma %g is told of a canvas of %u px", (double)sigma[1], canvas->width_px);
    if (names(prompt->text, o->encode))
        return wn_fail(err, WN_E_INTERNAL, "encode was told to fail");
    *cond = malloc(sizeof **cond);
    if (!*cond)
        return wn_fail(err, WN_E_MEMORY, "no memory");
    **cond = (wn_cond){ names(prompt->text, o->velocity), names(prompt->text, o->nan), names(prompt->text, o->decode),
                        canvas->width_px, canvas->height_px };
    return WN_OK;
}

static void fail_cond_free(void *self, wn_cond *cond)
{
    (void)self;
    free(cond);
}

/* Pictures of prompts that decode is to refuse carry a mark: their first value is far away. */
static wn_status fail_velocity(void *self, const wn_canvas *canvas, uint64_t count, const wn_velocity_item *items,
                               wn_error *err)
{
    const struct fail_options *o = self;
    const uint32_t values = canvas->width_px / 8 * (canvas->height_px / 8);
    if (o->lost_at > 0 && ++device_calls == (int)o->lost_at)
        return wn_fail(err, WN_E_DEVICE, "the device was lost");
    if (o->fails_at > 0 && ++device_calls == (int)o->fails_at)
        return wn_fail(err, WN_E_INTERNAL, "this call was told to fail");
    if (o->memory_over > 0 && count > (uint64_t)o->memory_over)
        return wn_fail(err, WN_E_MEMORY, "%llu items are more than %lld", (unsigned long long)count,
                       (long long)o->memory_over);
    for (uint64_t i = 0; i < count; i++) {
        WN_TRY(check_item(self, canvas, &items[i], err));
        if (items[i].cond->fails_velocity)
            return wn_fail(err, WN_E_INTERNAL, "velocity was told to fail");
        for (uint32_t k = 0; k < values; k++)
            items[i].v[k] = items[i].cond->gives_nan ? NAN : 0.5f * items[i].x[k];
        if (items[i].cond->fails_decode)
            items[i].v[0] = -1000;
    }
    return WN_OK;
}

static wn_status fail_decode(void *self, const wn_canvas *canvas, uint64_t count, const float *const *x0,
                             int32_t quality, uint8_t *const *rgb, wn_error *err)
{
    const struct fail_options *o = self;
    const float gain = o->is_strict && quality == WN_QUALITY_PREVIEW ? -INFINITY : 0;
    const uint32_t columns = canvas->width_px / 8;
    for (uint64_t i = 0; i < count; i++) {
        if (x0[i][0] > 500 || (o->is_moody && x0[i][0] > 0))
            return wn_fail(err, WN_E_INTERNAL, "decode was told to fail");
        for (uint32_t y = 0; y < canvas->height_px; y++)
            for (uint32_t x = 0; x < canvas->width_px; x++)
                memset(rgb[i] + (y * canvas->width_px + x) * 3,
                       (uint8_t)fminf(fmaxf(gain + 128 + 60 * x0[i][y / 8 * columns + x / 8], 0), 255), 3);
    }
    return WN_OK;
}

static const wn_sampler fail_sampler = {
    .struct_size = sizeof fail_sampler,
    .describe = fail_describe,
    .schedule = fail_schedule,
    .encode = fail_encode,
    .cond_free = fail_cond_free,
    .velocity = fail_velocity,
    .decode = fail_decode,
};

const wn_plugin probe_sampler = {
    .struct_size = sizeof(wn_plugin),
    .kind = WN_KIND_SAMPLER,
    .name = "probe_sampler",
    .version = "1",
    .summary = "fails on demand",
    .source = "",
    .options = fail_table,
    .options_size = sizeof(struct fail_options),
    .vtable = &fail_sampler,
};
