/* imagereward.c - which image people would prefer for a prompt (Xu et al. 2023, "ImageReward: Learning and Evaluating
 * Human Preferences for Text-to-Image Generation"): BLIP reads the prompt while it looks at the image, and a head makes
 * one number of the first token, normalised to about N(0, 1).
 *
 * As published: the first token stays [CLS], unlike in BLIP's own tasks, which put [ENC] there; texts have at most 35
 * tokens; images are prepared as OpenAI's CLIP does. A prompt is tokenized once and an image goes through the image
 * model once; the text model looks at the image in every layer and runs for each pair.
 */
#include <winnow/device.h>
#include <winnow/verifier.h>

#include <config.h>
#include <models/bert_run.h>
#include <models/blip.h>
#include <models/vit_model.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct options {
    const char *model;
    const char *tokenizer;
    const char *device;
    const char *dtype;
};

static const wn_option options[] = {
    WN_PATH(struct options, model, NULL,
            "Folder of ImageReward.pt or model.safetensors and med_config.json, or the file."),
    WN_PATH(struct options, tokenizer, "\"\"",
            "Folder of BERT's vocab.txt, or the file; empty: the model's own, else google-bert/bert-base-uncased."),
    WN_STRING(struct options, device, "\"cpu\"", "Device that computes: cpu, vulkan, vulkan:0, ..."),
    WN_ENUM(struct options, dtype, "\"f32\"", "f32|bf16", "Type of the matrix products; sums are float32."),
    WN_OPTIONS_END
};

static const wn_metric metrics[] = {
    { "imagereward", "how much people would prefer the image for the prompt; about N(0, 1)", -3, 3,
      WN_METRIC_HIGHER_IS_BETTER | WN_METRIC_ACROSS_PROMPTS },
};

enum { REMEMBERED = 64, MAX_TOKENS = 512 };

/* Of the released model's rewards, from its authors' code. */
static const double published_mean = 0.16717362830052426, published_std = 1.0333394966054072;

struct text {
    char *prompt; /* NULL: none */
    int32_t ids[MAX_TOKENS];
    uint32_t count;
};

struct imagereward {
    const wn_host *host;
    const struct options *options;
    nn_blip blip;
    nn_vit_model *images;
    nn_texts texts;
    int64_t max_length;
    double mean;
    double std;
    struct text text[REMEMBERED];
    uint64_t next;
    uint64_t scored;
    uint64_t tokenized;
};

/* ---- life --------------------------------------------------------------------------------------------------- */

static void say_counts(const struct imagereward *m)
{
    char line[192];
    snprintf(line, sizeof line,
             "imagereward: %" PRIu64 " images scored, %" PRIu64 " of them computed, %" PRIu64 " prompts tokenized",
             m->scored, nn_vit_model_computed(m->images), m->tokenized);
    m->host->log(m->host->ctx, WN_LOG_INFO, line);
}

static void destroy(void *self)
{
    struct imagereward *m = self;
    if (!m)
        return;
    if (m->scored)
        say_counts(m);
    for (int i = 0; i < REMEMBERED; i++)
        free(m->text[i].prompt);
    nn_texts_end(&m->texts);
    nn_vit_model_close(m->images);
    nn_blip_close(&m->blip);
    free(m);
}

/* 768 -> 1024 -> 128 -> 64 -> 16 -> 1 in the published model; the numbers count dropouts, and nothing is between the
 * layers. x: [1, width] */
static nn_t head(nn_graph *g, const nn_weights *w, nn_t x)
{
    static const int layers[] = { 0, 2, 4, 6, 7 };
    for (int i = 0; i < 5; i++) {
        char name[64];
        snprintf(name, sizeof name, "mlp.layers.%d.weight", layers[i]);
        const nn_tensor *t = nn_weights_find(w, name);
        const uint64_t rows = i == 4 ? 1 : t && t->rank == 2 ? t->shape[0] : 1;
        const nn_w weight = nn_weight(g, w, rows, nn_cols(g, x), "%s", name);
        x = nn_linear(g, x, weight, nn_weight(g, w, 1, rows, "mlp.layers.%d.bias", layers[i]), NULL);
    }
    return x;
}

