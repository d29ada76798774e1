/* matrix.c - products and attention on matrix units (vulkan's cooperative matrices) against the double-precision
 * reference, in the types that the device has units for. Shapes lie just off the fragments and tiles, or are whole
 * numbers of them, where kernels load and store 16 bytes at once.
 *
 * `quick`: products and one block with attention, since a software driver takes a minute to compile the rest. `groups`:
 * the device must have matrices of whole groups; `wrong`: it must have noticed that they come out wrong (units.c).
 * Skipped (77) where the device has none; modern_vulkan.sh runs it on a software driver that does. Bounds stand beside
 * the worst error seen there (fragments of 8 x 8 x 8).
 */
#include "check.h"
#include "harness.h"

static int64_t dtype; /* at hand */

/* Worst seen: f16 2.9e-14. */
#define PRODUCT_BOUND 5e-13

/* Activations between are rounded. Worst seen: f16 8.8e-11, bf16 (see units.c) 7.4e-10. */
#define STORED_BOUND (dtype == WN_F16 ? 2e-9 : 5e-8)

static void linear(uint64_t rows, uint64_t in, uint64_t out, int32_t activation)
{
    struct maker m;
    maker_begin(&m, "linear", rows * 7 + in * 3 + out);
    uint32_t x = maker_input(&m, "x", rows, in, 0), y = maker_output(&m, "y", rows, out);
    wn_op *op = maker_op(&m, WN_OP_LINEAR, x, y);
    op->activation = activation;
    op->weight[0] = maker_weight_f32(&m, out, in);
    op->weight[1] = maker_vector(&m, out);
    harness_check(&m, dtype, PRODUCT_BOUND);
    maker_end(&m);
}

/* The residual stream is written in place; mul is a part of a wider matrix. */
static void linear_full(uint64_t rows, uint64_t in, uint64_t out, uint64_t extra)
{
    struct maker m;
    maker_begin(&m, "linear, all epilogues", rows + in + out);
    uint32_t x = maker_input(&m, "x", rows, in, 0), mul = maker_input(&m, "mul", rows, out + extra, 0);
    uint32_t gate = maker_input(&m, "gate", 1, out, 0), stream = maker_input(&m, "stream", rows + 1, out + extra, 0);
    uint32_t place = maker_window(&m, stream, 1, rows, extra, out), y = maker_output(&m, "y", rows, out);
    wn_op *op = maker_op(&m, WN_OP_LINEAR, x, place);
    op->activation = WN_ACT_GELU_TANH;
    op->in[1] = maker_window(&m, mul, 0, rows, extra, out);
    op->in[2] = gate;
    op->in[3] = place;
    op->weight[0] = maker_weight(&m, out, in, 2, (const int32_t[]){ WN_BF16, WN_F16 });
    op->weight[1] = maker_vector(&m, out);
    maker_op(&m, WN_OP_COPY, place, y);
    harness_check(&m, dtype, PRODUCT_BOUND);
    maker_end(&m);
}

/* Of values that are stored in 16 bits, as a norm leaves them, to such and to float32: in some devices the business of
 * whole groups. `out` is written as linear_full does. */
static void linear_stored(uint64_t rows, uint64_t in, uint64_t mid, uint64_t out)
{
    struct maker m;
    maker_begin(&m, "linear, stored", rows + in + mid + out);
    const uint64_t extra = 4;
    uint32_t x = maker_input(&m, "x", rows, in, 0), normed = maker_temp(&m, rows, in), wide = maker_temp(&m, rows, mid);
    uint32_t mul = maker_input(&m, "mul", rows, out + extra, 0), gate = maker_input(&m, "gate", 1, out, 0);
    uint32_t stream = maker_input(&m, "stream", rows + 1, out + extra, 0), y = maker_output(&m, "y", rows, out);
    uint32_t place = maker_window(&m, stream, 1, rows, extra, out);
    wn_op *op = maker_op(&m, WN_OP_NORM, x, normed);
    op->i[0] = 2;
    op->f[0] = 1e-6f;
    op = maker_op(&m, WN_OP_LINEAR, normed, wide);
    op->activation = WN_ACT_GELU_TANH;
    op->weight[0] = maker_weight_f32(&m, mid, in);
    op->weight[1] = maker_vector(&m, mid);
    op = maker_op(&m, WN_OP_LINEAR, wide, place);
    op->activation = WN_ACT_SILU;
    op->in[1] = maker_window(&m, mul, 0, rows, extra, out);
    op->in[2] = gate;
    op->in[3] = place;
    op->weight[0] = maker_weight(&m, out, mid, 2, (const int32_t[]){ WN_BF16, WN_F16 });
    maker_op(&m, WN_OP_COPY, place, y);
    harness_check(&m, dtype, STORED_BOUND);
    maker_end(&m);
}

