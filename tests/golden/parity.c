/* parity.c CASE - a tiny random FLUX pipeline, or pebble, against diffusers and transformers, float32: text encoders,
 * velocity in both layouts of the weights, autoencoder, schedule, and a whole picture of eight steps. The expected
 * values are make_models.py's; the bounds stand beside what was measured.
 */
#include "check.h"
#include "host.h"
#include "tiny.h"

#include <math.h>
#include <models/clip.h>
#include <models/flux.h>
#include <models/program.h>
#include <models/t5.h>
#include <models/vae.h>
#include <unistd.h>
#include <winnow/sampler.h>

static const char *const prompts[2] = { "a red circle", "the blue square and a red one" };

struct parity {
    struct host host;
    const char *folder;
    const nn_weights *golden;
    wn_error err;
    const wn_plugin *plugin;
    const wn_sampler *sampler;
    wn_sampler_info info;
    wn_canvas canvas;
    uint64_t stride; /* pixels of a latent position */
    double guidance; /* 0 = the model has none */
    uint64_t latent; /* floats */
    char options[1024];
};

static const char *in_folder(const struct parity *p, const char *name)
{
    static char paths[32][4096];
    static int next;
    char *path = paths[next++ % 32];
    snprintf(path, sizeof paths[0], "%s/%s", p->folder, name);
    return path;
}

static void report(const char *what, double error, double bound)
{
    printf("%-28s %.2e (bound %.0e)\n", what, error, bound);
    if (!(error <= bound))
        CHECK_FAIL("%s: relative L2 error %.3e, bound %.0e", what, error, bound);
}

/* ---- the plugin --------------------------------------------------------------------------------------------- */

static void *open_sampler(struct parity *p, const char *const *pairs)
{
    void *self = host_create(&p->host, p->plugin, p->options, pairs, NULL);
    p->info = (wn_sampler_info){ .struct_size = sizeof p->info };
    CHECK_OK(p->sampler->describe(self, &p->info, &p->err), p->err);
    p->latent = p->info.latent_channels * p->canvas.height_px / p->info.latent_stride_px * p->canvas.width_px /
                p->info.latent_stride_px;
    return self;
}

static wn_cond *encode(struct parity *p, void *self, const wn_canvas *canvas, int prompt)
{
    const wn_prompt text = { prompts[prompt], "p", "", "{}" };
    wn_cond *cond = NULL;
    float sigma[9];
    CHECK_OK(p->sampler->schedule(self, canvas, sigma, &p->err), p->err);
    CHECK_OK(p->sampler->encode(self, &text, canvas, sigma, &cond, &p->err), p->err);
    if (!cond)
        exit(1);
    return cond;
}

enum { TOGETHER, REVERSED, ALONE, BESIDE };

/* Both prompts' velocities, the second at a sigma that is not of the schedule. BESIDE: they were encoded for another
 * canvas before. v: [2, latent] */
static void velocities(struct parity *p, void *self, int how, float *v)
{
    const float *x = tiny_golden(p->golden, "velocity.x", NULL);
    const float *at = tiny_golden(p->golden, "velocity.sigma", NULL);
    wn_canvas wide = p->canvas;
    wn_cond *cond[2], *beside[2] = { NULL };
    wn_velocity_item items[2];
    wide.width_px *= 2;
    for (int i = 0; i < 2; i++) {
        beside[i] = how == BESIDE ? encode(p, self, &wide, i) : NULL;
        cond[i] = encode(p, self, &p->canvas, i);
        items[how == REVERSED ? 1 - i : i] =
            (wn_velocity_item){ x + (uint64_t)i * p->latent, v + (uint64_t)i * p->latent, cond[i], at[i], 0 };
    }
    const uint64_t count = how == ALONE ? 1 : 2;
    for (uint64_t first = 0; first < 2; first += count)
        CHECK_OK(p->sampler->velocity(self, &p->canvas, count, items + first, &p->err), p->err);
    for (int i = 0; i < 2; i++) {
        p->sampler->cond_free(self, cond[i]);
        p->sampler->cond_free(self, beside[i]);
    }
}

