/* noise.h - every random number of a run, as a pure function of (seed, stream, index).
 *
 * Normals of the philox mode come from integer arithmetic and float32 add, multiply, divide and square root only, so
 * they have the same bits on every machine. The torch modes draw what torch.randn draws for a seed, so that an image
 * made elsewhere can be made again. [any] throughout.
 */
#ifndef WINNOW_ENGINE_NOISE_H
#define WINNOW_ENGINE_NOISE_H

#include "spec/spec.h"

#include <stdint.h>

/* Fills dst with n standard normals.
 *
 *   SPEC_NOISE_PHILOX
 *       Values 0 .. n-1 of noise_normal_f32(seed, stream).
 *   SPEC_NOISE_TORCH_CPU
 *       torch.randn(n) in float32 of a CPU generator seeded with seed + stream: the bits of an x86-64 machine with
 *       AVX2. Only the low 32 bits of a seed matter to that generator.
 *   SPEC_NOISE_TORCH_CPU_BF16
 *       The same in bfloat16, as diffusers pipelines draw it with a CPU generator. Where n is a multiple of 16 these
 *       are the float32 values, rounded.
 *   SPEC_NOISE_TORCH_CPU_BF16_LEGACY
 *       The same in torch releases up to 2.12, which computed in bfloat16 from 8-bit uniforms: another stream, of
 *       256 x 256 distinct pairs.
 *   SPEC_NOISE_TORCH_CUDA
 *       torch.randn(n) of a CUDA generator seeded with seed + stream (64 bits), for n up to the number of resident
 *       threads of the GPU. Beyond it GPUs differ from one another, and this continues the rule of small n. Within
 *       1e-6 of a GPU, which uses approximate functions. */
void noise_fill(enum spec_noise mode, uint64_t seed, uint64_t stream, float *dst, uint64_t n);

/* Standard normals first .. first+n-1 of a stream. Any range gives the values that the whole stream has there. */
void noise_normal_f32(uint64_t seed, uint64_t stream, uint64_t first, float *dst, uint64_t n);

/* 64 uniform bits; independent of the normals of the same stream. */
uint64_t noise_random_u64(uint64_t seed, uint64_t stream, uint64_t index);

#endif