static void test_stored(void)
{
    linear_stored(16, 16, 16, 16);
    linear_stored(65, 72, 136, 68);
    linear_stored(128, 64, 192, 64); /* whole tiles */
    linear_stored(70, 200, 24, 260);
}

static void linear_quantised(int32_t type)
{
    struct maker m;
    maker_begin(&m, "linear, quantised", (uint64_t)type);
    uint32_t x = maker_input(&m, "x", 18, 512, 0), y = maker_output(&m, "y", 18, 40);
    maker_op(&m, WN_OP_LINEAR, x, y)->weight[0] = maker_weight(&m, 40, 512, 1, &type);
    harness_check(&m, dtype, PRODUCT_BOUND);
    maker_end(&m);
}

static void test_linear(void)
{
    linear(16, 16, 16, WN_ACT_NONE);
    linear(33, 35, 17, WN_ACT_SILU);
    linear(48, 64, 80, WN_ACT_NONE);
    linear(65, 257, 63, WN_ACT_RELU);
    linear(520, 40, 516, WN_ACT_NONE); /* the large tiles, not full */
    linear_full(40, 72, 68, 4);
    linear_full(19, 33, 35, 3);
    for (int32_t type = WN_Q8_0; type <= WN_Q6_K; type++)
        linear_quantised(type);
}

static void conv(int64_t height, int64_t width, int64_t kernel, int64_t stride, int64_t up, uint64_t in, uint64_t out)
{
    struct maker m;
    maker_begin(&m, "conv", (uint64_t)(height * 31 + width) + in);
    const int64_t pad = kernel / 2, geometry[7] = { height, width, kernel, stride, pad, pad, up };
    const uint64_t oh = (uint64_t)((height * up + 2 * pad - kernel) / stride + 1);
    const uint64_t ow = (uint64_t)((width * up + 2 * pad - kernel) / stride + 1);
    uint32_t x = maker_input(&m, "x", (uint64_t)(height * width), in, 0);
    wn_op *op = maker_op(&m, WN_OP_CONV, x, maker_output(&m, "y", oh * ow, out));
    memcpy(op->i, geometry, sizeof geometry);
    op->in[3] = maker_input(&m, "residual", oh * ow, out, 0);
    op->activation = WN_ACT_SILU;
    op->weight[0] = maker_weight_f32(&m, out, in * (uint64_t)(kernel * kernel));
    op->weight[1] = maker_vector(&m, out);
    harness_check(&m, dtype, PRODUCT_BOUND);
    maker_end(&m);
}

/* Rows 1 to 4 of a convolution, in place of a residual, of what a norm wrote in 16 bits. An input of a product that
 * lies between two values may be rounded to the other one. Worst seen: f16 5.9e-15. */
static void conv_normed(void)
{
    struct maker m;
    maker_begin(&m, "conv of a norm", 1);
    uint32_t x = maker_input(&m, "x", 6 * 7, 32, 0), normed = maker_temp(&m, 6 * 7, 32);
    uint32_t stream = maker_input(&m, "stream", 5 * 7, 24, 0), place = maker_window(&m, stream, 7, 4 * 7, 0, 24);
    wn_op *op = maker_op(&m, WN_OP_GROUP_NORM, x, normed);
    op->activation = WN_ACT_SILU;
    op->in[1] = maker_input(&m, "table", 3, 32, 0);
    op->i[0] = 1;
    op = maker_op(&m, WN_OP_CONV, normed, place);
    memcpy(op->i, (const int64_t[]){ 6, 7, 3, 1, 1, 1, 1, 1 }, 8 * sizeof *op->i);
    op->in[3] = place;
    op->weight[0] = maker_weight_f32(&m, 24, 32 * 9);
    op->weight[1] = maker_vector(&m, 24);
    maker_op(&m, WN_OP_COPY, stream, maker_output(&m, "y", 5 * 7, 24));
    harness_check(&m, dtype, dtype == WN_F16 ? 1e-9 : 1e-7);
    maker_end(&m);
}

