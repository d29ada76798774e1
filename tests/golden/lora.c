/* lora.c - LoRAs merged into pebble and its CLIP, under the three schemes of names, against diffusers'
 * load_lora_weights and fuse_lora (make_lora.py); into both layouts of the weights, which must give the same bits; into
 * 8-bit weights; and what is refused.
 */
#include "check.h"
#include "gguf_file.h"
#include "host.h"
#include "painter.h"
#include "tiny.h"

#include <sys/stat.h>
#include <weights/safetensors.h>

enum { PIXELS = 64 * 64 * 3 };

static const char pebble[] = WINNOW_SOURCE_DIR "/examples/pebble";
static wn_error err;

struct test {
    struct host host;
    const char *folder;    /* of the LoRAs */
    nn_weights *golden;    /* pebble's */
    nn_weights *lora;      /* with LoRAs */
    const char *wide;      /* pebble's transformer as float32, in diffusers' layout */
    const char *original;  /* in the original's */
    const char *quantised; /* and in Q8_0 */
    uint64_t n;            /* floats of the velocities */
    char key[72];          /* of the model of the last `velocities` */
};

static nn_weights *must_open(const char *path)
{
    nn_weights *w = NULL;
    CHECK_OK(nn_weights_open(path, &w, &err), err);
    if (!w)
        exit(1);
    return w;
}

/* [{"path": FOLDER/NAME.safetensors, "scale": scale}] */
static const char *list(const struct test *t, const char *name, double scale)
{
    char *json = tiny_alloc(4096, 1);
    snprintf(json, 4096, "[{\"path\": \"%s/%s.safetensors\", \"scale\": %g}]", t->folder, name, scale);
    return json;
}

static void open_painter(struct test *t, struct painter *p, const char *transformer, const char *loras)
{
    painter_open(p, &t->host,
                 (const char *const[]){ "model", pebble, "transformer", transformer, "loras", loras, NULL }, 64, 64);
}

/* Of a transformer ("" is pebble's own) with LoRAs. */
static float *velocities(struct test *t, const char *transformer, const char *loras, uint8_t *rgb)
{
    struct painter p;
    open_painter(t, &p, transformer, loras);
    if (!p.self) {
        CHECK_FAIL("%s", p.error.message);
        exit(1);
    }
    t->n = 2 * p.latent;
    float *v = tiny_alloc(t->n, sizeof *v);
    painter_velocities(&p, t->golden, v);
    if (rgb)
        painter_picture(&p, t->golden, rgb);
    memcpy(t->key, p.info.model_key, sizeof t->key);
    painter_close(&p);
    return v;
}

static void report(const char *what, const char *name, double error, double bound)
{
    printf("%-10s %-24s %.2e (bound %.0e)\n", name, what, error, bound);
    if (!(error <= bound))
        CHECK_FAIL("%s, %s: relative L2 error %.3e, bound %.0e", name, what, error, bound);
}

/* ---- against diffusers -------------------------------------------------------------------------------------- */

static void compare_pictures(const uint8_t *got, const float *want)
{
    double worst = 0;
    for (int i = 0; i < PIXELS; i++)
        worst = fmax(worst, fabs((double)got[i] - (double)want[i]));
    printf("picture with kohya's: worst %g/255 (bound 2)\n", worst);
    CHECK(worst <= 2);
}

static void test_scheme(struct test *t, const char *name, double scale)
{
    static uint8_t rgb[PIXELS];
    char expected[32];
    const int is_kohya = strcmp(name, "kohya") == 0;
    snprintf(expected, sizeof expected, "%s.v", name);
    const float *want = tiny_golden(t->lora, expected, NULL);
    const char *loras = list(t, name, scale);
    const float *v = velocities(t, t->wide, loras, is_kohya ? rgb : NULL);
    /* Measured 4e-7; CLIP is pebble's own, in BF16, and what is merged into it too: 3e-5. */
    report("on F32", name, relative_l2(v, want, t->n), strcmp(name, "clip") == 0 ? 1e-4 : 5e-6);
    if (is_kohya)
        compare_pictures(rgb, tiny_golden(t->lora, "kohya.image", NULL));
    const float *same = velocities(t, t->original, loras, NULL);
    CHECK(memcmp(v, same, t->n * sizeof *v) == 0);
    const float *rounded = velocities(t, "", loras, NULL); /* pebble is stored in BF16, and so is what is merged */
    report("on BF16", name, relative_l2(rounded, want, t->n), 1e-2); /* measured 8e-4 .. 2e-3 */
    report("on Q8_0", name, relative_l2(velocities(t, t->quantised, loras, NULL), want, t->n),
           2e-2); /* measured 7e-3 */
}

