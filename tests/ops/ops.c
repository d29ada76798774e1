/* ops.c - every op of device.h on the cpu device, f32 and bf16, against the double-precision reference.
 *
 * Shapes are the hostile ones: one row, sizes just off the tiles (6 rows, 64 columns, 128 keys, vectors of 4, 8, 16),
 * windows with odd strides. CMakeLists.txt runs the program once for each instruction set, and tests/vulkan for the
 * vulkan device; `--few` takes a small part of the shapes, for drivers on which all would take minutes. `--bench`
 * prints speeds (bench.c). Bounds stand beside the worst error seen on any path.
 */
#include "bench.h"
#include "check.h"
#include "harness.h"

static const int64_t dtypes[2] = { WN_F32, WN_BF16 };
static int is_few;

/* Worst seen: f32 2.6e-13 (257 products that cancel); bf16 3.4e-14 against rounded operands. */
static void check_products(const struct maker *m)
{
    harness_check(m, WN_F32, 5e-13);
    harness_check(m, WN_BF16, 2e-12);
    if (harness_is_vulkan())
        harness_check(m, WN_F16, 2e-12);
}

/* ---- linear ------------------------------------------------------------------------------------------------- */

static void linear_plain(uint64_t rows, uint64_t in, uint64_t out)
{
    struct maker m;
    maker_begin(&m, "linear", rows * 7 + in * 3 + out);
    uint32_t x = maker_input(&m, "x", rows, in, 0), y = maker_output(&m, "y", rows, out);
    wn_op *op = maker_op(&m, WN_OP_LINEAR, x, y);
    op->weight[0] = maker_weight_f32(&m, out, in);
    check_products(&m);
    maker_end(&m);
}

/* All epilogues at once, operands in windows of odd stride, residual in place or not. */
static void linear_full(int32_t activation, int is_in_place, uint64_t rows)
{
    struct maker m;
    maker_begin(&m, "linear, all epilogues", (uint64_t)activation);
    const uint64_t in = 35, out = 70;
    uint32_t wide = maker_input(&m, "wide", rows + 2, in + 6, 0), mul = maker_input(&m, "mul", rows, out + 3, 0);
    uint32_t x = maker_window(&m, wide, 1, rows, 5, in), gate = maker_input(&m, "gate", 1, out, WN_TENSOR_SHARED);
    uint32_t stream = maker_input(&m, "stream", rows + 1, out + 1, 0),
             place = maker_window(&m, stream, 1, rows, 1, out);
    uint32_t y = maker_output(&m, "y", rows, out);
    wn_op *op = maker_op(&m, WN_OP_LINEAR, x, is_in_place ? place : y);
    op->activation = activation;
    op->in[1] = maker_window(&m, mul, 0, rows, 3, out);
    op->in[2] = gate;
    op->in[3] = place;
    op->weight[0] = maker_weight(&m, out, in, 4, (const int32_t[]){ WN_BF16, WN_F16, WN_F8_E4M3, WN_F8_E5M2 });
    op->weight[1] = maker_weight(&m, out, 1, 2, (const int32_t[]){ WN_F32, WN_BF16 });
    if (is_in_place)
        maker_op(&m, WN_OP_COPY, place, y);
    check_products(&m);
    maker_end(&m);
}

/* blocks_to_f32, which the reference uses, is compared with the gguf package in tests/weights. */
static void linear_quantised(int32_t dtype, uint64_t rows)
{
    struct maker m;
    maker_begin(&m, "linear, quantised", (uint64_t)dtype);
    uint32_t x = maker_input(&m, "x", rows, 512, 0), y = maker_output(&m, "y", rows, 37);
    maker_op(&m, WN_OP_LINEAR, x, y)->weight[0] = maker_weight(&m, 37, 512, 2, (const int32_t[]){ dtype, dtype });
    check_products(&m);
    maker_end(&m);
}

