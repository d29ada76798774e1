/* vec.h - one vector of floats under one set of names, for each instruction set.
 *
 * The kernels (kernels_*.h) are written once over these names and compiled once for each instruction set: the files
 * isa_*.c say which by defining VEC_AVX512, VEC_AVX2 or nothing before they include them. vf holds VL floats, vi VL
 * 32-bit integers. Partial loads fill with zeros, so that the tail of a row runs through the same arithmetic as the
 * rest and a value never depends on its place in a row. vf_max and vf_min return b when either operand is NaN.
 */
#ifndef WINNOW_CPU_VEC_H
#define WINNOW_CPU_VEC_H

#include <stdint.h>
#include <string.h>

#if defined(VEC_AVX512) || defined(VEC_AVX2)
#include <immintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline, unused))

/* One line for each operation: */
/* clang-format off */

#if defined(VEC_AVX512)

#define VL 16
typedef __m512 vf;
typedef __m512i vi;
INLINE vf vf_load(const void *p) { return _mm512_loadu_ps(p); }
INLINE void vf_store(float *p, vf v) { _mm512_storeu_ps(p, v); }
INLINE vf vf_load_part(const void *p, uint64_t n) { return _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p); }
INLINE void vf_store_part(float *p, vf v, uint64_t n) { _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), v); }
INLINE vf vf_set(float x) { return _mm512_set1_ps(x); }
INLINE vf vf_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
INLINE vf vf_max(vf a, vf b) { return _mm512_max_ps(a, b); }
INLINE vf vf_min(vf a, vf b) { return _mm512_min_ps(a, b); }
INLINE vf vf_sqrt(vf a) { return _mm512_sqrt_ps(a); }
INLINE vf vf_if_less(vf a, vf b, vf yes, vf no) { return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), no, yes); }
INLINE vi vi_round(vf a) { return _mm512_cvtps_epi32(a); }
INLINE vf vf_from_vi(vi a) { return _mm512_cvtepi32_ps(a); }
INLINE vi vi_set(int32_t x) { return _mm512_set1_epi32(x); }
INLINE vi vi_add(vi a, vi b) { return _mm512_add_epi32(a, b); }
INLINE vi vi_sub(vi a, vi b) { return _mm512_sub_epi32(a, b); }
INLINE vi vi_and(vi a, vi b) { return _mm512_and_si512(a, b); }
INLINE vi vi_or(vi a, vi b) { return _mm512_or_si512(a, b); }
INLINE vi vi_shl(vi a, int n) { return _mm512_slli_epi32(a, (unsigned)n); }
INLINE vi vi_shr(vi a, int n) { return _mm512_srli_epi32(a, (unsigned)n); }
INLINE vi vi_sar(vi a, int n) { return _mm512_srai_epi32(a, (unsigned)n); }
INLINE vf vf_bits(vi a) { return _mm512_castsi512_ps(a); }
INLINE vi vi_bits(vf a) { return _mm512_castps_si512(a); }
INLINE vi vi_load(const void *p) { return _mm512_loadu_si512(p); }
INLINE vf vf_times_2_to(vf a, vi n) { return _mm512_scalef_ps(a, _mm512_cvtepi32_ps(n)); }
INLINE float vf_sum(vf a) { return _mm512_reduce_add_ps(a); }
INLINE vf vf_swap_pairs(vf a) { return _mm512_permute_ps(a, 0xb1); }
INLINE vf vf_dup_even(vf a) { return _mm512_moveldup_ps(a); }
INLINE vf vf_dup_odd(vf a) { return _mm512_movehdup_ps(a); }
/* The low 16 bits of every lane, VL of them. */
INLINE void vi_store_low16(uint16_t *p, vi a) { _mm256_storeu_si256((__m256i *)(void *)p, _mm512_cvtepi32_epi16(a)); }
INLINE vi vi_load_16(const void *p) { return _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p)); }

#elif defined(VEC_AVX2)