static void test_velocity(struct parity *p, void *self, float *v)
{
    uint64_t count;
    const float *want = tiny_golden(p->golden, "velocity.v", &count);
    CHECK_INT(count, 2 * p->latent);
    velocities(p, self, TOGETHER, v);
    report("velocity", relative_l2(v, want, count), 2e-5); /* measured 1e-6 .. 3e-6 */
    float *again = tiny_alloc(count, sizeof *again);
    for (int how = REVERSED; how <= BESIDE; how++) {
        velocities(p, self, how, again);
        CHECK(memcmp(v, again, count * sizeof *v) == 0); /* batch mates and other canvases do not matter */
    }
}

/* bfloat16 products: nearer than this to float32, and not the same. */
static void test_bf16(struct parity *p)
{
    uint64_t count;
    const float *want = tiny_golden(p->golden, "velocity.v", &count);
    float *v = tiny_alloc(count, sizeof *v);
    void *self = open_sampler(p, (const char *const[]){ "model", p->folder, "dtype", "bf16", NULL });
    velocities(p, self, TOGETHER, v);
    const double error = relative_l2(v, want, count);
    report("velocity in bf16", error, 3e-2); /* measured 2e-3 .. 4e-3 */
    CHECK(error > 1e-4);
    p->plugin->destroy(self);
}

/* Another layout of the same weights must give the same bits. */
static void test_layout(struct parity *p, const char *const *pairs, const float *v)
{
    void *self = open_sampler(p, pairs);
    float *other = tiny_alloc(2 * p->latent, sizeof *other);
    velocities(p, self, TOGETHER, other);
    CHECK(memcmp(v, other, 2 * p->latent * sizeof *v) == 0);
    p->plugin->destroy(self);
}

/* ---- a picture ---------------------------------------------------------------------------------------------- */

static void compare_pictures(const uint8_t *got, const float *want, uint64_t n)
{
    uint64_t above_one = 0;
    double worst = 0;
    for (uint64_t i = 0; i < n; i++) {
        const double d = fabs((double)got[i] - (double)want[i]);
        above_one += d > 1;
        worst = d > worst ? d : worst;
    }
    printf("%-28s worst %g/255, %llu of %llu values beyond 1\n", "picture", worst, (unsigned long long)above_one,
           (unsigned long long)n);
    CHECK(worst <= 3);
    CHECK(above_one * 1000 <= n);
}

static void test_picture(struct parity *p, void *self)
{
    uint64_t count, pixels;
    const float *noise = tiny_golden(p->golden, "run.noise", &count);
    const float *sigmas = tiny_golden(p->golden, "run.sigmas", NULL);
    const float *want = tiny_golden(p->golden, "run.image", &pixels);
    float sigma[9];
    float *x = tiny_alloc(count, sizeof *x), *v = tiny_alloc(count, sizeof *v);
    uint8_t *rgb = tiny_alloc(pixels, 1);
    CHECK_OK(p->sampler->schedule(self, &p->canvas, sigma, &p->err), p->err);
    for (int i = 0; i < 9; i++)
        if (sigma[i] != sigmas[i])
            CHECK_FAIL("sigma %d is %.9g, want %.9g", i, (double)sigma[i], (double)sigmas[i]);
    wn_cond *cond = encode(p, self, &p->canvas, 0);
    memcpy(x, noise, count * sizeof *x);
    for (int step = 0; step < 8; step++) {
        const wn_velocity_item item = { x, v, cond, sigma[step], 0 };
        CHECK_OK(p->sampler->velocity(self, &p->canvas, 1, &item, &p->err), p->err);
        for (uint64_t i = 0; i < count; i++)
            x[i] += (sigma[step + 1] - sigma[step]) * v[i];
    }
    report("latent after 8 steps", relative_l2(x, tiny_golden(p->golden, "run.latent", NULL), count), 1e-4);
    CHECK_OK(p->sampler->decode(self, &p->canvas, 1, (const float *const[]){ x }, WN_QUALITY_FULL,
                                (uint8_t *const[]){ rgb }, &p->err),
             p->err);
    compare_pictures(rgb, want, pixels);
    p->sampler->cond_free(self, cond);
}

