/* blocks.c - quantised values as float32. device.h has the layouts; the order of the roundings (scale times d first) is
 * that of the reference, so that values are the same to the last bit.
 */
#include "blocks.h"

#include "half.h"

static float half_at(const unsigned char *p)
{
    return float_from_f16((uint16_t)(p[0] | p[1] << 8));
}

static void from_q8_0(const unsigned char *b, float *y)
{
    const float d = half_at(b);
    for (int j = 0; j < 32; j++)
        y[j] = d * (float)(int8_t)b[2 + j];
}

static void from_q4_0(const unsigned char *b, float *y)
{
    const float d = half_at(b);
    for (int j = 0; j < 16; j++) {
        y[j] = d * (float)((b[2 + j] & 15) - 8);
        y[j + 16] = d * (float)((b[2 + j] >> 4) - 8);
    }
}

/* The scale and the minimum of group k of Q4_K and Q5_K, out of 12 bytes. */
static void six_bits(const unsigned char *s, int k, int *scale, int *minimum)
{
    if (k < 4) {
        *scale = s[k] & 63;
        *minimum = s[k + 4] & 63;
    } else {
        *scale = (s[k + 4] & 15) | s[k - 4] >> 6 << 4;
        *minimum = s[k + 4] >> 4 | s[k] >> 6 << 4;
    }
}

/* high: the fifth bits, or NULL. */
static void from_k(const unsigned char *b, const unsigned char *high, const unsigned char *q, float *y)
{
    for (int k = 0; k < 8; k++) {
        int scale, minimum;
        six_bits(b + 4, k, &scale, &minimum);
        const float d = half_at(b) * (float)scale;
        const float m = half_at(b + 2) * (float)minimum;
        for (int j = 0; j < 32; j++) {
            const int low = q[k / 2 * 32 + j] >> k % 2 * 4 & 15;
            const int fifth = high ? (high[j] >> k & 1) << 4 : 0;
            y[32 * k + j] = d * (float)(low | fifth) - m;
        }
    }
}

static void from_q4_k(const unsigned char *b, float *y)
{
    from_k(b, NULL, b + 16, y);
}

static void from_q5_k(const unsigned char *b, float *y)
{
    from_k(b, b + 16, b + 48, y);
}

static void from_q6_k(const unsigned char *b, float *y)
{
    const float d = half_at(b + 208);
    for (int i = 0; i < 16; i++, y += 16) { /* k: the quarter of the two halves */
        const int k = i / 2, low_shift = k % 4 / 2 * 4, high_shift = k % 4 * 2;
        const unsigned char *low = b + k / 4 * 64 + k % 2 * 32 + i % 2 * 16;
        const unsigned char *high = b + 128 + k / 4 * 32 + i % 2 * 16;
        const float scale = d * (float)(int8_t)b[192 + i];
        for (int j = 0; j < 16; j++) {
            const int q = (low[j] >> low_shift & 15) | (high[j] >> high_shift & 3) << 4;
            y[j] = scale * (float)(q - 32);
        }
    }
}

static void (*converter(int32_t dtype))(const unsigned char *, float *)
{
    switch (dtype) {
    case WN_Q8_0:
        return from_q8_0;
    case WN_Q4_0:
        return from_q4_0;
    case WN_Q4_K:
        return from_q4_k;
    case WN_Q5_K:
        return from_q5_k;
    default:
        return from_q6_k;
    }
}

void blocks_to_f32(int32_t dtype, const void *blocks, float *dst, uint64_t count)
{
    const struct weight_block b = weight_block_of(dtype);
    void (*convert)(const unsigned char *, float *) = converter(dtype);
    for (uint64_t i = 0; i < count; i++)
        convert((const unsigned char *)blocks + i * b.bytes, dst + i * b.values);
}
