/* One tiny random CLIP in every layout in which people have CLIP (clip_layouts.py writes them with Python's standard
 * library): Hugging Face's safetensors, its pickle, the pickle in shards, OpenAI's state dict, OpenAI's TorchScript,
 * open_clip's safetensors, a training checkpoint. All score the same, to the bit; cosines and logits agree with
 * transformers and with open_clip within 1e-5 of the cosine (measured: 2.3e-7). What the files contradict, or do not
 * say, is refused.
 */
#include "check.h"
#include "host.h"
#include "picture.h"
#include "tiny.h"

#include <models/clip_model.h>
#include <winnow/verifier.h>

#include <sys/stat.h>

enum { PROMPTS = 3, IMAGES = 4, COUNT = PROMPTS * IMAGES };

static const wn_prompt prompts[PROMPTS] = { { "a red circle", "one", "", "{}" },
                                            { "the blue square and a red one", "two", "", "{}" },
                                            { "", "three", "", "{}" } };
static const char *const names[IMAGES] = { "37x53", "64x31", "8x8", "200x111" };
static const char *const layouts[] = { "bin",
                                       "shards",
                                       "openai/model.pt",
                                       "script/model.pt",
                                       "openclip",
                                       "wrapped/epoch_1.pt",
                                       "openclip/open_clip_model.safetensors" };

static struct host host;
static const wn_plugin *plugin;
static const char *folder;
static char paths[16][4200];

static const char *in_folder(const char *name)
{
    static int turn;
    char *path = paths[turn = (turn + 1) % 16];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

/* Every prompt with every image. */
static void score(const char *model, const char *convention, double *scores)
{
    static wn_image images[COUNT];
    static const wn_prompt *prompt[COUNT];
    char options[256];
    wn_error err;
    for (int i = 0; i < COUNT; i++) {
        prompt[i] = &prompts[i / IMAGES];
        images[i] = picture_read(names[i % IMAGES]);
    }
    const wn_score_request r = {
        .struct_size = sizeof r, .count = COUNT, .prompts = prompt, .images = images, .scores = scores
    };
    void *self = host_create(&host, plugin, options,
                             (const char *const[]){ "model", model, "convention", convention, NULL }, NULL);
    CHECK_OK(((const wn_verifier *)plugin->vtable)->score(self, &r, &err), err);
    plugin->destroy(self);
}

static void test_equal(const double *want)
{
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        double got[2 * COUNT];
        score(in_folder(layouts[i]), "paper", got);
        if (memcmp(got, want, sizeof got) != 0)
            CHECK_FAIL("%s does not score as the Hugging Face folder does: %.17g, want %.17g", layouts[i], got[1],
                       want[1]);
    }
}

/* OpenAI's archives are in float16. */
static void test_half(void)
{
    double want[2 * COUNT], got[2 * COUNT];
    score(in_folder("half"), "cosine", want);
    score(in_folder("half_script/model.pt"), "cosine", got);
    CHECK(memcmp(got, want, sizeof got) == 0);
}

static void test_goldens(const double *paper)
{
    wn_error err;
    nn_weights *w;
    double logit[2 * COUNT], percent[2 * COUNT], cosine[2 * COUNT], worst = 0;
    score(folder, "logit", logit);
    score(folder, "percent", percent);
    score(folder, "cosine", cosine);
    CHECK_OK(nn_weights_open(in_folder("other.safetensors"), &w, &err), err);
    const float *hf = tiny_golden(w, "hf_logits", NULL), *oc = tiny_golden(w, "open_clip_logits", NULL);
    const float *oc_cosine = tiny_golden(w, "open_clip_cosine", NULL);
    for (int i = 0; i < COUNT; i++) {
        const double c = cosine[2 * i], factor = fabs(c) > 1e-3 ? logit[2 * i] / c : 10;
        CHECK_NEAR(c, (double)oc_cosine[i], 1e-5);
        CHECK_NEAR(logit[2 * i], (double)hf[i], 1e-5 * factor);
        CHECK_NEAR(logit[2 * i], (double)oc[i], 1e-5 * factor);
        CHECK_NEAR(percent[2 * i], 100 * c, 0);
        CHECK_NEAR(paper[2 * i], c > 0 ? 2.5 * c : 0, 0);
        worst = fmax(worst, fabs(c - (double)oc_cosine[i]));
    }
    printf("cosine against open_clip: largest error %.1e (bound 1e-05)\n", worst);
    nn_weights_close(w);
}

static void must_fail(const char *model, const char *activation, const char *processor, const char *reason)
{
    char options[256];
    wn_error err = { 0 };
    void *self = host_create(
        &host, plugin, options,
        (const char *const[]){ "model", model, "activation", activation, "processor", processor, NULL }, &err);
    if (self)
        CHECK_FAIL("%s with %s was accepted", model, activation);
    CHECK_CONTAINS(err.message, reason);
}

static void move(const char *from, const char *to)
{
    if (rename(in_folder(from), in_folder(to)) != 0)
        CHECK_FAIL("cannot rename %s", from);
}

static void test_refusals(void)
{
    must_fail(in_folder("script/model.pt"), "gelu", "", "is an archive of OpenAI, which computes with quick_gelu");
    move("openai/vocab.json", "openai/other");
    must_fail(in_folder("openai/model.pt"), "model", "", "the model has 65; give its vocab.json");
    move("openai/merges.txt", "openai/more");
    must_fail(in_folder("openai/model.pt"), "model", "", "holds no tokenizer: looked for vocab.json");
    move("openai/open_clip_config.json", "openai/config");
    must_fail(in_folder("openai/model.pt"), "model", folder, "towers of width 30 and 24 belong to no published model");
    FILE *file = fopen(in_folder("openai/open_clip_config.json"), "w");
    fprintf(file, "{\"model_cfg\":{\"vision_cfg\":{\"width\":768},\"text_cfg\":{}}}");
    fclose(file);
    must_fail(in_folder("openai/model.pt"), "model", folder, "\"width\" is 768, the weights beside it have 30");
}

int main(void)
{
    char command[9000];
    double want[2 * COUNT];
    folder = tiny_folder("clip_quick", "layouts");
    snprintf(command, sizeof command, "python3 '%s/tests/golden/clip_layouts.py' '%s'", WINNOW_SOURCE_DIR, folder);
    if (system("python3 -c ''") != 0)
        CHECK_SKIP("no python3");
    if (system(command) != 0)
        CHECK_FAIL("clip_layouts.py failed");
    plugin = host_plugin("clipscore");
    host_open(&host, 2);
    score(folder, "paper", want);
    test_equal(want);
    test_half();
    test_goldens(want);
    test_refusals();
    host_close(&host);
    return CHECK_DONE();
}
