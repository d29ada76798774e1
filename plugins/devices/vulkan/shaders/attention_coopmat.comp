#version 460
// attention_coopmat.comp - ATTENTION of device.h on matrix units, without the matrix of scores (Dao et al. 2022,
// arXiv:2205.14135).
//
// A group takes WARPS * M queries of one head, each subgroup M of them, and goes through the keys, KEYS at a time:
// keys, then values lie in shared memory, the next ones in registers. Scores leave the matrix unit through the
// subgroup's own piece of shared memory, where each lane works on its part of one row; the weights go back the same way,
// rounded. Behind the values stand N columns of ones (zeros for keys that are not there): their product is the sum of
// the weights, as rounded as the values' are, and lies in the registers where it is needed.
//
// IS_FIXED: the host knows a bound of all scores (queries and keys of known length), so weights are exp(score - offset)
// with the same offset for all, and neither maxima nor corrections are needed.
#pragma use_vulkan_memory_model
#extension GL_GOOGLE_include_directive : require

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint LOCAL_SIZE = 32;
layout(constant_id = 1) const uint SIZE = 64;  // of a head; 8 divides it
layout(constant_id = 2) const uint WIDTH = 64; // SIZE in whole fragments
layout(constant_id = 3) const bool IS_CAUSAL = false;
layout(constant_id = 4) const bool IS_FIXED = false;
layout(constant_id = 5) const uint M = 16;
layout(constant_id = 6) const uint N = 16;
layout(constant_id = 7) const uint K = 16;
layout(constant_id = 8) const uint WARPS = 1;
layout(constant_id = 9) const uint KEYS = 32;
layout(constant_id = 10) const uint LANES = 2; // that share a row of scores: subgroup / M
layout(constant_id = 11) const uint Q_ELEMENT = 0;
layout(constant_id = 12) const uint K_ELEMENT = 0;
layout(constant_id = 13) const uint V_ELEMENT = 0;
layout(constant_id = 14) const uint TO_ELEMENT = 0;

#include "common.glsl"
#include "attention.glsl"
#include "matrix.glsl"

const uint ROWS = WARPS * M;
const uint WORDS = WIDTH / 8, STEP = WORDS + N / 8 + 1;      // of a row of keys or values
const uint SCORE_WORDS = KEYS / 4, SCORE_STEP = SCORE_WORDS + 1; // of a row of scores, weights or factors
const uint LOADS = (KEYS * WORDS + LOCAL_SIZE - 1) / LOCAL_SIZE;
const uint PART = SCORE_WORDS / LANES; // words of a lane
const uint OUT = WIDTH / N;            // fragments of a row of output; one more holds the sums

shared uvec4 tile[KEYS * STEP + ROWS * SCORE_STEP];
shared float maxima[LOCAL_SIZE];

uvec4 next[LOADS];
MATRIX_A query[WIDTH / K];
MATRIX_SUM outputs[OUT + 1], scores[KEYS / N];
float largest = -3.0e38; // of the lane's row

uvec4 query_at(uint at)
{
    if (Q_ELEMENT == ELEMENT_F32)
        return pack8(Vectors(push.q).at[at / 4] * push.scale, Vectors(push.q).at[at / 4 + 1] * push.scale);
    const uvec4 x = Quads(push.q).at[at / 8];
    return pack8(vec4(unpack(x.x, ELEMENT_HALF), unpack(x.y, ELEMENT_HALF)) * push.scale,
                 vec4(unpack(x.z, ELEMENT_HALF), unpack(x.w, ELEMENT_HALF)) * push.scale);
}

// The subgroup's queries; each row's words go through its piece of shared memory.
void load_queries(uint at, uint row, uint own)
{
    [[unroll]] for (uint first = 0; first < WORDS; first += SCORE_WORDS) {
        for (uint i = gl_SubgroupInvocationID; i < M * SCORE_WORDS; i += gl_SubgroupSize) {
            const uint word = first + i % SCORE_WORDS, r = min(row + i / SCORE_WORDS, push.rows - 1);
            tile[own + i / SCORE_WORDS * SCORE_STEP + i % SCORE_WORDS] =
                word < SIZE / 8 ? query_at(at + r * push.q_ld + 8 * word) : uvec4(0);
        }
        subgroup_sync();
        [[unroll]] for (uint f = first / (K / 8); f < min(first + SCORE_WORDS, WORDS) / (K / 8); f++)
            LOAD(query[f], own + f * (K / 8) - first, SCORE_STEP, gl_CooperativeMatrixLayoutRowMajor);
        subgroup_sync();
    }
}

