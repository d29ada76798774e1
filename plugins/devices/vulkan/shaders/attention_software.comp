#version 460
// attention_software.comp - ATTENTION for devices that are processors; product_software.comp says what is cheap on them.
//
// A group is one subgroup of S lanes. It has S * QUERIES queries of one head and walks over the keys in blocks of S * KEYS.
// Lane l holds query l of each of the QUERIES rows and sees key l ^ r in step r, as keys and values are rotated through
// the lanes. So a lane has all scores of its queries, and the online softmax (Milakov and Gimelshein 2018,
// arXiv:1805.02867) needs no exchange. The running output lies in shared memory, since registers cannot be indexed there;
// a lane touches only its own words, so there is no barrier. Large heads leave room for fewer QUERIES; a turn of a loop then
// takes more dimensions, which is as much code and keeps the loops of large pictures within what a driver allows
// (check_turns). Where SIZE is no multiple of 4 GROUPS, which is 1 then, the last dimension is repeated, times 0.
#extension GL_GOOGLE_include_directive : require

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint S = 8;
layout(constant_id = 1) const bool IS_ALIGNED = false; // every address, stride and leading dimension to 8 bytes
layout(constant_id = 2) const uint SIZE = 64;          // of a head
layout(constant_id = 3) const bool IS_CAUSAL = false;
layout(constant_id = 4) const uint ROUNDED = 0; // scaled q, k and v are rounded to this type first
layout(constant_id = 5) const uint QUERIES = 4;
layout(constant_id = 6) const uint GROUPS = 2; // of four dimensions in one turn of the scores' loop

#include "common.glsl"
#include "software.glsl"
#include "attention.glsl"

const uint KEYS = 4, FOURS = (SIZE + 3) / 4;     // of dimensions
const uint VALUES = GROUPS == 1 ? 1 : GROUPS / 2; // fours in one turn of the values' loop
const float LOG2E = 1.4426950408889634, NEVER = -1.0e30;

shared vec4 outputs[FOURS * QUERIES * S];

// Four dimensions of a row, from 4 d on; those past the end are the last one again.
vec4 load4(uint64_t row, uint d)
{
    const uint64_t at = row + 16ul * d;
    if (IS_ALIGNED)
        return vec4(floats(Pairs(at).at[0]), floats(Pairs(at).at[1]));
    const uint last = SIZE % 4 == 0 ? 3 : min(3, SIZE - 1 - 4 * d);
    return vec4(Floats(at).at[0], Floats(at).at[min(1, last)], Floats(at).at[min(2, last)], Floats(at).at[last]);
}

// As load4, but those past the end are 0.
vec4 load4_or_0(uint64_t row, uint d)
{
    vec4 value = load4(row, d);
    if (SIZE % 4 != 0)
        [[unroll]] for (uint c = 1; c < 4; c++) value[c] = 4 * d + c < SIZE ? value[c] : 0.0;
    return value;
}

void store4(uint64_t row, uint d, vec4 value)
{
    const uint64_t at = row + 16ul * d;
    if (IS_ALIGNED) {
        Pairs(at).at[0] = packUint2x32(floatBitsToUint(value.xy));
        Pairs(at).at[1] = packUint2x32(floatBitsToUint(value.zw));
    } else {
        [[unroll]] for (uint c = 0; c < 4; c++)
            if (SIZE % 4 == 0 || 4 * d + c < SIZE)
                Floats(at).at[c] = value[c];
    }
}

// Where the lane's row of a head begins; rows past the end repeat the last one, so that loads need no guards.
uint64_t row_of(uvec2 base, uint item_offset, uint row, uint ld, uint head)
{
    return packUint2x32(base) + 4ul * (item_offset + row * ld + head * SIZE);
}

