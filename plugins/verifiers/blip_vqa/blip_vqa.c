/* blip_vqa.c - whether what the prompt names is in the image, by asking (Huang et al. 2023, "T2I-CompBench", attribute
 * binding; Li et al. 2022, "BLIP"): each noun phrase of the prompt becomes a question, "a red circle?", and the score
 * is the product of p(yes) / (p(yes) + p(no)) over the phrases.
 *
 * As there: the image is squashed to 480 x 480; questions are in lower case without . ! " ( ) * # : ; ~, of at most 50
 * words and 35 tokens; the first token becomes [ENC]; the answer is the decoder's first word after [DEC]. The softmax
 * over all words cancels in the ratio, so only the logits of yes and no are computed.
 */
#include <winnow/device.h>
#include <winnow/verifier.h>

#include <models/bert_run.h>
#include <models/blip.h>
#include <models/vit_model.h>

#include "phrases.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct options {
    const char *model;
    const char *tokenizer;
    const char *phrases;
    int64_t image_px;
    const char *device;
    const char *dtype;
};

static const wn_option options[] = {
    WN_PATH(struct options, model, NULL, "Salesforce/blip-vqa-base, or the original .pth file."),
    WN_PATH(struct options, tokenizer, "\"\"",
            "Folder of BERT's vocab.txt, or the file; empty: the model's own, else google-bert/bert-base-uncased."),
    WN_PATH(struct options, phrases, "\"\"",
            "JSON lines of prompt and noun_phrases, for prompts whose record has none."),
    WN_INT(struct options, image_px, "480", 1, 4096, "Side of the square that images are squashed to, in pixels."),
    WN_STRING(struct options, device, "\"cpu\"", "Device that computes: cpu, vulkan, vulkan:0, ..."),
    WN_ENUM(struct options, dtype, "\"f32\"", "f32|bf16", "Type of the matrix products; sums are float32."),
    WN_OPTIONS_END
};

static const wn_metric metrics[] = {
    { "blip_vqa", "probability that all that the prompt names is there", 0, 1,
      WN_METRIC_HIGHER_IS_BETTER | WN_METRIC_ACROSS_PROMPTS },
};

enum { REMEMBERED = 64, TOKENS = 35, WORDS = 50 };

/* A prompt's questions. */
struct questions {
    char *prompt; /* NULL: none */
    char *record; /* two prompts of one text may have different phrases */
    uint32_t count;
    uint32_t length[MAX_PHRASES];
    int32_t ids[MAX_PHRASES][TOKENS];
};

struct blip_vqa {
    const wn_host *host;
    const struct options *options;
    nn_blip blip;
    nn_vit_model *images;
    nn_texts texts;
    struct phrase_table table;
    uint64_t answers[2]; /* yes, no */
    struct questions known[REMEMBERED];
    uint64_t next;
    uint64_t scored;
    uint64_t asked;
    uint64_t unknown; /* prompts without phrases */
};

/* ---- life --------------------------------------------------------------------------------------------------- */

static void forget(struct questions *q)
{
    free(q->prompt);
    free(q->record);
    *q = (struct questions){ 0 };
}

static void say_counts(const struct blip_vqa *v)
{
    char line[192];
    snprintf(line, sizeof line,
             "blip_vqa: %" PRIu64 " images scored, %" PRIu64 " of them computed, %" PRIu64 " questions asked",
             v->scored, nn_vit_model_computed(v->images), v->asked);
    v->host->log(v->host->ctx, WN_LOG_INFO, line);
}

static void destroy(void *self)
{
    struct blip_vqa *v = self;
    if (!v)
        return;
    if (v->scored)
        say_counts(v);
    for (int i = 0; i < REMEMBERED; i++)
        forget(&v->known[i]);
    phrases_close(&v->table);
    nn_texts_end(&v->texts);
    nn_vit_model_close(v->images);
    nn_blip_close(&v->blip);
    free(v);
}

/* [DEC] and [ENC] were added behind BERT's words. */
static uint64_t dec_id(const nn_blip *b)
{
    return b->decoder.vocabulary - 2;
}

static int32_t enc_id(const nn_blip *b)
{
    return (int32_t)(b->encoder.vocabulary - 1);
}

/* The question reads the image, the answer reads the question. */
static nn_graph *graph(const void *arg, uint64_t tokens)
{
    const struct blip_vqa *v = arg;
    const nn_blip *b = &v->blip;
    const nn_weights *w = b->weights;
    nn_graph *g = nn_graph_new("blip vqa");
    const nn_t ids = nn_input(g, "ids", WN_I32, tokens, 1, 0);
    const nn_t image = nn_input(g, "image", WN_F32, nn_vit_tokens(&b->vit), b->vit.width, 0);
    const nn_t question = nn_bert_layers(g, &b->encoder, w, nn_bert_embed(g, &b->encoder, w, ids), image);
    const nn_t answer = nn_bert_layers(g, &b->decoder, w, nn_bert_embed_word(g, &b->decoder, w, dec_id(b)), question);
    nn_output(g, "out", nn_bert_logits(g, &b->decoder, w, "text_decoder.cls.predictions.", answer, 2, v->answers));
    return g;
}

