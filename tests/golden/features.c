/* features.c CASE - DINO, DINOv2 with an MLP, with SwiGLU, with registers, on tiny random weights against transformers
 * in float64 (make_verifiers.py): cosines within 1e-5, states within 1e-5 of their size; positions are enlarged,
 * reduced and reduced with antialiasing. By the self_consistency verifier, which is given previews as the engine would:
 * those of some items are missing. CASE clip_quick: CLIP's embeddings.
 */
#include "host.h"
#include "pictures.h"
#include "tiny.h"

#include <models/clip_model.h>
#include <models/program.h>
#include <models/vit.h>
#include <winnow/verifier.h>

enum { PAIRS = PICTURES * PICTURES };

static wn_error err;

struct set {
    wn_image picture[PICTURES], image[PAIRS], preview[PAIRS];
    const wn_prompt *prompt[PAIRS];
    double score[PAIRS];
    wn_score_request r;
};

/* Every picture as the preview of every one; the last pair has none. */
static void fill(struct set *s)
{
    static const wn_prompt none = { "", "x", "", "{}" };
    pictures_read(s->picture);
    for (int i = 0; i < PAIRS; i++) {
        s->prompt[i] = &none;
        s->image[i] = s->picture[i / PICTURES];
        s->preview[i] = s->picture[i % PICTURES];
    }
    s->preview[PAIRS - 1] = (wn_image){ 0 };
    s->r = (wn_score_request){ .struct_size = sizeof s->r,
                               .count = PAIRS,
                               .prompts = s->prompt,
                               .images = s->image,
                               .previews = s->preview,
                               .scores = s->score };
}

static void score(struct host *h, const wn_plugin *plugin, const char *folder, const struct set *s, bool is_alone,
                  double *out)
{
    char options[256];
    const wn_verifier *v = plugin->vtable;
    void *self = host_create(h, plugin, options, (const char *const[]){ "model", folder, NULL }, NULL);
    wn_score_request r = s->r;
    r.scores = out;
    if (!is_alone)
        CHECK_OK(v->score(self, &r, &err), err);
    for (int i = PAIRS - 1; is_alone && i >= 0; i--) {
        r = (wn_score_request){ .struct_size = sizeof r,
                                .count = 1,
                                .prompts = &s->prompt[i],
                                .images = &s->image[i],
                                .previews = &s->preview[i],
                                .scores = &out[i] };
        CHECK_OK(v->score(self, &r, &err), err);
    }
    r.previews = NULL;
    CHECK_INT(v->score(self, &r, &err), WN_E_UNSUPPORTED);
    plugin->destroy(self);
}

static void test_pairs(struct host *h, const wn_plugin *plugin, const char *folder, const float *want, struct set *s)
{
    static struct host other_host;
    double other[PAIRS], worst = 0;
    score(h, plugin, folder, s, false, s->score);
    CHECK(isnan(s->score[PAIRS - 1]));
    for (int i = 0; i < PAIRS - 1; i++) {
        CHECK_NEAR(s->score[i], (double)want[i], 1e-5);
        worst = fmax(worst, fabs(s->score[i] - (double)want[i]));
    }
    printf("cosines: largest error %.1e (bound 1e-05)\n", worst); /* measured 2e-7 */
    score(h, plugin, folder, s, true, other);
    CHECK(memcmp(s->score, other, (PAIRS - 1) * sizeof *other) == 0);
    host_open(&other_host, 1);
    score(&other_host, plugin, folder, s, false, other);
    CHECK(memcmp(s->score, other, (PAIRS - 1) * sizeof *other) == 0);
    host_close(&other_host);
    CHECK_CONTAINS(h->log, "24 images scored, 1 had no preview");
}

/* The states of a prepared picture by the weights of a folder, [tokens, width]. */
static void run_states(struct host *h, const char *folder, const nn_config *c, const float *pixels, uint64_t px,
                       uint64_t count, float *states)
{
    static const char *const names[] = { "pixels", "states", NULL };
    nn_weights *w;
    nn_vit v;
    nn_program program;
    CHECK_OK(nn_weights_open(folder, &w, &err), err);
    CHECK_OK(nn_vit_read(w, &v, &err), err);
    CHECK_OK(nn_vit_configure(c, &v, &err), err);
    v.image_px = px;
    CHECK_INT(nn_vit_tokens(&v) * v.width, count);
    nn_graph *g = nn_graph_new("image");
    nn_output(g, "states", nn_vit_states(g, &v, w, nn_input(g, "pixels", WN_F32, px * px, 3, 0)));
    CHECK_OK(nn_program_make(g, &h->device, WN_F32, 1, names, &program, &err), err);
    CHECK_OK(nn_program_run(&program, 1, (void *[]){ (void *)pixels, states }, &err), err);
    nn_program_end(&program);
    nn_weights_close(w);
}

