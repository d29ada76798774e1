/* gguf.c - FLUX.1 in GGUF files. The same values under the original names give the same bits, as a folder with its
 * config.json and as one file without; pebble in Q8_0 and Q4_0 is as far from itself in float32 as stands below; and
 * what devices make of every quantised type, sliced and stacked, is to the last bit what they make of its values as
 * float32.
 */
#include "check.h"
#include "gguf_file.h"
#include "host.h"
#include "painter.h"
#include "tiny.h"

#include <device/blocks.h>
#include <models/program.h>
#include <sys/stat.h>

static wn_error err;

static const char *in_build(const char *name)
{
    static char paths[8][1024];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/tests/%s", WINNOW_BUILD_DIR, name);
    return path;
}

static nn_weights *must_open(const char *path)
{
    nn_weights *w = NULL;
    CHECK_OK(nn_weights_open(path, &w, &err), err);
    if (!w)
        exit(1);
    return w;
}

/* ---- types on a device -------------------------------------------------------------------------------------- */

/* Rows 1 and 2 of `name` above all of `other`, times x. out: [6] */
static void multiply(struct host *h, const nn_weights *w, const char *name, const char *other, const float *x,
                     int64_t dtype, float *out)
{
    static const char *const names[] = { "in", "out", NULL };
    nn_program p;
    nn_graph *g = nn_graph_new("quantised");
    const nn_t in = nn_input(g, "in", WN_F32, 1, 512, 0);
    const nn_w parts[] = { nn_slice(g, nn_weight(g, w, 4, 512, "%s", name), 1, 2),
                           nn_weight(g, w, 4, 512, "%s", other) };
    nn_output(g, "out", nn_linear(g, in, nn_stack(g, 2, parts), 0, NULL));
    CHECK_OK(nn_program_make(g, &h->device, dtype, 1, names, &p, &err), err);
    CHECK_OK(nn_program_run(&p, 1, (void *[]){ (void *)x, out }, &err), err);
    nn_program_end(&p);
}

static void test_types(struct host *h)
{
    static const char *const types[][2] = { { "Q8_0", "Q8_0.f32" },
                                            { "Q4_0", "Q4_0.f32" },
                                            { "Q4_K", "Q4_K.f32" },
                                            { "Q5_K", "Q5_K.f32" },
                                            { "Q6_K", "Q6_K.f32" } };
    nn_weights *w = must_open(WINNOW_SOURCE_DIR "/tests/weights/data/blocks.gguf");
    float x[512], got[6], want[6];
    for (int i = 0; i < 512; i++)
        x[i] = sinf((float)i);
    for (int i = 0; i < 5; i++) {
        const int k = (i + 1) % 5; /* two types in one weight */
        for (int64_t dtype = WN_F32; dtype <= WN_BF16; dtype += WN_BF16 - WN_F32) {
            multiply(h, w, types[i][0], types[k][0], x, dtype, got);
            multiply(h, w, types[i][1], types[k][1], x, dtype, want);
            CHECK(memcmp(got, want, sizeof want) == 0);
        }
    }
    nn_weights_close(w);
}

/* A quantised vector has no rows to cut, and a shape may not end inside of a block. */
static void test_refusals(struct host *h)
{
    static unsigned char data[64 * 34];
    nn_tensor t[] = { { .name = "v", .dtype = WN_Q8_0, .rank = 1, .shape = { 64 }, .bytes = 68, .data = data },
                      { .name = "m", .dtype = WN_Q8_0, .rank = 2, .shape = { 2, 64 }, .bytes = 136, .data = data } };
    gguf_write(in_build("vector.gguf"), t, 2);
    nn_weights *w = must_open(in_build("vector.gguf"));
    nn_graph *g = nn_graph_new("refused");
    nn_slice(g, nn_weight(g, w, 1, 64, "v"), 0, 32);
    CHECK(nn_graph_status(g, &err) == WN_E_UNSUPPORTED);
    CHECK_CONTAINS(err.message, "Q8_0 cannot be cut into rows of 1");
    nn_graph_free(g);
    g = nn_graph_new("refused");
    const nn_t x = nn_input(g, "x", WN_F32, 1, 1, 0);
    nn_output(g, "y", nn_linear(g, x, nn_weight(g, w, 128, 1, "m"), 0, NULL));
    wn_program *program = NULL;
    CHECK(nn_graph_compile(g, &h->device, WN_F32, 1, &program, &err) == WN_E_ARG);
    CHECK_CONTAINS(err.message, "no type of weights of 1 columns");
    nn_graph_free(g);
    nn_weights_close(w);
}