/* ---- arithmetic --------------------------------------------------------------------------------------------- */

static void test_sums(struct test *t)
{
    const float *plain = velocities(t, "", "[]", NULL);
    char key[72], path[4200];
    memcpy(key, t->key, sizeof key);
    const float *nothing = velocities(t, "", list(t, "kohya", 0), NULL);
    CHECK(memcmp(plain, nothing, t->n * sizeof *plain) == 0);
    CHECK(strcmp(key, t->key) != 0);
    const float *once = velocities(t, "", list(t, "xlabs", 1), NULL);
    memcpy(key, t->key, sizeof key);
    char *twice = tiny_alloc(16384, 1);
    snprintf(path, sizeof path, "%s/xlabs.safetensors", t->folder);
    snprintf(twice, 16384, "[\"%s\", {\"path\": \"%s\", \"scale\": -1}, {\"path\": \"%s\"}]", path, path, path);
    report("and away, and again", "xlabs", relative_l2(velocities(t, "", twice, NULL), once, t->n), 1e-5);
    CHECK(strcmp(key, t->key) != 0);
    velocities(t, "", list(t, "xlabs", 1), NULL);
    CHECK_STR(t->key, key);
}

/* ---- refusals ----------------------------------------------------------------------------------------------- */

static void refuse(struct test *t, const char *loras, const char *says)
{
    struct painter p;
    open_painter(t, &p, "", loras);
    if (p.self)
        CHECK_FAIL("%s is accepted", loras);
    else
        CHECK_CONTAINS(p.error.message, says);
    if (p.self)
        painter_close(&p);
    else
        printf("%s\n", p.error.message);
}

/* A file of two matrices of ones: down [rank, cols] and up [rows, up_rank]. */
static void refuse_file(struct test *t, const char *down, uint64_t rank, uint64_t cols, const char *up, uint64_t rows,
                        uint64_t up_rank, const char *says)
{
    char path[4200];
    static float ones[4096];
    nn_tensor tensors[] = {
        { .name = down, .dtype = WN_F32, .rank = 2, .shape = { rank, cols }, .bytes = 4 * rank * cols, .data = ones },
        { .name = up,
          .dtype = WN_F32,
          .rank = 2,
          .shape = { rows, up_rank },
          .bytes = 4 * rows * up_rank,
          .data = ones }
    };
    snprintf(path, sizeof path, "%s/refused.safetensors", t->folder);
    CHECK_OK(nn_safetensors_write(path, tensors, up ? 2 : 1, NULL, 0, &err), err);
    refuse(t, list(t, "refused", 1), says);
}

static void test_refusals(struct test *t)
{
#define Q "transformer.transformer_blocks.0.attn.to_q"
    refuse(t, "{}", "expected a list");
    refuse(t, "[3]", "loras/0: names no path");
    refuse(t, "[{\"scale\": 1}]", "loras/0: names no path");
    refuse(t, "[{\"path\": \"a\", \"weight\": 1}]", "loras/0/weight: expected");
    refuse(t, "[{\"path\": \"a\", \"scale\": \"1\"}]", "loras/0/scale: expected");
    refuse(t, "[{\"path\": \"a\", \"scale\": 101}]", "101 is outside");
    refuse(t, "[\"/no/such/lora.safetensors\"]", "/no/such/lora.safetensors");
    refuse(t, list(t, "golden", 1), "tensors change nothing of this model: \"clip.v\"");
    refuse_file(t, Q ".lora_A.weight", 2, 192, NULL, 0, 0, "change nothing of this model: \"" Q ".lora_A");
    refuse_file(t, Q ".lora_A.weight", 2, 192, Q ".lora_up.weight", 192, 2, "2 of 2 tensors change nothing");
    refuse_file(t, Q ".lora_A.weight", 2, 191, Q ".lora_B.weight", 192, 2, "is [2, 191], expected [1 to 4096, 192]");
    refuse_file(t, Q ".lora_A.weight", 2, 192, Q ".lora_B.weight", 191, 2, "is [191, 2], expected [192, 2]");
    refuse_file(t, Q ".lora_A.weight", 2, 192, Q ".lora_B.weight", 192, 3, "is [192, 3], expected [192, 2]");
    refuse_file(t, "lora_te1_text_model_encoder_layers_0_mlp_fc1.lora_down.weight", 1, 8,
                "lora_te1_text_model_encoder_layers_0_mlp_fc1.lora_up.weight", 8, 1,
                "is [1, 8], expected [1 to 4096, 128]");
    refuse_file(t, "lora_te2_encoder_block_0_layer_0_SelfAttention_q.lora_down.weight", 1, 8,
                "lora_te2_encoder_block_0_layer_0_SelfAttention_q.lora_up.weight", 8, 1,
                "2 of 2 tensors change nothing");
    refuse_file(t, "transformer.transformer_blocks.3.attn.to_q.lora_A.weight", 1, 192,
                "transformer.transformer_blocks.3.attn.to_q.lora_B.weight", 192, 1, "2 of 2 tensors change nothing");
#undef Q
}

