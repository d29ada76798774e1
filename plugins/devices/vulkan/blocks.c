/* blocks.c - rows of quantised weights as shaders/quantised.glsl reads them: in their blocks, but so that words are
 * aligned.
 *
 * A file's block of Q8_0, Q4_0 or Q6_K has a 16-bit factor beside its quants, which leaves nothing behind it aligned.
 * So a row is first the quants of all its blocks and then all their factors. Blocks of Q4_K and Q5_K are multiples of
 * 16 bytes and stay as they are.
 */
#include "vulkan.h"

#include <device/blocks.h>

#include <string.h>

struct block_layout {
    int32_t dtype;
    enum element type;
    uint32_t quants_at, quants; /* bytes of a block that come first in a row */
    uint32_t factor_at, factor; /* bytes of a block that come behind all of those */
};

static const struct block_layout layouts[] = {
    { WN_Q8_0, ELEMENT_Q8_0, 2, 32, 0, 2 },    { WN_Q4_0, ELEMENT_Q4_0, 2, 16, 0, 2 },
    { WN_Q4_K, ELEMENT_Q4_K, 0, 144, 144, 0 }, { WN_Q5_K, ELEMENT_Q5_K, 0, 176, 176, 0 },
    { WN_Q6_K, ELEMENT_Q6_K, 0, 208, 208, 2 },
};

static const struct block_layout *layout_of(enum element type)
{
    return &layouts[type - ELEMENT_Q8_0];
}

enum element blocks_element(const wn_weight *w)
{
    for (uint64_t k = 1; k < w->part_count; k++)
        if (w->part[k].dtype != w->part[0].dtype)
            return ELEMENT_F32;
    for (uint64_t k = 0; k < w->part_count; k++)
        if (w->part[k].scale != 1.0f)
            return ELEMENT_F32;
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
        if (layouts[i].dtype == w->part[0].dtype)
            return layouts[i].type;
    return ELEMENT_F32;
}

uint64_t blocks_row_bytes(enum element type, uint64_t cols)
{
    const struct block_layout *l = layout_of(type);
    return round_up(cols / weight_block_of(l->dtype).values * (l->quants + l->factor), 16);
}

void blocks_pack_row(enum element type, const void *row, uint64_t cols, char *to)
{
    const struct block_layout *l = layout_of(type);
    const struct weight_block b = weight_block_of(l->dtype);
    const uint64_t count = cols / b.values;
    for (uint64_t i = 0; i < count; i++) {
        const char *block = (const char *)row + i * b.bytes;
        memcpy(to + i * l->quants, block + l->quants_at, l->quants);
        memcpy(to + count * l->quants + i * l->factor, block + l->factor_at, l->factor);
    }
}