void load(uvec2 address, uint at, uint ld, uint key0, uint element)
{
    [[unroll]] for (uint i = 0; i < LOADS; i++) {
        const uint n = gl_LocalInvocationIndex + LOCAL_SIZE * i, key = key0 + n / WORDS, word = n % WORDS;
        next[i] = key < push.keys && word < SIZE / 8 ? load8(address, at + key * ld + 8 * word, element) : uvec4(0);
    }
}

void store()
{
    [[unroll]] for (uint i = 0; i < LOADS; i++) {
        const uint n = gl_LocalInvocationIndex + LOCAL_SIZE * i;
        if (n < KEYS * WORDS)
            tile[n / WORDS * STEP + n % WORDS] = next[i];
    }
}

void store_ones(uint key0)
{
    const uint one = pack(vec2(1.0), ELEMENT_HALF);
    for (uint i = gl_LocalInvocationIndex; i < KEYS * (N / 8); i += LOCAL_SIZE)
        tile[i / (N / 8) * STEP + WORDS + i % (N / 8)] = uvec4(key0 + i / (N / 8) < push.keys ? one : 0);
}

void multiply_keys()
{
    [[unroll]] for (uint j = 0; j < KEYS / N; j++) {
        scores[j] = MATRIX_SUM(0.0);
        [[unroll]] for (uint f = 0; f < WIDTH / K; f++) {
            MATRIX_B b;
            LOAD(b, j * N * STEP + f * (K / 8), STEP, gl_CooperativeMatrixLayoutColumnMajor);
            scores[j] = coopMatMulAdd(query[f], b, scores[j]);
        }
    }
}

void multiply_values(uint own)
{
    [[unroll]] for (uint k = 0; k < KEYS / K; k++) {
        MATRIX_A weights;
        LOAD(weights, own + k * (K / 8), SCORE_STEP, gl_CooperativeMatrixLayoutRowMajor);
        [[unroll]] for (uint n = 0; n <= OUT; n++) {
            MATRIX_B b;
            LOAD(b, k * K * STEP + n * (N / 8), STEP, gl_CooperativeMatrixLayoutRowMajor);
            outputs[n] = coopMatMulAdd(weights, b, outputs[n]);
        }
    }
}

void weigh_fixed(uint own)
{
    [[unroll]] for (uint j = 0; j < KEYS / N; j++) {
        [[unroll]] for (uint e = 0; e < scores[j].length(); e++)
            scores[j][e] = exp(scores[j][e] - push.offset);
        STORE_HALF(scores[j], own + j * (N / 8), SCORE_STEP);
    }
    subgroup_sync();
}

// Scores of the lane's part of its row, with bias, -3e38 where the query must not look.
void take_scores(out vec4 part[PART], uint at, uint row, uint key, uint bias)
{
    [[unroll]] for (uint w = 0; w < PART; w++) {
        part[w] = uintBitsToFloat(tile[at + w]);
        [[unroll]] for (uint c = 0; c < 4; c++) {
            const uint j = key + 4 * w + c;
            if (j >= push.keys || IS_CAUSAL && j > row)
                part[w][c] = -3.0e38;
            else if (!is_absent(push.bias))
                part[w][c] += Floats(push.bias).at[bias + j + push.rows - 1 - row];
        }
    }
}

// Outputs so far are corrected by exp(old maximum - new one), a matrix with equal columns.
void correct(uint own)
{
    MATRIX_SUM factors;
    coopMatLoad(factors, tile, own + KEYS / 8, SCORE_STEP, gl_CooperativeMatrixLayoutRowMajor);
    [[unroll]] for (uint n = 0; n <= OUT; n++)
        [[unroll]] for (uint e = 0; e < factors.length(); e++) outputs[n][e] *= factors[e];
}