/* ---- files -------------------------------------------------------------------------------------------------- */

enum { WIDE, ORIGINAL, QUANTISED };

/* As float32 under its own names. */
static uint64_t wide_tensors(const nn_weights *w, nn_tensor **out)
{
    const uint64_t count = nn_weights_count(w);
    *out = tiny_alloc(count, sizeof **out);
    for (uint64_t i = 0; i < count; i++) {
        nn_tensor *t = &(*out)[i];
        *t = *nn_weights_at(w, i);
        uint64_t n = 1;
        for (uint32_t d = 0; d < t->rank; d++)
            n *= t->shape[d];
        float *data = tiny_alloc(n, sizeof *data);
        nn_tensor_to_f32(t, 0, data, n);
        t->name = strcpy(tiny_alloc(strlen(t->name) + 1, 1), t->name);
        t->dtype = WN_F32;
        t->bytes = n * sizeof *data;
        t->data = data;
    }
    return count;
}

/* Pebble's transformer in another form, in a folder of its own. */
static const char *write_form(const char *name, int form)
{
    char *folder = tiny_alloc(1024, 1), path[1100], command[4096];
    nn_weights *w = must_open(WINNOW_SOURCE_DIR "/examples/pebble/transformer");
    nn_flux c;
    nn_tensor *tensors;
    CHECK_OK(nn_flux_read(WINNOW_SOURCE_DIR "/examples/pebble/transformer", w, &c, &err), err);
    const uint64_t count = form == WIDE ? wide_tensors(w, &tensors) : bfl_tensors(w, &c, &tensors);
    for (uint64_t i = 0; form == QUANTISED && i < count; i++)
        if (tensors[i].rank == 2)
            tensors[i] = gguf_quantise(&tensors[i], WN_Q8_0);
    snprintf(folder, 1024, "%s/tests/%s", WINNOW_BUILD_DIR, name);
    mkdir(folder, 0777);
    snprintf(command, sizeof command, "cp %s/transformer/config.json %s/", pebble, folder);
    CHECK(system(command) == 0);
    snprintf(path, sizeof path, "%s/diffusion_pytorch_model.gguf", folder);
    gguf_write(path, tensors, count);
    nn_weights_close(w);
    return folder;
}

/* "meta" is "peft" with other alphas in its header. */
static void write_meta(const struct test *t)
{
    char path[4200], json[65536];
    snprintf(path, sizeof path, "%s/metadata.json", t->folder);
    FILE *f = fopen(path, "rb");
    const size_t size = f ? fread(json, 1, sizeof json - 1, f) : 0;
    if (f)
        fclose(f);
    json[size] = 0;
    snprintf(path, sizeof path, "%s/peft.safetensors", t->folder);
    nn_weights *w = must_open(path);
    nn_tensor *tensors = tiny_alloc(nn_weights_count(w), sizeof *tensors);
    for (uint64_t i = 0; i < nn_weights_count(w); i++)
        tensors[i] = *nn_weights_at(w, i);
    snprintf(path, sizeof path, "%s/meta.safetensors", t->folder);
    const nn_metadata metadata = { "lora_adapter_metadata", json };
    CHECK_OK(nn_safetensors_write(path, tensors, nn_weights_count(w), &metadata, 1, &err), err);
    nn_weights_close(w);
}

int main(void)
{
    static struct test t;
    char path[4200];
    host_open(&t.host, 2);
    t.folder = strcpy(tiny_alloc(4096, 1), tiny_folder("lora", "lora"));
    snprintf(path, sizeof path, "%s/golden.safetensors", t.folder);
    t.lora = must_open(path);
    t.golden = must_open(WINNOW_SOURCE_DIR "/tests/golden/models/pebble/golden.safetensors");
    t.wide = write_form("lora-wide", WIDE);
    t.original = write_form("lora-original", ORIGINAL);
    t.quantised = write_form("lora-quantised", QUANTISED);
    write_meta(&t);
    test_scheme(&t, "peft", 1.0);
    test_scheme(&t, "kohya", 0.75);
    test_scheme(&t, "xlabs", -0.5);
    test_scheme(&t, "meta", 0.5);
    test_scheme(&t, "clip", 1.0);
    test_sums(&t);
    test_refusals(&t);
    nn_weights_close(t.golden);
    nn_weights_close(t.lora);
    host_close(&t.host);
    return CHECK_DONE();
}