static void test_linear(void)
{
    static const uint64_t sides[] = { 1, 7, 8, 33, 257 };
    if (is_few) {
        linear_plain(1, 7, 33);
        linear_plain(70, 33, 65);
        linear_full(WN_ACT_SILU, 1, 13);
        linear_full(WN_ACT_GELU_TANH, 0, 1);
        return;
    }
    linear_plain(4608, 7, 3);
    for (int i = 0; i < 5; i++) {
        for (int k = 0; k < 5; k++)
            linear_plain(sides[i], sides[k], sides[(i + k) % 5]);
    }
    for (int32_t dtype = WN_Q8_0; dtype <= WN_Q6_K; dtype++) {
        linear_quantised(dtype, 13);
        linear_quantised(dtype, 1);
    }
    linear_plain(200, 800, 65);  /* more than one chunk of rows and block of k */
    linear_plain(48, 64, 80);    /* everything aligned */
    linear_plain(520, 40, 1028); /* the largest tiles, not full */
    for (int32_t activation = WN_ACT_NONE; activation <= WN_ACT_TANH; activation++) {
        linear_full(activation, activation % 2, 13);
        linear_full(activation, activation % 2, 1); /* the vector path */
    }
}

/* ---- rows --------------------------------------------------------------------------------------------------- */

/* Worst seen: 2e-14. */
#define ROW_BOUND 2e-13

static void norm(int64_t kind, int is_modulated, int has_weight, uint64_t cols)
{
    struct maker m;
    maker_begin(&m, kind == 1 ? "layer norm" : "rms norm", cols);
    uint32_t wide = maker_input(&m, "wide", 9, cols + 3, 0), x = maker_window(&m, wide, 2, 7, 1, cols);
    uint32_t y = maker_output(&m, "y", 7, cols);
    wn_op *op = maker_op(&m, WN_OP_NORM, x, y);
    op->i[0] = kind;
    op->f[0] = 1e-6f;
    if (is_modulated) {
        op->in[1] = maker_input(&m, "scale", 1, cols, 0);
        op->in[2] = maker_input(&m, "shift", 1, cols, WN_TENSOR_SHARED);
    } else if (has_weight) {
        op->weight[0] = maker_vector(&m, cols);
        op->weight[1] = maker_vector(&m, cols);
    }
    harness_check(&m, WN_F32, ROW_BOUND);
    maker_end(&m);
}

static void head_norm_rope(uint64_t heads, uint64_t size, int has_weight, int has_table)
{
    struct maker m;
    maker_begin(&m, "head norm and rope", heads * size);
    uint32_t wide = maker_input(&m, "qkv", 11, heads * size * 2 + 1, 0),
             x = maker_window(&m, wide, 1, 9, 1, heads * size);
    uint32_t y = maker_output(&m, "y", 11, heads * size * 2 + 1);
    wn_op *op = maker_op(&m, WN_OP_HEAD_NORM_ROPE, x, x);
    op->i[0] = (int64_t)heads;
    op->f[0] = 1e-6f;
    if (has_weight)
        op->weight[0] = maker_vector(&m, size);
    if (has_table)
        op->in[1] = maker_constant(&m, 9, size);
    maker_op(&m, WN_OP_COPY, wide, y);
    harness_check(&m, WN_F32, ROW_BOUND);
    maker_end(&m);
}

static void group_norm(uint64_t rows, uint64_t cols, int64_t groups, int32_t activation, int is_in_place)
{
    struct maker m;
    maker_begin(&m, "group norm", rows + cols);
    uint32_t x = maker_input(&m, "x", rows, cols, 0), y = maker_output(&m, "y", rows, cols);
    wn_op *op = maker_op(&m, WN_OP_GROUP_NORM, x, is_in_place ? x : y);
    op->i[0] = groups;
    op->f[0] = 1e-6f;
    op->activation = activation;
    op->weight[0] = maker_vector(&m, cols);
    op->weight[1] = maker_vector(&m, cols);
    if (is_in_place)
        maker_op(&m, WN_OP_COPY, x, y);
    harness_check(&m, WN_F32, ROW_BOUND);
    maker_end(&m);
}

