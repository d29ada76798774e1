/* blip.c VERIFIER - imagereward or blip_vqa on a tiny random model against transformers in float64 (make_verifiers.py):
 * scores within 1e-5, hidden states within 1e-5 of their size (measured: beside each bound). And: one image at a time
 * as all together, one thread as three, to the last bit; the two layouts of BLIP's weights; texts that are too long;
 * prompts without noun phrases; models that do not fit.
 */
#include "host.h"
#include "pictures.h"
#include "tiny.h"

#include <image/preprocess.h>
#include <models/blip.h>
#include <models/program.h>
#include <winnow/verifier.h>

enum { PROMPTS = 3, MAX = PROMPTS * PICTURES };

static const wn_prompt texts[PROMPTS] = {
    { "a red circle", "one", "", "{}" },
    { "The blue square, and a red one: left of a green star!", "two", "", "{}" },
    { "", "three", "", "{}" },
};
/* The phrases of make_verifiers.py: one that names a place is left out. */
static const wn_prompt questions[2] = {
    { "x", "one", "", "{\"noun_phrases\": [\"a red circle\", \"the side\", \"a blue square\"]}" },
    { "x", "two", "", "{\"noun_phrases\": [\"Star!\"]}" },
};
static wn_error err;

struct set {
    wn_image picture[PICTURES];
    int count;
    const wn_prompt *prompt[MAX];
    wn_image image[MAX];
    double score[MAX];
    wn_score_request r;
};

static void fill(struct set *s, const wn_prompt *prompts, int count)
{
    pictures_read(s->picture);
    s->count = count * PICTURES;
    for (int i = 0; i < s->count; i++) {
        s->prompt[i] = &prompts[i / PICTURES];
        s->image[i] = s->picture[i % PICTURES];
    }
    s->r = (wn_score_request){ .struct_size = sizeof s->r,
                               .count = (uint64_t)s->count,
                               .prompts = s->prompt,
                               .images = s->image,
                               .scores = s->score };
}

/* tiny_folder's path, kept. */
static const char *folder_of(const char *case_name)
{
    const char *path = tiny_folder(case_name, "blip");
    return strcpy(tiny_alloc(strlen(path) + 1, 1), path);
}

static nn_weights *open_golden(const char *folder)
{
    nn_weights *w;
    char path[4096];
    snprintf(path, sizeof path, "%s/golden.safetensors", folder);
    CHECK_OK(nn_weights_open(path, &w, &err), err);
    return w;
}

static void compare(const struct set *s, const float *want)
{
    double worst = 0;
    for (int i = 0; i < s->count; i++) {
        CHECK_NEAR(s->score[i], (double)want[i], 1e-5);
        worst = fmax(worst, fabs(s->score[i] - (double)want[i]));
    }
    printf("scores: largest error %.1e (bound 1e-05)\n", worst); /* measured 1e-6 */
}

/* Scores of a new instance, all at once or one by one in reverse. */
static void score(struct host *h, const wn_plugin *plugin, const char *const *pairs, const struct set *s, bool is_alone,
                  double *out)
{
    char options[256];
    const wn_verifier *v = plugin->vtable;
    void *self = host_create(h, plugin, options, pairs, NULL);
    wn_score_request r = s->r;
    r.scores = out;
    if (!is_alone)
        CHECK_OK(v->score(self, &r, &err), err);
    for (int i = s->count - 1; is_alone && i >= 0; i--) {
        r = (wn_score_request){
            .struct_size = sizeof r, .count = 1, .prompts = &s->prompt[i], .images = &s->image[i], .scores = &out[i]
        };
        CHECK_OK(v->score(self, &r, &err), err);
    }
    plugin->destroy(self);
}

static void check_same(const struct set *s, const double *other)
{
    CHECK(memcmp(s->score, other, (size_t)s->count * sizeof *other) == 0);
}

/* All at once, alone, and with another number of threads. */
static void test_scores(struct host *h, const wn_plugin *plugin, const char *const *pairs, struct set *s)
{
    static struct host other_host;
    double other[MAX];
    score(h, plugin, pairs, s, false, s->score);
    score(h, plugin, pairs, s, true, other);
    check_same(s, other);
    host_open(&other_host, 1);
    score(&other_host, plugin, pairs, s, false, other);
    check_same(s, other);
    host_close(&other_host);
}

static void refuse(struct host *h, const wn_plugin *plugin, const char *const *pairs, const char *part)
{
    char options[256];
    void *self = host_create(h, plugin, options, pairs, &err);
    CHECK(self == NULL);
    CHECK_CONTAINS(err.message, part);
    plugin->destroy(self);
}

