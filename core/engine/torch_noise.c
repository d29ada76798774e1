/* torch_noise.c - torch.randn's streams, so that a seed from another tool gives the same picture here.
 *
 * On the CPU torch turns Mersenne Twister words into normals by Box-Muller, in blocks of 16: values j and j + 8 of a
 * block are one pair. A block that is not full is handled by drawing 16 fresh words for the last 16 values. The
 * logarithm and the sine are torch's AVX2 versions of the Cephes functions, followed operation by operation; where they
 * are compiled to fused operations there is fmaf here, which gives the same bits with or without the hardware's.
 * Fewer than 16 values take another path, in double. On a GPU, value i is the first normal of Philox at counter (0, i).
 * Sources: pytorch aten/src/ATen/native/cpu/{DistributionTemplates.h,avx_mathfun.h}, aten/src/ATen/core/
 * DistributionsHelper.h, aten/src/ATen/native/cuda/DistributionTemplates.h; CUDA's curand_normal.h.
 */
#include "engine/torch_noise.h"

#include "engine/mt19937.h"
#include "engine/philox.h"

#include <math.h>
#include <string.h>

#define TWO_PI 6.283185307179586

/* ---- elementary functions of the AVX2 path ---- */

static float avx_log(float x)
{
    static const float p[] = { -1.1514610310E-1f, 1.1676998740E-1f, -1.2420140846E-1f, 1.4249322787E-1f,
                               -1.6668057665E-1f, 2.0000714765E-1f, -2.4999993993E-1f, 3.3333331174E-1f };
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    float e = (float)((int32_t)(bits >> 23) - 126), m;
    bits = (bits & 0x7fffffu) | 0x3f000000u;
    memcpy(&m, &bits, sizeof m);
    int is_low = m < 0.707106781186547524f;
    e -= is_low ? 1.0f : 0.0f;
    m = is_low ? (m - 1) + m : m - 1;
    float z = m * m, y = 7.0376836292E-2f;
    for (int i = 0; i < 8; i++)
        y = fmaf(y, m, p[i]);
    y = fmaf(y * m, z, e * -2.12194440e-4f);
    y = fmaf(-z, 0.5f, y);
    return fmaf(e, 0.693359375f, m + y);
}

/* x >= 0 */
static void avx_sincos(float x, float *sine, float *cosine)
{
    int32_t j = ((int32_t)(x * 1.27323954473516f) + 1) & ~1;
    float q = (float)j;
    x = fmaf(q, -0.78515625f, x);
    x = fmaf(q, -2.4187564849853515625e-4f, x);
    x = fmaf(q, -3.77489497744594108e-8f, x);
    float z = x * x;
    float c = fmaf(2.443315711809948e-5f, z, -1.388731625493765e-3f);
    c = fmaf(c, z, 4.166664568298827e-2f) * z;
    c = fmaf(c, z, -(z * 0.5f)) + 1;
    float s = fmaf(-1.9515295891e-4f, z, 8.3321608736e-3f);
    s = fmaf(s, z, -1.6666654611e-1f) * z;
    s = fmaf(s, x, x);
    *sine = (j & 2 ? c : s) * (j & 4 ? -1.0f : 1.0f);
    *cosine = (j & 2 ? s : c) * (~(j - 2) & 4 ? -1.0f : 1.0f);
}

/* ---- CPU ---- */

/* In place: 16 uniforms become 16 normals. Adding 0 is torch's mean: it turns -0 into 0. */
static void box_muller_16(float *d)
{
    for (int i = 0; i < 8; i++) {
        float r = sqrtf(-2 * avx_log(1 - d[i])), s, c;
        avx_sincos(6.2831853f * d[i + 8], &s, &c);
        d[i] = r * c + 0.0f;
        d[i + 8] = r * s + 0.0f;
    }
}