void main()
{
    const uint lane = gl_SubgroupInvocationID, rows = push.rows, keys = push.keys;
    const uint tiles = (rows + S * QUERIES - 1) / (S * QUERIES), group = gl_WorkGroupID.x + push.group0;
    const uint q0 = group % tiles * (S * QUERIES), head = group / tiles % push.heads, item = group / tiles / push.heads;
    const bool has_bias = !is_absent(push.bias);
    const float scale = push.scale;
    const uint k_item = item * push.k_item, v_item = item * push.v_item, k_ld = push.k_ld, v_ld = push.v_ld;
    const uvec2 k_base = push.k, v_base = push.v;
    const uint64_t bias = packUint2x32(push.bias) + 4ul * (item * push.bias_item + head * push.bias_ld);

    uint64_t q_at[QUERIES];
    float top[QUERIES], total[QUERIES];
    [[unroll]] for (uint i = 0; i < QUERIES; i++) {
        q_at[i] = row_of(push.q, item * push.q_item, min(q0 + S * i + lane, rows - 1), push.q_ld, head);
        top[i] = NEVER;
        total[i] = 0.0;
    }
    for (uint d = 0; d < FOURS; d++)
        [[unroll]] for (uint i = 0; i < QUERIES; i++) outputs[(d * QUERIES + i) * S + lane] = vec4(0.0);

    const uint k_end = IS_CAUSAL ? min(keys, q0 + S * QUERIES) : keys;
    for (uint k0 = 0; k0 < k_end; k0 += S * KEYS) {
        uint64_t k_at[KEYS], v_at[KEYS];
        float p[KEYS][S][QUERIES];
        [[unroll]] for (uint j = 0; j < KEYS; j++) {
            const uint key = min(k0 + S * j + lane, keys - 1);
            k_at[j] = row_of(k_base, k_item, key, k_ld, head);
            v_at[j] = row_of(v_base, v_item, key, v_ld, head);
            [[unroll]] for (uint r = 0; r < S; r++)
                [[unroll]] for (uint i = 0; i < QUERIES; i++) p[j][r][i] = 0.0;
        }
        for (uint d = 0; d < FOURS; d += GROUPS) {
            vec4 q[QUERIES][GROUPS];
            [[unroll]] for (uint i = 0; i < QUERIES; i++)
                [[unroll]] for (uint h = 0; h < GROUPS; h++)
                    q[i][h] = round_vector(load4_or_0(q_at[i], d + h) * scale, ROUNDED);
            [[unroll]] for (uint j = 0; j < KEYS; j++) {
                vec4 k[GROUPS];
                [[unroll]] for (uint h = 0; h < GROUPS; h++) k[h] = round_vector(load4(k_at[j], d + h), ROUNDED);
                [[unroll]] for (uint r = 0; r < S; r++)
                    [[unroll]] for (uint h = 0; h < GROUPS; h++)
                        [[unroll]] for (uint c = 0; c < 4; c++) {
                            const float y = r == 0 ? k[h][c] : subgroupShuffle(k[h][c], lane ^ r);
                            [[unroll]] for (uint i = 0; i < QUERIES; i++) p[j][r][i] += q[i][h][c] * y;
                        }
            }
        }

        float now[QUERIES], factor[QUERIES];
        [[unroll]] for (uint i = 0; i < QUERIES; i++) now[i] = top[i];
        [[unroll]] for (uint j = 0; j < KEYS; j++)
            [[unroll]] for (uint r = 0; r < S; r++) {
                const uint key = k0 + S * j + (lane ^ r);
                [[unroll]] for (uint i = 0; i < QUERIES; i++) {
                    const uint row = q0 + S * i + lane;
                    float score = p[j][r][i];
                    if (has_bias)
                        score += Floats(bias + 4ul * (min(key, keys - 1) + rows - 1 - min(row, rows - 1))).at[0];
                    score = key < keys && (!IS_CAUSAL || key <= row) ? score * LOG2E : NEVER;
                    p[j][r][i] = score;
                    now[i] = max(now[i], score);
                }
            }
        [[unroll]] for (uint i = 0; i < QUERIES; i++) {
            factor[i] = exp2(top[i] - now[i]);
            top[i] = now[i];
            total[i] *= factor[i];
        }
        [[unroll]] for (uint j = 0; j < KEYS; j++)
            [[unroll]] for (uint r = 0; r < S; r++)
                [[unroll]] for (uint i = 0; i < QUERIES; i++) {
                    p[j][r][i] = exp2(p[j][r][i] - top[i]);
                    total[i] += p[j][r][i];
                }

        for (uint d0 = 0; d0 < FOURS; d0 += VALUES)
            [[unroll]] for (uint h = 0; h < VALUES; h++) { // from 0 to a constant, else it is not unrolled
                const uint d = d0 + h;
                vec4 sum[QUERIES];
                [[unroll]] for (uint i = 0; i < QUERIES; i++) sum[i] = outputs[(d * QUERIES + i) * S + lane] * factor[i];
                [[unroll]] for (uint j = 0; j < KEYS; j++) {
                    const vec4 v = round_vector(load4(v_at[j], d), ROUNDED);
                    [[unroll]] for (uint r = 0; r < S; r++)
                        [[unroll]] for (uint c = 0; c < 4; c++) {
                            const float y = r == 0 ? v[c] : subgroupShuffle(v[c], lane ^ r);
                            [[unroll]] for (uint i = 0; i < QUERIES; i++) sum[i][c] += p[j][r][i] * y;
                        }
                }
                [[unroll]] for (uint i = 0; i < QUERIES; i++) outputs[(d * QUERIES + i) * S + lane] = sum[i];
            }
    }

    for (uint d = 0; d < FOURS; d++)
        [[unroll]] for (uint i = 0; i < QUERIES; i++) {
            const uint row = q0 + S * i + lane;
            if (row < rows)
                store4(row_of(push.to, item * push.to_item, row, push.to_ld, head), d,
                       outputs[(d * QUERIES + i) * S + lane] / total[i]);
        }
}
