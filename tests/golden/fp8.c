/* fp8.c - FLUX.1 in 8-bit floats as they are found: every tensor simply cast (Kijai's files, Comfy's all-in-one), and
 * with a scale for each matrix ("x.scale_weight" with the marker "scaled_fp8"; "x.weight_scale" with "x.comfy_quant" in
 * newer files). A scale that is not used gives garbage of the right shape, an error of about 1; the two spellings of
 * the same scale give the same bits.
 */
#include "check.h"
#include "gguf_file.h"
#include "host.h"
#include "painter.h"
#include "tiny.h"

#include <weights/safetensors.h>

enum { PIXELS = 64 * 64 * 3 };
enum { CAST, SCALED, NEWER };

static wn_error err;

/* The nearest E4M3 below 448, ties to the even one. */
static uint8_t to_e4m3(float x)
{
    static float values[127];
    for (uint8_t i = 0; values[126] == 0 && i < 127; i++)
        nn_tensor_to_f32(&(nn_tensor){ .dtype = WN_F8_E4M3, .data = &i }, 0, &values[i], 1);
    const float size = fminf(fabsf(x), 448);
    int low = 0, high = 126;
    while (high - low > 1) {
        const int middle = (low + high) / 2;
        *(values[middle] <= size ? &low : &high) = middle;
    }
    const float below = size - values[low], above = values[high] - size;
    const int nearest = below < above || (below == above && low % 2 == 0) ? low : high;
    return (uint8_t)(nearest | (x < 0 ? 0x80 : 0));
}

static nn_tensor cast(const nn_tensor *t, float scale)
{
    nn_tensor out = *t;
    const uint64_t n = t->bytes / sizeof(float);
    uint8_t *data = tiny_alloc(n, 1);
    for (uint64_t i = 0; i < n; i++)
        data[i] = to_e4m3(((const float *)t->data)[i] / scale);
    out.dtype = WN_F8_E4M3;
    out.bytes = n;
    out.data = data;
    return out;
}

static float scale_of(const nn_tensor *t)
{
    float most = 0;
    for (uint64_t i = 0; i < t->bytes / sizeof(float); i++)
        most = fmaxf(most, fabsf(((const float *)t->data)[i]));
    return most / 448;
}

/* "x.weight" of length n + 7 -> "x" and leaf. */
static const char *beside(const nn_tensor *t, const char *leaf)
{
    char *name = tiny_alloc(256, 1);
    snprintf(name, 256, "%.*s%s", (int)strlen(t->name) - 6, t->name, leaf);
    return name;
}

static uint64_t add_scaled(nn_tensor *list, uint64_t count, const nn_tensor *t, int kind)
{
    static const char how[] = "{\"format\": \"float8_e4m3fn\"}";
    float *scale = tiny_alloc(1, sizeof *scale);
    *scale = scale_of(t);
    list[count++] = cast(t, *scale);
    list[count++] = (nn_tensor){ .name = beside(t, kind == SCALED ? "scale_weight" : "weight_scale"),
                                 .dtype = WN_F32,
                                 .rank = kind == SCALED,
                                 .shape = { 1 },
                                 .bytes = sizeof *scale,
                                 .data = scale };
    if (kind == NEWER)
        list[count++] = (nn_tensor){ .name = beside(t, "comfy_quant"),
                                     .dtype = WN_U8,
                                     .rank = 1,
                                     .shape = { sizeof how - 1 },
                                     .bytes = sizeof how - 1,
                                     .data = how };
    return count;
}

/* A folder with pebble's config.json and its transformer in BFL's names. */
static const char *write_model(const char *pebble, int kind)
{
    static char folders[3][1024];
    static const uint8_t marker[2];
    char path[2048], source[1024], command[4096];
    nn_weights *w;
    nn_flux c;
    nn_tensor *tensors;
    snprintf(source, sizeof source, "%s/transformer", pebble);
    CHECK_OK(nn_weights_open(source, &w, &err), err);
    CHECK_OK(nn_flux_read(source, w, &c, &err), err);
    const uint64_t all = bfl_tensors(w, &c, &tensors);
    nn_tensor *list = tiny_alloc(3 * all + 1, sizeof *list);
    uint64_t count = 0;
    for (uint64_t i = 0; i < all; i++)
        if (kind == CAST)
            list[count++] = cast(&tensors[i], 1);
        else if (tensors[i].rank == 2)
            count = add_scaled(list, count, &tensors[i], kind);
        else
            list[count++] = tensors[i];
    if (kind == SCALED)
        list[count++] = (nn_tensor){
            .name = "scaled_fp8", .dtype = WN_F8_E4M3, .rank = 1, .shape = { 2 }, .bytes = 2, .data = marker
        };
    char *folder = folders[kind];
    snprintf(folder, sizeof folders[0], "%s/tests/pebble-fp8-%d", WINNOW_BUILD_DIR, kind);
    snprintf(command, sizeof command, "mkdir -p %s && cp %s/config.json %s/", folder, source, folder);
    CHECK(system(command) == 0);
    snprintf(path, sizeof path, "%s/diffusion_pytorch_model.safetensors", folder);
    CHECK_OK(nn_safetensors_write(path, list, count, NULL, 0, &err), err);
    nn_weights_close(w);
    return folder;
}

