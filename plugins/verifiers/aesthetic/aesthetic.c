/* aesthetic.c - how beautiful people find an image, by a small head on CLIP's image embedding (Schuhmann et al. 2022,
 * "LAION-5B", the LAION aesthetic predictors). The prompt plays no part.
 *
 * The image tower is the toolkit's, shared with every other verifier on the same CLIP weights: an image that CLIPScore
 * has seen costs this verifier one small product.
 */
#include <winnow/device.h>
#include <winnow/verifier.h>

#include <models/clip_model.h>

#include "head.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
    const char *model;
    const char *clip;
    const char *processor;
    const char *activation;
    const char *device;
    const char *dtype;
};

static const wn_option options[] = {
    WN_PATH(struct options, model, NULL,
            "The head: a LAION .pth file, the same as safetensors, or a folder with config.json."),
    WN_PATH(
        struct options, clip, "\"\"",
        "The CLIP it was trained on, a folder or a weight file; the one that the head's config.json names when empty."),
    WN_PATH(struct options, processor, "\"\"", "Folder of preprocessor_config.json; the CLIP's own when empty."),
    WN_ENUM(struct options, activation, "\"model\"", "model|quick_gelu|gelu",
            "Only for CLIP weights whose files do not say it, or say it wrong."),
    WN_STRING(struct options, device, "\"cpu\"", "Device that computes: cpu, vulkan, vulkan:0, ..."),
    WN_ENUM(struct options, dtype, "\"f32\"", "f32|bf16", "Type of the matrix products; sums are float32."),
    WN_OPTIONS_END
};

static const wn_metric metrics[] = {
    { "aesthetic", "how beautiful people would find it", 1, 10, WN_METRIC_HIGHER_IS_BETTER | WN_METRIC_ACROSS_PROMPTS },
};

struct aesthetic {
    const wn_host *host;
    const struct options *options;
    struct head head;
    nn_clip *clip;
    double *scratch;
    uint64_t scored;
};

/* ---- life --------------------------------------------------------------------------------------------------- */

static void say_counts(const struct aesthetic *a)
{
    char line[256];
    uint64_t texts, images;
    nn_clip_counts(a->clip, &texts, &images);
    snprintf(line, sizeof line,
             "aesthetic: %" PRIu64 " images scored; its image tower computed %" PRIu64 " of the %" PRIu64
             " images that all who share it asked for",
             a->scored, images, nn_clip_images_asked(a->clip));
    a->host->log(a->host->ctx, WN_LOG_INFO, line);
}

static void destroy(void *self)
{
    struct aesthetic *a = self;
    if (!a)
        return;
    if (a->scored)
        say_counts(a);
    nn_clip_close(a->clip);
    head_finish(&a->head);
    free(a->scratch);
    free(a);
}

static wn_status check_fit(const struct aesthetic *a, const char *clip, wn_error *err)
{
    if (nn_clip_width(a->clip) != a->head.width)
        return wn_fail(err, WN_E_ARG,
                       "%s takes embeddings of %" PRIu64 " numbers, %s gives %" PRIu64
                       "; LAION's heads belong to OpenAI's CLIP: 768 to ViT-L/14, 512 to ViT-B/32 and B/16",
                       a->options->model, a->head.width, clip, nn_clip_width(a->clip));
    if (a->head.is_laion && nn_clip_activation(a->clip) != WN_ACT_QUICK_GELU)
        return wn_fail(
            err, WN_E_ARG,
            "%s belongs to OpenAI's CLIP, which computes with quick_gelu; %s computes with another activation",
            a->options->model, clip);
    return WN_OK;
}

static wn_status open_clip(struct aesthetic *a, const char *clip, wn_error *err)
{
    const struct options *o = a->options;
    const wn_host *host = a->host;
    const struct wn_device_api *api;
    struct wn_device *device;
    char path[4096], processor[4096];
    if (*o->processor)
        WN_TRY(host->resolve(host->ctx, o->processor, processor, sizeof processor, err));
    WN_TRY(host->resolve(host->ctx, clip, path, sizeof path, err));
    WN_TRY(host->open_device(host->ctx, o->device, &api, &device, err));
    const nn_clip_options settings = { .processor = *o->processor ? processor : NULL,
                                       .activation = strcmp(o->activation, "model") ? o->activation : NULL,
                                       .images_only = true };
    const int64_t dtype = strcmp(o->dtype, "bf16") == 0 ? WN_BF16 : WN_F32;
    WN_TRY(nn_clip_open_with(path, &settings, &(nn_device){ api, device }, dtype, &a->clip, err));
    return check_fit(a, path, err);
}

static wn_status open(struct aesthetic *a, wn_error *err)
{
    const wn_host *host = a->host;
    char path[4096];
    const char *file;
    WN_TRY(host->resolve(host->ctx, a->options->model, path, sizeof path, err));
    WN_TRY(head_read(path, &a->head, err));
    const char *clip = *a->options->clip ? a->options->clip : a->head.embedding_model;
    if (!*clip)
        return wn_fail(err, WN_E_ARG,
                       "%s does not name its CLIP; set \"clip\" to it (LAION's heads: OpenAI's ViT-L/14)",
                       a->options->model);
    WN_TRY(open_clip(a, clip, err));
    a->scratch = calloc(head_scratch(&a->head), sizeof *a->scratch);
    if (!a->scratch)
        return wn_fail(err, WN_E_MEMORY, "out of memory");
    for (uint64_t i = 0; i < a->head.files.count; i++)
        host->uses_file(host->ctx, a->head.files.path[i]);
    for (uint64_t i = 0; (file = nn_clip_file(a->clip, i)) != NULL; i++)
        host->uses_file(host->ctx, file);
    return WN_OK;
}

static wn_status create(const wn_host *host, const void *given, void **self, wn_error *err)
{
    struct aesthetic *a = calloc(1, sizeof *a);
    if (!a)
        return wn_fail(err, WN_E_MEMORY, "out of memory");
    a->host = host;
    a->options = given;
    const wn_status status = open(a, err);
    if (status != WN_OK)
        destroy(a);
    else
        *self = a;
    return status;
}

/* ---- scoring ------------------------------------------------------------------------------------------------ */

static wn_status score(void *self, const wn_score_request *r, wn_error *err)
{
    struct aesthetic *a = self;
    const uint64_t width = a->head.width;
    float *embeddings = calloc(r->count * width, sizeof *embeddings);
    if (!embeddings)
        return wn_fail(err, WN_E_MEMORY, "out of memory for %" PRIu64 " embeddings", r->count);
    const wn_status status = nn_clip_image_embeddings(a->clip, r->count, r->images, embeddings, err);
    for (uint64_t i = 0; status == WN_OK && i < r->count; i++)
        r->scores[i] = head_score(&a->head, embeddings + i * width, a->scratch);
    a->scored += status == WN_OK ? r->count : 0;
    free(embeddings);
    return status;
}

static const wn_verifier verifier = {
    .struct_size = sizeof verifier,
    .metrics = metrics,
    .metric_count = 1,
    .score = score,
};

static const wn_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = WN_KIND_VERIFIER,
    .name = "aesthetic",
    .version = "1.0",
    .summary = "How beautiful people find an image, by LAION's heads on CLIP.",
    .source = "Schuhmann et al. 2022, arXiv:2210.08402",
    .options = options,
    .options_size = sizeof(struct options),
    .create = create,
    .destroy = destroy,
    .vtable = &verifier,
};

WN_MODULE(&plugin);