static void test_conv(void)
{
    conv_normed();
    conv(7, 6, 3, 1, 1, 16, 32);
    conv(5, 6, 3, 1, 2, 8, 20);
    conv(9, 10, 3, 2, 1, 24, 18);
    conv(6, 7, 3, 1, 1, 3, 17);
    conv(8, 8, 1, 1, 1, 40, 16);
}

/* Weights are rounded. Worst seen: f16 4.5e-8, bf16 (see units.c) 3.6e-6. */
#define ATTENTION_BOUND (dtype == WN_F16 ? 5e-7 : 3e-5)

static void attention(uint64_t rows, uint64_t keys, uint64_t heads, uint64_t size, int is_causal, int has_bias)
{
    struct maker m;
    maker_begin(&m, "attention", rows * keys + heads * size);
    const uint64_t cols = heads * size;
    uint32_t q = maker_input(&m, "q", rows, cols, 0), kv = maker_input(&m, "kv", keys, 2 * cols, 0);
    uint32_t y = maker_output(&m, "y", rows, cols);
    wn_op *op = maker_op(&m, WN_OP_ATTENTION, q, y);
    op->in[1] = maker_window(&m, kv, 0, keys, 0, cols);
    op->in[2] = maker_window(&m, kv, 0, keys, cols, cols);
    op->i[0] = (int64_t)heads;
    op->i[1] = is_causal;
    op->f[0] = 0.7f;
    if (has_bias)
        op->in[3] = maker_constant(&m, heads, rows + keys - 1);
    harness_check(&m, dtype, ATTENTION_BOUND);
    maker_end(&m);
}

static void test_attention(void)
{
    attention(70, 70, 2, 64, 1, 1);
    attention(17, 100, 2, 72, 0, 1);
    attention(40, 33, 1, 80, 0, 0);
    attention(64, 65, 2, 128, 0, 0);
}

/* Queries and keys of two streams with norms of their own in one matrix, as in a double block. `factor` scales the
 * scores: where their bound is small, no maxima are taken. */
static void bounded_attention(uint64_t heads, uint64_t size, float factor)
{
    struct maker m;
    maker_begin(&m, factor < 0.5f ? "attention, bounded" : "attention, normed", heads * size);
    const uint64_t rows[2] = { 21, 46 }, all = rows[0] + rows[1], cols = heads * size;
    uint32_t qkv = maker_input(&m, "qkv", all, 3 * cols, 0), y = maker_output(&m, "y", all, cols);
    for (int i = 0; i < 4; i++) { /* q and k of both streams */
        uint32_t part = maker_window(&m, qkv, i % 2 ? rows[0] : 0, rows[i % 2], i < 2 ? 0 : cols, cols);
        wn_op *op = maker_op(&m, WN_OP_HEAD_NORM_ROPE, part, part);
        op->i[0] = (int64_t)heads;
        op->f[0] = 1e-6f;
        op->weight[0] = maker_vector(&m, size);
    }
    wn_op *op = maker_op(&m, WN_OP_ATTENTION, maker_window(&m, qkv, 0, all, 0, cols), y);
    op->in[1] = maker_window(&m, qkv, 0, all, cols, cols);
    op->in[2] = maker_window(&m, qkv, 0, all, 2 * cols, cols);
    op->i[0] = (int64_t)heads;
    op->f[0] = factor / sqrtf((float)size);
    harness_check(&m, dtype, ATTENTION_BOUND);
    maker_end(&m);
}

