/* Verifiers that fail on demand or have no opinion, that compare, that may not be entered twice, that ask their inputs,
 * that look back. */
#include "probes.h"

#include <winnow/verifier.h>

#include <math.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

struct sulk_options {
    const char *mode;
};

static const wn_option sulk_table[] = { WN_ENUM(struct sulk_options, mode, "\"error\"",
                                                "error|nan|dark|picky|infinite|cancelled",
                                                "what it does: fail, have no opinion, or only on dark ones; "
                                                "fail on a batch with a dark one; find dark ones infinitely so; "
                                                "say that it was cancelled"),
                                        WN_OPTIONS_END };

static double brightness(const wn_image *image)
{
    double sum = 0;
    for (uint32_t i = 0; i < image->width_px * image->height_px * 3; i++)
        sum += image->rgb[i];
    return sum / (image->width_px * image->height_px * 3.0);
}

static wn_status sulk_score(void *self, const wn_score_request *request, wn_error *err)
{
    const struct sulk_options *o = self;
    if (strcmp(o->mode, "error") == 0)
        return wn_fail(err, WN_E_IO, "the verifier was told to fail");
    if (strcmp(o->mode, "cancelled") == 0)
        return wn_fail(err, WN_E_CANCELLED, "the verifier was told to say so");
    for (uint64_t i = 0; i < request->count; i++) {
        const double light = brightness(&request->images[i]);
        if (strcmp(o->mode, "picky") == 0 && light < 128)
            return wn_fail(err, WN_E_IO, "the verifier fails on dark ones");
        if (strcmp(o->mode, "nan") != 0 && light >= 128)
            request->scores[i] = light;
        else if (strcmp(o->mode, "infinite") == 0)
            request->scores[i] = -(double)INFINITY;
    }
    return WN_OK;
}

static const wn_metric sulk_metrics[] = { { "light", "brightness", 0, 255, WN_METRIC_HIGHER_IS_BETTER } };
static const wn_verifier sulk_verifier = {
    .struct_size = sizeof sulk_verifier, .metrics = sulk_metrics, .metric_count = 1, .max_batch = 3, .score = sulk_score
};

const wn_plugin probe_sulk = {
    .struct_size = sizeof(wn_plugin),
    .kind = WN_KIND_VERIFIER,
    .name = "probe_sulk",
    .version = "1",
    .summary = "fails or has no opinion",
    .source = "",
    .options = sulk_table,
    .options_size = sizeof(struct sulk_options),
    .vtable = &sulk_verifier,
};

static wn_status rank_score(void *self, const wn_score_request *request, wn_error *err)
{
    (void)self, (void)err;
    for (uint64_t i = 0; i < request->count; i++) {
        double below = 0;
        for (uint64_t k = 0; k < request->count; k++)
            below += brightness(&request->images[k]) < brightness(&request->images[i]);
        request->scores[2 * i] = below;
        request->scores[2 * i + 1] = (double)request->count;
    }
    return WN_OK;
}

static const wn_option no_options[] = { WN_OPTIONS_END };
static const wn_metric rank_metrics[] = {
    { "rank", "how many of the set are darker", 0, 1e6, WN_METRIC_HIGHER_IS_BETTER },
    { "size", "of the set", 0, 1e6, 0 },
};
static const wn_verifier rank_verifier = { .struct_size = sizeof rank_verifier,
                                           .metrics = rank_metrics,
                                           .metric_count = 2,
                                           .flags = WN_VERIFIER_COMPARATIVE,
                                           .score = rank_score };

const wn_plugin probe_rank = {
    .struct_size = sizeof(wn_plugin),
    .kind = WN_KIND_VERIFIER,
    .name = "probe_rank",
    .version = "1",
    .summary = "ranks a set by brightness",
    .source = "",
    .options = no_options,
    .options_size = 8,
    .vtable = &rank_verifier,
};

/* ---- a verifier that may not be entered twice, and one that asks its inputs -------------------------------------- */

static atomic_int visitors;

static wn_status shy_score(void *self, const wn_score_request *request, wn_error *err)
{
    const struct timespec while_inside = { 0, 300000 };
    (void)self;
    if (atomic_fetch_add(&visitors, 1) > 0)
        return wn_fail(err, WN_E_INTERNAL, "two calls at once");
    nanosleep(&while_inside, NULL);
    for (uint64_t i = 0; i < request->count; i++)
        request->scores[i] = brightness(&request->images[i]);
    atomic_fetch_sub(&visitors, 1);
    return WN_OK;
}

