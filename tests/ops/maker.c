/* maker.c - see maker.h. The decoding of small floats is written apart from the device's, from the formats'
 * definitions. */
#include "maker.h"

#include <device/blocks.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

void maker_begin(struct maker *m, const char *name, uint64_t seed)
{
    memset(m, 0, sizeof *m);
    m->name = name;
    m->seed = seed;
}

void maker_end(struct maker *m)
{
    for (uint32_t i = 0; i < m->memories; i++)
        free(m->memory[i]);
}

float maker_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (float)(int32_t)(*seed >> 33) / 1073741824.0f - 1.0f;
}

static void *keep(struct maker *m, uint64_t bytes)
{
    return m->memory[m->memories++] = malloc(bytes);
}

static uint32_t add_tensor(struct maker *m, wn_tensor t)
{
    m->tensor[m->tensors] = t;
    return m->tensors++;
}

uint32_t maker_input(struct maker *m, const char *name, uint64_t rows, uint64_t cols, uint32_t flags)
{
    return add_tensor(m, (wn_tensor){ name, WN_ROLE_INPUT, WN_F32, rows, cols, WN_NONE, flags, 0, 0, NULL });
}

uint32_t maker_ids(struct maker *m, const char *name, uint64_t rows)
{
    return add_tensor(m, (wn_tensor){ name, WN_ROLE_INPUT, WN_I32, rows, 1, WN_NONE, 0, 0, 0, NULL });
}

uint32_t maker_temp(struct maker *m, uint64_t rows, uint64_t cols)
{
    return add_tensor(m, (wn_tensor){ "temp", WN_ROLE_TEMP, WN_F32, rows, cols, WN_NONE, 0, 0, 0, NULL });
}

uint32_t maker_output(struct maker *m, const char *name, uint64_t rows, uint64_t cols)
{
    return add_tensor(m, (wn_tensor){ name, WN_ROLE_OUTPUT, WN_F32, rows, cols, WN_NONE, 0, 0, 0, NULL });
}

uint32_t maker_constant(struct maker *m, uint64_t rows, uint64_t cols)
{
    float *data = keep(m, rows * cols * sizeof *data);
    for (uint64_t i = 0; i < rows * cols; i++)
        data[i] = maker_random(&m->seed);
    return add_tensor(m, (wn_tensor){ "constant", WN_ROLE_CONST, WN_F32, rows, cols, WN_NONE, 0, 0, 0, data });
}

uint32_t maker_window(struct maker *m, uint32_t base, uint64_t row0, uint64_t rows, uint64_t col0, uint64_t cols)
{
    return add_tensor(
        m, (wn_tensor){ "window", WN_ROLE_WINDOW, m->tensor[base].dtype, rows, cols, base, 0, row0, col0, NULL });
}

/* ---- weights ------------------------------------------------------------------------------------------------ */

static uint64_t bytes_of(int32_t dtype)
{
    return dtype == WN_F32 ? 4 : dtype == WN_F16 || dtype == WN_BF16 ? 2 : 1;
}

/* The bits of a finite random value of the type, at most about 1. */
static uint32_t random_bits(uint64_t *seed, int32_t dtype, float size)
{
    float x = maker_random(seed) * size;
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint32_t any = (uint32_t)(*seed >> 40);
    switch (dtype) {
    case WN_F32:
        return bits;
    case WN_BF16:
        return bits >> 16;
    case WN_F16:
        return (any & 0x83ff) | (8 + any % 6) << 10;
    case WN_F8_E4M3:
        return (any & 0x87) | any % 7 << 3; /* subnormals too */
    default:
        return (any & 0x83) | any % 15 << 2;
    }
}

/* Random quants; the 16-bit factors of a block are between 2^-6 and 2^-5, so that nothing overflows. */
static wn_weight_part make_blocks(struct maker *m, uint64_t rows, uint64_t cols, int32_t dtype)
{
    const struct weight_block b = weight_block_of(dtype);
    const uint64_t n = rows * cols / b.values;
    unsigned char *data = keep(m, n * b.bytes);
    for (uint64_t i = 0; i < n * b.bytes; i++)
        data[i] = (unsigned char)(maker_random(&m->seed) * 127 + 128);
    for (uint64_t i = 0; i < n; i++) {
        unsigned char *at = data + i * b.bytes;
        at[dtype == WN_Q6_K ? 209 : 1] = 0x24;
        if (dtype == WN_Q4_K || dtype == WN_Q5_K)
            at[3] = 0x24;
    }
    return (wn_weight_part){ data, dtype, 1.0f, rows };
}

