/* self_consistency.c - how much of the final image was there before the end: the cosine of the features of the image
 * and of the x-prediction at sigma 0.4 (Ma et al. 2025, "Inference-Time Scaling for Diffusion Models beyond Scaling
 * Denoising Steps", the self-supervised verifier). No label and no prompt take part.
 *
 * Features: the class token of DINO or DINOv2 after the last norm, or CLIP's image embedding. What the folder holds is
 * said by its config.json.
 */
#include <winnow/device.h>
#include <winnow/verifier.h>

#include <config.h>
#include <files.h>
#include <models/clip_model.h>
#include <models/vit_model.h>

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct options {
    const char *model;
    const char *positions;
    const char *device;
    const char *dtype;
};

static const wn_option options[] = {
    WN_PATH(struct options, model, "\"facebook/dino-vitb16\"",
            "A Hugging Face folder of ViTModel (DINO), Dinov2Model, Dinov2WithRegistersModel or CLIPModel."),
    WN_ENUM(struct options, positions, "\"transformers\"", "transformers|original",
            "Whose way of interpolating positions: transformers' or that of DINO's own code, which adds 0.1."),
    WN_STRING(struct options, device, "\"cpu\"", "Device that computes: cpu, vulkan, vulkan:0, ..."),
    WN_ENUM(struct options, dtype, "\"f32\"", "f32|bf16", "Type of the matrix products; sums are float32."),
    WN_OPTIONS_END
};

static const wn_metric metrics[] = {
    { "self_consistency", "cosine of the features of the image and of its preview", -1, 1,
      WN_METRIC_HIGHER_IS_BETTER | WN_METRIC_ACROSS_PROMPTS },
};

struct consistency {
    const wn_host *host;
    const struct options *options;
    nn_clip *clip; /* or the rest */
    nn_weights *weights;
    nn_vit vit;
    nn_vit_model *images;
    nn_files files;
    uint64_t width; /* of a feature */
    uint64_t scored;
    uint64_t unscored;
};

/* ---- life --------------------------------------------------------------------------------------------------- */

static void say_counts(const struct consistency *s)
{
    char line[160];
    snprintf(line, sizeof line, "self_consistency: %" PRIu64 " images scored, %" PRIu64 " had no preview", s->scored,
             s->unscored);
    s->host->log(s->host->ctx, WN_LOG_INFO, line);
}

static void destroy(void *self)
{
    struct consistency *s = self;
    if (!s)
        return;
    if (s->scored + s->unscored)
        say_counts(s);
    nn_clip_close(s->clip);
    nn_vit_model_close(s->images);
    nn_weights_close(s->weights);
    nn_files_finish(&s->files);
    free(s);
}

static wn_status open_clip(struct consistency *s, const char *folder, const nn_device *device, int64_t dtype,
                           wn_error *err)
{
    const char *file;
    const nn_clip_options images = { .images_only = true };
    WN_TRY(nn_clip_open_with(folder, &images, device, dtype, &s->clip, err));
    for (uint64_t i = 0; (file = nn_clip_file(s->clip, i)) != NULL; i++)
        WN_TRY(nn_files_add(&s->files, file, "", err));
    s->width = nn_clip_width(s->clip);
    return WN_OK;
}

/* ViTImageProcessor squashes to a square, without a crop; its defaults are bilinear, mean and deviation 0.5. */
static void as_vit(const nn_config *c, nn_preprocess *p)
{
    if (p->short_px)
        p->resize_width_px = p->resize_height_px = p->short_px;
    p->short_px = p->crop_width_px = p->crop_height_px = 0;
    if (!nn_config_has(c, "resample"))
        p->filter = NN_FILTER_BILINEAR;
    for (int i = 0; i < 3; i++) {
        p->mean[i] = nn_config_has(c, "image_mean") ? p->mean[i] : 0.5f;
        p->std[i] = nn_config_has(c, "image_std") ? p->std[i] : 0.5f;
    }
}