/* More lengths of text than programs are kept: what was compiled anew gives the same. */
static void test_lengths(struct host *h, const wn_plugin *plugin, const char *folder, const struct set *s)
{
    enum { LENGTHS = 12 };
    static const char words[] = "a a a a a a a a a a a a";
    char options[256], text[LENGTHS][32];
    wn_prompt prompt[LENGTHS];
    const wn_verifier *v = plugin->vtable;
    double first[LENGTHS], again = 0;
    void *self = host_create(h, plugin, options, (const char *const[]){ "model", folder, NULL }, NULL);
    for (int i = 0; i < 2 * LENGTHS; i++) {
        const int k = i % LENGTHS;
        snprintf(text[k], sizeof text[k], "%.*s", 2 * k, words);
        prompt[k] = (wn_prompt){ text[k], "p", "", "{}" };
        const wn_prompt *one = &prompt[k];
        const wn_score_request r = { .struct_size = sizeof r,
                                     .count = 1,
                                     .prompts = &one,
                                     .images = s->picture,
                                     .scores = i < LENGTHS ? &first[k] : &again };
        CHECK_OK(v->score(self, &r, &err), err);
        CHECK(i < LENGTHS || again == first[k]);
    }
    plugin->destroy(self);
}

/* ---- imagereward -------------------------------------------------------------------------------------------- */

static void check_states(const char *what, const float *got, const float *want, uint64_t n)
{
    const double error = relative_l2(got, want, n);
    printf("%s: %.1e of their size (bound 1e-05)\n", what, error); /* measured 3e-7 */
    CHECK(error <= 1e-5);
}

/* Both models alone: the first picture, and what the first prompt's tokens make of it. */
static void test_states(struct host *h, const char *folder, const nn_weights *golden, const wn_image *picture)
{
    static const char *const image_names[] = { "pixels", "states", NULL };
    static const char *const text_names[] = { "ids", "image", "states", NULL };
    uint64_t count, words;
    const float *vision = tiny_golden(golden, "vision", &count), *text = tiny_golden(golden, "text", &words);
    nn_program program;
    nn_blip b;
    int32_t ids[16];
    uint32_t tokens;
    bool is_cut;
    CHECK_OK(nn_blip_open(folder, "", &b, &err), err);
    const uint64_t px = b.vit.image_px;
    nn_preprocess prepare = nn_preprocess_clip((uint32_t)px);
    prepare.crop = NN_CROP_HALF_EVEN;
    float *pixels = tiny_alloc(px * px * 3, sizeof *pixels), *states = tiny_alloc(count, sizeof *states);
    CHECK_OK(nn_preprocess_run(&prepare, picture, pixels, &err), err);
    nn_graph *g = nn_graph_new("image");
    nn_output(g, "states", nn_vit_states(g, &b.vit, b.weights, nn_input(g, "pixels", WN_F32, px * px, 3, 0)));
    CHECK_OK(nn_program_make(g, &h->device, WN_F32, 1, image_names, &program, &err), err);
    CHECK_OK(nn_program_run(&program, 1, (void *[]){ pixels, states }, &err), err);
    nn_program_end(&program);
    check_states("image states", states, vision, count);
    CHECK_OK(nn_blip_tokens(&b, texts[0].text, 16, ids, &tokens, &is_cut, &err), err);
    CHECK_INT(tokens * b.encoder.width, words); /* without padding */
    g = nn_graph_new("text");
    const nn_t x = nn_bert_embed(g, &b.encoder, b.weights, nn_input(g, "ids", WN_I32, tokens, 1, 0));
    const nn_t image = nn_input(g, "image", WN_F32, nn_vit_tokens(&b.vit), b.vit.width, 0);
    nn_output(g, "states", nn_bert_layers(g, &b.encoder, b.weights, x, image));
    CHECK_OK(nn_program_make(g, &h->device, WN_F32, 1, text_names, &program, &err), err);
    float *read = tiny_alloc(words, sizeof *read);
    CHECK_OK(nn_program_run(&program, 1, (void *[]){ ids, states, read }, &err), err);
    nn_program_end(&program);
    check_states("text states", read, text, words);
    nn_blip_close(&b);
}

