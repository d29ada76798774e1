/* kernels.h - compiles every kernel for the instruction set that the including file chose, into `const struct isa
 * NAME`. Included by isa_*.c only, with ISA_SYMBOL and ISA_NAME defined (and ISA_GEMM_F32 by those that bring
 * their own). */
#include "isa.h"

#include <winnow/device.h>

#include "vec.h"

#ifdef ONE_KERNEL
#define UNROLL
#elif defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif

#include "kernels_math.h"

#include "kernels_gemm.h"

#include "kernels_rows.h"

#ifndef ISA_GEMM_F32
#define ISA_GEMM_F32 gemm_f32
#endif

const struct isa ISA_SYMBOL = {
    .name = ISA_NAME,
    .gemm_f32 = ISA_GEMM_F32,
    .gemm_bf16 = gemm_bf16,
    .finish_row = finish_row,
    .unary = unary,
    .add = add,
    .multiply = multiply,
    .norm_row = norm_row,
    .head_row = head_row,
    .softmax_columns = softmax_columns,
    .scale_columns = scale_columns,
    .column_sums = column_sums,
    .column_squares = column_squares,
    .centre_row = centre_row,
    .dot = dot,
    .from_bf16 = from_bf16,
    .to_bf16 = to_bf16,
    .pair_bf16 = pair_bf16,
};
