/* bench_peaks.c - what a device reaches at best, as the measure for what a model reaches on it. */
#include "base/clock.h"
#include "cli/bench.h"
#include "plugin/device.h"

#include <stdlib.h>

enum { LEAST_RUNS = 3, SMALL_ROWS = 256, LARGE_ROWS = 4608, WIDTH = 3072, SMALL_OUT = 3072, LARGE_OUT = 21504 };

/* x [rows, WIDTH] -> y [rows, columns], of which one row leaves the device: transfers are no part of a peak. A product
 * is of what a norm has written, as in a model, where devices may store it in 16 bits. */
enum { X, NORMED, Y, ROW, OUT, TENSORS };

static void make_tensors(wn_tensor t[TENSORS], uint64_t rows, uint64_t columns)
{
    t[X] = (wn_tensor){ "x", WN_ROLE_INPUT, WN_F32, rows, WIDTH, WN_NONE, 0, 0, 0, NULL };
    t[NORMED] = (wn_tensor){ "normed", WN_ROLE_TEMP, WN_F32, rows, WIDTH, WN_NONE, 0, 0, 0, NULL };
    t[Y] = (wn_tensor){ "y", WN_ROLE_TEMP, WN_F32, rows, columns, WN_NONE, 0, 0, 0, NULL };
    t[ROW] = (wn_tensor){ "row", WN_ROLE_WINDOW, WN_F32, 1, columns, Y, 0, 0, 0, NULL };
    t[OUT] = (wn_tensor){ "out", WN_ROLE_OUTPUT, WN_F32, 1, columns, WN_NONE, 0, 0, 0, NULL };
}

static const wn_op norm_op = { .kind = WN_OP_NORM,
                               .activation = WN_ACT_NONE,
                               .in = { X, WN_NONE, WN_NONE, WN_NONE },
                               .weight = { WN_NONE, WN_NONE },
                               .out = NORMED,
                               .i = { 1 },
                               .f = { 1e-6f } };
static const wn_op product_op = { .kind = WN_OP_LINEAR,
                                  .activation = WN_ACT_NONE,
                                  .in = { NORMED, WN_NONE, WN_NONE, WN_NONE },
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
enum { MOST_OPS = 3 }; /* the last but one is timed */

static const double spent_s = 1;

/* The work and the best time of op `timed`. */
static wn_status time_runs(const wn_device_api *api, wn_program *program, uint64_t timed, float *x, float *out,
                           wn_op_profile *best, wn_error *err)
{
    const wn_binding bindings[] = { { X, 0, x }, { OUT, 0, out } };
    wn_op_profile before[MOST_OPS], after[MOST_OPS];
    *best = (wn_op_profile){ .seconds = 1e30 };
    api->profile(program, before, MOST_OPS); /* from here on it counts */
    const double start = clock_seconds();
    for (int i = 0; i < LEAST_RUNS || clock_seconds() - start < spent_s; i++) {
        api->profile(program, before, MOST_OPS);
        WN_TRY(api->run(program, 1, bindings, 2, err));
        api->profile(program, after, MOST_OPS);
        const double seconds = after[timed].seconds - before[timed].seconds;
        if (i > 0 && seconds > 0 && seconds < best->seconds)
            *best = (wn_op_profile){ "", seconds, after[timed].flops - before[timed].flops,
                                     after[timed].bytes - before[timed].bytes };
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
        status = time_runs(d->api, program, graph->op_count - 2, x, out, best, err);
    d->api->free_program(program);
    free(x);
    free(out);
    return status;
}

/* bf16, of either sign, about 0.01; malloc'd. */
static uint16_t *make_weight(uint64_t count)
{
    uint16_t *values = malloc(count * sizeof *values);
    for (uint64_t i = 0; values && i < count; i++)
        values[i] = (uint16_t)(0x3c00 + i % 511 + (i % 2 ? 0x8000 : 0));
    return values;
}

/* In every way of the device; in the best one at the end. */
static wn_status measure_ways(const struct device_session *d, const wn_graph *graph, int64_t dtype,
                              struct bench_peaks *peaks, wn_error *err)
{
    const bool has_ways = WN_HAS(wn_device_api, d->api, choose_way) && d->api->choose_way;
    wn_op_profile best;
    do {
        struct bench_way *way = &peaks->ways[peaks->way_count];
        way->name = has_ways ? d->api->choose_way(d->device, dtype, peaks->way_count) : NULL;
        if (has_ways && !way->name)
            break;
        WN_TRY(measure(d, graph, dtype, &best, err));
        way->flops = best.flops / best.seconds;
        peaks->product = way->flops > peaks->product ? way->flops : peaks->product;
    } while (++peaks->way_count < BENCH_WAYS && has_ways);
    if (has_ways)
        (void)d->api->choose_way(d->device, dtype, 0);
    return WN_OK;
}

static wn_status measure_product(const struct device_session *d, int64_t dtype, struct bench_peaks *peaks,
                                 wn_error *err)
{
    wn_tensor tensors[TENSORS];
    const wn_op ops[] = { norm_op, product_op, leave_op };
    uint16_t *values = make_weight(peaks->columns * WIDTH);
    if (!values)
        return wn_fail(err, WN_E_MEMORY, "no memory for a weight");
    const wn_weight weight = { "W", peaks->columns, WIDTH, { { values, WN_BF16, 1, peaks->columns } }, 1 };
    make_tensors(tensors, peaks->rows, peaks->columns);
    const wn_graph graph = { sizeof graph, "product", tensors, TENSORS, &weight, 1, ops, 3 };
    const wn_status status = measure_ways(d, &graph, dtype, peaks, err);
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
    *peaks = (struct bench_peaks){ .rows = is_large ? LARGE_ROWS : SMALL_ROWS,
                                   .depth = WIDTH,
                                   .columns = is_large ? LARGE_OUT : SMALL_OUT };
    WN_TRY(measure_product(device, dtype, peaks, err));
    return measure_copy(device, LARGE_ROWS * (is_large ? 16 : 2), &peaks->copy, err);
}
