#version 460
// norm.comp - NORM of device.h: one group for each row. out = n(x) w + b, or n(x) (1 + scale) + shift.
#extension GL_GOOGLE_include_directive : require

layout(constant_id = 0) const uint LOCAL_SIZE = 32;
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const bool HAS_SUBGROUP = true;
layout(constant_id = 2) const bool IS_RMS = false;
layout(constant_id = 3) const bool IS_MODULATED = false; // scale and shift are tensors of the item, and 1 is added
layout(constant_id = 4) const uint TO_ELEMENT = 0; // of out; where it is not F32, cols is even
layout(constant_id = 5) const bool IS_ALIGNED = false; // 4 divides cols and strides, addresses are multiples of 16

#include "common.glsl"
#include "reduce.glsl"

layout(push_constant) uniform Push {
    uint group0, items;
    uvec2 x, scale, shift, to; // scale, shift: absent or [cols]
    uint rows, cols, x_ld, x_item, to_ld, to_item, scale_item, shift_item;
    float eps;
} push;

float row_sum(Floats x, uint first, float minus, bool squared)
{
    float sum = 0.0;
    if (IS_ALIGNED) // one subgroup hides little: with 16 bytes a load more of the row is on its way
        for (uint c = 4 * gl_LocalInvocationID.x; c < push.cols; c += 4 * LOCAL_SIZE) {
            const vec4 d = Vectors(push.x).at[(first + c) / 4] - minus;
            sum += squared ? dot(d, d) : dot(d, vec4(1.0));
        }
    else
        for (uint c = gl_LocalInvocationID.x; c < push.cols; c += LOCAL_SIZE) {
            const float d = x.at[first + c] - minus;
            sum += squared ? d * d : d;
        }
    return sum_of_group(sum);
}

float normed(uint item, uint c, float x, float mean, float factor)
{
    float n = (x - mean) * factor;
    if (!is_absent(push.scale))
        n *= Floats(push.scale).at[item * push.scale_item + c] + (IS_MODULATED ? 1.0 : 0.0);
    if (!is_absent(push.shift))
        n += Floats(push.shift).at[item * push.shift_item + c];
    return n;
}

vec4 normed4(uint item, uint c, vec4 x, float mean, float factor)
{
    vec4 n = (x - mean) * factor;
    if (!is_absent(push.scale))
        n *= Vectors(push.scale).at[(item * push.scale_item + c) / 4] + (IS_MODULATED ? 1.0 : 0.0);
    if (!is_absent(push.shift))
        n += Vectors(push.shift).at[(item * push.shift_item + c) / 4];
    return n;
}

void write_aligned(uint item, uint from, uint into, float mean, float factor)
{
    for (uint c = 4 * gl_LocalInvocationID.x; c < push.cols; c += 4 * LOCAL_SIZE) {
        const vec4 n = normed4(item, c, Vectors(push.x).at[(from + c) / 4], mean, factor);
        if (TO_ELEMENT == ELEMENT_F32)
            WritableVectors(push.to).at[(into + c) / 4] = n;
        else
            WritablePairs(push.to).at[(into + c) / 4] = uvec2(pack(n.xy, TO_ELEMENT), pack(n.zw, TO_ELEMENT));
    }
}

void main()
{
    const uint row = gl_WorkGroupID.x + push.group0, item = row / push.rows, r = row % push.rows;
    if (item >= push.items)
        return;
    Floats x = Floats(push.x), to = Floats(push.to);
    const uint from = item * push.x_item + r * push.x_ld, into = item * push.to_item + r * push.to_ld;
    const float mean = IS_RMS ? 0.0 : row_sum(x, from, 0.0, false) / float(push.cols);
    const float factor = inversesqrt(row_sum(x, from, mean, true) / float(push.cols) + push.eps);
    if (IS_ALIGNED) {
        write_aligned(item, from, into, mean, factor);
        return;
    }
    if (TO_ELEMENT == ELEMENT_F32) {
        for (uint c = gl_LocalInvocationID.x; c < push.cols; c += LOCAL_SIZE)
            to.at[into + c] = normed(item, c, x.at[from + c], mean, factor);
        return;
    }
    for (uint c = 2 * gl_LocalInvocationID.x; c < push.cols; c += 2 * LOCAL_SIZE)
        WritableWords(push.to).at[(into + c) / 2] = pack(vec2(normed(item, c, x.at[from + c], mean, factor),
                                                              normed(item, c + 1, x.at[from + c + 1], mean, factor)),
                                                         TO_ELEMENT);
}
