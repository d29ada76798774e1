/* clipscore.c - how well an image matches its prompt, by CLIP (Hessel et al. 2021, "CLIPScore: A Reference-free
 * Evaluation Metric for Image Captioning").
 *
 * All numbers called CLIPScore come from one cosine; what is made of it differs between implementations and is an
 * option. The image is prepared as Pillow does it, to the bit; texts that are too long keep their end token.
 */
#include <winnow/verifier.h>

#include <models/clip_scoring.h>

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct options {
    const char *model;
    const char *processor;
    const char *activation;
    const char *device;
    const char *dtype;
    const char *convention;
    const char *prefix;
};

static const wn_option options[] = {
    WN_PATH(struct options, model, NULL,
            "A Hugging Face CLIP folder, or a weight file of OpenAI or open_clip (.pt, .bin, .safetensors)."),
    WN_PATH(struct options, processor, "\"\"",
            "Folder of tokenizer and preprocessor_config.json, or a merges file; the model's when empty."),
    WN_ENUM(struct options, activation, "\"model\"", "model|quick_gelu|gelu",
            "Only for weights whose files do not say it, or say it wrong."),
    WN_STRING(struct options, device, "\"cpu\"", "Device that computes: cpu, vulkan, vulkan:0, ..."),
    WN_ENUM(struct options, dtype, "\"f32\"", "f32|bf16", "Type of the matrix products; sums are float32."),
    WN_ENUM(struct options, convention, "\"paper\"", "paper|percent|logit|cosine",
            "2.5 max(cos, 0), 100 cos, exp(logit_scale) cos of the model, or the cosine itself."),
    WN_STRING(struct options, prefix, "\"\"", "Text put before every prompt."),
    WN_OPTIONS_END
};

static const wn_metric metrics[] = {
    { "clipscore", "the cosine by the convention: 2.5 max(cosine, 0) unless told otherwise", 0, 2.5,
      WN_METRIC_HIGHER_IS_BETTER | WN_METRIC_ACROSS_PROMPTS },
    { "cosine", "cosine of the prompt's and the image's embeddings", -1, 1,
      WN_METRIC_HIGHER_IS_BETTER | WN_METRIC_ACROSS_PROMPTS },
};

enum { METRICS = 2 };

struct clipscore {
    nn_clip_scoring *scoring;
    double factor;
    bool is_clamped;
};

static wn_status set_convention(struct clipscore *c, const struct options *o, wn_error *err)
{
    const char *name = o->convention;
    c->is_clamped = strcmp(name, "paper") == 0;
    c->factor = c->is_clamped                  ? 2.5
                : strcmp(name, "percent") == 0 ? 100
                : strcmp(name, "logit") == 0   ? nn_clip_scoring_scale(c->scoring)
                                               : 1;
    if (isnan(c->factor))
        return wn_fail(err, WN_E_MISSING, "%s: no tensor \"logit_scale\", which convention \"logit\" needs", o->model);
    return WN_OK;
}

static void destroy(void *self)
{
    struct clipscore *c = self;
    if (c)
        nn_clip_scoring_close(c->scoring);
    free(c);
}

static wn_status create(const wn_host *host, const void *given, void **self, wn_error *err)
{
    const struct options *o = given;
    struct clipscore *c = calloc(1, sizeof *c);
    if (!c)
        return wn_fail(err, WN_E_MEMORY, "out of memory");
    wn_status status = nn_clip_scoring_open(
        host,
        &(nn_clip_scoring_settings){ .verifier = "clipscore",
                                     .model = o->model,
                                     .processor = o->processor,
                                     .activation = strcmp(o->activation, "model") ? o->activation : NULL,
                                     .device = o->device,
                                     .dtype = o->dtype,
                                     .prefix = o->prefix },
        &c->scoring, err);
    if (status == WN_OK)
        status = set_convention(c, o, err);
    if (status != WN_OK)
        destroy(c);
    else
        *self = c;
    return status;
}

/* The cosines are put at the end of the scores first: row i of those never reaches behind item i of these. */
static wn_status score(void *self, const wn_score_request *r, wn_error *err)
{
    const struct clipscore *c = self;
    double *cosines = r->scores + r->count;
    WN_TRY(nn_clip_scoring_cosines(c->scoring, r, cosines, err));
    for (uint64_t i = 0; i < r->count; i++) {
        const double cosine = cosines[i];
        r->scores[i * METRICS] = c->factor * (c->is_clamped && cosine < 0 ? 0 : cosine);
        r->scores[i * METRICS + 1] = cosine;
    }
    return WN_OK;
}

static const wn_verifier verifier = {
    .struct_size = sizeof verifier,
    .metrics = metrics,
    .metric_count = METRICS,
    .flags = WN_VERIFIER_NEEDS_PROMPT,
    .score = score,
};

static const wn_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = WN_KIND_VERIFIER,
    .name = "clipscore",
    .version = "1.1",
    .summary = "How well an image matches its prompt, by any CLIP model.",
    .source = "Hessel et al. 2021, arXiv:2104.08718",
    .options = options,
    .options_size = sizeof(struct options),
    .create = create,
    .destroy = destroy,
    .vtable = &verifier,
};

WN_MODULE(&plugin);