/* As rounded as the activations. Worst seen: f16 9.9e-10, bf16 3.5e-8. */
#define BLOCK_BOUND (dtype == WN_F16 ? 1e-8 : 1e-6)

/* A transformer block: what lies between products is stored in 16 bits, the stream is not. */
static void block(uint64_t rows, uint64_t heads, uint64_t size)
{
    struct maker m;
    maker_begin(&m, "block, 16-bit storage", rows + heads * size);
    const uint64_t width = heads * size, mlp = 2 * width;
    uint32_t stream = maker_input(&m, "x", rows, width, 0), y = maker_output(&m, "y", rows, width);
    uint32_t shift = maker_input(&m, "shift", 1, width, 0), scale = maker_input(&m, "scale", 1, width, 0);
    uint32_t normed = maker_temp(&m, rows, width), qkv = maker_temp(&m, rows, 3 * width);
    uint32_t both = maker_temp(&m, rows, width + mlp), part[3], result = maker_window(&m, both, 0, rows, 0, width);
    wn_op *op = maker_op(&m, WN_OP_NORM, stream, normed);
    op->i[0] = 1;
    op->f[0] = 1e-6f;
    op->in[1] = scale;
    op->in[2] = shift;
    op = maker_op(&m, WN_OP_LINEAR, normed, qkv);
    op->weight[0] = maker_weight_f32(&m, 3 * width, width);
    op->weight[1] = maker_vector(&m, 3 * width);
    for (uint64_t i = 0; i < 3; i++)
        part[i] = maker_window(&m, qkv, 0, rows, i * width, width);
    for (int i = 0; i < 2; i++) {
        op = maker_op(&m, WN_OP_HEAD_NORM_ROPE, part[i], part[i]);
        op->i[0] = (int64_t)heads;
        op->f[0] = 1e-6f;
        op->weight[0] = maker_vector(&m, size);
    }
    op = maker_op(&m, WN_OP_ATTENTION, part[0], result);
    op->in[1] = part[1];
    op->in[2] = part[2];
    op->i[0] = (int64_t)heads;
    op->f[0] = 1 / sqrtf((float)size);
    op = maker_op(&m, WN_OP_LINEAR, normed, maker_window(&m, both, 0, rows, width, mlp));
    op->activation = WN_ACT_GELU_TANH;
    op->weight[0] = maker_weight_f32(&m, mlp, width);
    op = maker_op(&m, WN_OP_LINEAR, both, y);
    op->in[3] = stream;
    op->weight[0] = maker_weight_f32(&m, width, width + mlp);
    harness_check(&m, dtype, BLOCK_BOUND);
    maker_end(&m);
}

/* What only a whole device shows is left out where another run has it. */
static void test_all(const char *mode)
{
    test_stored();
    block(35, 2, 64);
    if (strcmp(mode, "wrong") == 0 || (strcmp(mode, "groups") == 0 && dtype == WN_F16))
        return;
    test_linear();
    test_conv();
    if (strcmp(mode, "quick") == 0)
        return;
    test_attention();
    bounded_attention(2, 64, 0.4f);
    bounded_attention(1, 72, 4.0f);
}

static void test_types(const char *paths, const char *mode)
{
    static const int64_t dtypes[2] = { WN_F16, WN_BF16 };
    static const char *const names[2] = { "f16", "bf16" };
    for (int i = 0; i < 2; i++) {
        char name[16];
        snprintf(name, sizeof name, "%s%s ", i ? "" : "matrices ", names[i]);
        if (!strstr(paths, name))
            continue;
        dtype = dtypes[i];
        test_all(mode);
    }
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";
    harness_open();
    setvbuf(stdout, NULL, _IOLBF, 0);
    const char *paths = harness_paths();
    printf("%s\n", paths);
    if (!strstr(paths, "cooperative matrices")) {
        fprintf(stderr, "SKIPPED: the device has no cooperative matrices\n");
        return 77;
    }
    CHECK(strcmp(mode, "groups") != 0 || strstr(paths, "of whole groups"));
    CHECK(strcmp(mode, "wrong") != 0 || !strstr(paths, "of whole groups"));
    test_types(paths, mode);
    harness_close();
    return CHECK_DONE();
}
