#version 460
// attention.comp - ATTENTION of device.h, plainly: one group (a subgroup) for each query of each head.
//
// Lanes share out the keys; each keeps a running maximum, sum and weighted values (Milakov and Gimelshein 2018,
// arXiv:1805.02867), which are joined at the end. Right for any shape; what other kernels are compared with.
#extension GL_GOOGLE_include_directive : require

layout(constant_id = 0) const uint LOCAL_SIZE = 32;
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const bool HAS_SUBGROUP = true;
layout(constant_id = 2) const uint SIZE = 64; // of a head
layout(constant_id = 3) const bool IS_CAUSAL = false;
layout(constant_id = 4) const uint ROUNDED = 0; // scaled q, k and v are rounded to this type first

#include "common.glsl"
#include "reduce.glsl"
#include "attention.glsl"

shared float group_maximum[LOCAL_SIZE];

float largest_of_group(float x)
{
    barrier();
    group_maximum[gl_LocalInvocationID.x] = x;
    barrier();
    for (uint i = 0; i < LOCAL_SIZE; i++)
        x = max(x, group_maximum[i]);
    return x;
}

void main()
{
    const uint group = gl_WorkGroupID.x + push.group0, head = group % push.heads, row = group / push.heads;
    const uint item = row / push.rows, r = row % push.rows;
    if (item >= push.items)
        return;
    Floats q = Floats(push.q), k = Floats(push.k), v = Floats(push.v), to = Floats(push.to);
    const uint q_at = item * push.q_item + r * push.q_ld + head * SIZE;
    float query[SIZE], values[SIZE];
    for (uint c = 0; c < SIZE; c++) {
        query[c] = round_to(q.at[q_at + c] * push.scale, ROUNDED);
        values[c] = 0.0;
    }
    float maximum = -3.0e38, sum = 0.0;
    const uint keys = IS_CAUSAL ? min(r + 1, push.keys) : push.keys;
    for (uint j = gl_LocalInvocationID.x; j < keys; j += LOCAL_SIZE) {
        const uint k_at = item * push.k_item + j * push.k_ld + head * SIZE;
        const uint v_at = item * push.v_item + j * push.v_ld + head * SIZE;
        float score = 0.0;
        for (uint c = 0; c < SIZE; c++)
            score += query[c] * round_to(k.at[k_at + c], ROUNDED);
        if (!is_absent(push.bias))
            score += Floats(push.bias).at[item * push.bias_item + head * push.bias_ld + j + push.rows - 1 - r];
        const float larger = max(maximum, score), old = exp(maximum - larger), weight = exp(score - larger);
        sum = sum * old + weight;
        for (uint c = 0; c < SIZE; c++)
            values[c] = values[c] * old + weight * round_to(v.at[v_at + c], ROUNDED);
        maximum = larger;
    }
    const float all = largest_of_group(maximum), old = exp(maximum - all), total = sum_of_group(sum * old);
    for (uint c = 0; c < SIZE; c++) {
        const float value = sum_of_group(values[c] * old) / total;
        if (gl_LocalInvocationID.x == 0)
            to.at[item * push.to_item + r * push.to_ld + head * SIZE + c] = value;
    }
}
