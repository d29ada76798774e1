#version 460
// product_coopmat.comp - LINEAR and CONV on matrix units (VK_KHR_cooperative_matrix), sums in float32.
//
// A group computes TILE_M x TILE_N outputs, each of its WARPS_M x WARPS_N subgroups FRAGS_M x FRAGS_N fragments of
// M x N. Chunks of CHUNK along k: while a chunk is multiplied from shared memory, each invocation holds the words of the
// next one in registers, 16 bytes a load. k ascends, so an output does not depend on its place in the tile.
//
// Groups are numbered down a band of BAND tiles before they go on to the right: groups that run at the same time share
// rows of A and of W, which then come from the cache.
#pragma use_vulkan_memory_model
#extension GL_GOOGLE_include_directive : require

layout(local_size_x_id = 12) in;
layout(constant_id = 0) const uint ACTIVATION = 1;
layout(constant_id = 1) const uint ELEMENT = 0;        // of the weights: quantised, or the type that is multiplied
layout(constant_id = 3) const bool IS_ALIGNED = false; // rows of A begin at multiples of 16 bytes and 8 divides K
layout(constant_id = 4) const uint CHUNK = 32;         // a multiple of the fragment's K; 32 is a multiple of it
#ifdef CONVOLUTION
layout(constant_id = 5) const uint KERNEL = 3;
layout(constant_id = 6) const uint STRIDE = 1;
layout(constant_id = 7) const uint PAD = 1;
layout(constant_id = 8) const uint UP = 1;
layout(constant_id = 9) const uint HEIGHT = 1;
layout(constant_id = 10) const uint WIDTH = 1;
layout(constant_id = 11) const uint OUT_WIDTH = 1;
#endif
layout(constant_id = 12) const uint LOCAL_SIZE = 32; // WARPS_M * WARPS_N subgroups
layout(constant_id = 13) const uint M = 16;
layout(constant_id = 14) const uint N = 16;
layout(constant_id = 15) const uint K = 16;
layout(constant_id = 16) const uint WARPS_M = 1;
layout(constant_id = 17) const uint WARPS_N = 1;
layout(constant_id = 18) const uint FRAGS_M = 1;
layout(constant_id = 19) const uint FRAGS_N = 1;
layout(constant_id = 20) const bool IS_OUT_ALIGNED = false; // 4 divides N and strides, addresses are multiples of 16
layout(constant_id = 21) const uint X_ELEMENT = 0;  // of x; where it is not F32, IS_ALIGNED
layout(constant_id = 22) const uint TO_ELEMENT = 0; // of out; where it is not F32, IS_OUT_ALIGNED

#include "product.glsl"
#include "matrix.glsl"

const uint TILE_M = WARPS_M * FRAGS_M * M, TILE_N = WARPS_N * FRAGS_N * N, BAND = 8;
const uint STEP = CHUNK / 8 + 1;                       // words of a row
const uint LOADS_A = TILE_M * CHUNK / 8 / LOCAL_SIZE;  // words that each invocation loads
const uint LOADS_W = TILE_N * CHUNK / 8 / LOCAL_SIZE;
const uint INPUT_WORDS = (TILE_M + TILE_N) * STEP, STAGE = M * N / 4, STAGE_WORDS = WARPS_M * WARPS_N * STAGE;

// Rows of A, then of W; in the end a fragment of sums for each subgroup.
shared uvec4 tile[INPUT_WORDS > STAGE_WORDS ? INPUT_WORDS : STAGE_WORDS];

uint row_at[LOADS_A]; // where in x the row begins, or the picture
uint column_at[LOADS_W]; // row of W
uvec4 next_a[LOADS_A], next_w[LOADS_W];
#ifdef CONVOLUTION
ivec2 window_at[LOADS_A];
#endif

float value_of(uint slot, uint k)
{
#ifdef CONVOLUTION
    uint offset;
    const bool is_inside = k < push.depth * KERNEL * KERNEL &&
                           find_tap_from(row_at[slot], window_at[slot], k / push.depth, offset);
    return is_inside ? Floats(push.x).at[offset + k % push.depth] : 0.0;
#else
    return k < push.depth ? Floats(push.x).at[row_at[slot] + k] : 0.0;
#endif
}

uvec4 values_of(uint slot, uint k)
{
    if (IS_ALIGNED) {
#ifdef CONVOLUTION
        uint offset;
        if (k >= push.depth * KERNEL * KERNEL ||
            !find_tap_from(row_at[slot], window_at[slot], k / push.depth, offset))
            return uvec4(0);
        return load8(push.x, offset + k % push.depth, X_ELEMENT);
#else
        return k < push.depth ? load8(push.x, row_at[slot] + k, X_ELEMENT) : uvec4(0);
#endif
    }
    return pack8(vec4(value_of(slot, k), value_of(slot, k + 1), value_of(slot, k + 2), value_of(slot, k + 3)),
                 vec4(value_of(slot, k + 4), value_of(slot, k + 5), value_of(slot, k + 6), value_of(slot, k + 7)));
}

uvec4 weights_of(uint n, uint k)
{
    return ELEMENT >= ELEMENT_Q8_0 ? pack8(load_w4(n, k), load_w4(n, k + 4))
                                   : Quads(push.weight).at[n * (push.weight_ld / 8) + k / 8];
}

