/* convert.c - rows of weights as float32, whatever a checkpoint stores them in. */
#include "cpu.h"

#include <math.h>
#include <string.h>

static float float_of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* A small float with `mantissa` bits, exponents biased by `bias`; e4m3 has no infinity and one NaN. */
static float float_of_small(uint32_t h, unsigned exponent_bits, unsigned mantissa_bits, int bias, int is_e4m3)
{
    uint32_t mantissa = h & ((1u << mantissa_bits) - 1), top = (1u << exponent_bits) - 1;
    uint32_t exponent = h >> mantissa_bits & top, sign = h >> (mantissa_bits + exponent_bits) << 31;
    if (exponent == top && (!is_e4m3 || mantissa == 7))
        return float_of_bits(sign | 0x7f800000u | mantissa << (23 - mantissa_bits));
    float magnitude = exponent
                          ? ldexpf((float)(mantissa | 1u << mantissa_bits), (int)exponent - bias - (int)mantissa_bits)
                          : ldexpf((float)mantissa, 1 - bias - (int)mantissa_bits);
    return sign ? -magnitude : magnitude;
}

static float f16_at(const unsigned char *p)
{
    uint32_t h = (uint32_t)p[0] | (uint32_t)p[1] << 8, exponent = h >> 10 & 31;
    if (exponent == 0 || exponent == 31)
        return float_of_small(h, 5, 10, 15, 0);
    return float_of_bits((h >> 15) << 31 | (exponent + 112) << 23 | (h & 1023) << 13);
}

static void from_f16(const unsigned char *p, float *dst, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        dst[i] = f16_at(p + 2 * i);
}

/* One byte each: by table, which every call fills anew in less time than a row takes. */
static void from_f8(const unsigned char *p, float *dst, uint64_t n, int is_e4m3)
{
    float table[256];
    for (uint32_t h = 0; h < 256; h++)
        table[h] = is_e4m3 ? float_of_small(h, 4, 3, 7, 1) : float_of_small(h, 5, 2, 15, 0);
    for (uint64_t i = 0; i < n; i++)
        dst[i] = table[p[i]];
}

void weights_convert(const struct isa *isa, const wn_weight_part *part, uint64_t first, float *dst, uint64_t n)
{
    const struct weight_block block = weight_block_of(part->dtype);
    const void *src = (const char *)part->data + first / block.values * block.bytes;
    switch (part->dtype) {
    case WN_F16:
        from_f16(src, dst, n);
        break;
    case WN_BF16:
        isa->from_bf16(src, dst, n);
        break;
    case WN_F8_E4M3:
    case WN_F8_E5M2:
        from_f8(src, dst, n, part->dtype == WN_F8_E4M3);
        break;
    case WN_F32:
        memcpy(dst, src, n * sizeof *dst);
        break;
    default:
        blocks_to_f32(part->dtype, src, dst, n / block.values);
    }
    for (uint64_t i = 0; part->scale != 1.0f && i < n; i++)
        dst[i] *= part->scale;
}

/* The part that holds `row`, which becomes relative to it. */
static const wn_weight_part *part_of(const wn_weight *weight, uint64_t *row)
{
    const wn_weight_part *part = weight->part;
    for (; *row >= part->rows; part++)
        *row -= part->rows;
    return part;
}

void weights_row(const struct isa *isa, const wn_weight *weight, uint64_t row, float *dst)
{
    const wn_weight_part *part = part_of(weight, &row);
    weights_convert(isa, part, row * weight->cols, dst, weight->cols);
}

const float *weights_row_in_place(const struct isa *isa, const wn_weight *weight, uint64_t row, float *buffer)
{
    uint64_t local = row;
    const wn_weight_part *part = part_of(weight, &local);
    if (part->dtype == WN_F32 && part->scale == 1.0f)
        return (const float *)((const char *)part->data + local * weight->cols * sizeof(float));
    weights_row(isa, weight, row, buffer);
    return buffer;
}
