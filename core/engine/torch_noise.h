/* torch_noise.h - what torch.randn(n) draws after manual_seed(seed), for noise.c. [any] */
#ifndef WINNOW_ENGINE_TORCH_NOISE_H
#define WINNOW_ENGINE_TORCH_NOISE_H

#include <stdint.h>

/* float32 on the CPU: the bits of an x86-64 machine with AVX2, in all releases since 1.0. */
void torch_cpu_f32(uint64_t seed, float *dst, uint64_t n);
/* bfloat16 on the CPU, as releases draw it that compute in float32 and round (pytorch PR 179834; seen in 2.15). */
void torch_cpu_bf16(uint64_t seed, float *dst, uint64_t n);
/* bfloat16 on the CPU, as releases up to 2.12 draw it: 8-bit uniforms, every operation rounded. */
void torch_cpu_bf16_legacy(uint64_t seed, float *dst, uint64_t n);
/* float32 on a GPU that has a thread for every value. */
void torch_cuda_f32(uint64_t seed, float *dst, uint64_t n);

#endif
