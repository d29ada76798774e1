/* preference.c VERIFIER - pickscore or hps on a tiny random model, from PNG, JPEG and WebP files of odd sizes, against
 * transformers and open_clip (make_preference.py): scores within 1e-5 (measured: 4e-7). And: the tokenizer in a folder
 * of its own, one image at a time as all together, errors that say what is missing.
 */
#include "check.h"
#include "host.h"
#include "tiny.h"

#include "base/image_file.h"

#include <winnow/verifier.h>

#include <stdbool.h>
#include <sys/stat.h>

enum { PROMPTS = 3, IMAGES = 6, COUNT = PROMPTS * IMAGES };

static const wn_prompt prompts[PROMPTS] = { { "a red circle", "one", "", "{}" },
                                            { "the blue square and a red one", "two", "", "{}" },
                                            { "", "three", "", "{}" } };
static const char *const pictures[IMAGES] = { "golden/models/picture_37x53.png", "golden/models/picture_200x111.png",
                                              "image/pictures/422.jpg",          "image/pictures/progressive.jpg",
                                              "image/pictures/alpha.webp",       "image/pictures/lossless.webp" };
static wn_error err;

/* Every prompt with every image that this build reads, in one request. */
struct request {
    wn_image image[IMAGES];
    int count; /* of images */
    const wn_prompt *prompt[COUNT];
    wn_image images[COUNT];
    double score[COUNT];
    wn_score_request r;
};

static void fill_request(struct request *q)
{
    char path[4096];
    for (; q->count < IMAGES; q->count++) {
        snprintf(path, sizeof path, "%s/tests/%s", WINNOW_SOURCE_DIR, pictures[q->count]);
        const wn_status status = image_read(path, &q->image[q->count], &err);
        if (status == WN_E_UNSUPPORTED) /* the last ones, without libwebp */
            break;
        CHECK_OK(status, err);
    }
    for (int i = 0; i < PROMPTS * q->count; i++) {
        q->prompt[i] = &prompts[i / q->count];
        q->images[i] = q->image[i % q->count];
    }
    q->r = (wn_score_request){ .struct_size = sizeof q->r,
                               .count = (uint64_t)(PROMPTS * q->count),
                               .prompts = q->prompt,
                               .images = q->images,
                               .scores = q->score };
}

static double compare(const struct request *q, const nn_weights *golden, const char *name)
{
    const float *want = tiny_golden(golden, name, NULL);
    double worst = 0;
    for (int i = 0; i < PROMPTS * q->count; i++) {
        const double expected = (double)want[i / q->count * IMAGES + i % q->count];
        CHECK_NEAR(q->score[i], expected, 1e-5);
        worst = fmax(worst, fabs(q->score[i] - expected));
    }
    printf("%s: largest error %.1e (bound 1e-05)\n", name, worst);
    return worst;
}

static void test_scores(struct host *h, const wn_plugin *plugin, const char *folder, struct request *q,
                        const char *const *names)
{
    char options[256], path[4096];
    nn_weights *golden;
    const wn_verifier *v = plugin->vtable;
    snprintf(path, sizeof path, "%s/golden.safetensors", folder);
    CHECK_OK(nn_weights_open(path, &golden, &err), err);
    for (; *names; names++) {
        const bool has_resize = strcmp(plugin->name, "hps") == 0;
        void *self = host_create(
            h, plugin, options,
            (const char *const[]){ "model", folder, has_resize ? "resize" : NULL, has_resize ? *names : NULL, NULL },
            NULL);
        CHECK_OK(v->score(self, &q->r, &err), err);
        compare(q, golden, *names);
        plugin->destroy(self);
    }
    nn_weights_close(golden);
    CHECK_INT(v->metrics[0].flags & WN_METRIC_ACROSS_PROMPTS, 0);
}

