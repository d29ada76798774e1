/* bench.c - see bench.h. Each shape runs alone on all processors for about half a second; the best run counts.
 *
 * Beside the wall clock stands the processor time that the process used in the best run, all threads together: on a
 * machine with other work it says what the kernels do, where the wall clock says what was left over for them. */
#include "bench.h"

#include "maker.h"
#include "test_host.h"

#include <string.h>
#include <time.h>

struct cost {
    double wall_s, processor_s;
};

static double read_clock(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double now_s(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

static uint64_t bind_all(const wn_graph *g, uint64_t count, wn_binding *bindings)
{
    uint64_t n = 0, seed = 1;
    for (uint32_t i = 0; i < g->tensor_count; i++) {
        const wn_tensor *t = &g->tensors[i];
        for (uint32_t item = 0; (t->role == WN_ROLE_INPUT || t->role == WN_ROLE_OUTPUT) && item < count; item++) {
            float *data = malloc(t->rows * t->cols * sizeof *data);
            for (uint64_t k = 0; k < t->rows * t->cols; k++)
                data[k] = maker_random(&seed);
            bindings[n++] = (wn_binding){ i, item, data };
        }
    }
    return n;
}

/* Copying inputs and outputs is part of it. */
static struct cost best_run(struct test_device *d, wn_program *program, const wn_graph *g, uint64_t count)
{
    wn_binding bindings[256];
    uint64_t n = bind_all(g, count, bindings);
    wn_error err = { 0 };
    struct cost best = { 1e9, 1e9 };
    for (double end = now_s() + 0.5; now_s() < end;) {
        double wall = now_s(), processor = read_clock(CLOCK_PROCESS_CPUTIME_ID);
        test_require(d->api->run(program, count, bindings, n, &err) == WN_OK, err.message);
        wall = now_s() - wall;
        processor = read_clock(CLOCK_PROCESS_CPUTIME_ID) - processor;
        best.wall_s = wall < best.wall_s ? wall : best.wall_s;
        best.processor_s = processor < best.processor_s ? processor : best.processor_s;
    }
    for (uint64_t i = 0; i < n; i++)
        free(bindings[i].data);
    return best;
}

/* Times the maker's graph of one op; prints a line and ends it. */
static void report(struct test_device *d, struct maker *m, int64_t dtype, uint64_t count, double flops,
                   const char *shape)
{
    wn_graph g = maker_graph(m);
    wn_compile_options options = { sizeof options, dtype, count };
    wn_program *program = NULL;
    wn_error err = { 0 };
    test_require(d->api->compile(d->device, &g, &options, &program, &err) == WN_OK, err.message);
    struct cost cost = best_run(d, program, &g, count);
    flops *= (double)count;
    printf("%-10s %-5s %-26s x%-3llu %10.1f us %8.1f GFLOP/s; per processor second %6.1f\n", m->name,
           dtype == WN_F32 ? "f32" : "bf16", shape, (unsigned long long)count, cost.wall_s * 1e6,
           flops / cost.wall_s * 1e-9, flops / cost.processor_s * 1e-9);
    d->api->free_program(program);
    maker_end(m);
}

static void bench_linear(struct test_device *d, int64_t dtype, uint64_t rows, uint64_t out, uint64_t in, uint64_t count)
{
    struct maker m;
    char shape[64];
    snprintf(shape, sizeof shape, "%llux%llux%llu", (unsigned long long)rows, (unsigned long long)out,
             (unsigned long long)in);
    maker_begin(&m, "linear", 1);
    uint32_t x = maker_input(&m, "x", rows, in, 0);
    wn_op *op = maker_op(&m, WN_OP_LINEAR, x, maker_output(&m, "y", rows, out));
    op->weight[0] = maker_weight_f32(&m, out, in);
    report(d, &m, dtype, count, 2.0 * (double)(rows * out * in), shape);
}

static void bench_attention(struct test_device *d, int64_t dtype, uint64_t rows, uint64_t heads, uint64_t size,
                            uint64_t count)
{
    struct maker m;
    char shape[64];
    snprintf(shape, sizeof shape, "%llu tokens, %llu heads of %llu", (unsigned long long)rows,
             (unsigned long long)heads, (unsigned long long)size);
    maker_begin(&m, "attention", 1);
    uint32_t x = maker_input(&m, "x", rows, heads * size, 0);
    wn_op *op = maker_op(&m, WN_OP_ATTENTION, x, maker_output(&m, "y", rows, heads * size));
    op->in[1] = op->in[2] = x;
    op->i[0] = (int64_t)heads;
    op->f[0] = 0.1f;
    report(d, &m, dtype, count, 4.0 * (double)(rows * rows * heads * size), shape);
}

static void bench_conv(struct test_device *d, int64_t dtype, int64_t side, uint64_t in, uint64_t out, int64_t up)
{
    struct maker m;
    char shape[64];
    snprintf(shape, sizeof shape, "%lldx%lld %llu->%llu 3x3 up%lld", (long long)side, (long long)side,
             (unsigned long long)in, (unsigned long long)out, (long long)up);
    maker_begin(&m, "conv", 1);
    uint32_t x = maker_input(&m, "x", (uint64_t)(side * side), in, 0);
    wn_op *op = maker_op(&m, WN_OP_CONV, x, maker_output(&m, "y", (uint64_t)(side * side * up * up), out));
    const int64_t geometry[7] = { side, side, 3, 1, 1, 1, up };
    memcpy(op->i, geometry, sizeof geometry);
    op->weight[0] = maker_weight_f32(&m, out, in * 9);
    report(d, &m, dtype, 1, 18.0 * (double)((uint64_t)(side * side * up * up) * in * out), shape);
}

static void bench_rows(struct test_device *d, const char *name, int32_t kind, int32_t activation)
{
    struct maker m;
    maker_begin(&m, name, 1);
    uint32_t x = maker_input(&m, "x", 1536, 3072, 0);
    wn_op *op = maker_op(&m, kind, x, maker_output(&m, "y", 1536, 3072));
    op->activation = activation;
    op->i[0] = kind == WN_OP_GROUP_NORM ? 32 : kind == WN_OP_HEAD_NORM_ROPE ? 24 : 1;
    op->f[0] = 1;
    if (kind == WN_OP_HEAD_NORM_ROPE) {
        op->in[1] = maker_constant(&m, 1536, 128);
        op->weight[0] = maker_vector(&m, 128);
    }
    report(d, &m, WN_F32, 1, 1536.0 * 3072.0, "1536x3072");
}

int bench_run(uint32_t threads)
{
    struct test_device d;
    static const int64_t dtypes[2] = { WN_F32, WN_BF16 };
    test_device_open(&d, threads);
    printf("%u threads; rows count one operation for each element\n", pool_threads(d.pool));
    for (int i = 0; i < 2; i++) {
        bench_linear(&d, dtypes[i], 1536, 3072, 12288, 1);
        bench_linear(&d, dtypes[i], 1536, 12288, 3072, 1);
        bench_linear(&d, dtypes[i], 257, 4096, 1024, 1);
        bench_linear(&d, dtypes[i], 48, 768, 192, 1);
        bench_linear(&d, dtypes[i], 48, 768, 192, 16);
        bench_linear(&d, dtypes[i], 1, 18432, 3072, 1);
        bench_attention(&d, dtypes[i], 1536, 24, 128, 1);
        bench_attention(&d, dtypes[i], 96, 6, 32, 1);
        bench_attention(&d, dtypes[i], 96, 6, 32, 16);
        bench_attention(&d, dtypes[i], 1024, 1, 512, 1);
        bench_conv(&d, dtypes[i], 64, 256, 256, 1);
        bench_conv(&d, dtypes[i], 64, 128, 128, 2);
        bench_conv(&d, dtypes[i], 128, 128, 3, 1);
    }
    bench_rows(&d, "norm", WN_OP_NORM, WN_ACT_NONE);
    bench_rows(&d, "rope", WN_OP_HEAD_NORM_ROPE, WN_ACT_NONE);
    bench_rows(&d, "groupnorm", WN_OP_GROUP_NORM, WN_ACT_SILU);
    bench_rows(&d, "gelu", WN_OP_UNARY, WN_ACT_GELU_TANH);
    test_device_close(&d);
    return 0;
}
