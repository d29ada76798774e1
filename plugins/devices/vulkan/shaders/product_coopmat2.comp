#version 460
// product_coopmat2.comp - LINEAR on matrices of a whole group (VK_NV_cooperative_matrix2), sums in float32.
//
// A group multiplies TILE_M x CHUNK of x by CHUNK x TILE_N of W at a time. How that is shared out among its
// invocations, and through which memory, is the driver's business, which knows the best way for each GPU. x and W are of
// the type that is multiplied, and rows begin at multiples of 16 bytes. Tiles are numbered as product_coopmat.comp does,
// but none holds rows of two items. k ascends, so an output does not depend on its place in the tile.
#pragma use_vulkan_memory_model
#extension GL_GOOGLE_include_directive : require

layout(constant_id = 0) const uint ACTIVATION = 1;
layout(constant_id = 1) const uint ELEMENT = 0; // of the weights: the type that is multiplied
layout(constant_id = 4) const uint CHUNK = 64;
layout(constant_id = 12) const uint LOCAL_SIZE = 128;
layout(constant_id = 13) const uint TILE_M = 64;
layout(constant_id = 14) const uint TILE_N = 64;
layout(constant_id = 15) const uint CLAMP = 1;      // 0 where the shape is whole tiles and chunks
layout(constant_id = 16) const uint TO_ELEMENT = 0; // of out

#include "product.glsl"
#include "matrix.glsl"
#include "tensors.glsl"

const uint BAND = 8;

float finish_element(const in uint r, const in uint c, const in float sum, const in uint item, const in uint row0,
                     const in uint col0)
{
    const uint row = row0 + r, n = col0 + c;
    return row < push.rows && n < push.cols ? round_to(finished(item, row, n, sum), TO_ELEMENT) : sum;
}

void main()
{
    const uint columns = (push.cols + TILE_N - 1) / TILE_N, of_item = (push.rows + TILE_M - 1) / TILE_M;
    const uint tiles = of_item * push.items;
    const uint group = gl_WorkGroupID.x + push.group0, band = group / (BAND * columns);
    if (group >= tiles * columns)
        return;
    const uint height = min(BAND, tiles - band * BAND), in_band = group - band * BAND * columns;
    const uint tile = band * BAND + in_band % height, item = tile / of_item;
    const uint row0 = tile % of_item * TILE_M, col0 = in_band / height * TILE_N;
    const uvec2 x = address_of(push.x, item * push.x_item, 2);
    GROUP_SUM sum = GROUP_SUM(0.0);
    for (uint k = 0; k < push.depth; k += GROUP_CHUNK)
        sum = coopMatMulAdd(load_x(x, row0, k), load_w(col0, k), sum);
    coopMatPerElementNV(sum, sum, finish_element, item, row0, col0);
    store_sum(address_of(push.to, item * push.to_item, TO_ELEMENT == ELEMENT_F32 ? 4 : 2), row0, col0, sum);
}