void weigh(uint own, uint row0, uint key0, uint bias)
{
    const uint lane_row = gl_SubgroupInvocationID / LANES, lane_part = gl_SubgroupInvocationID % LANES;
    const uint at = own + lane_row * SCORE_STEP, first = gl_SubgroupID * gl_SubgroupSize + lane_row * LANES;
    vec4 part[PART];
    [[unroll]] for (uint j = 0; j < KEYS / N; j++)
        coopMatStore(scores[j], tile, own + j * (N / 4), SCORE_STEP, gl_CooperativeMatrixLayoutRowMajor);
    subgroup_sync();
    take_scores(part, at + lane_part * PART, min(row0 + lane_row, push.rows - 1), key0 + lane_part * PART * 4, bias);
    float maximum = largest;
    [[unroll]] for (uint w = 0; w < PART; w++)
        maximum = max(maximum, max(max(part[w].x, part[w].y), max(part[w].z, part[w].w)));
    maxima[first + lane_part] = maximum;
    subgroup_sync();
    [[unroll]] for (uint i = 0; i < LANES; i++)
        maximum = max(maximum, maxima[first + i]);
    [[unroll]] for (uint w = 0; w < PART; w += 2)
        tile[at + (lane_part * PART + w) / 2] = pack8(exp(part[w] - maximum), exp(part[w + 1] - maximum));
    for (uint i = lane_part; i < N / 4; i += LANES)
        tile[at + KEYS / 8 + i] = floatBitsToUint(vec4(exp(largest - maximum)));
    largest = maximum;
    subgroup_sync();
    correct(own);
}

void write(uint own, uint row, uint at)
{
    [[unroll]] for (uint n = 0; n < OUT; n++) {
        [[unroll]] for (uint e = 0; e < outputs[n].length(); e++)
            outputs[n][e] /= outputs[OUT][e];
        subgroup_sync();
        coopMatStore(outputs[n], tile, own, SCORE_STEP, gl_CooperativeMatrixLayoutRowMajor);
        subgroup_sync();
        for (uint i = gl_SubgroupInvocationID; i < M * (N / 4); i += gl_SubgroupSize) {
            const uint r = row + i / (N / 4), c = n * N + i % (N / 4) * 4;
            if (r < push.rows && c < SIZE)
                store4(push.to, at + r * push.to_ld + c,
                       uintBitsToFloat(tile[own + i / (N / 4) * SCORE_STEP + i % (N / 4)]), TO_ELEMENT);
        }
    }
}

void main()
{
    const uint tiles = (push.rows + ROWS - 1) / ROWS, group = gl_WorkGroupID.x + push.group0;
    const uint head = group / tiles % push.heads, item = group / tiles / push.heads;
    if (item >= push.items)
        return;
    const uint tile_row = group % tiles * ROWS, row = tile_row + gl_SubgroupID * M;
    const uint own = KEYS * STEP + gl_SubgroupID * M * SCORE_STEP, column = head * SIZE;
    const uint k_at = item * push.k_item + column, v_at = item * push.v_item + column;
    const uint keys = IS_CAUSAL ? min(tile_row + ROWS, push.keys) : push.keys;
    const uint bias = item * push.bias_item + head * push.bias_ld;
    [[unroll]] for (uint n = 0; n <= OUT; n++)
        outputs[n] = MATRIX_SUM(0.0);
    load(push.k, k_at, push.k_ld, 0, K_ELEMENT);
    load_queries(item * push.q_item + column, row, own);
    for (uint key0 = 0; key0 < keys; key0 += KEYS) {
        barrier();
        store();
        barrier();
        load(push.v, v_at, push.v_ld, key0, V_ELEMENT);
        multiply_keys();
        barrier();
        store();
        store_ones(key0);
        barrier();
        if (key0 + KEYS < keys)
            load(push.k, k_at, push.k_ld, key0 + KEYS, K_ELEMENT);
        if (IS_FIXED)
            weigh_fixed(own);
        else
            weigh(own, row, key0, bias);
        multiply_values(own);
        subgroup_sync();
    }
    write(own, row, item * push.to_item + column);
}