/* In parts: the moments of two parts of a picture, a table of both, a part normalised by it. */
static void group_parts(uint64_t chunk, uint64_t chunks, uint64_t cols, int64_t groups, int has_weights)
{
    struct maker m;
    maker_begin(&m, "group norm in parts", chunk * chunks + cols);
    const uint64_t rows = chunk * chunks, half = chunks / 2;
    uint32_t wide = maker_input(&m, "x", rows + 1, cols + 3, 0), x = maker_window(&m, wide, 1, rows, 2, cols);
    uint32_t moments = maker_output(&m, "moments", chunks, 2 * (uint64_t)groups),
             table = maker_output(&m, "table", 3, cols);
    for (int i = 0; i < 2; i++) {
        const uint64_t first = i ? half : 0, count = i ? chunks - half : half;
        wn_op *op = maker_op(&m, WN_OP_GROUP_MOMENTS, maker_window(&m, wide, 1 + first * chunk, count * chunk, 2, cols),
                             maker_window(&m, moments, first, count, 0, 2 * (uint64_t)groups));
        op->i[0] = groups;
        op->i[1] = (int64_t)chunk;
    }
    wn_op *op = maker_op(&m, WN_OP_GROUP_TABLE, moments, table);
    op->i[0] = groups;
    op->i[1] = (int64_t)chunk;
    op->f[0] = 1e-6f;
    if (has_weights) {
        op->weight[0] = maker_vector(&m, cols);
        op->weight[1] = maker_vector(&m, cols);
    }
    op = maker_op(&m, WN_OP_GROUP_NORM, x, maker_output(&m, "y", rows, cols));
    op->in[1] = table;
    op->i[0] = 1;
    op->activation = WN_ACT_SILU;
    harness_check(&m, WN_F32, ROW_BOUND);
    maker_end(&m);
}

static void test_norms(void)
{
    static const uint64_t cols[] = { 1, 7, 8, 33, 257 };
    for (int i = is_few ? 3 : 0; i < (is_few ? 4 : 5); i++) {
        norm(1, 0, 1, cols[i]);
        norm(1, 1, 0, cols[i]);
        norm(2, 0, 1, cols[i]);
        norm(2, 0, 0, cols[i]);
    }
    head_norm_rope(3, 32, 1, 1);
    if (is_few) {
        group_norm(70, 14, 1, WN_ACT_GELU_ERF, 1);
        group_parts(10, 5, 14, 7, 1);
        return;
    }
    head_norm_rope(2, 10, 1, 1);
    head_norm_rope(1, 64, 0, 1);
    head_norm_rope(5, 7, 1, 0);
    group_norm(257, 32, 8, WN_ACT_SILU, 0);
    group_norm(600, 36, 4, WN_ACT_NONE, 1); /* more than one chunk of rows */
    group_norm(4608, 6, 2, WN_ACT_NONE, 0);
    group_norm(1, 33, 33, WN_ACT_NONE, 0);
    group_norm(33, 14, 1, WN_ACT_GELU_ERF, 0);
    group_parts(1, 2, 33, 1, 1);
    group_parts(70, 40, 32, 8, 0);
    group_parts(3, 700, 12, 3, 1);
}

/* ---- attention ---------------------------------------------------------------------------------------------- */

/* Queries, keys and values are windows of one matrix; the result goes into a window. Worst seen: f32 2.4e-12, bf16 7e-7
 * (the weights are rounded relative to the largest score of their block). */
static void attention(uint64_t rows, uint64_t keys, uint64_t heads, uint64_t size, int is_causal, int has_bias)
{
    struct maker m;
    maker_begin(&m, "attention", rows * keys + heads * size);
    uint64_t cols = heads * size;
    uint32_t q = maker_input(&m, "q", rows, cols + 1, 0), kv = maker_input(&m, "kv", keys, 2 * cols + 3, 0);
    uint32_t y = maker_output(&m, "y", rows, cols + 5), place = maker_window(&m, y, 0, rows, 5, cols);
    maker_op(&m, WN_OP_UNARY, maker_constant(&m, rows, cols + 5), y)->f[2] = 1;
    wn_op *op = maker_op(&m, WN_OP_ATTENTION, maker_window(&m, q, 0, rows, 1, cols), place);
    op->in[1] = maker_window(&m, kv, 0, keys, 1, cols);
    op->in[2] = maker_window(&m, kv, 0, keys, cols + 2, cols);
    op->i[0] = (int64_t)heads;
    op->i[1] = is_causal;
    op->f[0] = 0.7f;
    if (has_bias)
        op->in[3] = maker_constant(&m, heads, rows + keys - 1);
    harness_check(&m, WN_F32, 2e-11);
    harness_check(&m, WN_BF16, 3e-5);
    maker_end(&m);
}

