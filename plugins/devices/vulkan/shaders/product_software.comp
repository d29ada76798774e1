#version 460
// product_software.comp - LINEAR and CONV for devices that are processors (Mesa's llvmpipe).
//
// Such a driver makes one vector instruction of a subgroup's arithmetic, but of every load in a loop another loop over the
// lanes, 40 cycles and more however regular the addresses are; barriers cost as much. Everything here serves one aim, few
// loads for a multiplication:
//  - lane l holds row l of A and column l of W, four values of k each; the other columns come by rotating W through the
//    lanes with subgroupShuffle(y, lane ^ r), a constant permutation that is one instruction (subgroupBroadcast is a loop);
//  - a subgroup computes a tile of (S * ROWS) x (S * COLUMNS) outputs;
//  - values are loaded as 64-bit words, because there is one lane loop for each component of a load;
//  - the epilogue is a rolled loop, since unrolled it takes seconds to compile, and sums reach it through shared memory:
//    each lane reads what it wrote itself, so there is no barrier.
//
// Weights are packed [ceil(N / S)][2 ceil(K / 8)][S][4 of k], zero where n >= N or k >= K. Such a driver allows few
// turns of loops (check_turns): K is at most 520000.
#extension GL_GOOGLE_include_directive : require

layout(local_size_x_id = 12) in;             // S as well: a group is a subgroup
layout(constant_id = 0) const uint ACTIVATION = 1;
layout(constant_id = 1) const uint ELEMENT = 0;        // of the weights
layout(constant_id = 2) const uint ROUNDED = 0;        // A is rounded to this type first
layout(constant_id = 3) const bool IS_ALIGNED = false; // rows of A begin at multiples of 8 bytes and 4 divides K
layout(constant_id = 4) const uint ROWS = 4;
#ifdef CONVOLUTION
layout(constant_id = 5) const uint KERNEL = 3;
layout(constant_id = 6) const uint STRIDE = 1;
layout(constant_id = 7) const uint PAD = 1;
layout(constant_id = 8) const uint UP = 1;
layout(constant_id = 9) const uint HEIGHT = 1;
layout(constant_id = 10) const uint WIDTH = 1;
layout(constant_id = 11) const uint OUT_WIDTH = 1;
#endif
layout(constant_id = 12) const uint S = 8;
layout(constant_id = 13) const bool IS_EVEN = false; // N, and every stride and address of the epilogue

#include "product.glsl"
#include "software.glsl"

const uint COLUMNS = 4;
const uint GROUPS = 2; // of four k in one turn of the loop; one is slower, four outgrow the instruction cache

shared float tile[ROWS * COLUMNS * S * S];

// Four values of k of the lane's row, which is `row` of all, or begins at `base`.
vec4 values_of(uint64_t base, uint row, uint k, uint depth)
{
#ifdef CONVOLUTION
    uint offset;
    if (IS_ALIGNED) {
        if (k >= depth * KERNEL * KERNEL || !find_tap(row, k / depth, offset))
            return vec4(0.0);
        Pairs at = Pairs(base + 4ul * (offset + k % depth));
        return vec4(floats(at.at[0]), floats(at.at[1]));
    }
    return vec4(load_a(row, k), load_a(row, k + 1), load_a(row, k + 2), load_a(row, k + 3));
#else
    if (IS_ALIGNED) {
        Pairs at = Pairs(base + 4ul * min(k, depth - 4));
        return vec4(floats(at.at[0]), floats(at.at[1]));
    }
    vec4 a;
    [[unroll]] for (uint c = 0; c < 4; c++) {
        const float x = Floats(base).at[min(k + c, depth - 1)];
        a[c] = k + c < depth ? x : 0.0;
    }
    return a;
#endif
}

vec4 weights_of(uint64_t at)
{
    if (ELEMENT == ELEMENT_F32)
        return vec4(floats(Pairs(at).at[0]), floats(Pairs(at).at[1]));
    const uvec2 words = unpackUint2x32(Pairs(at).at[0]);
    return vec4(unpack(words.x, ELEMENT), unpack(words.y, ELEMENT));
}

// Two neighbours at element i.
vec2 load_pair(uint64_t base, uint i, bool has_second)
{
    const uint64_t at = base + 4ul * i;
    if (IS_EVEN)
        return floats(Pairs(at).at[0]);
    return vec2(Floats(at).at[0], has_second ? Floats(at).at[1] : 0.0);
}

void store_pair(uint64_t base, uint i, bool has_second, vec2 value)
{
    const uint64_t at = base + 4ul * i;
    if (IS_EVEN) {
        Pairs(at).at[0] = packUint2x32(floatBitsToUint(value));
        return;
    }
    Floats(at).at[0] = value.x;
    if (has_second)
        Floats(at).at[1] = value.y;
}