static void test_one_at_a_time(struct host *h, const wn_plugin *plugin, const char *folder, struct request *q)
{
    char options[256];
    const wn_verifier *v = plugin->vtable;
    void *self = host_create(h, plugin, options, (const char *const[]){ "model", folder, NULL }, NULL);
    CHECK_OK(v->score(self, &q->r, &err), err);
    plugin->destroy(self);
    self = host_create(h, plugin, options, (const char *const[]){ "model", folder, NULL }, NULL);
    for (int i = 0; i < PROMPTS * q->count; i++) {
        double score = 0;
        const wn_score_request one = {
            .struct_size = sizeof one, .count = 1, .prompts = &q->prompt[i], .images = &q->images[i], .scores = &score
        };
        CHECK_OK(v->score(self, &one, &err), err);
        CHECK_NEAR(score, q->score[i], 0);
    }
    plugin->destroy(self);
}

static void move_file(const char *from, const char *to, const char *name)
{
    char a[4096], b[4096];
    snprintf(a, sizeof a, "%s/%s", from, name);
    snprintf(b, sizeof b, "%s/%s", to, name);
    CHECK_INT(rename(a, b), 0);
}

/* The published weights of these verifiers come without a tokenizer. */
static void test_processor(struct host *h, const wn_plugin *plugin, const char *folder, struct request *q)
{
    char options[256], processor[4096];
    const double before = q->score[0];
    const wn_verifier *v = plugin->vtable;
    snprintf(processor, sizeof processor, "%s/processor", folder);
    mkdir(processor, 0777);
    move_file(folder, processor, "vocab.json");
    move_file(folder, processor, "merges.txt");
    move_file(folder, processor, "tokenizer_config.json");
    move_file(folder, processor, "preprocessor_config.json");
    CHECK(!host_create(h, plugin, options, (const char *const[]){ "model", folder, NULL }, &err));
    CHECK_CONTAINS(err.message, "preprocessor_config.json");
    const uint64_t files = h->files;
    void *self =
        host_create(h, plugin, options, (const char *const[]){ "model", folder, "processor", processor, NULL }, NULL);
    CHECK_INT(h->files - files, 6);
    CHECK_OK(v->score(self, &q->r, &err), err);
    CHECK_NEAR(q->score[0], before, 0);
    plugin->destroy(self);
}

/* Weights in the form in which HPS is published, a checkpoint of open_clip's training, give the same bits. */
static void test_checkpoint(struct host *h, const wn_plugin *plugin, const char *folder, struct request *q)
{
    char options[256], command[8500], checkpoint[4200];
    double before[COUNT];
    const wn_verifier *v = plugin->vtable;
    snprintf(command, sizeof command, "python3 '%s/tests/golden/clip_layouts.py' '%s'", WINNOW_SOURCE_DIR, folder);
    if (system(command) != 0)
        CHECK_FAIL("clip_layouts.py failed");
    memcpy(before, q->score, sizeof before);
    snprintf(checkpoint, sizeof checkpoint, "%s/wrapped/epoch_1.pt", folder);
    void *self =
        host_create(h, plugin, options, (const char *const[]){ "model", checkpoint, "processor", folder, NULL },
                    NULL); /* whose crop of odd margins is transformers' */
    CHECK_OK(v->score(self, &q->r, &err), err);
    for (int i = 0; i < PROMPTS * q->count; i++)
        CHECK_NEAR(q->score[i], before[i], 0);
    plugin->destroy(self);
}

int main(int argc, char **argv)
{
    static struct host host;
    static struct request q;
    static const char *const pickscore[] = { "logits", NULL }, *const hps[] = { "aa", "legacy", "pil", NULL };
    const char *name = argc > 1 ? argv[1] : "pickscore";
    const char *folder = tiny_folder(name, "preference");
    const wn_plugin *plugin = host_plugin(name);
    host_open(&host, 2);
    fill_request(&q);
    test_scores(&host, plugin, folder, &q, strcmp(name, "hps") == 0 ? hps : pickscore);
    test_one_at_a_time(&host, plugin, folder, &q);
    test_checkpoint(&host, plugin, folder, &q);
    test_processor(&host, plugin, folder, &q);
    host_close(&host);
    for (int i = 0; i < q.count; i++)
        image_free(&q.image[i]);
    return CHECK_DONE();
}
