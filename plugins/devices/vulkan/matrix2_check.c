/* matrix2_check.c - are products on matrices of whole groups right on this device?
 *
 * VK_NV_cooperative_matrix2 is one vendor's, young, and leaves nearly everything to the driver's compiler. So it is not
 * taken at its word: when a device is opened, one product of each type is multiplied, ragged at every edge, of the
 * largest tile. Its sums are exact in float32 in any order, so one wrong bit is enough to go on without the extension.
 * Costs two pipelines at the first start, which the pipeline cache then holds.
 */
#include "product.h"

#include <stdlib.h>

enum { DEPTH = 2 * 64 + 8, MORE = 8, MOST = 4 * 256 + MORE, STEP = 37 };
enum { X, NORMED, Y, TENSORS }; /* the norm of rows of 1 and -1 is that row, stored in 16 bits */

struct check {
    uint32_t rows, cols;
    float x[MOST * DEPTH], y[MOST * MOST];
    uint16_t w[MOST * DEPTH]; /* bfloat16 */
};

static uint32_t mixed(uint32_t i)
{
    i = (i ^ i >> 16) * 0x45d9f3bu;
    i = (i ^ i >> 16) * 0x45d9f3bu;
    return i ^ i >> 16;
}

static float x_at(uint32_t row, uint32_t k)
{
    return mixed(row * DEPTH + k) % 2 ? 1.0f : -1.0f;
}

/* Sixteenths, of which bfloat16 and float16 have all up to a half. */
static float w_at(uint32_t col, uint32_t k)
{
    return ((float)(mixed(0x10000000u + col * DEPTH + k) % 17) - 8.0f) / 16.0f;
}

static uint16_t bf16_of(float value)
{
    union {
        float value;
        uint32_t bits;
    } as = { value };
    return (uint16_t)(as.bits >> 16);
}

static void fill(struct check *c)
{
    for (uint32_t i = 0; i < c->rows * DEPTH; i++)
        c->x[i] = x_at(i / DEPTH, i % DEPTH);
    for (uint32_t i = 0; i < c->cols * DEPTH; i++)
        c->w[i] = bf16_of(w_at(i / DEPTH, i % DEPTH));
}

/* Some rows, and all of the last tile's. */
static uint32_t row_after(const struct check *c, uint32_t row)
{
    const uint32_t last = c->rows - MORE;
    return row >= last ? row + 1 : row + STEP < last ? row + STEP : last;
}

static wn_status compare(const struct check *c, wn_error *err)
{
    for (uint32_t r = 0; r < c->rows; r = row_after(c, r)) {
        for (uint32_t n = 0; n < c->cols; n++) {
            float sum = 0;
            for (uint32_t k = 0; k < DEPTH; k++)
                sum += x_at(r, k) * w_at(n, k);
            if (c->y[r * c->cols + n] != sum)
                return wn_fail(err, WN_E_DEVICE, "row %u, column %u is %g, not %g", r, n, (double)c->y[r * c->cols + n],
                               (double)sum);
        }
    }
    return WN_OK;
}

static wn_status multiply(wn_device *device, int64_t dtype, struct check *c, wn_error *err)
{
    const wn_tensor tensors[TENSORS] = {
        { "x", WN_ROLE_INPUT, WN_F32, c->rows, DEPTH, WN_NONE, 0, 0, 0, NULL },
        { "normed", WN_ROLE_TEMP, WN_F32, c->rows, DEPTH, WN_NONE, 0, 0, 0, NULL },
        { "y", WN_ROLE_OUTPUT, WN_F32, c->rows, c->cols, WN_NONE, 0, 0, 0, NULL },
    };
    const wn_weight weight = { "W", c->cols, DEPTH, { { c->w, WN_BF16, 1, c->cols } }, 1 };
    const wn_op ops[] = { { .kind = WN_OP_NORM,
                            .in = { X, WN_NONE, WN_NONE, WN_NONE },
                            .weight = { WN_NONE, WN_NONE },
                            .out = NORMED,
                            .activation = WN_ACT_NONE,
                            .i = { 2 },
                            .f = { 1e-12f } },
                          { .kind = WN_OP_LINEAR,
                            .in = { NORMED, WN_NONE, WN_NONE, WN_NONE },
                            .weight = { 0, WN_NONE },
                            .out = Y,
                            .activation = WN_ACT_NONE } };
    const wn_graph graph = { sizeof graph, "matrices of groups", tensors, TENSORS, &weight, 1, ops, 2 };
    const wn_compile_options options = { sizeof options, dtype, 1 };
    const wn_binding bindings[] = { { X, 0, c->x }, { Y, 0, c->y } };
    wn_program *program = NULL;
    WN_TRY(program_compile(device, &graph, &options, &program, err));
    const wn_status status = program_run(program, 1, bindings, 2, err);
    program_free(program);
    return status == WN_OK ? compare(c, err) : status;
}

wn_status matrix2_check(wn_device *device, wn_error *err)
{
    static const int64_t types[2] = { WN_F16, WN_BF16 };
    static const int32_t components[2] = { COMPONENT_F16, COMPONENT_BF16 };
    wn_status status = WN_OK;
    struct group_shape tile;
    struct check *c = malloc(sizeof *c);
    if (!c)
        return wn_fail(err, WN_E_MEMORY, "out of memory");
    for (int i = 0; i < 2 && status == WN_OK; i++) {
        if (!product_tile2(device->caps, components[i], MOST, MOST, &tile))
            continue;
        c->rows = 4 * tile.shape.m + MORE;
        c->cols = 4 * tile.shape.n + MORE;
        fill(c);
        status = multiply(device, types[i], c, err);
    }
    free(c);
    return status;
}
