#version 460
// norm.comp - NORM of device.h: one group for each row. out = n(x) w + b, or n(x) (1 + scale) + shift.
#extension GL_GOOGLE_include_directive : require

layout(constant_id = 0) const uint LOCAL_SIZE = 32;
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const bool HAS_SUBGROUP = true;
layout(constant_id = 2) const bool IS_RMS = false;
layout(constant_id = 3) const bool IS_MODULATED = false; // scale and shift are tensors of the item, and 1 is added

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
    for (uint c = gl_LocalInvocationID.x; c < push.cols; c += LOCAL_SIZE) {
        const float d = x.at[first + c] - minus;
        sum += squared ? d * d : d;
    }
    return sum_of_group(sum);
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
    const bool has_scale = !is_absent(push.scale), has_shift = !is_absent(push.shift);
    for (uint c = gl_LocalInvocationID.x; c < push.cols; c += LOCAL_SIZE) {
        float n = (x.at[from + c] - mean) * factor;
        if (has_scale)
            n *= Floats(push.scale).at[item * push.scale_item + c] + (IS_MODULATED ? 1.0 : 0.0);
        if (has_shift)
            n += Floats(push.shift).at[item * push.shift_item + c];
        to.at[into + c] = n;
    }
}