struct result {
    float *v;
    uint64_t n;
    uint8_t rgb[PIXELS];
};

static void open_painter(struct painter *p, struct host *h, const char *const *pairs)
{
    painter_open(p, h, pairs, 64, 64);
    if (!p->self) {
        CHECK_FAIL("%s", p->error.message);
        exit(1);
    }
}

static void paint(struct host *h, const char *pebble, const char *transformer, const nn_weights *golden,
                  struct result *r)
{
    struct painter p;
    open_painter(&p, h, (const char *const[]){ "model", pebble, "transformer", transformer, NULL });
    r->n = 2 * p.latent;
    r->v = tiny_alloc(r->n, sizeof *r->v);
    painter_velocities(&p, golden, r->v);
    painter_picture(&p, golden, r->rgb);
    painter_close(&p);
}

/* A LoRA that changes the velocity by 16 % (make_lora.py): its sum with a scaled weight has the weight's scale in it.
 */
static void test_lora(struct host *h, const char *pebble, const char *transformer, const nn_weights *golden)
{
    struct painter p;
    nn_weights *want;
    char path[4200], loras[4300];
    const char *folder = tiny_folder("lora", "fp8");
    snprintf(path, sizeof path, "%s/golden.safetensors", folder);
    snprintf(loras, sizeof loras, "[\"%s/peft.safetensors\"]", folder);
    CHECK_OK(nn_weights_open(path, &want, &err), err);
    open_painter(&p, h, (const char *const[]){ "model", pebble, "transformer", transformer, "loras", loras, NULL });
    float *v = tiny_alloc(2 * p.latent, sizeof *v);
    painter_velocities(&p, golden, v);
    const double error = relative_l2(v, tiny_golden(want, "peft.v", NULL), 2 * p.latent);
    printf("LoRA:   velocity %.2e (bound 6e-2)\n", error);
    CHECK(error < 6e-2);
    painter_close(&p);
    nn_weights_close(want);
}

int main(void)
{
    static struct host host;
    static struct result f32, is[3];
    double v[3], db[3];
    const char *pebble = WINNOW_SOURCE_DIR "/examples/pebble";
    nn_weights *golden;
    CHECK_OK(nn_weights_open(WINNOW_SOURCE_DIR "/tests/golden/models/pebble/golden.safetensors", &golden, &err), err);
    host_open(&host, 1);
    paint(&host, pebble, "", golden, &f32);
    for (int kind = CAST; kind <= NEWER; kind++) {
        paint(&host, pebble, write_model(pebble, kind), golden, &is[kind]);
        v[kind] = relative_l2(is[kind].v, f32.v, f32.n);
        db[kind] = psnr(is[kind].rgb, f32.rgb, PIXELS);
    }
    printf("cast:   velocity %.2e (bound 6e-2), picture %.1f dB (bound 40)\n", v[CAST], db[CAST]);
    printf("scaled: velocity %.2e (bound 6e-2), picture %.1f dB (bound 30)\n", v[SCALED], db[SCALED]);
    CHECK(v[CAST] > 0 && v[CAST] < 6e-2 && db[CAST] > 40);
    CHECK(v[SCALED] > 0 && v[SCALED] < 6e-2 && db[SCALED] > 30);
    CHECK(memcmp(is[SCALED].v, is[NEWER].v, f32.n * sizeof *f32.v) == 0);
    test_lora(&host, pebble, write_model(pebble, SCALED), golden);
    nn_weights_close(golden);
    host_close(&host);
    return CHECK_DONE();
}