static nn_graph *graph(const void *arg, uint64_t tokens)
{
    const struct imagereward *m = arg;
    const nn_blip *b = &m->blip;
    nn_graph *g = nn_graph_new("imagereward");
    const nn_t ids = nn_input(g, "ids", WN_I32, tokens, 1, 0);
    const nn_t image = nn_input(g, "image", WN_F32, nn_vit_tokens(&b->vit), b->vit.width, 0);
    const nn_t x = nn_bert_layers(g, &b->encoder, b->weights, nn_bert_embed(g, &b->encoder, b->weights, ids), image);
    nn_output(g, "out", head(g, b->weights, nn_window(g, x, 0, 1, 0, b->encoder.width)));
    return g;
}

/* What a folder's config.json may say of itself. */
static wn_status read_settings(struct imagereward *m, wn_error *err)
{
    const nn_config *c = m->blip.config;
    const int64_t positions = (int64_t)m->blip.encoder.positions;
    m->max_length = 35;
    m->mean = published_mean;
    m->std = published_std;
    if (c) {
        WN_TRY(nn_config_int(c, "max_length", m->max_length, &m->max_length, err));
        WN_TRY(nn_config_number(c, "mean", m->mean, &m->mean, err));
        WN_TRY(nn_config_number(c, "std", m->std, &m->std, err));
    }
    if (m->max_length < 2 || m->max_length > MAX_TOKENS || m->max_length > positions)
        return wn_fail(err, WN_E_FORMAT,
                       "%s: texts of %" PRId64 " tokens: want 2 to %d, and the model has %" PRId64 " positions",
                       m->options->model, m->max_length, MAX_TOKENS, positions);
    if (!(m->std > 0))
        return wn_fail(err, WN_E_FORMAT, "%s: \"std\" is %g, want more than 0", nn_config_file(c), m->std);
    return WN_OK;
}

static wn_status open_files(struct imagereward *m, wn_error *err)
{
    const wn_host *host = m->host;
    const char *given = m->options->tokenizer;
    char path[4096], tokenizer[4096] = "";
    WN_TRY(host->resolve(host->ctx, m->options->model, path, sizeof path, err));
    if (!*given && !nn_blip_has_words(path))
        given = "google-bert/bert-base-uncased";
    if (*given)
        WN_TRY(host->resolve(host->ctx, given, tokenizer, sizeof tokenizer, err));
    WN_TRY(nn_blip_open(path, tokenizer, &m->blip, err));
    for (uint64_t i = 0; i < m->blip.files.count; i++)
        host->uses_file(host->ctx, m->blip.files.path[i]);
    return read_settings(m, err);
}

static wn_status open(struct imagereward *m, wn_error *err)
{
    const wn_host *host = m->host;
    nn_device device;
    struct wn_device *opened;
    WN_TRY(open_files(m, err));
    WN_TRY(host->open_device(host->ctx, m->options->device, &device.api, &opened, err));
    device.device = opened;
    const int64_t dtype = strcmp(m->options->dtype, "bf16") == 0 ? WN_BF16 : WN_F32;
    nn_preprocess prepare = nn_preprocess_clip((uint32_t)m->blip.vit.image_px);
    prepare.crop = NN_CROP_HALF_EVEN;
    WN_TRY(nn_vit_model_open(&m->blip.vit, m->blip.weights, &prepare, false, &device, dtype, &m->images, err));
    m->texts = (nn_texts){ .device = device, .dtype = dtype, .graph = graph, .arg = m };
    nn_graph *g = graph(m, 2); /* weights that do not fit are found now, not at the first score */
    const wn_status status = nn_graph_status(g, err);
    nn_graph_free(g);
    return status;
}