// Rows beyond the last repeat it; their sums are not stored.
void locate(uint row0, uint col0)
{
    [[unroll]] for (uint i = 0; i < LOADS_A; i++) {
        const uint at = gl_LocalInvocationIndex + LOCAL_SIZE * i;
        const uint row = min(row0 + at / (CHUNK / 8), row_count() - 1);
#ifdef CONVOLUTION
        row_at[i] = row / push.rows * push.x_item;
        window_at[i] = window_of(row % push.rows);
#else
        row_at[i] = row / push.rows * push.x_item + row % push.rows * push.x_ld;
#endif
    }
    [[unroll]] for (uint i = 0; i < LOADS_W; i++) {
        const uint at = gl_LocalInvocationIndex + LOCAL_SIZE * i;
        column_at[i] = min(col0 + at / (CHUNK / 8), push.cols - 1);
    }
}

void load(uint k0)
{
    [[unroll]] for (uint i = 0; i < LOADS_A; i++)
        next_a[i] = values_of(i, k0 + (gl_LocalInvocationIndex + LOCAL_SIZE * i) % (CHUNK / 8) * 8);
    [[unroll]] for (uint i = 0; i < LOADS_W; i++)
        next_w[i] = weights_of(column_at[i], k0 + (gl_LocalInvocationIndex + LOCAL_SIZE * i) % (CHUNK / 8) * 8);
}

void store()
{
    [[unroll]] for (uint i = 0; i < LOADS_A; i++) {
        const uint at = gl_LocalInvocationIndex + LOCAL_SIZE * i;
        tile[at / (CHUNK / 8) * STEP + at % (CHUNK / 8)] = next_a[i];
    }
    [[unroll]] for (uint i = 0; i < LOADS_W; i++) {
        const uint at = gl_LocalInvocationIndex + LOCAL_SIZE * i;
        tile[(TILE_M + at / (CHUNK / 8)) * STEP + at % (CHUNK / 8)] = next_w[i];
    }
}

MATRIX_SUM sums[FRAGS_M * FRAGS_N];

void multiply(uint row, uint col)
{
    [[unroll]] for (uint k = 0; k < CHUNK; k += K) {
        MATRIX_A a[FRAGS_M];
        [[unroll]] for (uint i = 0; i < FRAGS_M; i++)
            LOAD(a[i], (row + i * M) * STEP + k / 8, STEP, gl_CooperativeMatrixLayoutRowMajor);
        [[unroll]] for (uint j = 0; j < FRAGS_N; j++) {
            MATRIX_B b;
            LOAD(b, (TILE_M + col + j * N) * STEP + k / 8, STEP, gl_CooperativeMatrixLayoutColumnMajor);
            [[unroll]] for (uint i = 0; i < FRAGS_M; i++)
                sums[i * FRAGS_N + j] = coopMatMulAdd(a[i], b, sums[i * FRAGS_N + j]);
        }
    }
}

void finish_four(uint row, uint n, vec4 sum)
{
    const uint item = row / push.rows, r = row % push.rows;
    if (item >= push.items || n >= push.cols)
        return;
    if (IS_OUT_ALIGNED)
        store4(push.to, item * push.to_item + r * push.to_ld + n, finished4(item, r, n, sum), TO_ELEMENT);
    else
        for (uint i = 0; i < 4; i++)
            finish(row, n + i, sum[i]);
}

void finish_all(uint row, uint col)
{
    const uint stage = gl_SubgroupID * STAGE;
    barrier(); // the tiles have been read
    [[unroll]] for (uint i = 0; i < FRAGS_M * FRAGS_N; i++) {
        coopMatStore(sums[i], tile, stage, N / 4, gl_CooperativeMatrixLayoutRowMajor);
        subgroup_sync();
        for (uint at = gl_SubgroupInvocationID; at < STAGE; at += gl_SubgroupSize)
            finish_four(row + i / FRAGS_N * M + at / (N / 4), col + i % FRAGS_N * N + at % (N / 4) * 4,
                        uintBitsToFloat(tile[stage + at]));
        subgroup_sync();
    }
}

void main()
{
    const uint columns = (push.cols + TILE_N - 1) / TILE_N, tiles = (row_count() + TILE_M - 1) / TILE_M;
    const uint group = gl_WorkGroupID.x + push.group0, band = group / (BAND * columns);
    if (group >= tiles * columns)
        return;
    const uint height = min(BAND, tiles - band * BAND), in_band = group - band * BAND * columns;
    const uint row0 = (band * BAND + in_band % height) * TILE_M, col0 = in_band / height * TILE_N;
    const uint row = gl_SubgroupID / WARPS_N * (FRAGS_M * M), col = gl_SubgroupID % WARPS_N * (FRAGS_N * N);
    [[unroll]] for (uint i = 0; i < FRAGS_M * FRAGS_N; i++)
        sums[i] = MATRIX_SUM(0.0);
#ifdef CONVOLUTION
    const uint depth = push.depth * KERNEL * KERNEL;
#else
    const uint depth = push.depth;
#endif
    locate(row0, col0);
    load(0);
    for (uint k0 = 0; k0 < depth; k0 += CHUNK) {
        barrier();
        store();
        barrier();
        if (k0 + CHUNK < depth)
            load(k0 + CHUNK);
        multiply(row, col);
    }
    finish_all(row0 + row, col0 + col);
}
