/* blocks.h - what the types of a weight take in memory, and the values of the quantised ones.
 *
 * Everybody who steps over rows of a weight asks here, so that a quantised type (device.h has the layouts) is one line
 * in one table. Internal to the toolkit and to device plugins, which compile blocks.c in. [any]
 */
#ifndef WINNOW_DEVICE_BLOCKS_H
#define WINNOW_DEVICE_BLOCKS_H

#include <winnow/device.h>

enum { WEIGHT_BLOCK_MAX = 256 };

struct weight_block {
    uint32_t values;
    uint32_t bytes;
};

/* A block of a weight's type; one value where the type is plain, { 0, 0 } where no weight has it. */
static inline struct weight_block weight_block_of(int32_t dtype)
{
    switch (dtype) {
    case WN_F32:
        return (struct weight_block){ 1, 4 };
    case WN_F16:
    case WN_BF16:
        return (struct weight_block){ 1, 2 };
    case WN_F8_E4M3:
    case WN_F8_E5M2:
        return (struct weight_block){ 1, 1 };
    case WN_Q8_0:
        return (struct weight_block){ 32, 34 };
    case WN_Q4_0:
        return (struct weight_block){ 32, 18 };
    case WN_Q4_K:
        return (struct weight_block){ 256, 144 };
    case WN_Q5_K:
        return (struct weight_block){ 256, 176 };
    case WN_Q6_K:
        return (struct weight_block){ 256, 210 };
    default:
        return (struct weight_block){ 0, 0 };
    }
}

static inline int weight_is_quantised(int32_t dtype)
{
    return weight_block_of(dtype).values > 1;
}

/* Bytes of a row of `cols` values; 0 when no weight has the type or the row does not end with a block. */
static inline uint64_t weight_row_bytes(int32_t dtype, uint64_t cols)
{
    const struct weight_block b = weight_block_of(dtype);
    return b.values && cols % b.values == 0 ? cols / b.values * b.bytes : 0;
}

/* `count` blocks of a quantised type as float32: dst [count * values]. */
void blocks_to_f32(int32_t dtype, const void *blocks, float *dst, uint64_t count);

#endif
