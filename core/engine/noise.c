/* noise.c - normals whose bits depend on (seed, stream, index) and on nothing else.
 *
 * Philox turns (block, stream) under a key made from the seed into four words, Box-Muller turns them into four normals.
 * Logarithm, sine and cosine are computed here, because mathematical libraries differ in the last bit: both by Taylor
 * series after an argument reduction that is exact, in float32 additions, multiplications, one division and a square
 * root, all of which IEEE 754 fixes to the bit (and the build forbids fused operations). Their error is below 2 units
 * in the last place, far below what matters to a distribution. 31 bits make the radius: normals reach +-6.66.
 */
#include "engine/noise.h"

#include "engine/philox.h"
#include "engine/torch_noise.h"

#include <math.h>
#include <string.h>

/* ---- keys ---- */

/* One key for each seed and use; "splitmix64" of Steele, Lea, Flood (OOPSLA 2014), a bijection of 64 bits. */
static void make_key(uint64_t seed, uint64_t use, uint32_t key[2])
{
    uint64_t z = seed + use * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    key[0] = (uint32_t)z;
    key[1] = (uint32_t)(z >> 32);
}

enum { USE_NORMALS = 1, USE_WORDS = 2 };

/* ---- elementary functions ---- */

/* ln(u) for normal u > 0: u = 2^e m with m in [sqrt 1/2, sqrt 2), ln m = 2 atanh s with s = (m-1)/(m+1), |s| < 0.172;
 * the series is cut where its terms are below 2^-28 of the first. */
static inline float natural_log(float u)
{
    const uint32_t root_half = 0x3f3504f3; /* sqrt 1/2 */
    uint32_t bits, m_bits;
    float m;
    memcpy(&bits, &u, sizeof bits);
    int32_t e = (int32_t)(bits - root_half) >> 23;
    m_bits = bits - ((uint32_t)e << 23);
    memcpy(&m, &m_bits, sizeof m);
    float s = (m - 1) / (m + 1), z = s * s;
    float series = z * (1 / 3.0f + z * (1 / 5.0f + z * (1 / 7.0f + z * (1 / 9.0f))));
    return (float)e * 0.693147181f + (2 * s + 2 * s * series);
}

/* sqrt(-2 ln u) for u = (a + 1/2) 2^-31, a = word >> 1. */
static inline float radius(uint32_t word)
{
    float u = ((float)(int32_t)(word >> 1) + 0.5f) * 0x1p-31f;
    float t = -2 * natural_log(u);
    return sqrtf(t > 0 ? t : 0); /* u rounds up to 1 for the highest words */
}

/* Sine and cosine of word / 2^32 of a turn: the nearest quarter turn is taken off in integers, what is left is within
 * an eighth of a turn. */
static inline void turn(uint32_t word, float *sine, float *cosine)
{
    uint32_t quarter = (word + 0x20000000u) >> 30;
    float a = (float)(int32_t)(word - (quarter << 30)) * 1.46291808e-9f; /* 2 pi / 2^32 */
    float z = a * a;
    float s = a + a * z * (-1 / 6.0f + z * (1 / 120.0f + z * (-1 / 5040.0f + z * (1 / 362880.0f))));
    float c = 1 - z * (0.5f - z * (1 / 24.0f - z * (1 / 720.0f - z * (1 / 40320.0f - z * (1 / 3628800.0f)))));
    float swapped_s = quarter & 1 ? c : s, swapped_c = quarter & 1 ? s : c;
    *sine = quarter & 2 ? -swapped_s : swapped_s;
    *cosine = (quarter + 1) & 2 ? -swapped_c : swapped_c;
}

/* ---- normals ---- */

enum { BLOCK = 4 * PHILOX_LANES };

/* Values 4*first .. 4*first + BLOCK-1 of a stream. */
static void make_block(uint64_t first, uint64_t stream, const uint32_t key[2], float dst[BLOCK])
{
    uint32_t words[4][PHILOX_LANES];
    philox_lanes(first, stream, key, words);
    for (uint32_t i = 0; i < PHILOX_LANES; i++)
        for (uint32_t pair = 0; pair < 2; pair++) {
            float r = radius(words[2 * pair][i]), s, c;
            turn(words[2 * pair + 1][i], &s, &c);
            dst[4 * i + 2 * pair] = r * c;
            dst[4 * i + 2 * pair + 1] = r * s;
        }
}

void noise_normal_f32(uint64_t seed, uint64_t stream, uint64_t first, float *dst, uint64_t n)
{
    uint32_t key[2];
    float block[BLOCK];
    make_key(seed, USE_NORMALS, key);
    for (uint64_t skip = first % 4; n > 0; skip = 0) {
        uint64_t count = n < BLOCK - skip ? n : BLOCK - skip;
        make_block(first / 4, stream, key, block);
        memcpy(dst, block + skip, count * sizeof *dst);
        first += count;
        dst += count;
        n -= count;
    }
}

uint64_t noise_random_u64(uint64_t seed, uint64_t stream, uint64_t index)
{
    const uint32_t counter[4] = { (uint32_t)index, (uint32_t)(index >> 32), (uint32_t)stream,
                                  (uint32_t)(stream >> 32) };
    uint32_t key[2], words[4];
    make_key(seed, USE_WORDS, key);
    philox_4x32(counter, key, words);
    return (uint64_t)words[1] << 32 | words[0];
}

void noise_fill(enum spec_noise mode, uint64_t seed, uint64_t stream, float *dst, uint64_t n)
{
    switch (mode) {
    case SPEC_NOISE_PHILOX:
        noise_normal_f32(seed, stream, 0, dst, n);
        break;
    case SPEC_NOISE_TORCH_CPU:
        torch_cpu_f32(seed + stream, dst, n);
        break;
    case SPEC_NOISE_TORCH_CPU_BF16:
        torch_cpu_bf16(seed + stream, dst, n);
        break;
    case SPEC_NOISE_TORCH_CPU_BF16_LEGACY:
        torch_cpu_bf16_legacy(seed + stream, dst, n);
        break;
    case SPEC_NOISE_TORCH_CUDA:
        torch_cuda_f32(seed + stream, dst, n);
        break;
    }
}
