/* half.h - 16-bit floats and float32: an IEEE half, a bfloat16. */
#ifndef WINNOW_DEVICE_HALF_H
#define WINNOW_DEVICE_HALF_H

#include <stdint.h>
#include <string.h>

static inline float float_from_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* Branch-free so that it vectorises: exponent and fraction move into place and one exact multiplication puts the bias
 * right, subnormals included (after F. Giesen, "half to float done quick"). Inf and NaN keep the top exponent. */
static inline float float_from_f16(uint16_t h)
{
    const uint32_t magnitude = (uint32_t)(h & 0x7fff) << 13;
    const float value = float_from_bits(magnitude) * 0x1p112f;
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    bits |= (h & 0x7c00) == 0x7c00 ? 0x7f800000u | magnitude : 0;
    return float_from_bits(bits | (uint32_t)(h & 0x8000) << 16);
}

static inline uint32_t float_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* To the nearest, halves to even; NaN stays NaN. */
static inline uint16_t bf16_from_float(float x)
{
    const uint32_t bits = float_bits(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return 0x7fc0;
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

/* To the nearest, halves to even; beyond 65504 infinity; NaN stays NaN. */
static inline uint16_t f16_from_float(float x)
{
    const uint32_t bits = float_bits(x), sign = bits >> 16 & 0x8000, size = bits & 0x7fffffffu;
    if (size > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00);
    if (size >= 0x477ff000u) /* rounds to 65536 */
        return (uint16_t)(sign | 0x7c00);
    if (size < 0x38800000u) /* subnormal: the addition of 2^-1 rounds at the half's last bit */
        return (uint16_t)(sign | (float_bits(float_from_bits(size) + 0.5f) - 0x3f000000u));
    return (uint16_t)(sign | (size - 0x38000000u + 0xfffu + (size >> 13 & 1)) >> 13);
}

#endif
