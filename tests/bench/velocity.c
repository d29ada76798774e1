/* velocity.c - times the velocity of a FLUX transformer on a device (which_device.h), on random inputs, and prints one line of
 * JSON.
 *
 *     bench_velocity TRANSFORMER DTYPE BATCH TEXT_TOKENS ROWS COLUMNS SECONDS THREADS
 *
 * TRANSFORMER is what the flux sampler takes (a folder or a file); ROWS x COLUMNS image tokens. The modulation vectors
 * are made once before, as in a run. Repeats until SECONDS have passed, three times at least (0: once); "median" and "best" are
 * seconds for one velocity of the whole batch, "cpu" its seconds of processor time: on a busy machine, the number to
 * trust. With PROFILE set, the longest operations go to stderr.
 */
#include "../golden/host.h"

#include <models/flux.h>
#include <models/program.h>
#include <weights/weights.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_BATCH = 256, MAX_RUNS = 10000 };

static double read_clock(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

static float *random_floats(uint64_t n, float scale)
{
    static uint64_t state = 1;
    float *values = malloc(n * sizeof *values);
    for (uint64_t i = 0; i < n; i++) {
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

static void must(wn_status status, const wn_error *err)
{
    if (status == WN_OK)
        return;
    fprintf(stderr, "%s\n", err->message);
    exit(1);
}

/* Multiplications and additions of one item. */
static double flops(const nn_flux *c, double text, double image)
{
    const double d = (double)(c->heads * c->head_width), t = text + image;
    const double blocks = (double)(c->double_blocks + c->single_blocks);
    return blocks * (24 * d * d * t + 4 * t * t * d) + 2 * image * d * (double)(c->in_channels + c->out_channels);
}

/* Where the time went, the longest first, to stderr. */
static void print_profile(const nn_program *p)
{
    static wn_op_profile rows[4096];
    const uint64_t n = p->device.api->profile(p->program, rows, 4096);
    for (int k = 0; k < 24; k++) {
        uint64_t longest = 0;
        for (uint64_t i = 1; i < n && i < 4096; i++)
            if (rows[i].seconds > rows[longest].seconds)
                longest = i;
        if (!(rows[longest].seconds > 0))
            return;
        fprintf(stderr, "%4llu %-24s %9.3f ms %8.1f GFLOP/s\n", (unsigned long long)longest,
                rows[longest].name ? rows[longest].name : "", 1e3 * rows[longest].seconds,
                1e-9 * rows[longest].flops / rows[longest].seconds);
        rows[longest].seconds = 0;
    }
}

static void fill_inputs(const nn_flux *c, uint64_t image, uint64_t text, uint64_t batch, void **data)
{
    for (uint64_t i = 0; i < batch; i++) {
        *data++ = random_floats(image * c->in_channels, 1);
        *data++ = random_floats(text * c->heads * c->head_width, 1);
        *data++ = random_floats(nn_flux_modulation_width(c), 0.3f);
        *data++ = random_floats(image * c->out_channels, 0);
    }
}

static void measure(const nn_program *p, uint64_t batch, void **data, double limit, double gflop)
{
    static double seconds[MAX_RUNS];
    const int is_profiled = getenv("PROFILE") != NULL;
    wn_error err;
    int n = 0;
    must(nn_program_run(p, batch, data, &err), &err);
    if (is_profiled)
        print_profile(p); /* begins measuring */
    const double end = now() + limit, cpu = read_clock(CLOCK_PROCESS_CPUTIME_ID);
    while (n < (limit > 0 ? 3 : 1) || (now() < end && n < MAX_RUNS)) {
        const double start = now();
        must(nn_program_run(p, batch, data, &err), &err);
        seconds[n++] = now() - start;
    }
    const double cpu_each = (read_clock(CLOCK_PROCESS_CPUTIME_ID) - cpu) / n;
    qsort(seconds, (size_t)n, sizeof *seconds, later);
    printf("{\"median\": %.6g, \"best\": %.6g, \"cpu\": %.6g, \"runs\": %d, \"gflop\": %.6g, \"gflops\": %.6g}\n",
           seconds[n / 2], seconds[0], cpu_each, n, gflop, gflop / seconds[n / 2]);
    if (is_profiled)
        print_profile(p);
}

int main(int argc, char **argv)
{
    static const char *const names[] = { "x", "text", "modulation", "v", NULL };
    static void *data[4 * MAX_BATCH];
    static struct host host;
    wn_error err;
    nn_weights *w;
    nn_flux c;
    nn_program p;
    if (argc != 9 || strtoull(argv[3], NULL, 10) > MAX_BATCH) {
        fprintf(stderr, "usage: bench_velocity TRANSFORMER f32|bf16 BATCH TEXT ROWS COLUMNS SECONDS THREADS\n");
        return 2;
    }
    const uint64_t batch = strtoull(argv[3], NULL, 10), text = strtoull(argv[4], NULL, 10);
    const uint64_t rows = strtoull(argv[5], NULL, 10), cols = strtoull(argv[6], NULL, 10);
    host_open(&host, (uint32_t)strtoul(argv[8], NULL, 10));
    must(nn_weights_open(argv[1], &w, &err), &err);
    must(nn_flux_read(argv[1], w, &c, &err), &err);
    must(nn_program_make(nn_flux_velocity_graph(&c, w, rows, cols, text), &host.device,
                         strcmp(argv[2], "bf16") == 0 ? WN_BF16 : WN_F32, batch, names, &p, &err),
         &err);
    fill_inputs(&c, rows * cols, text, batch, data);
    measure(&p, batch, data, strtod(argv[7], NULL),
            1e-9 * flops(&c, (double)text, (double)(rows * cols)) * (double)batch);
    nn_program_end(&p);
    nn_weights_close(w);
    host_close(&host);
    return 0;
}
