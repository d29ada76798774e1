/* clipscore.c CASE - the clipscore verifier on a tiny random CLIP model, from PNG files of odd sizes, against
 * transformers (make_clip.py): cosines within 1e-5 (measured: 1e-7). And: conventions and prefix, prompts encoded
 * once, texts that are too long, one shared tower for two instances, errors for models that are not there or do not
 * fit.
 */
#include "check.h"
#include "host.h"
#include "picture.h"
#include "tiny.h"

#include <models/clip_model.h>
#include <winnow/verifier.h>

enum { PROMPTS = 3, IMAGES = 4, COUNT = PROMPTS * IMAGES };

static const wn_prompt prompts[PROMPTS] = { { "a red circle", "one", "", "{}" },
                                            { "the blue square and a red one", "two", "", "{}" },
                                            { "", "three", "", "{}" } };
static const char *const names[IMAGES] = { "37x53", "64x31", "8x8", "200x111" };

/* Every prompt with every image, in one request. */
struct request {
    const wn_prompt *prompt[COUNT];
    wn_image image[COUNT];
    double score[COUNT * 2];
    wn_score_request r;
};

static void fill_request(struct request *q)
{
    wn_image image[IMAGES];
    for (int j = 0; j < IMAGES; j++)
        image[j] = picture_read(names[j]);
    for (int i = 0; i < COUNT; i++) {
        q->prompt[i] = &prompts[i / IMAGES];
        q->image[i] = image[i % IMAGES];
    }
    q->r = (wn_score_request){
        .struct_size = sizeof q->r, .count = COUNT, .prompts = q->prompt, .images = q->image, .scores = q->score
    };
}

static void test_cosines(struct host *h, const wn_plugin *plugin, const char *folder, struct request *q)
{
    char golden[4096], options[256], other[256];
    wn_error err;
    nn_weights *w;
    const wn_verifier *v = plugin->vtable;
    snprintf(golden, sizeof golden, "%s/golden.safetensors", folder);
    CHECK_OK(nn_weights_open(golden, &w, &err), err);
    const float *want = tiny_golden(w, "cosine", NULL);
    void *self = host_create(h, plugin, options, (const char *const[]){ "model", folder, NULL }, NULL);
    void *twin = host_create(h, plugin, other,
                             (const char *const[]){ "model", folder, "convention", "percent", NULL }, NULL);
    nn_clip *shared; /* the same object as both instances' */
    uint64_t texts, images;
    double worst = 0;
    CHECK_OK(nn_clip_open(folder, &h->device, WN_F32, &shared, &err), err);
    CHECK_OK(v->score(self, &q->r, &err), err);
    for (int i = 0; i < COUNT; i++) {
        const double cosine = q->score[2 * i + 1];
        CHECK_NEAR(cosine, (double)want[i], 1e-5);
        CHECK_NEAR(q->score[2 * i], cosine > 0 ? 2.5 * cosine : 0, 0);
        worst = fmax(worst, fabs(cosine - (double)want[i]));
    }
    printf("cosine: largest error %.1e (bound 1e-05)\n", worst);
    CHECK_OK(v->score(twin, &q->r, &err), err);
    for (int i = 0; i < COUNT; i++)
        CHECK_NEAR(q->score[2 * i], 100 * q->score[2 * i + 1], 0);
    nn_clip_counts(shared, &texts, &images);
    CHECK_INT(texts, 2 * PROMPTS); /* each instance has its own prefix */
    CHECK_INT(images, COUNT);      /* but the twin's images were all known */
    nn_clip_close(shared);
    plugin->destroy(twin);
    plugin->destroy(self);
    if (strstr(folder, "quick")) /* 12 positions */
        CHECK_CONTAINS(h->log, "prompt \"two\" is longer");
    CHECK_CONTAINS(h->log, "12 images scored, 3 prompts encoded");
    nn_weights_close(w);
}