static void test_attention(void)
{
    attention(1, 1, 1, 1, 0, 0);
    attention(7, 8, 3, 33, 0, 0);
    attention(33, 33, 2, 16, 1, 0);
    if (is_few)
        return;
    attention(3, 4608, 1, 8, 0, 0);
    attention(48, 48, 6, 32, 0, 0);
    attention(77, 77, 2, 64, 1, 1);
    attention(5, 257, 1, 40, 0, 1);
    attention(130, 130, 1, 7, 1, 0);
    attention(50, 200, 2, 65, 0, 1);
}

/* ---- convolutions ------------------------------------------------------------------------------------------- */

struct conv_case {
    int64_t h, w, kernel, stride, before, after, up;
    uint64_t in, out;
    int64_t first, last; /* rows that are left out */
};

static void conv(const struct conv_case *c, int is_window)
{
    struct maker m;
    maker_begin(&m, "conv", (uint64_t)(c->h * 31 + c->w) + c->in);
    uint64_t rows = (uint64_t)(c->h * c->w);
    int64_t oh = (c->h * c->up + c->before + c->after - c->kernel) / c->stride + 1 - c->first - c->last;
    int64_t ow = (c->w * c->up + c->before + c->after - c->kernel) / c->stride + 1;
    uint32_t wide = maker_input(&m, "x", rows, c->in + (is_window ? 3 : 0), 0);
    uint32_t x = is_window ? maker_window(&m, wide, 0, rows, 2, c->in) : wide;
    uint32_t residual = maker_input(&m, "residual", (uint64_t)(oh * ow), c->out, 0);
    wn_op *op = maker_op(&m, WN_OP_CONV, x, maker_output(&m, "y", (uint64_t)(oh * ow), c->out));
    const int64_t geometry[8] = { c->h, c->w, c->kernel, c->stride, c->before, c->after, c->up, c->first };
    memcpy(op->i, geometry, sizeof geometry);
    op->in[3] = residual;
    op->activation = WN_ACT_SILU;
    op->weight[0] =
        maker_weight(&m, c->out, c->in * (uint64_t)(c->kernel * c->kernel), 1, (const int32_t[]){ WN_BF16 });
    op->weight[1] = maker_vector(&m, c->out);
    check_products(&m);
    maker_end(&m);
}

static void test_conv(void)
{
    static const struct conv_case cases[] = {
        { 8, 8, 3, 1, 1, 1, 1, 16, 32, 0, 0 },  { 7, 5, 3, 1, 1, 1, 1, 3, 65, 0, 0 },
        { 6, 9, 3, 1, 1, 1, 2, 7, 33, 0, 0 },   { 8, 10, 3, 2, 0, 1, 1, 8, 8, 0, 0 },
        { 1, 1, 1, 1, 0, 0, 1, 5, 7, 0, 0 },    { 14, 21, 7, 7, 0, 0, 1, 3, 24, 0, 0 },
        { 9, 8, 3, 1, 0, 0, 1, 4, 10, 0, 0 },   { 5, 4, 3, 3, 2, 1, 2, 1, 1, 0, 0 },
        { 16, 16, 3, 1, 1, 1, 1, 33, 3, 0, 0 }, { 8, 10, 3, 1, 1, 1, 1, 8, 12, 3, 2 },
        { 8, 6, 3, 2, 0, 1, 1, 4, 5, 1, 0 },    { 5, 7, 3, 1, 1, 1, 2, 6, 5, 1, 4 },
    };
    for (uint64_t i = is_few ? 1 : 0; i < (is_few ? 4 : sizeof cases / sizeof *cases); i++)
        conv(&cases[i], i % 2);
    if (is_few)
        return;
    conv(&cases[5], 1); /* patches that are not contiguous */
    conv(&cases[5], 0);
}

/* ---- long sums ------------------------------------------------------------------------------------------------ */

/* Where a kernel's loops take most turns: software drivers end them early without a word. Worst seen: 1.4e-11. */
#define LONG_BOUND 3e-11

