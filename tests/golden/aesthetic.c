/* The aesthetic verifier: LAION's three forms of head, saved by torch, and pebble's, against torch and transformers
 * (make_aesthetic.py) within 1e-5 (measured: 1.2e-6); the image tower it shares with clipscore, which computes each image
 * once for both, from two threads as well; and the heads that it refuses.
 */
#include "check.h"
#include "host.h"
#include "picture.h"
#include "tiny.h"

#include <models/clip_model.h>
#include <winnow/verifier.h>

#include <pthread.h>

enum { IMAGES = 4 };

static const char *const names[IMAGES] = { "37x53", "64x31", "8x8", "200x111" };
static const wn_prompt prompt = { "a red circle", "one", "", "{}" };

static struct host host;
static const wn_plugin *aesthetic, *clipscore;
static wn_image images[IMAGES];
static const wn_prompt *prompts[IMAGES] = { &prompt, &prompt, &prompt, &prompt };

/* A head by its path under the source tree; clip "" = what its config.json names. */
static void *make(const char *head, const char *clip, wn_error *err)
{
    static char options[8][256], paths[8][4200];
    static int turn;
    turn = (turn + 1) % 8;
    snprintf(paths[turn], sizeof paths[0], "%s%s%s", *head == '/' ? "" : WINNOW_SOURCE_DIR, *head == '/' ? "" : "/",
             head);
    return host_create(&host, aesthetic, options[turn],
                       (const char *const[]){ "model", paths[turn], "clip", clip, NULL }, err);
}

static void score(const wn_plugin *plugin, void *self, double *scores)
{
    wn_error err;
    const wn_score_request r = {
        .struct_size = sizeof r, .count = IMAGES, .prompts = prompts, .images = images, .scores = scores
    };
    CHECK_OK(((const wn_verifier *)plugin->vtable)->score(self, &r, &err), err);
}

static void test_goldens(const char *clip)
{
    static const char *const heads[][2] = { { "linear", "tests/golden/models/aesthetic/linear.pth" },
                                            { "relu", "tests/golden/models/aesthetic/relu.pth" },
                                            { "single", "tests/golden/models/aesthetic/single.pth" },
                                            { "pebble", "examples/pebble/aesthetic" } };
    wn_error err;
    nn_weights *w;
    double worst = 0, scores[IMAGES];
    CHECK_OK(nn_weights_open(WINNOW_SOURCE_DIR "/tests/golden/models/aesthetic/golden.safetensors", &w, &err), err);
    for (int h = 0; h < 4; h++) {
        const float *want = tiny_golden(w, heads[h][0], NULL);
        void *self = make(heads[h][1], h < 3 ? clip : "", NULL);
        score(aesthetic, self, scores);
        for (int i = 0; i < IMAGES; i++) {
            CHECK_NEAR(scores[i], (double)want[i], 1e-5);
            worst = fmax(worst, fabs(scores[i] - (double)want[i]));
        }
        aesthetic->destroy(self);
    }
    printf("aesthetic: largest error %.1e (bound 1e-05)\n", worst);
    nn_weights_close(w);
}

struct job {
    const wn_plugin *plugin;
    void *self;
    double scores[2 * IMAGES];
};

static void *work(void *arg)
{
    struct job *j = arg;
    score(j->plugin, j->self, j->scores);
    return NULL;
}

/* Both verifiers at once on the same four images: four runs of the tower, and the same bits as alone. */
static void test_shared(const char *clip)
{
    char options[256];
    wn_error err;
    nn_clip *tower;
    uint64_t texts, computed;
    double alone[IMAGES];
    pthread_t thread[2];
    void *self = make("tests/golden/models/aesthetic/linear.pth", clip, NULL);
    score(aesthetic, self, alone);
    aesthetic->destroy(self); /* the last user: the tower ends with it */
    host.log_size = 0;
    struct job jobs[2] = {
        { .plugin = aesthetic, .self = make("tests/golden/models/aesthetic/linear.pth", clip, NULL) },
        { .plugin = clipscore,
          .self = host_create(&host, clipscore, options, (const char *const[]){ "model", clip, NULL }, NULL) }
    };
    CHECK_OK(nn_clip_open(clip, &host.device, WN_F32, &tower, &err), err);
    for (int i = 0; i < 2; i++)
        CHECK_INT(pthread_create(&thread[i], NULL, work, &jobs[i]), 0);
    for (int i = 0; i < 2; i++)
        CHECK_INT(pthread_join(thread[i], NULL), 0);
    nn_clip_counts(tower, &texts, &computed);
    CHECK_INT(nn_clip_images_asked(tower), 2 * IMAGES);
    CHECK_INT(computed, IMAGES);
    CHECK(memcmp(alone, jobs[0].scores, sizeof alone) == 0);
    nn_clip_close(tower);
    for (int i = 0; i < 2; i++)
        jobs[i].plugin->destroy(jobs[i].self);
    CHECK_CONTAINS(host.log, "aesthetic: 4 images scored; its image tower computed 4 of the 8 images");
    CHECK_CONTAINS(host.log,
                   "clipscore: 4 images scored, 1 prompts encoded; its image tower computed 4 of the 8 images");
}

static void must_fail(const char *head, const char *clip, const char *reason)
{
    wn_error err = { 0 };
    if (make(head, clip, &err))
        CHECK_FAIL("%s was accepted", head);
    CHECK_CONTAINS(err.message, reason);
}

static void test_refusals(const char *clip)
{
    must_fail("tests/golden/models/aesthetic/linear.pth", "", "does not name its CLIP; set \"clip\"");
    must_fail("tests/golden/models/aesthetic/linear.pth", WINNOW_SOURCE_DIR "/examples/pebble/clip",
              "takes embeddings of 16 numbers");
    must_fail("examples/pebble/aesthetic/model.safetensors", clip, "not numbered like one of LAION's heads");
    must_fail("examples/pebble/clip", clip, "is no aesthetic head");
    must_fail("tests/weights/data/module.pt", clip, "wants '__main__.Outer'");
    must_fail("/no/such/head", clip, "/no/such/head");
}

int main(void)
{
    const char *clip = tiny_folder("clip_quick", "aesthetic");
    aesthetic = host_plugin("aesthetic");
    clipscore = host_plugin("clipscore");
    host_open(&host, 2);
    for (int i = 0; i < IMAGES; i++)
        images[i] = picture_read(names[i]);
    test_goldens(clip);
    test_shared(clip);
    test_refusals(clip);
    host_close(&host);
    return CHECK_DONE();
}