/* One image at a time, and with a prefix that makes another prompt. */
static void test_batches(struct host *h, const wn_plugin *plugin, const char *folder, struct request *q)
{
    char options[256];
    wn_error err;
    const wn_verifier *v = plugin->vtable;
    void *self = host_create(h, plugin, options, (const char *const[]){ "model", folder, NULL }, NULL);
    CHECK_OK(v->score(self, &q->r, &err), err);
    plugin->destroy(self);
    self = host_create(h, plugin, options, (const char *const[]){ "model", folder, NULL }, NULL);
    for (int i = 0; i < COUNT; i++) {
        double score[2];
        const wn_score_request one = {
            .struct_size = sizeof one, .count = 1, .prompts = &q->prompt[i], .images = &q->image[i], .scores = score
        };
        CHECK_OK(v->score(self, &one, &err), err);
        CHECK(memcmp(score, &q->score[2 * i], sizeof score) == 0);
    }
    plugin->destroy(self);
    const double all = q->score[1];
    const wn_prompt rest = { "red circle", "rest", "", "{}" };
    const wn_prompt *prompt = &rest;
    wn_score_request one = q->r;
    one.count = 1;
    one.prompts = &prompt;
    self = host_create(h, plugin, options, (const char *const[]){ "model", folder, "prefix", "a ", NULL }, NULL);
    CHECK_OK(v->score(self, &one, &err), err);
    CHECK_NEAR(q->score[1], all, 0);
    plugin->destroy(self);
}

/* The folder as it is when only the fast tokenizer was saved: every other file stays. */
static void make_one_file_tokenizer(const char *folder)
{
    char path[4096], line[256];
    char *vocab = tiny_alloc(65536, 1);
    snprintf(path, sizeof path, "%s/vocab.json", folder);
    FILE *from = fopen(path, "r");
    CHECK(from && fread(vocab, 1, 65535, from) > 0 && fclose(from) == 0 && remove(path) == 0);
    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    FILE *to = fopen(path, "w");
    snprintf(path, sizeof path, "%s/merges.txt", folder);
    from = fopen(path, "r");
    CHECK(from && to && fgets(line, sizeof line, from)); /* the version */
    fprintf(to, "{\"model\":{\"vocab\":%s,\"merges\":[", vocab);
    for (int i = 0; fgets(line, sizeof line, from); i++)
        fprintf(to, "%s\"%.*s\"", i ? "," : "", (int)strcspn(line, "\n"), line);
    fprintf(to, "]}}");
    CHECK(fclose(to) == 0 && fclose(from) == 0 && remove(path) == 0);
}

/* Scores as with two files, and tells of the files that are there (host.c sees to that), not of usual ones. */
static void test_one_file_tokenizer(struct host *h, const wn_plugin *plugin, const char *folder, struct request *q)
{
    char options[256];
    wn_error err;
    const double before = q->score[1];
    const wn_verifier *v = plugin->vtable;
    const uint64_t files = h->files;
    make_one_file_tokenizer(folder);
    void *self = host_create(h, plugin, options, (const char *const[]){ "model", folder, NULL }, NULL);
    CHECK_INT(h->files - files, 5); /* config, preprocessor_config, tokenizer_config, tokenizer, weights */
    CHECK_OK(v->score(self, &q->r, &err), err);
    CHECK_NEAR(q->score[1], before, 0);
    plugin->destroy(self);
}

static void test_refusals(struct host *h, const wn_plugin *plugin)
{
    char options[256];
    wn_error err = { 0 };
    CHECK(!host_create(h, plugin, options, (const char *const[]){ "model", "/no/such/folder", NULL }, &err));
    CHECK_CONTAINS(err.message, "/no/such/folder");
}

int main(int argc, char **argv)
{
    static struct host host;
    static struct request q;
    const char *folder = tiny_folder(argc > 1 ? argv[1] : "clip_quick", "clipscore");
    const wn_plugin *plugin = host_plugin("clipscore");
    host_open(&host, 2);
    fill_request(&q);
    test_cosines(&host, plugin, folder, &q);
    test_batches(&host, plugin, folder, &q);
    test_one_file_tokenizer(&host, plugin, folder, &q);
    test_refusals(&host, plugin);
    host_close(&host);
    return CHECK_DONE();
}