/* Values are the keys: one matrix for all items. */
static void long_attention(uint64_t keys, uint64_t size)
{
    struct maker m;
    maker_begin(&m, "attention, many keys", keys);
    uint32_t q = maker_input(&m, "q", 2, size, 0), k = maker_input(&m, "k", keys, size, WN_TENSOR_SHARED);
    wn_op *op = maker_op(&m, WN_OP_ATTENTION, q, maker_output(&m, "y", 2, size));
    op->in[1] = op->in[2] = k;
    op->i[0] = 1;
    op->f[0] = 0.044f;
    harness_check(&m, WN_F32, LONG_BOUND);
    maker_end(&m);
}

static void long_linear(uint64_t in)
{
    struct maker m;
    maker_begin(&m, "linear, long", in);
    uint32_t x = maker_input(&m, "x", 3, in, 0);
    maker_op(&m, WN_OP_LINEAR, x, maker_output(&m, "y", 3, 5))->weight[0] = maker_weight_f32(&m, 5, in);
    harness_check(&m, WN_F32, LONG_BOUND);
    maker_end(&m);
}

static void test_long(void)
{
    static const uint64_t keys[] = { 256, 512, 1024, 1700, 16384 };
    for (int i = 0; i < 5; i++)
        long_attention(keys[i], 512);
    long_attention(1700, 64);
    long_attention(1100, 131);
    long_linear(15360);
    conv(&(struct conv_case){ 2, 2, 3, 1, 1, 1, 1, 2048, 5, 0, 0 }, 0);
}

/* ---- the rest ----------------------------------------------------------------------------------------------- */

static void unary(int32_t activation, uint64_t cols)
{
    struct maker m;
    maker_begin(&m, "unary", cols + (uint64_t)activation);
    uint32_t x = maker_input(&m, "x", 3, cols, 0);
    wn_op *op = maker_op(&m, WN_OP_UNARY, x, maker_output(&m, "y", 3, cols));
    const float f[4] = { 3.5f, -0.25f, 1.5f, 0.125f };
    op->activation = activation;
    memcpy(op->f, f, sizeof f);
    harness_check(&m, WN_F32, ROW_BOUND);
    maker_end(&m);
}

static void binary(int64_t kind, uint64_t b_rows, int is_in_place)
{
    struct maker m;
    const uint64_t rows = b_rows == 1 ? 9 : b_rows;
    maker_begin(&m, "binary", b_rows);
    uint32_t a = maker_input(&m, "a", rows, 37, 0), b = maker_input(&m, "b", b_rows, 41, 0);
    uint32_t y = maker_output(&m, "y", rows, 37);
    wn_op *op = maker_op(&m, WN_OP_BINARY, a, is_in_place ? a : y);
    op->in[1] = maker_window(&m, b, 0, b_rows, 4, 37);
    op->i[0] = kind;
    if (is_in_place)
        maker_op(&m, WN_OP_COPY, a, y);
    harness_check(&m, WN_F32, ROW_BOUND);
    maker_end(&m);
}

static void tables(void)
{
    struct maker m;
    maker_begin(&m, "embed, pick row, weight", 5);
    uint32_t ids = maker_ids(&m, "ids", 8), row = maker_ids(&m, "row", 1), y = maker_output(&m, "y", 8, 33);
    uint32_t last = maker_output(&m, "last", 1, 33), rows = maker_temp(&m, 12, 33),
             all = maker_output(&m, "all", 12, 33);
    wn_op *op = maker_op(&m, WN_OP_EMBED, ids, y);
    op->weight[0] = maker_weight(&m, 5, 33, 2, (const int32_t[]){ WN_F16, WN_F32 });
    op->weight[1] = maker_weight_f32(&m, 10, 33);
    op = maker_op(&m, WN_OP_WEIGHT, WN_NONE, maker_window(&m, rows, 0, 4, 0, 33));
    op->weight[0] = maker_weight(&m, 4, 33, 1, (const int32_t[]){ WN_F8_E4M3 });
    maker_op(&m, WN_OP_COPY, y, maker_window(&m, rows, 4, 8, 0, 33));
    op = maker_op(&m, WN_OP_PICK_ROW, rows, last);
    op->in[1] = row;
    maker_op(&m, WN_OP_COPY, rows, all);
    harness_check(&m, WN_F32, ROW_BOUND);
    maker_end(&m);
}