static const wn_verifier shy_verifier = {
    .struct_size = sizeof shy_verifier, .metrics = sulk_metrics, .metric_count = 1, .score = shy_score
};

const wn_plugin probe_shy = {
    .struct_size = sizeof(wn_plugin),
    .kind = WN_KIND_VERIFIER,
    .name = "probe_shy",
    .version = "1",
    .summary = "fails when two threads are in it",
    .source = "",
    .options = no_options,
    .options_size = 8,
    .vtable = &shy_verifier,
};

static wn_status wrap_score(void *self, const wn_score_request *request, wn_error *err)
{
    const wn_verifier_ref *input = self;
    return input->verifier->score(input->self, request, err);
}

static wn_status wrap_create(const wn_host *host, const void *values, void **self, wn_error *err)
{
    (void)values, (void)err;
    *self = (void *)(uintptr_t)host->input(host->ctx, 0);
    return WN_OK;
}

static wn_status wrap_describe(void *self, wn_verifier_info *info, wn_error *err)
{
    const wn_verifier_ref *input = self;
    (void)err;
    info->metrics = input->verifier->metrics;
    info->metric_count = input->verifier->metric_count;
    info->flags = input->verifier->flags;
    return WN_OK;
}

static const wn_verifier wrap_verifier = { .struct_size = sizeof wrap_verifier,
                                           .min_inputs = 1,
                                           .max_inputs = 1,
                                           .score = wrap_score,
                                           .describe = wrap_describe };

const wn_plugin probe_wrap = {
    .struct_size = sizeof(wn_plugin),
    .kind = WN_KIND_VERIFIER,
    .name = "probe_wrap",
    .version = "1",
    .summary = "says what its input says",
    .source = "",
    .options = no_options,
    .options_size = 8,
    .create = wrap_create,
    .vtable = &wrap_verifier,
};

/* ---- a verifier that says nothing at first ------------------------------------------------------------------------
 */

static atomic_int late_seen;

static wn_status late_score(void *self, const wn_score_request *request, wn_error *err)
{
    (void)self, (void)err;
    for (uint64_t i = 0; i < request->count; i++)
        if (atomic_fetch_add(&late_seen, 1) >= 4)
            request->scores[i] = brightness(&request->images[i]) - 256;
    return WN_OK;
}

static const wn_metric late_metrics[] = { { "light", "brightness less 256", -256, 0, WN_METRIC_HIGHER_IS_BETTER } };
static const wn_verifier late_verifier = {
    .struct_size = sizeof late_verifier, .metrics = late_metrics, .metric_count = 1, .score = late_score
};

const wn_plugin probe_late = {
    .struct_size = sizeof(wn_plugin),
    .kind = WN_KIND_VERIFIER,
    .name = "probe_late",
    .version = "1",
    .summary = "has no opinion on the first four pictures, and finds all others bad",
    .source = "",
    .options = no_options,
    .options_size = 8,
    .vtable = &late_verifier,
};

/* ---- a verifier that looks back ---------------------------------------------------------------------------------- */

static wn_status glimpse_score(void *self, const wn_score_request *request, wn_error *err)
{
    (void)self;
    if (!request->previews)
        return wn_fail(err, WN_E_INTERNAL, "no previews");
    for (uint64_t i = 0; i < request->count; i++)
        if (request->previews[i].rgb)
            request->scores[i] = brightness(&request->previews[i]);
    return WN_OK;
}

static const wn_verifier glimpse_verifier = { .struct_size = sizeof glimpse_verifier,
                                              .metrics = sulk_metrics,
                                              .metric_count = 1,
                                              .flags = WN_VERIFIER_NEEDS_PREVIEW,
                                              .preview_sigma = 0.4,
                                              .score = glimpse_score };

const wn_plugin probe_glimpse = {
    .struct_size = sizeof(wn_plugin),
    .kind = WN_KIND_VERIFIER,
    .name = "probe_glimpse",
    .version = "1",
    .summary = "brightness of the preview",
    .source = "",
    .options = no_options,
    .options_size = 8,
    .vtable = &glimpse_verifier,
};