static wn_status read_preprocess(const char *folder, const nn_config *c, nn_preprocess *p, wn_error *err)
{
    const char *type, *older;
    WN_TRY(nn_config_string(c, "feature_extractor_type", "", &older, err));
    WN_TRY(nn_config_string(c, "image_processor_type", older, &type, err));
    WN_TRY(nn_preprocess_open(folder, p, err));
    if (strncmp(type, "ViT", 3) == 0)
        as_vit(c, p);
    return WN_OK;
}

static wn_status open_preprocess(struct consistency *s, const char *folder, nn_preprocess *p, wn_error *err)
{
    nn_config *c;
    char *path = NULL;
    if (asprintf(&path, "%s/preprocessor_config.json", folder) < 0)
        return wn_fail(err, WN_E_MEMORY, "%s: no memory", folder);
    wn_status status = nn_config_open(path, &c, err);
    if (status == WN_OK)
        status = nn_files_add(&s->files, path, "", err);
    free(path);
    if (status == WN_OK)
        status = read_preprocess(folder, c, p, err);
    nn_config_close(c);
    return status;
}

static wn_status open_vit(struct consistency *s, const char *folder, const nn_config *config, const nn_device *device,
                          int64_t dtype, wn_error *err)
{
    nn_preprocess prepare;
    WN_TRY(nn_weights_open(folder, &s->weights, err));
    for (uint64_t i = 0; i < nn_weights_file_count(s->weights); i++)
        WN_TRY(nn_files_add(&s->files, nn_weights_file(s->weights, i), "", err));
    WN_TRY(nn_vit_read(s->weights, &s->vit, err));
    WN_TRY(nn_vit_configure(config, &s->vit, err));
    WN_TRY(open_preprocess(s, folder, &prepare, err));
    const uint32_t side = prepare.crop_width_px ? prepare.crop_width_px : prepare.resize_width_px;
    s->vit.image_px = side; /* positions are interpolated to it; 0 is refused below */
    s->vit.grow = strcmp(s->options->positions, "original") == 0 && !s->vit.is_antialiased ? 0.1 : 0;
    s->width = s->vit.width;
    if (side == 0)
        return wn_fail(err, WN_E_FORMAT,
                       "%s/preprocessor_config.json: neither a crop nor a size of both sides: images "
                       "would have different sizes",
                       folder);
    return nn_vit_model_open(&s->vit, s->weights, &prepare, true, device, dtype, &s->images, err);
}

static wn_status open_model(struct consistency *s, const char *folder, const nn_config *c, const nn_device *device,
                            wn_error *err)
{
    const char *type;
    const int64_t dtype = strcmp(s->options->dtype, "bf16") == 0 ? WN_BF16 : WN_F32;
    WN_TRY(nn_config_string(c, "model_type", "", &type, err));
    if (strcmp(type, "clip") == 0 || strcmp(type, "clip_vision_model") == 0)
        return open_clip(s, folder, device, dtype, err);
    WN_TRY(nn_files_add(&s->files, nn_config_file(c), "", err));
    if (strcmp(type, "vit") == 0 || strcmp(type, "dinov2") == 0 || strcmp(type, "dinov2_with_registers") == 0)
        return open_vit(s, folder, c, device, dtype, err);
    return wn_fail(err, WN_E_UNSUPPORTED,
                   "%s: \"model_type\" is \"%s\"; known are vit, dinov2, dinov2_with_registers and clip",
                   nn_config_file(c), type);
}

static wn_status open(struct consistency *s, wn_error *err)
{
    const wn_host *host = s->host;
    struct wn_device *opened;
    nn_device device;
    nn_config *c;
    char folder[4096], path[4200];
    WN_TRY(host->resolve(host->ctx, s->options->model, folder, sizeof folder, err));
    snprintf(path, sizeof path, "%s/config.json", folder);
    WN_TRY(nn_config_open(path, &c, err));
    wn_status status = host->open_device(host->ctx, s->options->device, &device.api, &opened, err);
    device.device = opened;
    if (status == WN_OK)
        status = open_model(s, folder, c, &device, err);
    nn_config_close(c);
    for (uint64_t i = 0; status == WN_OK && i < s->files.count; i++)
        host->uses_file(host->ctx, s->files.path[i]);
    return status;
}

