/* convert.c - the elements of a tensor as float32, whatever type the file holds. */
#include "safetensors.h"

#include <device/blocks.h>
#include <device/half.h>

#include <math.h>
#include <string.h>

/* E4M3 "fn": bias 7, no infinity, 0x7f and 0xff are NaN. Its bits, shifted, are a half with bias 7 instead of 15. */
static float from_f8_e4m3(uint8_t b)
{
    if ((b & 0x7f) == 0x7f)
        return float_from_bits(0x7fc00000u | (uint32_t)(b & 0x80) << 24);
    float value = float_from_bits((uint32_t)(b & 0x7f) << 20) * 0x1p120f;
    return b & 0x80 ? -value : value;
}

/* Reads element i of possibly unaligned data. */
#define LOAD(type, i)                                                                                                  \
    type value;                                                                                                        \
    memcpy(&value, data + (i) * sizeof value, sizeof value)

#define CONVERT(name, type, expression)                                                                                \
    static void name(const unsigned char *data, float *dst, uint64_t n)                                                \
    {                                                                                                                  \
        for (uint64_t i = 0; i < n; i++) {                                                                             \
            LOAD(type, i);                                                                                             \
            dst[i] = expression;                                                                                       \
        }                                                                                                              \
    }

CONVERT(convert_f32, float, value)
CONVERT(convert_f16, uint16_t, float_from_f16(value))
CONVERT(convert_bf16, uint16_t, float_from_bits((uint32_t)value << 16))
CONVERT(convert_f8_e4m3, uint8_t, from_f8_e4m3(value))
CONVERT(convert_f8_e5m2, uint8_t, float_from_f16((uint16_t)(value << 8))) /* the upper half of a half */
CONVERT(convert_u8, uint8_t, (float)value)
CONVERT(convert_i8, int8_t, (float)value)
CONVERT(convert_u16, uint16_t, (float)value)
CONVERT(convert_i16, int16_t, (float)value)
CONVERT(convert_u32, uint32_t, (float)value)
CONVERT(convert_i32, int32_t, (float)value)
CONVERT(convert_u64, uint64_t, (float)value)
CONVERT(convert_i64, int64_t, (float)value)
CONVERT(convert_f64, double, (float)value)

/* For types that have no meaning as a float (complex, packed below a byte). */
static void convert_nothing(const unsigned char *data, float *dst, uint64_t n)
{
    (void)data;
    for (uint64_t i = 0; i < n; i++)
        dst[i] = NAN;
}

static void (*converter(int32_t dtype))(const unsigned char *, float *, uint64_t)
{
    switch (dtype) {
    case WN_F32:
        return convert_f32;
    case WN_F16:
        return convert_f16;
    case WN_BF16:
        return convert_bf16;
    case WN_F8_E4M3:
        return convert_f8_e4m3;
    case WN_F8_E5M2:
        return convert_f8_e5m2;
    case NN_DTYPE_BOOL:
    case WN_U8:
        return convert_u8;
    case NN_DTYPE_I8:
        return convert_i8;
    case NN_DTYPE_U16:
        return convert_u16;
    case NN_DTYPE_I16:
        return convert_i16;
    case NN_DTYPE_U32:
        return convert_u32;
    case WN_I32:
        return convert_i32;
    case NN_DTYPE_U64:
        return convert_u64;
    case WN_I64:
        return convert_i64;
    case NN_DTYPE_F64:
        return convert_f64;
    default:
        return convert_nothing;
    }
}

/* Values of blocks, which may begin and end inside of one. */
static void convert_blocks(const nn_tensor *t, uint64_t first, float *dst, uint64_t n)
{
    const struct weight_block b = weight_block_of(t->dtype);
    const unsigned char *data = (const unsigned char *)t->data + first / b.values * b.bytes;
    float values[WEIGHT_BLOCK_MAX];
    for (uint64_t skip = first % b.values; n > 0; skip = 0, data += b.bytes) {
        const uint64_t take = n < b.values - skip ? n : b.values - skip;
        blocks_to_f32(t->dtype, data, values, 1);
        memcpy(dst, values + skip, take * sizeof *dst);
        dst += take;
        n -= take;
    }
}

void nn_tensor_to_f32(const nn_tensor *t, uint64_t first, float *dst, uint64_t n)
{
    const unsigned char *data = t->data;
    if (weight_is_quantised(t->dtype))
        convert_blocks(t, first, dst, n);
    else
        converter(t->dtype)(data + first * (nn_dtype_bits(t->dtype) / 8), dst, n);
}