static wn_status create(const wn_host *host, const void *given, void **self, wn_error *err)
{
    struct imagereward *m = calloc(1, sizeof *m);
    if (!m)
        return wn_fail(err, WN_E_MEMORY, "out of memory");
    m->host = host;
    m->options = given;
    const wn_status status = open(m, err);
    if (status != WN_OK)
        destroy(m);
    else
        *self = m;
    return status;
}

/* ---- scoring ------------------------------------------------------------------------------------------------ */

static wn_status tokenize(struct imagereward *m, const wn_prompt *prompt, struct text *t, wn_error *err)
{
    bool is_cut = false;
    free(t->prompt);
    t->prompt = NULL;
    WN_TRY(nn_blip_tokens(&m->blip, prompt->text, (uint32_t)m->max_length, t->ids, &t->count, &is_cut, err));
    m->tokenized++;
    if (is_cut) {
        char line[192];
        snprintf(line, sizeof line,
                 "imagereward: prompt \"%s\" has more than %" PRId64 " tokens; its rest is not scored", prompt->id,
                 m->max_length);
        m->host->log(m->host->ctx, WN_LOG_WARN, line);
    }
    t->prompt = strdup(prompt->text);
    return t->prompt ? WN_OK : wn_fail(err, WN_E_MEMORY, "out of memory for a prompt");
}

static wn_status text_of(struct imagereward *m, const wn_prompt *prompt, const struct text **out, wn_error *err)
{
    for (int i = 0; i < REMEMBERED; i++)
        if (m->text[i].prompt && strcmp(m->text[i].prompt, prompt->text) == 0) {
            *out = &m->text[i];
            return WN_OK;
        }
    struct text *t = &m->text[m->next++ % REMEMBERED];
    *out = t;
    return tokenize(m, prompt, t, err);
}

/* Items first .. first+n-1, n at most NN_VIT_CHUNK. Ids are copied: a later prompt may take an earlier one's place. */
static wn_status score_chunk(struct imagereward *m, const wn_score_request *r, uint64_t first, uint64_t n,
                             wn_error *err)
{
    const float *states[NN_VIT_CHUNK];
    nn_text_job jobs[NN_VIT_CHUNK];
    int32_t ids[NN_VIT_CHUNK][MAX_TOKENS];
    float reward[NN_VIT_CHUNK];
    WN_TRY(nn_vit_model_states(m->images, n, r->images + first, states, err));
    for (uint64_t i = 0; i < n; i++) {
        const struct text *t;
        WN_TRY(text_of(m, r->prompts[first + i], &t, err));
        memcpy(ids[i], t->ids, t->count * sizeof ids[i][0]);
        jobs[i] = (nn_text_job){ .ids = ids[i], .count = t->count, .image = states[i], .out = &reward[i] };
    }
    WN_TRY(nn_texts_run(&m->texts, n, jobs, err));
    for (uint64_t i = 0; i < n; i++)
        r->scores[first + i] = ((double)reward[i] - m->mean) / m->std;
    m->scored += n;
    return WN_OK;
}

static wn_status score(void *self, const wn_score_request *r, wn_error *err)
{
    struct imagereward *m = self;
    for (uint64_t first = 0; first < r->count; first += NN_VIT_CHUNK) {
        const uint64_t left = r->count - first;
        if (m->host->cancelled(m->host->ctx))
            return wn_fail(err, WN_E_CANCELLED, "interrupted");
        WN_TRY(score_chunk(m, r, first, left < NN_VIT_CHUNK ? left : NN_VIT_CHUNK, err));
    }
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
    .name = "imagereward",
    .version = "1.0",
    .summary = "Which image people would prefer for a prompt, by ImageReward.",
    .source = "Xu et al. 2023, arXiv:2304.05977",
    .options = options,
    .options_size = sizeof(struct options),
    .create = create,
    .destroy = destroy,
    .vtable = &verifier,
};

WN_MODULE(&plugin);
