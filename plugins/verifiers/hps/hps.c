/* hps.c - Human Preference Score v2 and v2.1 (Wu et al. 2023, "Human Preference Score v2: A Solid Benchmark for
 * Evaluating Human Preferences of Text-to-Image Synthesis"): cos(text, image), not scaled, by a CLIP ViT-H/14 that was
 * trained on people's rankings. The version is that of the weights.
 *
 * Easy to get wrong: its own code makes a picture a tensor before it resizes it, so torch's float resize is what the
 * published scores saw, and torchvision 0.17 changed that from four neighbours to an antialiased one.
 */
#include <winnow/verifier.h>

#include <image/preprocess.h>
#include <models/clip_scoring.h>

#include <string.h>

struct options {
    const char *model;
    const char *processor;
    const char *device;
    const char *dtype;
    const char *resize;
};

static const wn_option options[] = {
    WN_PATH(struct options, model, NULL,
            "HPS_v2_compressed.pt, HPS_v2.1_compressed.pt, or a CLIP folder of such weights."),
    WN_PATH(struct options, processor, "\"\"",
            "Folder of tokenizer and preprocessor_config.json, or a merges file; the model's when empty."),
    WN_STRING(struct options, device, "\"cpu\"", "Device that computes: cpu, vulkan, vulkan:0, ..."),
    WN_ENUM(struct options, dtype, "\"f32\"", "f32|bf16", "Type of the matrix products; sums are float32."),
    WN_ENUM(struct options, resize, "\"aa\"", "aa|legacy|pil",
            "As HPS's code with torchvision from 0.17 on (aa), before it (legacy), or 8-bit as CLIPScore (pil)."),
    WN_OPTIONS_END
};

static const wn_metric metrics[] = {
    { "hps", "cosine; compare within a prompt only", 0.1, 0.4, WN_METRIC_HIGHER_IS_BETTER },
};

static int32_t resize_of(const char *name)
{
    return strcmp(name, "aa") == 0       ? NN_RESIZE_TORCH_AA
           : strcmp(name, "legacy") == 0 ? NN_RESIZE_TORCH_NOAA
                                         : NN_RESIZE_PIL;
}

static wn_status create(const wn_host *host, const void *given, void **self, wn_error *err)
{
    const struct options *o = given;
    nn_clip_scoring *s;
    WN_TRY(nn_clip_scoring_open(host,
                                &(nn_clip_scoring_settings){ .verifier = "hps",
                                                             .model = o->model,
                                                             .processor = o->processor,
                                                             .activation = "gelu", /* all HPS v2 */
                                                             .device = o->device,
                                                             .dtype = o->dtype,
                                                             .prefix = "",
                                                             .resize = resize_of(o->resize),
                                                             .crop = NN_CROP_HALF_EVEN },
                                &s, err));
    *self = s;
    return WN_OK;
}

static void destroy(void *self)
{
    nn_clip_scoring_close(self);
}

static wn_status score(void *self, const wn_score_request *r, wn_error *err)
{
    return nn_clip_scoring_cosines(self, r, r->scores, err);
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
    .name = "hps",
    .version = "1.0",
    .summary = "Human Preference Score v2 and v2.1: how well people would like an image for its prompt.",
    .source = "Wu et al. 2023, arXiv:2306.09341",
    .options = options,
    .options_size = sizeof(struct options),
    .create = create,
    .destroy = destroy,
    .vtable = &verifier,
};

WN_MODULE(&plugin);
