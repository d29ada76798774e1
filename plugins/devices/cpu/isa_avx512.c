/* isa_avx512.c - the kernels for AVX-512 (F, BW, DQ, VL), bf16 products by widening. */
#define ISA_SYMBOL isa_avx512
#define ISA_NAME   "avx512"
#define VEC_AVX512
#include "kernels.h"