#define VL 8
typedef __m256 vf;
typedef __m256i vi;
INLINE vf vf_load(const void *p) { return _mm256_loadu_ps(p); }
INLINE void vf_store(float *p, vf v) { _mm256_storeu_ps(p, v); }
INLINE vi vec_mask(uint64_t n)
{
    static const int32_t ones[16] = { -1, -1, -1, -1, -1, -1, -1, -1 };
    return _mm256_loadu_si256((const __m256i *)(const void *)(ones + 8 - n));
}
INLINE vf vf_load_part(const void *p, uint64_t n) { return _mm256_maskload_ps(p, vec_mask(n)); }
INLINE void vf_store_part(float *p, vf v, uint64_t n) { _mm256_maskstore_ps(p, vec_mask(n), v); }
INLINE vf vf_set(float x) { return _mm256_set1_ps(x); }
INLINE vf vf_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
INLINE vf vf_max(vf a, vf b) { return _mm256_max_ps(a, b); }
INLINE vf vf_min(vf a, vf b) { return _mm256_min_ps(a, b); }
INLINE vf vf_sqrt(vf a) { return _mm256_sqrt_ps(a); }
INLINE vf vf_if_less(vf a, vf b, vf yes, vf no) { return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_LT_OQ)); }
INLINE vi vi_round(vf a) { return _mm256_cvtps_epi32(a); }
INLINE vf vf_from_vi(vi a) { return _mm256_cvtepi32_ps(a); }
INLINE vi vi_set(int32_t x) { return _mm256_set1_epi32(x); }
INLINE vi vi_add(vi a, vi b) { return _mm256_add_epi32(a, b); }
INLINE vi vi_sub(vi a, vi b) { return _mm256_sub_epi32(a, b); }
INLINE vi vi_and(vi a, vi b) { return _mm256_and_si256(a, b); }
INLINE vi vi_or(vi a, vi b) { return _mm256_or_si256(a, b); }
INLINE vi vi_shl(vi a, int n) { return _mm256_slli_epi32(a, n); }
INLINE vi vi_shr(vi a, int n) { return _mm256_srli_epi32(a, n); }
INLINE vi vi_sar(vi a, int n) { return _mm256_srai_epi32(a, n); }
INLINE vf vf_bits(vi a) { return _mm256_castsi256_ps(a); }
INLINE vi vi_bits(vf a) { return _mm256_castps_si256(a); }
INLINE vi vi_load(const void *p) { return _mm256_loadu_si256(p); }
INLINE vf vf_swap_pairs(vf a) { return _mm256_permute_ps(a, 0xb1); }
INLINE vf vf_dup_even(vf a) { return _mm256_moveldup_ps(a); }
INLINE vf vf_dup_odd(vf a) { return _mm256_movehdup_ps(a); }
INLINE void vi_store_low16(uint16_t *p, vi a)
{
    __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(_mm256_and_si256(a, _mm256_set1_epi32(0xffff)), a), 0x08);
    _mm_storeu_si128((__m128i *)(void *)p, _mm256_castsi256_si128(packed));
}
INLINE vi vi_load_16(const void *p) { return _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p)); }

#else /* any compiler with vector extensions; lanes are handled by loops, which it unrolls */

