/* isa_avx2.c - the kernels for AVX2 with FMA. CMakeLists.txt compiles this file alone for that instruction set. */
#define ISA_SYMBOL isa_avx2
#define ISA_NAME   "avx2"
#define VEC_AVX2
#include "kernels.h"