static void test_refusals(struct parity *p, void *self)
{
    float sigma[9];
    wn_canvas odd = p->canvas;
    odd.width_px++;
    CHECK_INT(p->sampler->schedule(self, &odd, sigma, &p->err), WN_E_ARG);
    CHECK_CONTAINS(p->err.message, "not a multiple of");
    const double guidance = 2.0;
    odd = p->canvas;
    odd.extra = &guidance;
    const wn_status status = p->sampler->schedule(self, &odd, sigma, &p->err);
    CHECK_INT(status, p->guidance == 0 ? WN_E_ARG : WN_OK);
    if (status != WN_OK)
        CHECK_CONTAINS(p->err.message, "no guidance embedding");
}

static void run_vae(struct parity *p, nn_graph *g, const char *const *names, const float *in, float *out)
{
    nn_program program;
    CHECK_OK(nn_program_make(g, &p->host.device, WN_F32, 1, names, &program, &p->err), p->err);
    CHECK_OK(nn_program_run(&program, 1, (void *[]){ (void *)in, out }, &p->err), p->err);
    nn_program_end(&program);
}

/* ---- the models alone --------------------------------------------------------------------------------------- */

static void test_autoencoder(struct parity *p, const char *component, int is_bfl)
{
    static const char *const decode_names[] = { "z", "image", NULL };
    static const char *const encode_names[] = { "image", "moments", NULL };
    static const nn_vae_bands bands[] = { { .positions = 300 }, { .positions = 300, .is_tiled = 1 } };
    const char *path = in_folder(p, component);
    uint64_t n_image, n_moments;
    const float *z = tiny_golden(p->golden, "vae.z", NULL);
    const float *want = tiny_golden(p->golden, "vae.image", &n_image);
    const float *input = tiny_golden(p->golden, "vae.input", NULL);
    const float *moments = tiny_golden(p->golden, "vae.moments", &n_moments);
    nn_weights *w;
    nn_vae vae;
    CHECK_OK(nn_weights_open(path, &w, &p->err), p->err);
    CHECK_OK(nn_vae_read(path, w, &vae, &p->err), p->err);
    CHECK_INT(vae.is_bfl, is_bfl);
    const uint64_t h = p->canvas.height_px / nn_vae_stride(&vae), width = p->canvas.width_px / nn_vae_stride(&vae);
    float *rows = tiny_alloc(vae.latent_channels * h * width, sizeof *rows);
    float *image = tiny_alloc(n_image, sizeof *image), *m = tiny_alloc(n_moments, sizeof *m);
    float *other = tiny_alloc(n_image + n_moments, sizeof *other);
    for (uint64_t c = 0; c < vae.latent_channels; c++)
        for (uint64_t i = 0; i < h * width; i++)
            rows[i * vae.latent_channels + c] = z[c * h * width + i];
    run_vae(p, nn_vae_decoder_graph(&vae, w, h, width, NULL), decode_names, rows, image);
    report("autoencoder, decoding", relative_l2(image, want, n_image), 1e-4);
    run_vae(p, nn_vae_encoder_graph(&vae, w, p->canvas.height_px, p->canvas.width_px, NULL), encode_names, input, m);
    report("autoencoder, encoding", relative_l2(m, moments, n_moments), 1e-4);
    for (size_t i = 0; i < sizeof bands / sizeof *bands; i++) {
        run_vae(p, nn_vae_decoder_graph(&vae, w, h, width, &bands[i]), decode_names, rows, other);
        CHECK(memcmp(other, image, n_image * sizeof *image) == 0);
        run_vae(p, nn_vae_encoder_graph(&vae, w, p->canvas.height_px, p->canvas.width_px, &bands[i]), encode_names,
                input, other);
        CHECK(memcmp(other, m, n_moments * sizeof *m) == 0);
    }
    nn_weights_close(w);
}