#define VL 4
typedef float vf __attribute__((vector_size(16)));
typedef int32_t vi __attribute__((vector_size(16)));
typedef uint32_t vu __attribute__((vector_size(16)));
INLINE vf vf_load(const void *p) { vf v; memcpy(&v, p, sizeof v); return v; }
INLINE void vf_store(float *p, vf v) { memcpy(p, &v, sizeof v); }
INLINE vf vf_load_part(const void *p, uint64_t n) { vf v = { 0 }; memcpy(&v, p, n * sizeof(float)); return v; }
INLINE void vf_store_part(float *p, vf v, uint64_t n) { memcpy(p, &v, n * sizeof(float)); }
INLINE vf vf_set(float x) { return (vf){ x, x, x, x }; }
INLINE vi vi_set(int32_t x) { return (vi){ x, x, x, x }; }
INLINE vf vf_bits(vi a) { return (vf)a; }
INLINE vi vi_bits(vf a) { return (vi)a; }
INLINE vi vi_add(vi a, vi b) { return (vi)((vu)a + (vu)b); }
INLINE vi vi_sub(vi a, vi b) { return (vi)((vu)a - (vu)b); }
INLINE vi vi_and(vi a, vi b) { return a & b; }
INLINE vi vi_or(vi a, vi b) { return a | b; }
INLINE vi vi_shl(vi a, int n) { return (vi)((vu)a << (uint32_t)n); }
INLINE vi vi_shr(vi a, int n) { return (vi)((vu)a >> (uint32_t)n); }
INLINE vi vi_sar(vi a, int n) { return a >> n; }
INLINE vi vec_pick(vi mask, vi yes, vi no) { return (yes & mask) | (no & ~mask); }
INLINE vf vf_if_less(vf a, vf b, vf yes, vf no) { return (vf)vec_pick((vi)(a < b), (vi)yes, (vi)no); }
INLINE vf vf_max(vf a, vf b) { return (vf)vec_pick((vi)(a > b), (vi)a, (vi)b); }
INLINE vf vf_min(vf a, vf b) { return (vf)vec_pick((vi)(a < b), (vi)a, (vi)b); }
INLINE vf vf_fma(vf a, vf b, vf c)
{
#ifdef __FP_FAST_FMAF
    for (int i = 0; i < VL; i++)
        c[i] = __builtin_fmaf(a[i], b[i], c[i]);
    return c;
#else
    return a * b + c;
#endif
}
INLINE vf vf_sqrt(vf a)
{
    for (int i = 0; i < VL; i++)
        a[i] = __builtin_sqrtf(a[i]);
    return a;
}
INLINE vf vf_from_vi(vi a) { return (vf){ (float)a[0], (float)a[1], (float)a[2], (float)a[3] }; }
INLINE vi vi_round(vf a) /* |a| < 2^22: the sum's last bits are the rounded integer */
{
    return vi_sub(vi_bits(a + vf_set(12582912.0f)), vi_bits(vf_set(12582912.0f)));
}
INLINE vi vi_load(const void *p) { vi v; memcpy(&v, p, sizeof v); return v; }
INLINE vf vf_swap_pairs(vf a) { return (vf){ a[1], a[0], a[3], a[2] }; }
INLINE vf vf_dup_even(vf a) { return (vf){ a[0], a[0], a[2], a[2] }; }
INLINE vf vf_dup_odd(vf a) { return (vf){ a[1], a[1], a[3], a[3] }; }
INLINE void vi_store_low16(uint16_t *p, vi a)
{
    for (int i = 0; i < VL; i++)
        p[i] = (uint16_t)a[i];
}
INLINE vi vi_load_16(const void *p)
{
    uint16_t h[VL];
    memcpy(h, p, sizeof h);
    return (vi){ h[0], h[1], h[2], h[3] };
}

#endif

/* clang-format on */

/* ---- the same for all ---------------------------------------------------------------------------------------- */

INLINE vf vf_abs(vf a)
{
    return vf_bits(vi_and(vi_bits(a), vi_set(0x7fffffff)));
}
INLINE vf vf_with_sign_of(vf a, vf s)
{
    return vf_bits(vi_or(vi_bits(a), vi_and(vi_bits(s), vi_set(INT32_MIN))));
}

#ifndef VEC_AVX512
INLINE float vf_sum(vf v)
{
    float lane[VL];
    vf_store(lane, v);
    for (int half = VL / 2; half; half /= 2) {
        for (int i = 0; i < half; i++)
            lane[i] += lane[i + half];
    }
    return lane[0];
}

/* In two steps, since 2^128 is no float. */
INLINE vf vf_times_2_to(vf a, vi n)
{
    vi half = vi_sar(n, 1);
    vf low = vf_bits(vi_shl(vi_add(half, vi_set(127)), 23));
    return a * low * vf_bits(vi_shl(vi_add(vi_sub(n, half), vi_set(127)), 23));
}
#endif

/* bfloat16 in the low half of every lane: round to nearest even, NaN stays NaN. */
INLINE vi vi_bf16_from(vf a)
{
    vi bits = vi_bits(a);
    vi odd = vi_and(vi_shr(bits, 16), vi_set(1));
    vi rounded = vi_shr(vi_add(bits, vi_add(vi_set(0x7fff), odd)), 16);
    /* a comparison with NaN is false */
    return vi_bits(vf_if_less(vf_set(-1.0f), vf_abs(a), vf_bits(rounded), vf_bits(vi_set(0x7fc0))));
}

INLINE vf vf_from_bf16(const void *p)
{
    return vf_bits(vi_shl(vi_load_16(p), 16));
}

#endif