static wn_status check(struct blip_vqa *v, wn_error *err)
{
    static const char *const words[] = { "yes", "no" };
    const nn_blip *b = &v->blip;
    const char *path = nn_weights_path(b->weights);
    if (b->decoder.width == 0)
        return wn_fail(err, WN_E_MISSING, "%s: no text_decoder: BLIP-VQA needs a checkpoint for question answering",
                       path);
    if (b->decoder.context != b->encoder.width || b->decoder.vocabulary != b->encoder.vocabulary)
        return wn_fail(err, WN_E_FORMAT, "%s: its text_decoder does not fit its text_encoder", path);
    if (b->encoder.positions < TOKENS)
        return wn_fail(err, WN_E_FORMAT, "%s: has %" PRIu64 " positions, questions have up to %d", path,
                       b->encoder.positions, TOKENS);
    for (int i = 0; i < 2; i++) {
        const int64_t id = nn_wordpiece_id(b->tokenizer, words[i]);
        if (id < 0 || (uint64_t)id + 2 >= b->encoder.vocabulary)
            return wn_fail(err, WN_E_FORMAT,
                           "%s: the word \"%s\" has id %" PRId64 ", the model's table %" PRIu64
                           " rows with [DEC] and [ENC] as the last two: the tokenizer is not the model's",
                           path, words[i], id, b->encoder.vocabulary);
        v->answers[i] = (uint64_t)id;
    }
    return WN_OK;
}

static wn_status open_files(struct blip_vqa *v, wn_error *err)
{
    const wn_host *host = v->host;
    const char *given = v->options->tokenizer;
    char path[4096], tokenizer[4096] = "", phrases[4096];
    WN_TRY(host->resolve(host->ctx, v->options->model, path, sizeof path, err));
    if (!*given && !nn_blip_has_words(path))
        given = "google-bert/bert-base-uncased";
    if (*given)
        WN_TRY(host->resolve(host->ctx, given, tokenizer, sizeof tokenizer, err));
    WN_TRY(nn_blip_open(path, tokenizer, &v->blip, err));
    for (uint64_t i = 0; i < v->blip.files.count; i++)
        host->uses_file(host->ctx, v->blip.files.path[i]);
    if (*v->options->phrases) {
        WN_TRY(host->resolve(host->ctx, v->options->phrases, phrases, sizeof phrases, err));
        WN_TRY(phrases_open(phrases, &v->table, err));
        host->uses_file(host->ctx, phrases);
    }
    return check(v, err);
}

static wn_status open(struct blip_vqa *v, wn_error *err)
{
    const wn_host *host = v->host;
    nn_device device;
    struct wn_device *opened;
    WN_TRY(open_files(v, err));
    WN_TRY(host->open_device(host->ctx, v->options->device, &device.api, &opened, err));
    device.device = opened;
    const int64_t dtype = strcmp(v->options->dtype, "bf16") == 0 ? WN_BF16 : WN_F32;
    const uint32_t px = (uint32_t)v->options->image_px;
    nn_preprocess prepare = nn_preprocess_clip(px);
    prepare.short_px = prepare.crop_width_px = prepare.crop_height_px = 0;
    prepare.resize_width_px = prepare.resize_height_px = px;
    v->blip.vit.image_px = px;
    WN_TRY(nn_vit_model_open(&v->blip.vit, v->blip.weights, &prepare, false, &device, dtype, &v->images, err));
    v->texts = (nn_texts){ .device = device, .dtype = dtype, .graph = graph, .arg = v };
    nn_graph *g = graph(v, 2); /* weights that do not fit are found now, not at the first score */
    const wn_status status = nn_graph_status(g, err);
    nn_graph_free(g);
    return status;
}

static wn_status create(const wn_host *host, const void *given, void **self, wn_error *err)
{
    struct blip_vqa *v = calloc(1, sizeof *v);
    if (!v)
        return wn_fail(err, WN_E_MEMORY, "out of memory");
    v->host = host;
    v->options = given;
    const wn_status status = open(v, err);
    if (status != WN_OK)
        destroy(v);
    else
        *self = v;
    return status;
}

/* ---- questions ---------------------------------------------------------------------------------------------- */

/* "<phrase>?" as BLIP cleans questions; free() it. NULL when memory ran out. */
static char *question_of(const char *phrase)
{
    char *text = malloc(strlen(phrase) + 2);
    size_t n = 0;
    int words = 1;
    if (!text)
        return NULL;
    for (const char *c = phrase; *c && words <= WORDS; c++) {
        if (strchr(".!\"()*#:;~", *c))
            continue;
        words += *c == ' ';
        text[n++] = (char)(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c);
    }
    if (words > WORDS) /* with its last space; the question mark went with the rest */
        n--;
    else
        text[n++] = '?';
    text[n] = '\0';
    return text;
}