// Columns n0 .. n_end of the lane's row; t: where its sums lie in `tile`.
void finish_row(uint m, uint t, uint n0, uint n_end)
{
    const uint item = m / push.rows, r = m % push.rows;
    const uint64_t bias = packUint2x32(push.bias), mul = packUint2x32(push.mul), gate = packUint2x32(push.gate);
    const uint64_t residual = packUint2x32(push.residual), to = packUint2x32(push.to);
    const uint to_at = item * push.to_item + r * push.to_ld, mul_at = item * push.mul_item + r * push.mul_ld;
    const uint residual_at = item * push.residual_item + r * push.residual_ld, gate_at = item * push.gate_item;
    for (uint n = n0; n < n_end; n += 2) {
        const bool has_second = n + 1 < n_end;
        vec2 sum = vec2(tile[t + n - n0], tile[t + n - n0 + 1]);
        if (bias != 0)
            sum += load_pair(bias, n, has_second);
        sum = vec2(activate(sum.x, ACTIVATION), activate(sum.y, ACTIVATION));
        if (mul != 0)
            sum *= load_pair(mul, mul_at + n, has_second);
        if (gate != 0)
            sum *= load_pair(gate, gate_at + n, has_second);
        if (residual != 0)
            sum += load_pair(residual, residual_at + n, has_second);
        store_pair(to, to_at + n, has_second, sum);
    }
}

void main()
{
    const uint lane = gl_SubgroupInvocationID;
    // Push constants are copied: read inside a loop they are loaded lane by lane each time.
    const uint rows = row_count(), cols = push.cols, depth = push.depth;
#ifdef CONVOLUTION
    const uint k4 = (depth * KERNEL * KERNEL + 7) / 8 * 2;
#else
    const uint k4 = (depth + 7) / 8 * 2;
#endif
    const uint panels = (cols + S - 1) / S, tiles = (rows + S * ROWS - 1) / (S * ROWS);
    const uint group = gl_WorkGroupID.x + push.group0;
    const uint m0 = group % tiles * (S * ROWS), panel0 = group / tiles * COLUMNS; // rows first: W stays in the cache

    // Rows and panels past the end repeat the last one, so that loads need no guards; their sums are not stored.
    uint64_t a_at[ROWS], w_at[COLUMNS];
    uint a_row[ROWS];
    [[unroll]] for (uint i = 0; i < ROWS; i++) {
        a_row[i] = min(m0 + S * i + lane, rows - 1);
        a_at[i] = packUint2x32(push.x);
#ifndef CONVOLUTION
        a_at[i] += 4ul * (a_row[i] / push.rows * push.x_item + a_row[i] % push.rows * push.x_ld);
#endif
    }
    const uint word = ELEMENT == ELEMENT_F32 ? 16 : 8; // bytes of four weights
    [[unroll]] for (uint j = 0; j < COLUMNS; j++)
        w_at[j] = packUint2x32(push.weight) + uint64_t(word) * (uint64_t(min(panel0 + j, panels - 1)) * k4 * S + lane);

    float sums[COLUMNS][S][ROWS];
    [[unroll]] for (uint j = 0; j < COLUMNS; j++)
        [[unroll]] for (uint r = 0; r < S; r++)
            [[unroll]] for (uint i = 0; i < ROWS; i++) sums[j][r][i] = 0.0;

    for (uint k = 0; k < k4; k += GROUPS) {
        vec4 a[ROWS][GROUPS];
        [[unroll]] for (uint i = 0; i < ROWS; i++)
            [[unroll]] for (uint h = 0; h < GROUPS; h++)
                a[i][h] = round_vector(values_of(a_at[i], a_row[i], 4 * (k + h), depth), ROUNDED);
        [[unroll]] for (uint j = 0; j < COLUMNS; j++) {
            vec4 w[GROUPS];
            [[unroll]] for (uint h = 0; h < GROUPS; h++) w[h] = weights_of(w_at[j] + uint64_t(k + h) * (word * S));
            [[unroll]] for (uint r = 0; r < S; r++)
                [[unroll]] for (uint h = 0; h < GROUPS; h++)
                    [[unroll]] for (uint c = 0; c < 4; c++) {
                        const float y = r == 0 ? w[h][c] : subgroupShuffle(w[h][c], lane ^ r);
                        [[unroll]] for (uint i = 0; i < ROWS; i++) sums[j][r][i] += a[i][h][c] * y;
                    }
        }
    }
    [[unroll]] for (uint j = 0; j < COLUMNS; j++)
        [[unroll]] for (uint r = 0; r < S; r++)
            [[unroll]] for (uint i = 0; i < ROWS; i++) tile[((i * S + lane) * COLUMNS + j) * S + (lane ^ r)] = sums[j][r][i];

    const uint n0 = panel0 * S, n_end = min(n0 + S * COLUMNS, cols);
    for (uint i = 0; i < ROWS && m0 + S * i + lane < rows; i++)
        finish_row(m0 + S * i + lane, (i * S + lane) * (COLUMNS * S), n0, n_end);
}
