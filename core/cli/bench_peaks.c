/* bench_peaks.c - what a device reaches at best, as the measure for what a model reaches on it. */
#include "base/clock.h"
#include "cli/bench.h"
#include "plugin/device.h"

#include <stdlib.h>

enum { LEAST_RUNS = 3, SMALL_ROWS = 256, LARGE_ROWS = 4608, WIDTH = 3072, SMALL_OUT = 3072, LARGE_OUT = 12288 };

/* x [rows, WIDTH] -> y [rows, columns], of which one row leaves the device: transfers are no part of a peak. */
enum { X, Y, ROW, OUT, TENSORS };

static void make_tensors(wn_tensor t[TENSORS], uint64_t rows, uint64_t columns)
{
    t[X] = (wn_tensor){ "x", WN_ROLE_INPUT, WN_F32, rows, WIDTH, WN_NONE, 0, 0, 0, NULL };
    t[Y] = (wn_tensor){ "y", WN_ROLE_TEMP, WN_F32, rows, columns, WN_NONE, 0, 0, 0, NULL };
    t[ROW] = (wn_tensor){ "row", WN_ROLE_WINDOW, WN_F32, 1, columns, Y, 0, 0, 0, NULL };
    t[OUT] = (wn_tensor){ "out", WN_ROLE_OUTPUT, WN_F32, 1, columns, WN_NONE, 0, 0, 0, NULL };
}

static const wn_op product_op = { .kind = WN_OP_LINEAR,
                                  .activation = WN_ACT_NONE,
                                  .in = { X, WN_NONE, WN_NONE, WN_NONE },
                                  .weight = { 0, WN_NONE },
                                  .out = Y };
static const wn_op copy_op = { .kind = WN_OP_COPY,
                               .activation = WN_ACT_NONE,
                               .in = { X, WN_NONE, WN_NONE, WN_NONE },
                               .weight = { WN_NONE, WN_NONE },
                               .out = Y };
static const wn_op leave_op = { .kind = WN_OP_COPY,
                                .activation = WN_ACT_NONE,
                                .in = { ROW, WN_NONE, WN_NONE, WN_NONE },
                                .weight = { WN_NONE, WN_NONE },
                                .out = OUT };

static const double spent_s = 1;

/* The first op's work and best time. */
static wn_status time_runs(const wn_device_api *api, wn_program *program, float *x, float *out, wn_op_profile *best,
                           wn_error *err)
{
    const wn_binding bindings[] = { { X, 0, x }, { OUT, 0, out } };
    wn_op_profile before[2], after[2];
    *best = (wn_op_profile){ .seconds = 1e30 };
    api->profile(program, before, 2); /* from here on it counts */
    const double start = clock_seconds();
    for (int i = 0; i < LEAST_RUNS || clock_seconds() - start < spent_s; i++) {
        api->profile(program, before, 2);
        WN_TRY(api->run(program, 1, bindings, 2, err));
        api->profile(program, after, 2);
        const double seconds = after[0].seconds - before[0].seconds;
        if (i > 0 && seconds > 0 && seconds < best->seconds)
            *best = (wn_op_profile){ "", seconds, after[0].flops - before[0].flops, after[0].bytes - before[0].bytes };
    }
    return best->seconds < 1e30 ? WN_OK
                                : wn_fail(err, WN_E_UNSUPPORTED, "the device does not say how long operations take");
}

static wn_status measure(const struct device_session *d, const wn_graph *graph, int64_t dtype, wn_op_profile *best,
                         wn_error *err)
{
    wn_program *program = NULL;
    const wn_tensor *t = graph->tensors;
    const wn_compile_options options = { sizeof options, dtype, 1 };
    float *x = calloc(t[X].rows * t[X].cols, sizeof *x), *out = calloc(t[OUT].cols, sizeof *out);
    wn_status status = x && out ? WN_OK : wn_fail(err, WN_E_MEMORY, "no memory");
    for (uint64_t i = 0; status == WN_OK && i < t[X].rows * t[X].cols; i++)
        x[i] = (float)(i % 251) / 251.0f - 0.5f;
    if (status == WN_OK)
        status = d->api->compile(d->device, graph, &options, &program, err);
    if (status == WN_OK)
        status = time_runs(d->api, program, x, out, best, err);
    d->api->free_program(program);
    free(x);
    free(out);
    return status;
}

static wn_status measure_product(const struct device_session *d, int64_t dtype, uint64_t rows, uint64_t columns,
                                 double *flops, wn_error *err)
{
    wn_tensor tensors[TENSORS];
    const wn_op ops[] = { product_op, leave_op };
    uint16_t *values = malloc(columns * WIDTH * sizeof *values);
    wn_op_profile best;
    if (!values)
        return wn_fail(err, WN_E_MEMORY, "no memory for a weight");
    for (uint64_t i = 0; i < columns * WIDTH; i++)
        values[i] = (uint16_t)(0x3c00 + i % 511 + (i % 2 ? 0x8000 : 0)); /* bf16, of either sign, about 0.01 */
    const wn_weight weight = { "W", columns, WIDTH, { { values, WN_BF16, 1, columns } }, 1 };
    make_tensors(tensors, rows, columns);
    const wn_graph graph = { sizeof graph, "product", tensors, TENSORS, &weight, 1, ops, 2 };
    const wn_status status = measure(d, &graph, dtype, &best, err);
    *flops = status == WN_OK ? best.flops / best.seconds : 0;
    free(values);
    return status;
}

static wn_status measure_copy(const struct device_session *d, uint64_t rows, double *bytes, wn_error *err)
{
    wn_tensor tensors[TENSORS];
    const wn_op ops[] = { copy_op, leave_op };
    wn_op_profile best;
    make_tensors(tensors, rows, WIDTH);
    const wn_graph graph = { sizeof graph, "copy", tensors, TENSORS, NULL, 0, ops, 2 };
    const wn_status status = measure(d, &graph, WN_F32, &best, err);
    *bytes = status == WN_OK ? best.bytes / best.seconds : 0;
    return status;
}

wn_status bench_find_peaks(const struct device_session *device, int64_t dtype, bool is_large, struct bench_peaks *peaks,
                           wn_error *err)
{
    WN_TRY(measure_product(device, dtype, is_large ? LARGE_ROWS : SMALL_ROWS, is_large ? LARGE_OUT : SMALL_OUT,
                           &peaks->product, err));
    return measure_copy(device, LARGE_ROWS * (is_large ? 16 : 2), &peaks->copy, err);
}
