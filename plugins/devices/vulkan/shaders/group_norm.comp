#version 460
// group_norm.comp - GROUP_NORM of device.h in three commands, since a picture's group is far larger than one workgroup
// should read: PARTIAL finds mean and sum of squared distances of each chunk of rows, COMBINE joins them (Chan et al.
// 1979), APPLY normalises. Statistics are over the whole picture whatever the chunks.
#extension GL_GOOGLE_include_directive : require

layout(constant_id = 0) const uint LOCAL_SIZE = 32;
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const bool HAS_SUBGROUP = true;
layout(constant_id = 2) const uint PHASE = 0;
layout(constant_id = 3) const uint ACTIVATION = 1;

#include "common.glsl"
#include "activation.glsl"
#include "reduce.glsl"

const uint PARTIAL = 0, COMBINE = 1; // and APPLY

layout(push_constant) uniform Push {
    uint group0, items;
    uvec2 x, weight, bias, to, work; // work: [items][groups][chunks] of (mean, squares), then [items][groups] of (mean, factor)
    uint rows, cols, x_ld, x_item, to_ld, to_item, groups, chunks;
    float eps;
} push;

uint chunk_rows() { return (push.rows + push.chunks - 1) / push.chunks; }

// Group g: chunk number g % chunks of norm group (g / chunks) % groups of item g / chunks / groups.
void partial_sums(uint g)
{
    const uint chunk = g % push.chunks, group = g / push.chunks % push.groups, item = g / push.chunks / push.groups;
    const uint width = push.cols / push.groups, first = chunk * chunk_rows();
    const uint count = first < push.rows ? min(chunk_rows(), push.rows - first) * width : 0;
    Floats x = Floats(push.x), work = Floats(push.work);
    const uint from = item * push.x_item + first * push.x_ld + group * width;
    float sum = 0.0, squares = 0.0;
    for (uint k = gl_LocalInvocationID.x; k < count; k += LOCAL_SIZE)
        sum += x.at[from + k / width * push.x_ld + k % width];
    const float mean = sum_of_group(sum) / float(max(count, 1));
    for (uint k = gl_LocalInvocationID.x; k < count; k += LOCAL_SIZE) {
        const float d = x.at[from + k / width * push.x_ld + k % width] - mean;
        squares += d * d;
    }
    squares = sum_of_group(squares);
    if (gl_LocalInvocationID.x == 0) {
        work.at[2 * g] = mean;
        work.at[2 * g + 1] = squares;
    }
}

// Group g: norm group g % groups of item g / groups; chunk by chunk, so that the order never changes.
void combine(uint g)
{
    Floats work = Floats(push.work);
    const uint width = push.cols / push.groups, rows = chunk_rows();
    float mean = 0.0, squares = 0.0, n = 0.0;
    for (uint chunk = 0; chunk < push.chunks && chunk * rows < push.rows; chunk++) {
        const float count = float(min(rows, push.rows - chunk * rows) * width);
        const uint at = 2 * (g * push.chunks + chunk);
        const float d = work.at[at] - mean;
        mean += d * count / (n + count);
        squares += work.at[at + 1] + d * d * n * count / (n + count);
        n += count;
    }
    const uint at = 2 * (push.items * push.groups * push.chunks + g);
    if (gl_LocalInvocationID.x == 0) {
        work.at[at] = mean;
        work.at[at + 1] = inversesqrt(squares / n + push.eps);
    }
}

void apply(uint g)
{
    const uint row = g % push.rows, item = g / push.rows, width = push.cols / push.groups;
    Floats x = Floats(push.x), to = Floats(push.to), work = Floats(push.work);
    const uint statistics = 2 * (push.items * push.groups * push.chunks + item * push.groups);
    for (uint c = gl_LocalInvocationID.x; c < push.cols; c += LOCAL_SIZE) {
        const uint at = statistics + 2 * (c / width);
        float n = (x.at[item * push.x_item + row * push.x_ld + c] - work.at[at]) * work.at[at + 1];
        if (!is_absent(push.weight))
            n *= Floats(push.weight).at[c];
        if (!is_absent(push.bias))
            n += Floats(push.bias).at[c];
        to.at[item * push.to_item + row * push.to_ld + c] = activate(n, ACTIVATION);
    }
}

void main()
{
    const uint g = gl_WorkGroupID.x + push.group0;
    const uint each = PHASE == PARTIAL ? push.groups * push.chunks : PHASE == COMBINE ? push.groups : push.rows;
    if (g >= push.items * each)
        return;
    if (PHASE == PARTIAL)
        partial_sums(g);
    else if (PHASE == COMBINE)
        combine(g);
    else
        apply(g);
}