/* ---- one file ----------------------------------------------------------------------------------------------- */

static void velocities(struct host *h, const char *const *pairs, uint32_t width, uint32_t height,
                       const nn_weights *golden, float **v, uint64_t *n)
{
    struct painter p;
    painter_open(&p, h, pairs, width, height);
    if (!p.self) {
        CHECK_FAIL("%s", p.error.message);
        exit(1);
    }
    *n = 2 * p.latent;
    *v = tiny_alloc(*n, sizeof **v);
    painter_velocities(&p, golden, *v);
    painter_close(&p);
}

/* The transformer of an all-in-one checkpoint as city96's converter leaves it: no prefix, nothing else in the file. */
static void write_transformer(const char *from, const char *to)
{
    static const char prefix[] = "model.diffusion_model.";
    nn_weights *w = must_open(from);
    nn_tensor *list = tiny_alloc(nn_weights_count(w), sizeof *list);
    uint64_t count = 0;
    for (uint64_t i = 0; i < nn_weights_count(w); i++) {
        const nn_tensor *t = nn_weights_at(w, i);
        if (strncmp(t->name, prefix, sizeof prefix - 1) != 0)
            continue;
        list[count] = *t;
        list[count++].name += sizeof prefix - 1;
    }
    gguf_write(to, list, count);
    nn_weights_close(w);
}

/* Its T5 under llama.cpp's names. */
static void write_t5(const char *from, const char *to)
{
    static const char *const names[][2] = { { "encoder.final_layer_norm", "enc.output_norm" },
                                            { "encoder.block.", "enc.blk." },
                                            { "layer.0.SelfAttention.relative_attention_bias", "attn_rel_b" },
                                            { "layer.0.SelfAttention.", "attn_" },
                                            { "layer.0.layer_norm", "attn_norm" },
                                            { "layer.1.layer_norm", "ffn_norm" },
                                            { "layer.1.DenseReluDense.wi_0", "ffn_gate" },
                                            { "layer.1.DenseReluDense.wi_1", "ffn_up" },
                                            { "layer.1.DenseReluDense.wo", "ffn_down" },
                                            { "shared", "token_embd" } };
    static const char prefix[] = "text_encoders.t5xxl.transformer.";
    nn_weights *w = must_open(from);
    nn_tensor *list = tiny_alloc(nn_weights_count(w), sizeof *list);
    uint64_t count = 0;
    for (uint64_t i = 0; i < nn_weights_count(w); i++) {
        const nn_tensor *t = nn_weights_at(w, i);
        char *name = tiny_alloc(512, 1), *at;
        if (strncmp(t->name, prefix, sizeof prefix - 1) != 0)
            continue;
        snprintf(name, 256, "%s", t->name + sizeof prefix - 1);
        for (size_t k = 0; k < sizeof names / sizeof *names; k++)
            if ((at = strstr(name, names[k][0]))) {
                memmove(at + strlen(names[k][1]), at + strlen(names[k][0]), strlen(at + strlen(names[k][0])) + 1);
                memcpy(at, names[k][1], strlen(names[k][1]));
            }
        list[count] = *t;
        list[count++].name = name;
    }
    gguf_write(to, list, count);
    nn_weights_close(w);
}

static void test_single_file(struct host *h)
{
    const char *folder = tiny_folder("single_file", "gguf");
    char all[4200], clip[4200], t5[4200], golden_path[4200];
    snprintf(all, sizeof all, "%s/all.safetensors", folder);
    snprintf(clip, sizeof clip, "%s/tokenizer", folder);
    snprintf(t5, sizeof t5, "%s/tokenizer_2", folder);
    snprintf(golden_path, sizeof golden_path, "%s/golden.safetensors", folder);
    const char *gguf = in_build("flux.gguf");
    const char *encoder = in_build("t5.gguf");
    write_transformer(all, gguf);
    write_t5(all, encoder);
    nn_weights *golden = must_open(golden_path);
    const char *const plain[] = { "model", all, "tokenizer", clip, "tokenizer_2", t5, NULL };
    const char *const parts[] = { "model",          gguf,    "tokenizer", clip, "tokenizer_2", t5, "text_encoder", all,
                                  "text_encoder_2", encoder, "vae",       all,  NULL };
    float *want, *got;
    uint64_t n, same;
    velocities(h, plain, 16, 24, golden, &want, &n);
    velocities(h, parts, 16, 24, golden, &got, &same);
    CHECK_INT(same, n);
    CHECK(memcmp(got, want, n * sizeof *want) == 0);
    nn_weights_close(golden);
}

