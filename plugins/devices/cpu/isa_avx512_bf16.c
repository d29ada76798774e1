/* isa_avx512_bf16.c - the kernels for AVX-512 with vdpbf16ps. */
#define ISA_SYMBOL isa_avx512_bf16
#define ISA_NAME   "avx512_bf16"
#define VEC_AVX512
#define NATIVE_BF16
#include "kernels.h"
