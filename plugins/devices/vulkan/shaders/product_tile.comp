#version 460
// product_tile.comp - LINEAR and CONV on any GPU: tiles of A and W in shared memory, a block of sums in registers.
//
// A group of 16 x 16 invocations computes TILE x TILE outputs, each invocation EACH x EACH of them: fours of neighbours
// that lie 64 apart, so that shared memory is read 16 bytes at once and by neighbours from neighbouring words. Chunks of
// 16 along k: the next chunk is loaded into registers while this one is multiplied. k ascends, so an output does not
// depend on its place in the tile.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require

layout(local_size_x = 16, local_size_y = 16) in;
layout(constant_id = 0) const uint ACTIVATION = 1;
layout(constant_id = 1) const uint ELEMENT = 0;        // of the weights
layout(constant_id = 2) const uint ROUNDED = 0;        // A is rounded to this type first
layout(constant_id = 3) const bool IS_ALIGNED = false; // rows of A begin at multiples of 16 bytes and 4 divides K
layout(constant_id = 4) const uint EACH = 4;           // a multiple of 4
layout(constant_id = 12) const bool IS_OUT_ALIGNED = false; // 4 divides N and strides, addresses are multiples of 16
#ifdef CONVOLUTION
layout(constant_id = 5) const uint KERNEL = 3;
layout(constant_id = 6) const uint STRIDE = 1;
layout(constant_id = 7) const uint PAD = 1;
layout(constant_id = 8) const uint UP = 1;
layout(constant_id = 9) const uint HEIGHT = 1;
layout(constant_id = 10) const uint WIDTH = 1;
layout(constant_id = 11) const uint OUT_WIDTH = 1;
#endif

#include "product.glsl"

const uint TILE = 16 * EACH, CHUNK = 16, FOURS = EACH / 4;
const uint LOADS = TILE * CHUNK / 4 / 256; // vectors of four that each invocation loads of A, and of W

shared vec4 tile_a[CHUNK][TILE / 4 + 1];
shared vec4 tile_w[CHUNK][TILE / 4 + 1];

vec4 next_a[LOADS], next_w[LOADS];

void load(uint row0, uint col0, uint k0)
{
    [[unroll]] for (uint i = 0; i < LOADS; i++) {
        const uint at = gl_LocalInvocationIndex + 256 * i, k = k0 + at % 4 * 4;
        const uint row = min(row0 + at / 4, row_count() - 1), n = min(col0 + at / 4, push.cols - 1);
        vec4 a = IS_ALIGNED ? load_a4(row, k)
                            : vec4(load_a(row, k), load_a(row, k + 1), load_a(row, k + 2), load_a(row, k + 3));
        [[unroll]] for (uint j = 0; j < 4; j++)
            a[j] = round_to(a[j], ROUNDED);
        next_a[i] = a;
        vec4 w = load_w4(n, k);
        if (ELEMENT >= ELEMENT_Q8_0)
            [[unroll]] for (uint j = 0; j < 4; j++)
                w[j] = round_to(w[j], ROUNDED);
        next_w[i] = w;
    }
}

void store()
{
    [[unroll]] for (uint i = 0; i < LOADS; i++) {
        const uint at = gl_LocalInvocationIndex + 256 * i;
        [[unroll]] for (uint j = 0; j < 4; j++) {
            tile_a[at % 4 * 4 + j][at / 16][at / 4 % 4] = next_a[i][j];
            tile_w[at % 4 * 4 + j][at / 16][at / 4 % 4] = next_w[i][j];
        }
    }
}

vec4 sums[EACH * FOURS];

void multiply(uint k)
{
    vec4 w[FOURS];
    [[unroll]] for (uint f = 0; f < FOURS; f++)
        w[f] = tile_w[k][gl_LocalInvocationID.x + 16 * f];
    [[unroll]] for (uint h = 0; h < FOURS; h++) {
        const vec4 a = tile_a[k][gl_LocalInvocationID.y + 16 * h];
        [[unroll]] for (uint c = 0; c < 4; c++)
            [[unroll]] for (uint f = 0; f < FOURS; f++)
                sums[(4 * h + c) * FOURS + f] = fma(vec4(a[c]), w[f], sums[(4 * h + c) * FOURS + f]);
    }
}

void finish_four(uint row, uint n, vec4 sum)
{
    const uint item = row / push.rows, r = row % push.rows;
    if (item >= push.items || n >= push.cols)
        return;
    if (IS_OUT_ALIGNED)
        WritableVectors(push.to).at[(item * push.to_item + r * push.to_ld + n) / 4] = finished4(item, r, n, sum);
    else
        for (uint i = 0; i < 4; i++)
            finish(row, n + i, sum[i]);
}

void main()
{
    const uint columns = (push.cols + TILE - 1) / TILE, group = gl_WorkGroupID.x + push.group0;
    const uint row0 = group / columns * TILE, col0 = group % columns * TILE;
    if (row0 >= row_count())
        return;
    [[unroll]] for (uint i = 0; i < EACH * FOURS; i++)
        sums[i] = vec4(0.0);
#ifdef CONVOLUTION
    const uint depth = push.depth * KERNEL * KERNEL;
#else
    const uint depth = push.depth;
#endif
    load(row0, col0, 0);
    for (uint k0 = 0; k0 < depth; k0 += CHUNK) {
        barrier();
        store();
        barrier();
        if (k0 + CHUNK < depth)
            load(row0, col0, k0 + CHUNK);
        for (uint k = 0; k < CHUNK; k++)
            multiply(k);
    }
    [[unroll]] for (uint i = 0; i < EACH; i++)
        [[unroll]] for (uint f = 0; f < FOURS; f++)
            finish_four(row0 + 4 * gl_LocalInvocationID.y + 64 * (i / 4) + i % 4,
                        col0 + 4 * gl_LocalInvocationID.x + 64 * f, sums[i * FOURS + f]);
}