/* ---- pebble ------------------------------------------------------------------------------------------------- */

/* A folder with pebble's config.json and its transformer in BFL's names, matrices of whole blocks in dtype. */
static const char *pebble_gguf(const char *pebble, int32_t dtype)
{
    char path[1100], command[4096], source[1024];
    const char *folder = in_build(dtype == WN_F32 ? "pebble-f32" : dtype == WN_Q8_0 ? "pebble-q8" : "pebble-q4");
    nn_flux c;
    nn_tensor *tensors;
    snprintf(source, sizeof source, "%s/transformer", pebble);
    nn_weights *w = must_open(source);
    CHECK_OK(nn_flux_read(source, w, &c, &err), err);
    const uint64_t count = bfl_tensors(w, &c, &tensors);
    for (uint64_t i = 0; dtype != WN_F32 && i < count; i++)
        if (tensors[i].rank == 2 && tensors[i].bytes > 4096 && tensors[i].shape[1] % 32 == 0)
            tensors[i] = gguf_quantise(&tensors[i], dtype);
    mkdir(folder, 0777);
    snprintf(command, sizeof command, "cp %s/config.json %s/", source, folder);
    CHECK(system(command) == 0);
    snprintf(path, sizeof path, "%s/diffusion_pytorch_model.gguf", folder);
    gguf_write(path, tensors, count);
    nn_weights_close(w);
    return folder;
}

enum { PIXELS = 64 * 64 * 3 };

struct result {
    float *v;
    uint64_t n;
    uint8_t rgb[PIXELS];
};

static void paint(struct host *h, const char *pebble, const char *transformer, const nn_weights *golden,
                  struct result *r)
{
    struct painter p;
    painter_open(&p, h, (const char *const[]){ "model", pebble, "transformer", transformer, NULL }, 64, 64);
    if (!p.self) {
        CHECK_FAIL("%s", p.error.message);
        exit(1);
    }
    r->n = 2 * p.latent;
    r->v = tiny_alloc(r->n, sizeof *r->v);
    painter_velocities(&p, golden, r->v);
    painter_picture(&p, golden, r->rgb);
    painter_close(&p);
}

static void test_pebble(struct host *h)
{
    static struct result f32, same, q8, q4;
    const char *pebble = WINNOW_SOURCE_DIR "/examples/pebble";
    nn_weights *golden = must_open(WINNOW_SOURCE_DIR "/tests/golden/models/pebble/golden.safetensors");
    paint(h, pebble, "", golden, &f32);
    paint(h, pebble, pebble_gguf(pebble, WN_F32), golden, &same);
    CHECK(memcmp(f32.v, same.v, f32.n * sizeof *f32.v) == 0 && memcmp(f32.rgb, same.rgb, PIXELS) == 0);
    paint(h, pebble, pebble_gguf(pebble, WN_Q8_0), golden, &q8);
    paint(h, pebble, pebble_gguf(pebble, WN_Q4_0), golden, &q4);
    const double v8 = relative_l2(q8.v, f32.v, f32.n), v4 = relative_l2(q4.v, f32.v, f32.n);
    const double p8 = psnr(q8.rgb, f32.rgb, PIXELS), p4 = psnr(q4.rgb, f32.rgb, PIXELS);
    printf("Q8_0: velocity %.2e (bound 2e-2), picture %.1f dB (bound 50)\n", v8, p8);
    printf("Q4_0: velocity %.2e (bound 2e-1), picture %.1f dB (bound 35)\n", v4, p4);
    CHECK(v8 > 0 && v8 < 2e-2 && p8 > 50);
    CHECK(v4 > v8 && v4 < 2e-1 && p4 > 35);
    nn_weights_close(golden);
}

int main(void)
{
    static struct host host;
    host_open(&host, 1);
    test_types(&host);
    test_refusals(&host);
    test_single_file(&host);
    test_pebble(&host);
    host_close(&host);
    return CHECK_DONE();
}
