/* pickscore.c - which image people would pick for a prompt (Kirstain et al. 2023, "Pick-a-Pic: An Open Dataset of User
 * Preferences for Text-to-Image Generation"): exp(logit_scale) * cos(text, image) by a CLIP ViT-H/14 that was trained
 * on such choices.
 *
 * The softmax of the scores of several images for one prompt is the probability of each to be picked, so only
 * differences within a prompt mean something.
 */
#include <winnow/verifier.h>

#include <models/clip_scoring.h>

#include <math.h>
#include <stdlib.h>

struct options {
    const char *model;
    const char *processor;
    const char *device;
    const char *dtype;
};

static const wn_option options[] = {
    WN_PATH(struct options, model, NULL, "PickScore's CLIP folder, such as yuvalkirstain/PickScore_v1."),
    WN_PATH(struct options, processor, "\"\"",
            "Folder of tokenizer and preprocessor_config.json, or a merges file; the model's when empty."),
    WN_STRING(struct options, device, "\"cpu\"", "Device that computes: cpu, vulkan, vulkan:0, ..."),
    WN_ENUM(struct options, dtype, "\"f32\"", "f32|bf16", "Type of the matrix products; sums are float32."),
    WN_OPTIONS_END
};

static const wn_metric metrics[] = {
    { "pickscore", "exp(logit_scale) * cosine; compare within a prompt only", 10, 30, WN_METRIC_HIGHER_IS_BETTER },
};

static wn_status create(const wn_host *host, const void *given, void **self, wn_error *err)
{
    const struct options *o = given;
    nn_clip_scoring *s;
    WN_TRY(nn_clip_scoring_open(host,
                                &(nn_clip_scoring_settings){ .verifier = "pickscore",
                                                             .model = o->model,
                                                             .processor = o->processor,
                                                             .device = o->device,
                                                             .dtype = o->dtype,
                                                             .prefix = "" },
                                &s, err));
    if (isnan(nn_clip_scoring_scale(s))) {
        nn_clip_scoring_close(s);
        return wn_fail(err, WN_E_MISSING, "%s: no tensor \"logit_scale\": PickScore needs a full CLIPModel", o->model);
    }
    *self = s;
    return WN_OK;
}

static void destroy(void *self)
{
    nn_clip_scoring_close(self);
}

static wn_status score(void *self, const wn_score_request *r, wn_error *err)
{
    WN_TRY(nn_clip_scoring_cosines(self, r, r->scores, err));
    for (uint64_t i = 0; i < r->count; i++)
        r->scores[i] *= nn_clip_scoring_scale(self);
    return WN_OK;
}

static const wn_verifier verifier = {
    .struct_size = sizeof verifier,
    .metrics = metrics,
    .metric_count = 1,
    .flags = WN_VERIFIER_NEEDS_PROMPT,
    .score = score,
};

static const wn_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = WN_KIND_VERIFIER,
    .name = "pickscore",
    .version = "1.0",
    .summary = "Which image people would pick for a prompt.",
    .source = "Kirstain et al. 2023, arXiv:2305.01569",
    .options = options,
    .options_size = sizeof(struct options),
    .create = create,
    .destroy = destroy,
    .vtable = &verifier,
};

WN_MODULE(&plugin);
