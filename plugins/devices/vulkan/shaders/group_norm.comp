#version 460
// group_norm.comp - GROUP_MOMENTS, GROUP_TABLE and GROUP_NORM of device.h, since a picture's group is far larger than one
// workgroup should read: MOMENTS finds mean and sum of squared distances of each chunk of rows, JOIN joins them, APPLY
// normalises. Statistics are over the whole picture whatever the chunks.
#extension GL_GOOGLE_include_directive : require

layout(constant_id = 0) const uint LOCAL_SIZE = 32;
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const bool HAS_SUBGROUP = true;
layout(constant_id = 2) const uint PHASE = 0;
layout(constant_id = 3) const uint ACTIVATION = 1;
layout(constant_id = 4) const uint TO_ELEMENT = 0; // of what APPLY writes; where it is not F32, cols is even

#include "common.glsl"
#include "activation.glsl"
#include "reduce.glsl"

const uint MOMENTS = 0, JOIN = 1; // and APPLY

layout(push_constant) uniform Push {
    uint group0, items;
    uvec2 x, weight, bias, table, to; // of JOIN x are moments, [chunks, 2 groups]; table: [3, cols] mean, factor, shift
    uint rows, cols, x_ld, x_item, to_ld, to_item, table_item; // rows: of x in MOMENTS and APPLY, of the picture in JOIN
    uint groups, chunks, chunk; // chunk: rows of one
    float eps;
} push;

uint values_of(uint chunk)
{
    return min(push.chunk, push.rows - chunk * push.chunk) * (push.cols / push.groups);
}

// Group g: norm group g % groups of chunk (g / groups) % chunks of item g / groups / chunks.
void measure(uint g)
{
    const uint group = g % push.groups, chunk = g / push.groups % push.chunks, item = g / push.groups / push.chunks;
    const uint width = push.cols / push.groups, count = values_of(chunk);
    Floats x = Floats(push.x), to = Floats(push.to);
    const uint from = item * push.x_item + chunk * push.chunk * push.x_ld + group * width;
    float sum = 0.0, squares = 0.0;
    for (uint k = gl_LocalInvocationID.x; k < count; k += LOCAL_SIZE)
        sum += x.at[from + k / width * push.x_ld + k % width];
    const float mean = sum_of_group(sum) / float(count);
    for (uint k = gl_LocalInvocationID.x; k < count; k += LOCAL_SIZE) {
        const float d = x.at[from + k / width * push.x_ld + k % width] - mean;
        squares += d * d;
    }
    squares = sum_of_group(squares);
    if (gl_LocalInvocationID.x == 0) {
        const uint at = item * push.to_item + chunk * push.to_ld + 2 * group;
        to.at[at] = mean;
        to.at[at + 1] = squares;
    }
}

// Group g: norm group g % groups of item g / groups. The lanes share out the chunks, always in the same way.
void join(uint g)
{
    const uint group = g % push.groups, item = g / push.groups, width = push.cols / push.groups;
    const uint from = item * push.x_item + 2 * group;
    Floats x = Floats(push.x), to = Floats(push.to);
    const float n = float(push.rows) * float(width);
    float sum = 0.0, squares = 0.0;
    for (uint k = gl_LocalInvocationID.x; k < push.chunks; k += LOCAL_SIZE)
        sum += x.at[from + k * push.x_ld] * (float(values_of(k)) / n);
    const float mean = sum_of_group(sum);
    for (uint k = gl_LocalInvocationID.x; k < push.chunks; k += LOCAL_SIZE) {
        const float d = x.at[from + k * push.x_ld] - mean;
        squares += x.at[from + k * push.x_ld + 1] + d * d * float(values_of(k));
    }
    const float factor = inversesqrt(sum_of_group(squares) / n + push.eps);
    for (uint k = gl_LocalInvocationID.x; k < width; k += LOCAL_SIZE) {
        const uint c = group * width + k, into = item * push.to_item + c;
        to.at[into] = mean;
        to.at[into + push.to_ld] = is_absent(push.weight) ? factor : factor * Floats(push.weight).at[c];
        to.at[into + 2 * push.to_ld] = is_absent(push.bias) ? 0.0 : Floats(push.bias).at[c];
    }
}

float normed(uint table, uint c, float x)
{
    Floats t = Floats(push.table);
    const float n = (x - t.at[table + c]) * t.at[table + push.cols + c] + t.at[table + 2 * push.cols + c];
    return activate(n, ACTIVATION);
}

// Group g: row g % rows of item g / rows.
void apply(uint g)
{
    const uint row = g % push.rows, item = g / push.rows, table = item * push.table_item;
    const uint from = item * push.x_item + row * push.x_ld, into = item * push.to_item + row * push.to_ld;
    Floats x = Floats(push.x);
    if (TO_ELEMENT == ELEMENT_F32) {
        for (uint c = gl_LocalInvocationID.x; c < push.cols; c += LOCAL_SIZE)
            Floats(push.to).at[into + c] = normed(table, c, x.at[from + c]);
        return;
    }
    for (uint c = 2 * gl_LocalInvocationID.x; c < push.cols; c += 2 * LOCAL_SIZE)
        WritableWords(push.to).at[(into + c) / 2] =
            pack(vec2(normed(table, c, x.at[from + c]), normed(table, c + 1, x.at[from + c + 1])), TO_ELEMENT);
}

void main()
{
    const uint g = gl_WorkGroupID.x + push.group0;
    const uint each = PHASE == MOMENTS ? push.groups * push.chunks : PHASE == JOIN ? push.groups : push.rows;
    if (g >= push.items * each)
        return;
    if (PHASE == MOMENTS)
        measure(g);
    else if (PHASE == JOIN)
        join(g);
    else
        apply(g);
}
