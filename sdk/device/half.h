/* half.h - an IEEE half as float32. */
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

#endif