/* n < 16: pairs in double; the sine waits for the next value. */
static void fill_few(struct mt19937 *mt, float *dst, uint64_t n)
{
    for (uint64_t i = 0; i < n; i += 2) {
        double u1 = (double)(mt19937_u64(mt) & ((1ull << 53) - 1)) * 0x1p-53;
        double u2 = (double)(mt19937_u64(mt) & ((1ull << 53) - 1)) * 0x1p-53;
        double r = sqrt(-2 * log1p(-u2)), theta = TWO_PI * u1;
        dst[i] = (float)(r * cos(theta));
        if (i + 1 < n)
            dst[i + 1] = (float)(r * sin(theta));
    }
}

static void fill_uniform(struct mt19937 *mt, float *dst, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        dst[i] = (float)(mt19937_u32(mt) & 0xffffff) * 0x1p-24f;
}

void torch_cpu_f32(uint64_t seed, float *dst, uint64_t n)
{
    struct mt19937 mt;
    mt19937_seed(&mt, (uint32_t)seed);
    if (n < 16) {
        fill_few(&mt, dst, n);
        return;
    }
    fill_uniform(&mt, dst, n);
    for (uint64_t i = 0; i + 16 <= n; i += 16)
        box_muller_16(dst + i);
    if (n % 16) {
        fill_uniform(&mt, dst + n - 16, 16);
        box_muller_16(dst + n - 16);
    }
}

/* Nearest bfloat16, halves to even; x is finite. */
static float to_bf16(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void round_all(float *dst, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        dst[i] = to_bf16(dst[i]);
}

/* Unlike in float32, blocks are drawn one by one: an unfinished one consumes no words of its own. */
void torch_cpu_bf16(uint64_t seed, float *dst, uint64_t n)
{
    struct mt19937 mt;
    mt19937_seed(&mt, (uint32_t)seed);
    if (n < 16)
        fill_few(&mt, dst, n);
    for (uint64_t i = 0; n >= 16 && i < n; i += 16) {
        float *block = i + 16 <= n ? dst + i : dst + n - 16;
        fill_uniform(&mt, block, 16);
        box_muller_16(block);
    }
    round_all(dst, n);
}

static void legacy_uniform(struct mt19937 *mt, float *dst, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        dst[i] = (float)(mt19937_u32(mt) & 0xff) * 0x1p-8f;
}

static void legacy_16(float *d)
{
    for (int i = 0; i < 8; i++) {
        float log_u = to_bf16((float)log((double)to_bf16(1 - d[i])));
        float r = to_bf16(sqrtf(-2 * log_u));
        double theta = (double)to_bf16((float)(TWO_PI * (double)d[i + 8]));
        d[i] = to_bf16(r * to_bf16((float)cos(theta))) + 0.0f;
        d[i + 8] = to_bf16(r * to_bf16((float)sin(theta))) + 0.0f;
    }
}

void torch_cpu_bf16_legacy(uint64_t seed, float *dst, uint64_t n)
{
    struct mt19937 mt;
    mt19937_seed(&mt, (uint32_t)seed);
    if (n < 16) {
        fill_few(&mt, dst, n);
        round_all(dst, n);
        return;
    }
    legacy_uniform(&mt, dst, n);
    for (uint64_t i = 0; i + 16 <= n; i += 16)
        legacy_16(dst + i);
    if (n % 16) {
        legacy_uniform(&mt, dst + n - 16, 16);
        legacy_16(dst + n - 16);
    }
}

/* ---- GPU ---- */

void torch_cuda_f32(uint64_t seed, float *dst, uint64_t n)
{
    const uint32_t key[2] = { (uint32_t)seed, (uint32_t)(seed >> 32) };
    for (uint64_t i = 0; i < n; i++) {
        const uint32_t counter[4] = { 0, 0, (uint32_t)i, (uint32_t)(i >> 32) };
        uint32_t words[4];
        philox_4x32(counter, key, words);
        float u = fmaf((float)words[0], 2.3283064e-10f, 1.1641532e-10f);
        float v = fmaf((float)words[1], 1.4629180e-09f, 7.3145901e-10f);
        dst[i] = (float)(sqrt(-2 * log((double)u)) * sin((double)v));
    }
}