/* Token ids of both prompts, as the tokenizers of transformers made them. */
static int32_t *golden_ids(struct parity *p, const char *name, uint64_t *tokens)
{
    const float *values = tiny_golden(p->golden, name, tokens);
    int32_t *ids = tiny_alloc(*tokens, sizeof *ids);
    for (uint64_t i = 0; i < *tokens; i++)
        ids[i] = (int32_t)values[i];
    *tokens /= 2;
    return ids;
}

static void test_t5(struct parity *p, const char *component)
{
    static const char *const names[] = { "ids", "states", NULL };
    const char *path = in_folder(p, component);
    uint64_t tokens, count;
    int32_t *ids = golden_ids(p, "t5.ids", &tokens);
    const float *want = tiny_golden(p->golden, "t5", &count);
    float *states = tiny_alloc(count, sizeof *states);
    nn_weights *w;
    nn_t5 t5;
    nn_program program;
    CHECK_OK(nn_weights_open(path, &w, &p->err), p->err);
    CHECK_OK(nn_t5_read(path, w, &t5, &p->err), p->err);
    CHECK_OK(nn_program_make(nn_t5_graph(&t5, w, tokens), &p->host.device, WN_F32, 2, names, &program, &p->err),
             p->err);
    CHECK_OK(nn_program_run(&program, 2, (void *[]){ ids, states, ids + tokens, states + count / 2 }, &p->err), p->err);
    report("T5 states", relative_l2(states, want, count), 2e-5);
    nn_program_end(&program);
    nn_weights_close(w);
}

static void test_clip(struct parity *p, const char *component)
{
    static const char *const names[] = { "ids", "index", "pooled", NULL };
    const char *path = in_folder(p, component);
    uint64_t tokens, count;
    int32_t *ids = golden_ids(p, "clip.ids", &tokens);
    const float *want = tiny_golden(p->golden, "clip", &count);
    float *pooled = tiny_alloc(count, sizeof *pooled);
    nn_weights *w;
    nn_clip_text clip;
    nn_program program;
    CHECK_OK(nn_weights_open(path, &w, &p->err), p->err);
    CHECK_OK(nn_clip_text_read(path, w, &clip, &p->err), p->err);
    CHECK_OK(
        nn_program_make(nn_clip_text_graph(&clip, w, tokens, 0), &p->host.device, WN_F32, 2, names, &program, &p->err),
        p->err);
    int32_t index[2] = { (int32_t)nn_clip_pool_index(&clip, ids, tokens),
                         (int32_t)nn_clip_pool_index(&clip, ids + tokens, tokens) };
    void *data[] = { ids, &index[0], pooled, ids + tokens, &index[1], pooled + count / 2 };
    CHECK_OK(nn_program_run(&program, 2, data, &p->err), p->err);
    report("CLIP pooled state", relative_l2(pooled, want, count), 2e-5);
    nn_program_end(&program);
    nn_weights_close(w);
}

/* The transformer alone, fed with the reference's text states: its error without the encoders'. */
struct transformer {
    nn_weights *w;
    nn_flux c;
    uint64_t text; /* tokens */
    uint64_t height, width;
    nn_program context, conditioning, velocity;
};