static void test_elements(void)
{
    for (int32_t activation = WN_ACT_NONE; activation <= WN_ACT_TANH; activation++) {
        if (!is_few || activation == WN_ACT_TANH)
            unary(activation, 33);
        if (!is_few)
            unary(activation, 1);
    }
    binary(1, is_few ? 9 : 4608, 0);
    binary(2, 1, 1);
    tables();
}

/* ---- planning ----------------------------------------------------------------------------------------------- */

/* A random chain in which temporaries of many sizes are born, read late, and die: wrong sharing shows as a wrong sum.
 */
static void lifetimes(uint64_t seed)
{
    struct maker m;
    maker_begin(&m, "lifetimes", seed);
    enum { STEPS = 24 };
    uint32_t made[STEPS + 1], x = maker_input(&m, "x", 5, 40, 0), y = maker_output(&m, "y", 5, 40);
    uint64_t pick = seed;
    made[0] = x;
    for (int i = 1; i <= STEPS; i++) {
        uint32_t a = made[(int)((maker_random(&pick) + 1) * 0.4999f * (float)i)], b = made[i - 1];
        made[i] = maker_temp(&m, 5, 40);
        wn_op *op = maker_op(&m, WN_OP_BINARY, a, made[i]);
        op->in[1] = b;
        op->i[0] = 1;
    }
    maker_op(&m, WN_OP_UNARY, made[STEPS], y)->f[0] = 1e-3f;
    m.op[m.ops - 1].f[2] = 1;
    for (int d = 0; d < 2; d++)
        harness_check(&m, dtypes[d], ROW_BOUND);
    maker_end(&m);
}

/* ---- refusals ----------------------------------------------------------------------------------------------- */

static void test_refusals(void)
{
    struct maker m;
    maker_begin(&m, "wrong", 1);
    uint32_t x = maker_input(&m, "x", 4, 8, 0), y = maker_output(&m, "y", 4, 16);
    wn_op *op = maker_op(&m, WN_OP_LINEAR, x, y);
    harness_refuses(&m, WN_E_ARG, "graph \"wrong\", op 0 (linear \"y\")", "weight 0 is missing");
    op->weight[0] = maker_weight_f32(&m, 16, 9);
    harness_refuses(&m, WN_E_ARG, "[16, 9]", "[16, 8]");
    m.weight[0].cols = 8;
    m.weight[0].part[0].rows = 15;
    harness_refuses(&m, WN_E_ARG, "15 rows", "16");
    m.weight[0].part[0].rows = 16;
    op->in[3] = x;
    harness_refuses(&m, WN_E_ARG, "residual \"x\" is [4, 8]", "[4, 16]");
    op->in[3] = WN_NONE;
    op->in[0] = 99;
    harness_refuses(&m, WN_E_ARG, "input 0 is tensor 99 of 2", "");
    op->in[0] = maker_window(&m, x, 1, 4, 0, 8);
    harness_refuses(&m, WN_E_ARG, "leaves its base \"x\"", "");
    m.tensors = 2;
    op->in[0] = maker_temp(&m, 4, 8);
    harness_refuses(&m, WN_E_ARG, "read before anything was written", "temp");
    op->in[0] = x;
    m.tensor[x].flags = WN_TENSOR_SHARED;
    op = maker_op(&m, WN_OP_UNARY, x, x);
    harness_refuses(&m, WN_E_ARG, "shared input", "");
    maker_end(&m);
    maker_begin(&m, "wrong", 1);
    op = maker_op(&m, WN_OP_GROUP_TABLE, maker_input(&m, "moments", 4, 2, 0), maker_output(&m, "table", 3, 8));
    op->i[0] = 1;
    op->i[1] = 1 << 29;
    harness_refuses(&m, WN_E_ARG, "4 chunks of 536870912 rows", "at most 2^31-1");
    maker_end(&m);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--bench") == 0)
        return bench_run(argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0);
    is_few = argc > 1 && strcmp(argv[1], "--few") == 0;
    harness_open();
    printf("%s\n", harness_paths());
    test_linear();
    test_norms();
    test_attention();
    test_conv();
    if (!is_few)
        test_long();
    test_elements();
    for (uint64_t seed = 1; seed <= (is_few ? 1 : 6); seed++)
        lifetimes(seed);
    test_refusals();
    harness_close();
    return CHECK_DONE();
}