static wn_status create(const wn_host *host, const void *given, void **self, wn_error *err)
{
    struct consistency *s = calloc(1, sizeof *s);
    if (!s)
        return wn_fail(err, WN_E_MEMORY, "out of memory");
    s->host = host;
    s->options = given;
    const wn_status status = open(s, err);
    if (status != WN_OK)
        destroy(s);
    else
        *self = s;
    return status;
}

/* ---- scoring ------------------------------------------------------------------------------------------------ */

/* out [count, width]; count is at most NN_VIT_CHUNK. */
static wn_status features(struct consistency *s, uint64_t count, const wn_image *images, float *out, wn_error *err)
{
    const float *states[NN_VIT_CHUNK];
    if (s->clip)
        return nn_clip_image_embeddings(s->clip, count, images, out, err);
    WN_TRY(nn_vit_model_states(s->images, count, images, states, err));
    for (uint64_t i = 0; i < count; i++)
        memcpy(out + i * s->width, states[i], s->width * sizeof *out);
    return WN_OK;
}

/* Scores the pairs of images that are at index[0..count-1] of the request. both: room for 2 count features. */
static wn_status score_pairs(struct consistency *s, const wn_score_request *r, const uint64_t *index, uint64_t count,
                             float *both, wn_error *err)
{
    wn_image images[NN_VIT_CHUNK], previews[NN_VIT_CHUNK];
    for (uint64_t i = 0; i < count; i++) {
        images[i] = r->images[index[i]];
        previews[i] = r->previews[index[i]];
    }
    if (s->host->cancelled(s->host->ctx))
        return wn_fail(err, WN_E_CANCELLED, "interrupted");
    WN_TRY(features(s, count, images, both, err));
    WN_TRY(features(s, count, previews, both + count * s->width, err));
    for (uint64_t i = 0; i < count; i++)
        r->scores[index[i]] = nn_cosine(both + i * s->width, both + (count + i) * s->width, s->width);
    s->scored += count;
    return WN_OK;
}

static wn_status score_all(struct consistency *s, const wn_score_request *r, float *both, wn_error *err)
{
    uint64_t index[NN_VIT_CHUNK], count = 0;
    for (uint64_t i = 0; i < r->count; i++) {
        if (r->previews[i].rgb) {
            index[count++] = i;
        } else {
            r->scores[i] = NAN;
            s->unscored++;
        }
        if (count == NN_VIT_CHUNK || (count && i + 1 == r->count)) {
            WN_TRY(score_pairs(s, r, index, count, both, err));
            count = 0;
        }
    }
    return WN_OK;
}

static wn_status score(void *self, const wn_score_request *r, wn_error *err)
{
    struct consistency *s = self;
    if (!r->previews)
        return wn_fail(err, WN_E_UNSUPPORTED, "no previews came with the images: they are made during sampling only");
    float *both = calloc(2 * NN_VIT_CHUNK * s->width, sizeof *both);
    if (!both)
        return wn_fail(err, WN_E_MEMORY, "out of memory for %d features", 2 * NN_VIT_CHUNK);
    const wn_status status = score_all(s, r, both, err);
    free(both);
    return status;
}

static const wn_verifier verifier = {
    .struct_size = sizeof verifier,
    .metrics = metrics,
    .metric_count = 1,
    .flags = WN_VERIFIER_NEEDS_PREVIEW,
    .preview_sigma = 0.4,
    .score = score,
};

static const wn_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = WN_KIND_VERIFIER,
    .name = "self_consistency",
    .version = "1.0",
    .summary = "How near the x-prediction at sigma 0.4 is to the final image, by DINO, DINOv2 or CLIP.",
    .source = "Ma et al. 2025, arXiv:2501.09732",
    .options = options,
    .options_size = sizeof(struct options),
    .create = create,
    .destroy = destroy,
    .vtable = &verifier,
};

WN_MODULE(&plugin);