static void open_transformer(struct parity *p, const char *component, struct transformer *t)
{
    static const char *const context[] = { "states", "text", NULL };
    static const char *const velocity[] = { "x", "text", "modulation", "v", NULL };
    const char *const conditioning[] = { "time", "pooled", "modulation", p->guidance == 0 ? NULL : "guidance", NULL };
    const char *path = in_folder(p, component);
    const nn_device *d = &p->host.device;
    golden_ids(p, "t5.ids", &t->text);
    t->height = p->canvas.height_px / p->stride;
    t->width = p->canvas.width_px / p->stride;
    CHECK_OK(nn_weights_open(path, &t->w, &p->err), p->err);
    CHECK_OK(nn_flux_read(path, t->w, &t->c, &p->err), p->err);
    CHECK_OK(nn_program_make(nn_flux_context_graph(&t->c, t->w, t->text), d, WN_F32, 1, context, &t->context, &p->err),
             p->err);
    CHECK_OK(nn_program_make(nn_flux_conditioning_graph(&t->c, t->w, 1), d, WN_F32, 1, conditioning, &t->conditioning,
                             &p->err),
             p->err);
    CHECK_OK(nn_program_make(nn_flux_velocity_graph(&t->c, t->w, t->height / 2, t->width / 2, t->text), d, WN_F32, 1,
                             velocity, &t->velocity, &p->err),
             p->err);
}

static void close_transformer(struct transformer *t)
{
    nn_program_end(&t->context);
    nn_program_end(&t->conditioning);
    nn_program_end(&t->velocity);
    nn_weights_close(t->w);
}

/* One prompt's velocity. x, v: [C, h, w] */
static void transform(struct parity *p, const struct transformer *t, const float *states, const float *pooled,
                      float sigma, const float *x, float *v)
{
    const uint64_t channels = t->c.in_channels / 4, n = channels * t->height * t->width;
    float *text = tiny_alloc(t->text * t->c.heads * t->c.head_width, sizeof *text);
    float *row = tiny_alloc(nn_flux_modulation_width(&t->c), sizeof *row);
    float *tokens = tiny_alloc(2 * n, sizeof *tokens);
    float time[NN_FLUX_SINUSOID], guidance[NN_FLUX_SINUSOID];
    nn_flux_sinusoid((float)p->guidance, guidance);
    nn_flux_sinusoid(sigma, time);
    nn_flux_pack(x, channels, t->height, t->width, tokens);
    CHECK_OK(nn_program_run(&t->context, 1, (void *[]){ (void *)states, text }, &p->err), p->err);
    CHECK_OK(nn_program_run(&t->conditioning, 1, (void *[]){ time, (void *)pooled, row, guidance }, &p->err), p->err);
    CHECK_OK(nn_program_run(&t->velocity, 1, (void *[]){ tokens, text, row, tokens + n }, &p->err), p->err);
    nn_flux_unpack(tokens + n, channels, t->height, t->width, v);
}

static void test_transformer(struct parity *p, const char *component)
{
    struct transformer t;
    uint64_t count;
    const float *x = tiny_golden(p->golden, "velocity.x", NULL);
    const float *want = tiny_golden(p->golden, "velocity.v", &count);
    const float *states = tiny_golden(p->golden, "t5", NULL);
    const float *pooled = tiny_golden(p->golden, "clip", NULL);
    const float *sigma = tiny_golden(p->golden, "velocity.sigma", NULL);
    float *v = tiny_alloc(count, sizeof *v);
    open_transformer(p, component, &t);
    for (uint64_t i = 0; i < 2; i++)
        transform(p, &t, states + i * t.text * t.c.text_width, pooled + i * t.c.pooled_width, sigma[i],
                  x + i * count / 2, v + i * count / 2);
    report("transformer alone", relative_l2(v, want, count), 2e-5);
    close_transformer(&t);
}

/* ---- the cases ---------------------------------------------------------------------------------------------- */

static void test_original_layout(struct parity *p, const float *v)
{
    const char *const other[] = {
        "model",    p->folder, "transformer", in_folder(p, "transformer_bfl"), "vae", in_folder(p, "vae_bfl"),
        "encoders", "release", NULL
    };
    test_layout(p, other, v);
}