/* The first picture's states; and the same bits from the original names. */
static void test_states(struct host *h, const char *folder, const nn_weights *golden, const wn_image *picture)
{
    uint64_t count;
    const float *want = tiny_golden(golden, "states", &count);
    char path[4096];
    nn_config *c;
    nn_preprocess prepare;
    snprintf(path, sizeof path, "%s/config.json", folder);
    CHECK_OK(nn_config_open(path, &c, &err), err);
    CHECK_OK(nn_preprocess_open(folder, &prepare, &err), err);
    const uint64_t px = prepare.crop_width_px;
    float *pixels = tiny_alloc(px * px * 3, sizeof *pixels);
    float *states = tiny_alloc(count, sizeof *states), *other = tiny_alloc(count, sizeof *other);
    CHECK_OK(nn_preprocess_run(&prepare, picture, pixels, &err), err);
    run_states(h, folder, c, pixels, px, count, states);
    const double error = relative_l2(states, want, count);
    printf("states: %.1e of their size (bound 1e-05)\n", error); /* measured 3e-7 */
    CHECK(error <= 1e-5);
    snprintf(path, sizeof path, "%s/timm", folder);
    run_states(h, path, c, pixels, px, count, other);
    CHECK(memcmp(states, other, count * sizeof *states) == 0);
    nn_config_close(c);
}

/* Positions as DINO's own code interpolates them. */
static void test_grown(const char *folder, const nn_weights *golden)
{
    uint64_t count;
    const float *want = tiny_golden(golden, "grown", &count);
    nn_weights *w;
    nn_vit v;
    CHECK_OK(nn_weights_open(folder, &w, &err), err);
    CHECK_OK(nn_vit_read(w, &v, &err), err);
    const float *stored = tiny_golden(w, "embeddings.position_embeddings", NULL);
    float *got = tiny_alloc(count, sizeof *got);
    v.grow = 0.1;
    CHECK_OK(nn_vit_interpolate(&v, stored + v.width, 5, got, &err), err);
    const double error = relative_l2(got, want, count);
    printf("positions: %.1e of their size (bound 1e-06)\n", error); /* measured 0 */
    CHECK(error <= 1e-6);
    v.grow = 0;
    CHECK_OK(nn_vit_interpolate(&v, stored + v.width, 5, got, &err), err);
    CHECK(relative_l2(got, want, count) > 1e-3); /* transformers' are others */
    nn_weights_close(w);
}

/* A folder whose config.json lies. */
static void test_refusals(struct host *h, const wn_plugin *plugin, const char *folder)
{
    static const char *const lies[][2] = {
        { "{\"model_type\": \"swin\"}", "known are vit" },
        { "{\"model_type\": \"vit\", \"num_attention_heads\": 4}", "heads divide the width" },
        { "{\"model_type\": \"vit\", \"hidden_act\": \"mish\"}", "\"mish\"" },
        { "{\"model_type\": \"clip\"}", "CLIP" },
        { "[]", "not a JSON object" },
    };
    char path[4096], options[256];
    snprintf(path, sizeof path, "%s/config.json", folder);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        FILE *file = fopen(path, "w");
        CHECK(file && fputs(lies[i][0], file) >= 0 && fclose(file) == 0);
        CHECK(!host_create(h, plugin, options, (const char *const[]){ "model", folder, NULL }, &err));
        CHECK_CONTAINS(err.message, lies[i][1]);
    }
}

/* The verifier's cosines are those of the embeddings, which clipscore.c compares with transformers'. */
static void clip_cosines(struct host *h, const char *folder, const wn_image *pictures, float *out)
{
    nn_clip *clip;
    CHECK_OK(nn_clip_open(folder, &h->device, WN_F32, &clip, &err), err);
    const uint64_t d = nn_clip_width(clip);
    float *e = tiny_alloc(PICTURES * d, sizeof *e);
    CHECK_OK(nn_clip_image_embeddings(clip, PICTURES, pictures, e, &err), err);
    for (uint64_t i = 0; i < PAIRS; i++)
        out[i] = (float)nn_cosine(e + i / PICTURES * d, e + i % PICTURES * d, d);
    nn_clip_close(clip);
}

int main(int argc, char **argv)
{
    static struct host host;
    static struct set s;
    static float cosines[PAIRS];
    char path[4096];
    nn_weights *golden;
    if (argc != 2)
        return 2;
    const wn_plugin *plugin = host_plugin("self_consistency");
    const char *folder = tiny_folder(argv[1], "features");
    const bool is_clip = strncmp(argv[1], "clip", 4) == 0;
    host_open(&host, 3);
    fill(&s);
    snprintf(path, sizeof path, "%s/golden.safetensors", folder);
    CHECK_OK(nn_weights_open(path, &golden, &err), err);
    if (is_clip)
        clip_cosines(&host, folder, s.picture, cosines);
    if (strncmp(argv[1], "dinov2", 6) == 0)
        test_states(&host, folder, golden, &s.picture[0]);
    if (strcmp(argv[1], "dinov2") == 0)
        test_grown(folder, golden);
    test_pairs(&host, plugin, folder, is_clip ? cosines : tiny_golden(golden, "cosine", NULL), &s);
    if (strcmp(argv[1], "vit") == 0)
        test_refusals(&host, plugin, folder);
    nn_weights_close(golden);
    pictures_free(s.picture);
    host_close(&host);
    return CHECK_DONE();
}
