/* clipscore.c - how well an image matches its prompt, by CLIP (Hessel et al. 2021, "CLIPScore: A Reference-free
 * Evaluation Metric for Image Captioning"): scale * max(cos(text, image), 0).
 *
 * Any Hugging Face CLIP folder. Conventions differ between implementations and are options: Hessel's own has the prefix
 * "A photo depicts " and scale 2.5; the inference-time scaling paper reports 2.5 cos without a prefix, the default
 * here; torchmetrics has scale 100 without the clamp. The image is prepared as Pillow does it, to the bit; texts that
 * are too long keep their end token. A prompt is encoded once, however many images it gets.
 */
#include <winnow/device.h>
#include <winnow/verifier.h>

#include <models/clip_model.h>

#include <stdlib.h>
#include <string.h>

struct options {
    const char *model;
    const char *device;
    const char *dtype;
    double scale;
    int32_t clamp;
    const char *prefix;
};

static const wn_option options[] = {
    WN_PATH(struct options, model, NULL, "A Hugging Face CLIP folder (CLIPModel)."),
    WN_STRING(struct options, device, "\"cpu\"", "Device that computes: cpu, vulkan, vulkan:0, ..."),
    WN_ENUM(struct options, dtype, "\"f32\"", "f32|bf16", "Type of the matrix products; sums are float32."),
    WN_NUMBER(struct options, scale, "2.5", 0, 1000, "Factor applied to the cosine."),
    WN_BOOL(struct options, clamp, "true", "Negative cosines score 0."),
    WN_STRING(struct options, prefix, "\"\"", "Text put before every prompt."),
    WN_OPTIONS_END
};

static const wn_metric metrics[] = {
    { "clipscore", "scale * max(cosine, 0)", 0, 2.5, WN_METRIC_HIGHER_IS_BETTER | WN_METRIC_ACROSS_PROMPTS },
    { "cosine", "cosine of the prompt's and the image's embeddings", -1, 1,
      WN_METRIC_HIGHER_IS_BETTER | WN_METRIC_ACROSS_PROMPTS },
};

enum { METRICS = 2, REMEMBERED = 64 };

/* A prompt's embedding. */
struct text {
    char *prompt;
    float *embedding;
};

struct clipscore {
    const wn_host *host;
    const struct options *options;
    nn_clip *clip;
    struct text text[REMEMBERED];
    uint64_t next;
    uint64_t encoded;
    uint64_t scored;
};

/* ---- life --------------------------------------------------------------------------------------------------- */

static void say_counts(const struct clipscore *c)
{
    char line[160];
    snprintf(line, sizeof line, "clipscore: %llu images scored, %llu prompts encoded", (unsigned long long)c->scored,
             (unsigned long long)c->encoded);
    c->host->log(c->host->ctx, WN_LOG_INFO, line);
}

static void destroy(void *self)
{
    struct clipscore *c = self;
    if (!c)
        return;
    if (c->scored)
        say_counts(c);
    for (int i = 0; i < REMEMBERED; i++) {
        free(c->text[i].prompt);
        free(c->text[i].embedding);
    }
    nn_clip_close(c->clip);
    free(c);
}

static wn_status open(struct clipscore *c, wn_error *err)
{
    const wn_host *host = c->host;
    const struct wn_device_api *api;
    struct wn_device *device;
    char folder[4096];
    WN_TRY(host->resolve(host->ctx, c->options->model, folder, sizeof folder, err));
    WN_TRY(host->open_device(host->ctx, c->options->device, &api, &device, err));
    const int64_t dtype = strcmp(c->options->dtype, "bf16") == 0 ? WN_BF16 : WN_F32;
    WN_TRY(nn_clip_open(folder, &(nn_device){ api, device }, dtype, &c->clip, err));
    const char *file;
    for (uint64_t i = 0; (file = nn_clip_file(c->clip, i)) != NULL; i++)
        host->uses_file(host->ctx, file);
    return WN_OK;
}