static void test_folder(struct parity *p, int has_original_layout)
{
    test_t5(p, "text_encoder_2");
    test_clip(p, "text_encoder");
    test_autoencoder(p, "vae", 0);
    test_transformer(p, "transformer");
    const char *const pairs[] = { "model", p->folder, "batch", "3", NULL };
    void *self = open_sampler(p, pairs);
    float *v = tiny_alloc(2 * p->latent, sizeof *v);
    test_velocity(p, self, v);
    test_picture(p, self);
    test_refusals(p, self);
    p->plugin->destroy(self);
    test_bf16(p);
    if (has_original_layout) {
        test_autoencoder(p, "vae_bfl", 1);
        test_transformer(p, "transformer_bfl");
        test_original_layout(p, v);
    }
}
/* Everything in one file, as Comfy has it, and no config.json at all. */
static void test_single_file(struct parity *p)
{
    const char *all = in_folder(p, "all.safetensors");
    test_t5(p, "all.safetensors");
    test_clip(p, "all.safetensors");
    test_autoencoder(p, "all.safetensors", 1);
    test_transformer(p, "all.safetensors");
    const char *const pairs[] = {
        "model",  all,     "tokenizer", in_folder(p, "tokenizer"), "tokenizer_2", in_folder(p, "tokenizer_2"),
        "decode", "tiles", NULL
    };
    void *self = open_sampler(p, pairs);
    float *v = tiny_alloc(2 * p->latent, sizeof *v);
    test_velocity(p, self, v);
    test_picture(p, self);
    p->plugin->destroy(self);
    const char *const other[] = { "model",       all,
                                  "transformer", in_folder(p, "transformer"),
                                  "tokenizer",   in_folder(p, "tokenizer"),
                                  "tokenizer_2", in_folder(p, "tokenizer_2"),
                                  NULL };
    test_layout(p, other, v);
}

static const struct {
    const char *name;
    uint32_t width_px, height_px;
    uint64_t stride;
    double guidance;
} cases[] = { { "guided", 40, 24, 4, 4.25 },
              { "plain", 20, 28, 2, 0 },
              { "single_file", 16, 24, 2, 3.5 },
              { "pebble", 64, 64, 8, 0 } };

/* Where the shipped model lies; skips the test where it does not. */
static const char *pebble_folder(void)
{
    static char folder[4096];
    const char *given = getenv("WINNOW_PEBBLE");
    snprintf(folder, sizeof folder, "%s", given ? given : WINNOW_SOURCE_DIR "/examples/pebble");
    char file[5000];
    snprintf(file, sizeof file, "%s/model_index.json", folder);
    FILE *index = fopen(file, "r");
    if (!index)
        CHECK_SKIP("%s is not there", file);
    fclose(index);
    return folder;
}

int main(int argc, char **argv)
{
    static struct parity p;
    char path[4096];
    nn_weights *golden;
    int i = 0;
    while (i < 3 && argc > 1 && strcmp(cases[i].name, argv[1]) != 0)
        i++;
    const int is_pebble = strcmp(cases[i].name, "pebble") == 0;
    p.folder = is_pebble ? pebble_folder() : tiny_folder(cases[i].name, "parity");
    p.stride = cases[i].stride;
    p.guidance = cases[i].guidance;
    p.canvas = (wn_canvas){ .struct_size = sizeof p.canvas,
                            .width_px = cases[i].width_px,
                            .height_px = cases[i].height_px,
                            .steps = 8,
                            .extra = p.guidance == 0 ? NULL : &p.guidance };
    host_open(&p.host, 2);
    const char *given = getenv("WINNOW_GOLDEN"); /* a folder to look in instead, for weights in the making */
    snprintf(path, sizeof path, "%s/%s/golden.safetensors", given ? given : WINNOW_SOURCE_DIR "/tests/golden/models",
             cases[i].name);
    if (is_pebble && access(path, R_OK) != 0)
        CHECK_SKIP("%s is not there; make_pebble.py makes it from the final weights", path);
    CHECK_OK(nn_weights_open(path, &golden, &p.err), p.err);
    p.golden = golden;
    p.plugin = host_plugin("flux");
    p.sampler = p.plugin->vtable;
    if (strcmp(cases[i].name, "single_file") == 0)
        test_single_file(&p);
    else
        test_folder(&p, !is_pebble);
    nn_weights_close(golden);
    host_close(&p.host);
    return CHECK_DONE();
}
