/* isa_portable.c - the kernels with the compiler's own vectors of 4 floats: SSE2, NEON, anything. */
#define ISA_SYMBOL isa_portable
#define ISA_NAME   "portable"
#include "kernels.h"
