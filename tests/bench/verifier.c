/* verifier.c - times the models of verifiers on the CPU device, on random inputs, and prints one line of JSON.
 *
 *     bench_verifier clip|imagereward MODEL DTYPE BATCH TOKENS SECONDS THREADS
 *
 * clip: the image tower of a Hugging Face CLIP folder. imagereward: its image model and its text model on TOKENS
 * tokens, for each image. Neither prepares pixels. Repeats until SECONDS have passed, three times at least (0: once);
 * "median" and "best" are seconds for the whole batch, "cpu" its seconds of processor time. With PROFILE set, the
 * longest operations go to stderr.
 */
#include "../golden/host.h"

#include <models/blip.h>
#include <models/clip.h>
#include <models/program.h>
#include <weights/weights.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_BATCH = 64, MAX_RUNS = 10000 };

/* One or two programs; the second reads what the first wrote. */
struct bench {
    int count;
    nn_program program[2];
    void *data[2][3 * MAX_BATCH];
    uint64_t batch;
};

static double read_clock(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void must(wn_status status, const wn_error *err)
{
    if (status == WN_OK)
        return;
    fprintf(stderr, "%s\n", err->message);
    exit(1);
}

static float *floats(uint64_t n, float scale)
{
    static uint64_t state = 1;
    float *values = malloc(n * sizeof *values);
    for (uint64_t i = 0; values && i < n; i++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        values[i] = scale * ((float)(state >> 40) * 0x1p-23f - 1.0f);
    }
    return values;
}

static int later(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* ---- models ------------------------------------------------------------------------------------------------- */

static void open_clip(struct bench *b, const char *path, const nn_device *device, int64_t dtype)
{
    static const char *const names[] = { "pixels", "embedding", NULL };
    wn_error err;
    nn_weights *w;
    nn_clip_vision v;
    must(nn_weights_open(path, &w, &err), &err);
    must(nn_clip_vision_read(path, w, &v, &err), &err);
    must(nn_program_make(nn_clip_vision_graph(&v, w), device, dtype, b->batch, names, &b->program[0], &err), &err);
    for (uint64_t i = 0; i < b->batch; i++) {
        b->data[0][2 * i] = floats(v.image_px * v.image_px * 3, 2);
        b->data[0][2 * i + 1] = floats(v.projection, 0);
    }
    b->count = 1;
}

static void open_imagereward(struct bench *b, const char *path, const nn_device *device, int64_t dtype, uint64_t tokens)
{
    static const char *const image_names[] = { "pixels", "states", NULL };
    static const char *const text_names[] = { "ids", "image", "out", NULL };
    wn_error err;
    nn_blip m;
    must(nn_blip_open(path, "", &m, &err), &err);
    const uint64_t px = m.vit.image_px, rows = nn_vit_tokens(&m.vit);
    nn_graph *g = nn_graph_new("image");
    nn_output(g, "states", nn_vit_states(g, &m.vit, m.weights, nn_input(g, "pixels", WN_F32, px * px, 3, 0)));
    must(nn_program_make(g, device, dtype, b->batch, image_names, &b->program[0], &err), &err);
    g = nn_graph_new("text");
    const nn_t x = nn_bert_embed(g, &m.encoder, m.weights, nn_input(g, "ids", WN_I32, tokens, 1, 0));
    nn_output(g, "out",
              nn_bert_layers(g, &m.encoder, m.weights, x, nn_input(g, "image", WN_F32, rows, m.vit.width, 0)));
    must(nn_program_make(g, device, dtype, b->batch, text_names, &b->program[1], &err), &err);
    for (uint64_t i = 0; i < b->batch; i++) {
        b->data[0][2 * i] = floats(px * px * 3, 2);
        b->data[1][3 * i] = calloc(tokens, sizeof(int32_t));
        b->data[0][2 * i + 1] = b->data[1][3 * i + 1] = floats(rows * m.vit.width, 0);
        b->data[1][3 * i + 2] = floats(tokens * m.encoder.width, 0);
    }
    b->count = 2;
}

/* ---- measuring ---------------------------------------------------------------------------------------------- */

static void run(struct bench *b)
{
    wn_error err;
    for (int i = 0; i < b->count; i++)
        must(nn_program_run(&b->program[i], b->batch, b->data[i], &err), &err);
}

/* Where the time went, the longest first, to stderr; the first call begins measuring. */
static void print_profile(const nn_program *p)
{
    static wn_op_profile rows[4096];
    const uint64_t n = p->device.api->profile(p->program, rows, 4096);
    for (int k = 0; k < 12; k++) {
        uint64_t longest = 0;
        for (uint64_t i = 1; i < n && i < 4096; i++)
            if (rows[i].seconds > rows[longest].seconds)
                longest = i;
        if (!(rows[longest].seconds > 0))
            return;
        fprintf(stderr, "%4llu %-56s %9.3f ms %8.1f GFLOP/s\n", (unsigned long long)longest,
                rows[longest].name ? rows[longest].name : "", 1e3 * rows[longest].seconds,
                1e-9 * rows[longest].flops / rows[longest].seconds);
        rows[longest].seconds = 0;
    }
}

static void measure(struct bench *b, double limit)
{
    static double seconds[MAX_RUNS];
    const int is_profiled = getenv("PROFILE") != NULL;
    int n = 0;
    run(b);
    for (int i = 0; is_profiled && i < b->count; i++)
        print_profile(&b->program[i]);
    const double end = read_clock(CLOCK_MONOTONIC) + limit, cpu = read_clock(CLOCK_PROCESS_CPUTIME_ID);
    while (n < (limit > 0 ? 3 : 1) || (read_clock(CLOCK_MONOTONIC) < end && n < MAX_RUNS)) {
        const double start = read_clock(CLOCK_MONOTONIC);
        run(b);
        seconds[n++] = read_clock(CLOCK_MONOTONIC) - start;
    }
    const double cpu_each = (read_clock(CLOCK_PROCESS_CPUTIME_ID) - cpu) / n;
    qsort(seconds, (size_t)n, sizeof *seconds, later);
    printf("{\"median\": %.6g, \"best\": %.6g, \"cpu\": %.6g, \"runs\": %d}\n", seconds[n / 2], seconds[0], cpu_each,
           n);
    for (int i = 0; is_profiled && i < b->count; i++)
        print_profile(&b->program[i]);
}

int main(int argc, char **argv)
{
    static struct host host;
    static struct bench b;
    if (argc != 8 || strtoull(argv[4], NULL, 10) < 1 || strtoull(argv[4], NULL, 10) > MAX_BATCH) {
        fprintf(stderr, "usage: bench_verifier clip|imagereward MODEL f32|bf16 BATCH TOKENS SECONDS THREADS\n");
        return 2;
    }
    const int64_t dtype = strcmp(argv[3], "bf16") == 0 ? WN_BF16 : WN_F32;
    b.batch = strtoull(argv[4], NULL, 10);
    host_open(&host, (uint32_t)strtoul(argv[7], NULL, 10));
    if (strcmp(argv[1], "clip") == 0)
        open_clip(&b, argv[2], &host.device, dtype);
    else
        open_imagereward(&b, argv[2], &host.device, dtype, strtoull(argv[5], NULL, 10));
    measure(&b, strtod(argv[6], NULL));
    for (int i = 0; i < b.count; i++)
        nn_program_end(&b.program[i]);
    host_close(&host);
    return 0;
}
