#version 460
// attention_tile.comp - ATTENTION of device.h on any GPU: nothing but 16 KiB of shared memory is asked for.
//
// A group of 16 x 16 invocations takes ROWS queries of one head and goes through the keys, KEYS at a time. Invocation
// (x, y) has rows y + 16 i; of the scores columns x and x + 16, of the output columns x + 16 j. Queries and keys come in
// slices of SLICE columns, values in slices of 32, all through the same shared memory.
//
// Running maximum and sum of a row are the same numbers in all 16 invocations that have the row: each of them adds up
// all of the row's weights, which are read from shared memory anyway.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require

layout(local_size_x = 16, local_size_y = 16) in;
layout(constant_id = 0) const uint SIZE = 64; // of a head
layout(constant_id = 1) const bool IS_CAUSAL = false;
layout(constant_id = 2) const uint ROUNDED = 0; // scaled q, k and v are rounded to this type first
layout(constant_id = 3) const uint OUT = 4;     // ceil(SIZE / 16)

#include "common.glsl"
#include "attention.glsl"

const uint ROWS = 64, KEYS = 32, SLICE = 16, EACH = ROWS / 16;

shared float scores[ROWS][KEYS + 1];
shared float slice[(ROWS + KEYS) * (SLICE + 1)]; // of queries, then of keys; or of values

float outputs[EACH][OUT], largest[EACH], sums[EACH];

void load_slice(uint q_at, uint row0, uint k_at, uint key0, uint column)
{
    const uint x = gl_LocalInvocationID.x, c = column + x;
    barrier();
    for (uint r = gl_LocalInvocationID.y; r < ROWS; r += 16) {
        const uint at = q_at + min(row0 + r, push.rows - 1) * push.q_ld + c;
        slice[r * (SLICE + 1) + x] = c < SIZE ? round_to(Floats(push.q).at[at] * push.scale, ROUNDED) : 0.0;
    }
    for (uint j = gl_LocalInvocationID.y; j < KEYS; j += 16) {
        const uint at = k_at + min(key0 + j, push.keys - 1) * push.k_ld + c;
        slice[(ROWS + j) * (SLICE + 1) + x] = c < SIZE ? round_to(Floats(push.k).at[at], ROUNDED) : 0.0;
    }
    barrier();
}

void multiply_keys(uint q_at, uint row0, uint k_at, uint key0, uint bias)
{
    const uint x = gl_LocalInvocationID.x, y = gl_LocalInvocationID.y;
    vec2 sum[EACH];
    [[unroll]] for (uint i = 0; i < EACH; i++)
        sum[i] = vec2(0.0);
    for (uint column = 0; column < SIZE; column += SLICE) {
        load_slice(q_at, row0, k_at, key0, column);
        for (uint c = 0; c < SLICE; c++) {
            const vec2 key = vec2(slice[(ROWS + x) * (SLICE + 1) + c], slice[(ROWS + x + 16) * (SLICE + 1) + c]);
            [[unroll]] for (uint i = 0; i < EACH; i++)
                sum[i] += slice[(y + 16 * i) * (SLICE + 1) + c] * key;
        }
    }
    [[unroll]] for (uint i = 0; i < EACH; i++)
        [[unroll]] for (uint h = 0; h < 2; h++) {
            const uint row = min(row0 + y + 16 * i, push.rows - 1), j = key0 + x + 16 * h;
            if (j >= push.keys || IS_CAUSAL && j > row)
                sum[i][h] = -3.0e38;
            else if (!is_absent(push.bias))
                sum[i][h] += Floats(push.bias).at[bias + j + push.rows - 1 - row];
            scores[y + 16 * i][x + 16 * h] = sum[i][h];
        }
}

// Scores become weights. Every invocation reads its rows whole; it writes the two columns that it computed.
void weigh()
{
    const uint x = gl_LocalInvocationID.x, y = gl_LocalInvocationID.y;
    float maximum[EACH];
    barrier();
    [[unroll]] for (uint i = 0; i < EACH; i++) {
        maximum[i] = largest[i];
        for (uint j = 0; j < KEYS; j++)
            maximum[i] = max(maximum[i], scores[y + 16 * i][j]);
    }
    barrier();
    [[unroll]] for (uint i = 0; i < EACH; i++) {
        const float old = exp(largest[i] - maximum[i]);
        scores[y + 16 * i][x] = exp(scores[y + 16 * i][x] - maximum[i]);
        scores[y + 16 * i][x + 16] = exp(scores[y + 16 * i][x + 16] - maximum[i]);
        largest[i] = maximum[i];
        sums[i] *= old;
        [[unroll]] for (uint j = 0; j < OUT; j++)
            outputs[i][j] *= old;
    }
}

void add_values(uint v_at, uint key0)
{
    const uint x = gl_LocalInvocationID.x, y = gl_LocalInvocationID.y;
    [[unroll]] for (uint first = 0; first < OUT; first += 2) {
        barrier();
        for (uint i = gl_LocalInvocationIndex; i < KEYS * 32; i += 256) {
            const uint c = 16 * first + i % 32, j = key0 + i / 32;
            slice[i] = c < SIZE && j < push.keys ? round_to(Floats(push.v).at[v_at + j * push.v_ld + c], ROUNDED) : 0.0;
        }
        barrier();
        for (uint j = 0; j < KEYS; j++) {
            const vec2 value = vec2(slice[32 * j + x], slice[32 * j + x + 16]);
            [[unroll]] for (uint i = 0; i < EACH; i++) {
                const float weight = scores[y + 16 * i][j];
                if (first == 0)
                    sums[i] += weight;
                outputs[i][first] += weight * value.x;
                if (first + 1 < OUT)
                    outputs[i][first + 1] += weight * value.y;
            }
        }
    }
}

void main()
{
    const uint tiles = (push.rows + ROWS - 1) / ROWS, group = gl_WorkGroupID.x + push.group0;
    const uint head = group / tiles % push.heads, item = group / tiles / push.heads, row0 = group % tiles * ROWS;
    if (item >= push.items)
        return;
    [[unroll]] for (uint i = 0; i < EACH; i++) {
        largest[i] = -3.0e38;
        sums[i] = 0.0;
        [[unroll]] for (uint j = 0; j < OUT; j++)
            outputs[i][j] = 0.0;
    }
    const uint keys = IS_CAUSAL ? min(row0 + ROWS, push.keys) : push.keys;
    for (uint key0 = 0; key0 < keys; key0 += KEYS) {
        multiply_keys(item * push.q_item + head * SIZE, row0, item * push.k_item + head * SIZE, key0,
                      item * push.bias_item + head * push.bias_ld);
        weigh();
        add_values(item * push.v_item + head * SIZE, key0);
    }
    [[unroll]] for (uint i = 0; i < EACH; i++)
        [[unroll]] for (uint j = 0; j < OUT; j++) {
            const uint row = row0 + gl_LocalInvocationID.y + 16 * i, c = gl_LocalInvocationID.x + 16 * j;
            if (row < push.rows && c < SIZE)
                Floats(push.to).at[item * push.to_item + row * push.to_ld + head * SIZE + c] = outputs[i][j] / sums[i];
        }
}