static wn_status add_question(struct blip_vqa *v, struct questions *q, const char *phrase, wn_error *err)
{
    bool is_cut;
    char *text = question_of(phrase);
    if (!text)
        return wn_fail(err, WN_E_MEMORY, "out of memory for a question");
    const wn_status status =
        nn_blip_tokens(&v->blip, text, TOKENS, q->ids[q->count], &q->length[q->count], &is_cut, err);
    free(text);
    WN_TRY(status);
    q->ids[q->count++][0] = enc_id(&v->blip);
    return WN_OK;
}

static void say_unknown(struct blip_vqa *v, const wn_prompt *prompt)
{
    char line[256];
    if (v->unknown++ > 0)
        return;
    snprintf(
        line, sizeof line,
        "blip_vqa: prompt \"%s\" has no \"noun_phrases\", neither in its record nor in a table (option phrases): it "
        "and others like it are not scored",
        prompt->id);
    v->host->log(v->host->ctx, WN_LOG_WARN, line);
}

static wn_status ask(struct blip_vqa *v, const wn_prompt *prompt, struct questions *q, wn_error *err)
{
    struct phrases phrases = { 0 };
    forget(q);
    wn_status status = phrases_of(prompt, &v->table, &phrases, err);
    for (uint32_t i = 0; status == WN_OK && i < phrases.count; i++)
        status = add_question(v, q, phrases.text[i], err);
    if (status == WN_OK && phrases.count == 0)
        say_unknown(v, prompt);
    phrases_finish(&phrases);
    WN_TRY(status);
    q->record = strdup(prompt->json);
    q->prompt = q->record ? strdup(prompt->text) : NULL;
    return q->prompt ? WN_OK : wn_fail(err, WN_E_MEMORY, "out of memory for a prompt");
}

static bool is_of(const struct questions *q, const wn_prompt *prompt)
{
    return q->prompt && strcmp(q->prompt, prompt->text) == 0 && strcmp(q->record, prompt->json) == 0;
}

static wn_status questions_of(struct blip_vqa *v, const wn_prompt *prompt, struct questions *out, wn_error *err)
{
    for (int i = 0; i < REMEMBERED; i++)
        if (is_of(&v->known[i], prompt)) {
            *out = v->known[i];
            return WN_OK;
        }
    struct questions *q = &v->known[v->next++ % REMEMBERED];
    WN_TRY(ask(v, prompt, q, err));
    *out = *q;
    return WN_OK;
}

/* ---- scoring ------------------------------------------------------------------------------------------------ */

static double yes_of(const float logit[2])
{
    return 1 / (1 + exp((double)logit[1] - (double)logit[0]));
}

static wn_status score_chunk(struct blip_vqa *v, const wn_score_request *r, uint64_t first, uint64_t n, wn_error *err)
{
    const float *states[NN_VIT_CHUNK];
    struct questions q[NN_VIT_CHUNK];
    nn_text_job jobs[NN_VIT_CHUNK * MAX_PHRASES];
    float logits[NN_VIT_CHUNK * MAX_PHRASES][2];
    uint64_t count = 0;
    WN_TRY(nn_vit_model_states(v->images, n, r->images + first, states, err));
    for (uint64_t i = 0; i < n; i++) {
        WN_TRY(questions_of(v, r->prompts[first + i], &q[i], err));
        for (uint32_t k = 0; k < q[i].count; k++, count++)
            jobs[count] =
                (nn_text_job){ .ids = q[i].ids[k], .count = q[i].length[k], .image = states[i], .out = logits[count] };
    }
    WN_TRY(nn_texts_run(&v->texts, count, jobs, err));
    for (uint64_t i = 0, job = 0; i < n; i++) {
        double product = q[i].count ? 1 : NAN;
        for (uint32_t k = 0; k < q[i].count; k++)
            product *= yes_of(logits[job++]);
        r->scores[first + i] = product;
    }
    v->scored += n;
    v->asked += count;
    return WN_OK;
}

static wn_status score(void *self, const wn_score_request *r, wn_error *err)
{
    struct blip_vqa *v = self;
    for (uint64_t first = 0; first < r->count; first += NN_VIT_CHUNK) {
        const uint64_t left = r->count - first;
        if (v->host->cancelled(v->host->ctx))
            return wn_fail(err, WN_E_CANCELLED, "interrupted");
        WN_TRY(score_chunk(v, r, first, left < NN_VIT_CHUNK ? left : NN_VIT_CHUNK, err));
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
    .name = "blip_vqa",
    .version = "1.0",
    .summary = "Whether what the prompt names is in the image, by asking BLIP.",
    .source = "Huang et al. 2023, arXiv:2307.06350",
    .options = options,
    .options_size = sizeof(struct options),
    .create = create,
    .destroy = destroy,
    .vtable = &verifier,
};

WN_MODULE(&plugin);