static wn_weight_part make_part(struct maker *m, uint64_t rows, uint64_t cols, int32_t dtype)
{
    if (weight_is_quantised(dtype))
        return make_blocks(m, rows, cols, dtype);
    uint64_t n = rows * cols, bytes = bytes_of(dtype);
    char *data = (char *)keep(m, n * bytes + 1) + 1; /* never aligned */
    for (uint64_t i = 0; i < n; i++) {
        uint32_t bits = random_bits(&m->seed, dtype, 1.0f / sqrtf((float)cols));
        memcpy(data + i * bytes, &bits, bytes); /* little-endian */
    }
    return (wn_weight_part){ data, dtype, dtype == WN_F8_E4M3 ? 0.37f : 1.0f, rows };
}

uint32_t maker_weight(struct maker *m, uint64_t rows, uint64_t cols, uint64_t parts, const int32_t *dtypes)
{
    wn_weight *w = &m->weight[m->weights];
    *w = (wn_weight){ .name = "weight", .rows = rows, .cols = cols, .part_count = parts };
    for (uint64_t k = 0, row = 0; k < parts; row += w->part[k].rows, k++)
        w->part[k] = make_part(m, k + 1 < parts ? rows / parts : rows - row, cols, dtypes[k]);
    return m->weights++;
}

uint32_t maker_weight_f32(struct maker *m, uint64_t rows, uint64_t cols)
{
    return maker_weight(m, rows, cols, 1, (const int32_t[]){ WN_F32 });
}

uint32_t maker_vector(struct maker *m, uint64_t n)
{
    return maker_weight_f32(m, 1, n);
}

static double small_float(uint32_t bits, int exponent_bits, int mantissa_bits)
{
    int bias = (1 << (exponent_bits - 1)) - 1;
    uint32_t mantissa = bits & ((1u << mantissa_bits) - 1),
             exponent = bits >> mantissa_bits & ((1u << exponent_bits) - 1);
    double fraction = (double)mantissa / (1 << mantissa_bits);
    double x = exponent ? ldexp(1 + fraction, (int)exponent - bias) : ldexp(fraction, 1 - bias);
    return bits >> (exponent_bits + mantissa_bits) & 1 ? -x : x;
}

static double decode(const char *p, int32_t dtype)
{
    uint32_t bits = 0;
    float x;
    memcpy(&bits, p, bytes_of(dtype));
    if (dtype == WN_BF16)
        bits <<= 16;
    memcpy(&x, &bits, sizeof x);
    return dtype == WN_F16       ? small_float(bits, 5, 10)
           : dtype == WN_F8_E4M3 ? small_float(bits, 4, 3)
           : dtype == WN_F8_E5M2 ? small_float(bits, 5, 2)
                                 : (double)x;
}

double maker_weight_at(const wn_weight *w, uint64_t row, uint64_t col)
{
    const wn_weight_part *part = w->part;
    for (; row >= part->rows; part++)
        row -= part->rows;
    if (weight_is_quantised(part->dtype)) {
        const struct weight_block b = weight_block_of(part->dtype);
        float values[WEIGHT_BLOCK_MAX];
        blocks_to_f32(part->dtype, (const char *)part->data + (row * w->cols + col) / b.values * b.bytes, values, 1);
        return (double)values[col % b.values];
    }
    return decode((const char *)part->data + (row * w->cols + col) * bytes_of(part->dtype), part->dtype) *
           (double)part->scale;
}

/* ---- ops ---------------------------------------------------------------------------------------------------- */

wn_op *maker_op(struct maker *m, int32_t kind, uint32_t x, uint32_t out)
{
    wn_op *op = &m->op[m->ops++];
    *op = (wn_op){ .kind = kind,
                   .activation = WN_ACT_NONE,
                   .in = { x, WN_NONE, WN_NONE, WN_NONE },
                   .weight = { WN_NONE, WN_NONE },
                   .out = out };
    return op;
}

wn_graph maker_graph(const struct maker *m)
{
    return (wn_graph){ sizeof(wn_graph), m->name, m->tensor, m->tensors, m->weight, m->weights, m->op, m->ops };
}