static wn_status create(const wn_host *host, const void *given, void **self, wn_error *err)
{
    struct clipscore *c = calloc(1, sizeof *c);
    if (!c)
        return wn_fail(err, WN_E_MEMORY, "out of memory");
    c->host = host;
    c->options = given;
    const wn_status status = open(c, err);
    if (status != WN_OK)
        destroy(c);
    else
        *self = c;
    return status;
}

/* ---- scoring ------------------------------------------------------------------------------------------------ */

static wn_status encode(struct clipscore *c, const wn_prompt *prompt, struct text *t, wn_error *err)
{
    const size_t size = strlen(c->options->prefix) + strlen(prompt->text) + 1;
    char *whole = malloc(size);
    bool is_cut = false;
    if (!t->embedding)
        t->embedding = calloc(nn_clip_width(c->clip), sizeof *t->embedding);
    free(t->prompt);
    t->prompt = NULL;
    if (!whole || !t->embedding) {
        free(whole);
        return wn_fail(err, WN_E_MEMORY, "out of memory for a prompt");
    }
    snprintf(whole, size, "%s%s", c->options->prefix, prompt->text);
    const wn_status status = nn_clip_text_embedding(c->clip, whole, t->embedding, &is_cut, err);
    free(whole);
    WN_TRY(status);
    c->encoded++;
    if (is_cut) {
        char line[160];
        snprintf(line, sizeof line, "prompt \"%s\" is longer than CLIP's text; its rest is not scored", prompt->id);
        c->host->log(c->host->ctx, WN_LOG_WARN, line);
    }
    t->prompt = strdup(prompt->text);
    return t->prompt ? WN_OK : wn_fail(err, WN_E_MEMORY, "out of memory for a prompt");
}

/* The prompt's embedding, from memory or new. */
static wn_status text_of(struct clipscore *c, const wn_prompt *prompt, const float **embedding, wn_error *err)
{
    struct text *t = NULL;
    for (int i = 0; i < REMEMBERED && !t; i++)
        if (c->text[i].prompt && strcmp(c->text[i].prompt, prompt->text) == 0)
            t = &c->text[i];
    if (!t) {
        t = &c->text[c->next++ % REMEMBERED];
        WN_TRY(encode(c, prompt, t, err));
    }
    *embedding = t->embedding;
    return WN_OK;
}

static wn_status score_all(struct clipscore *c, const wn_score_request *r, const float *images, wn_error *err)
{
    const uint64_t width = nn_clip_width(c->clip);
    for (uint64_t i = 0; i < r->count; i++) {
        const float *text;
        WN_TRY(text_of(c, r->prompts[i], &text, err));
        const double cosine = nn_cosine(text, images + i * width, width);
        r->scores[i * METRICS] = c->options->scale * (c->options->clamp && cosine < 0 ? 0 : cosine);
        r->scores[i * METRICS + 1] = cosine;
    }
    c->scored += r->count;
    return WN_OK;
}

static wn_status score(void *self, const wn_score_request *r, wn_error *err)
{
    struct clipscore *c = self;
    float *images = calloc(r->count * nn_clip_width(c->clip), sizeof *images);
    if (!images)
        return wn_fail(err, WN_E_MEMORY, "out of memory for %llu embeddings", (unsigned long long)r->count);
    wn_status status = nn_clip_image_embeddings(c->clip, r->count, r->images, images, err);
    if (status == WN_OK)
        status = score_all(c, r, images, err);
    free(images);
    return status;
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
    .version = "1.0",
    .summary = "How well an image matches its prompt, by any CLIP model.",
    .source = "Hessel et al. 2021, arXiv:2104.08718",
    .options = options,
    .options_size = sizeof(struct options),
    .create = create,
    .destroy = destroy,
    .vtable = &verifier,
};

WN_MODULE(&plugin);