static void test_imagereward(struct host *h, const wn_plugin *plugin)
{
    const char *folder = folder_of("imagereward");
    static struct set s;
    double other[MAX];
    char file[4096];
    nn_weights *golden = open_golden(folder);
    fill(&s, texts, PROMPTS);
    test_states(h, folder, golden, &s.picture[0]);
    test_scores(h, plugin, (const char *const[]){ "model", folder, NULL }, &s);
    compare(&s, tiny_golden(golden, "reward", NULL));
    CHECK_CONTAINS(h->log, "prompt \"two\" has more than 16 tokens");
    CHECK_CONTAINS(h->log, "imagereward: 15 images scored, 5 of them computed, 3 prompts tokenized");
    snprintf(file, sizeof file, "%s/model.safetensors", folder); /* the file itself */
    score(h, plugin, (const char *const[]){ "model", file, NULL }, &s, false, other);
    check_same(&s, other);
    score(h, plugin, (const char *const[]){ "model", file, "dtype", "bf16", NULL }, &s, false, other);
    double worst = 0;
    for (int i = 0; i < s.count; i++)
        worst = fmax(worst, fabs(other[i] - s.score[i]));
    printf("bf16: largest difference %.1e (bound 1e-1)\n", worst);
    CHECK(worst > 1e-5 && worst <= 0.1);
    test_lengths(h, plugin, folder, &s);
    refuse(h, plugin, (const char *const[]){ "model", folder_of("vit"), "tokenizer", folder, NULL }, "holds no BLIP");
    pictures_free(s.picture);
    nn_weights_close(golden);
}

/* ---- blip_vqa ----------------------------------------------------------------------------------------------- */

static void test_phrases(struct host *h, const wn_plugin *plugin, const char *folder, const struct set *s)
{
    static const wn_prompt bare[2] = { { "two things", "in-table", "", "{}" }, { "no such", "nowhere", "", "{}" } };
    char table[4200], options[256];
    const wn_verifier *v = plugin->vtable;
    double got[2];
    snprintf(table, sizeof table, "%s/phrases.jsonl", folder);
    FILE *file = fopen(table, "w");
    CHECK(file != NULL);
    fputs("{\"prompt\": \"other\", \"noun_phrases\": [\"a dog\"]}\n\n"
          "{\"prompt\": \"two things\", \"noun_phrases\": [\"a red circle\", \"top\", \"a blue square\"]}\n",
          file);
    fclose(file);
    void *self = host_create(h, plugin, options,
                             (const char *const[]){ "model", folder, "image_px", "50", "phrases", table, NULL }, NULL);
    const wn_score_request r = { .struct_size = sizeof r,
                                 .count = 2,
                                 .prompts = (const wn_prompt *const[]){ &bare[0], &bare[1] },
                                 .images = (const wn_image[]){ s->picture[0], s->picture[0] },
                                 .scores = got };
    CHECK_OK(v->score(self, &r, &err), err);
    CHECK_NEAR(got[0], s->score[0], 0);
    CHECK(isnan(got[1]));
    CHECK_CONTAINS(h->log, "prompt \"nowhere\" has no \"noun_phrases\"");
    plugin->destroy(self);
    file = fopen(table, "a");
    fputs("{\"prompt\": \"two things\", \"noun_phrases\": 7}\n", file);
    fclose(file);
    refuse(h, plugin, (const char *const[]){ "model", folder, "phrases", table, NULL }, "phrases.jsonl, line 4");
}

static void test_blip_vqa(struct host *h, const wn_plugin *plugin)
{
    const char *folder = folder_of("blip_vqa");
    static struct set s;
    double other[MAX];
    char original[4096];
    nn_weights *golden = open_golden(folder);
    fill(&s, questions, 2);
    test_scores(h, plugin, (const char *const[]){ "model", folder, "image_px", "50", NULL }, &s);
    compare(&s, tiny_golden(golden, "score", NULL));
    CHECK_CONTAINS(h->log, "blip_vqa: 10 images scored, 5 of them computed, 15 questions asked");
    snprintf(original, sizeof original, "%s/original", folder);
    score(h, plugin, (const char *const[]){ "model", original, "image_px", "50", NULL }, &s, false, other);
    check_same(&s, other);
    test_phrases(h, plugin, folder, &s);
    refuse(h, plugin, (const char *const[]){ "model", folder, "image_px", "7", NULL }, "a patch fits the image");
    refuse(h, plugin, (const char *const[]){ "model", folder_of("imagereward"), NULL }, "no text_decoder");
    pictures_free(s.picture);
    nn_weights_close(golden);
}

int main(int argc, char **argv)
{
    static struct host host;
    if (argc != 2)
        return 2;
    const wn_plugin *plugin = host_plugin(argv[1]);
    host_open(&host, 3);
    if (strcmp(argv[1], "imagereward") == 0)
        test_imagereward(&host, plugin);
    else
        test_blip_vqa(&host, plugin);
    host_close(&host);
    return CHECK_DONE();
}
