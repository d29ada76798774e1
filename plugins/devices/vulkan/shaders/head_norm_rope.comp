#version 460
// head_norm_rope.comp - HEAD_NORM_ROPE of device.h: one group for each head of each row. In place is fine: what a lane
// writes, no other lane reads.
#extension GL_GOOGLE_include_directive : require

layout(constant_id = 0) const uint LOCAL_SIZE = 32;
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const bool HAS_SUBGROUP = true;
layout(constant_id = 2) const uint X_ELEMENT = 0; // of x and out; where they are not F32, heads have even sizes
layout(constant_id = 3) const uint TO_ELEMENT = 0;

#include "common.glsl"
#include "reduce.glsl"

layout(push_constant) uniform Push {
    uint group0, items;
    uvec2 x, table, weight, to; // table, weight: absent or not
    uint rows, heads, size, x_ld, x_item, to_ld, to_item, table_ld, table_item;
    float eps;
} push;

void main()
{
    const uint group = gl_WorkGroupID.x + push.group0, head = group % push.heads, row = group / push.heads;
    const uint item = row / push.rows, r = row % push.rows;
    if (item >= push.items)
        return;
    Floats x = Floats(push.x), to = Floats(push.to), w = Floats(push.weight), table = Floats(push.table);
    const uint from = item * push.x_item + r * push.x_ld + head * push.size;
    const uint into = item * push.to_item + r * push.to_ld + head * push.size;
    const uint turn = item * push.table_item + r * push.table_ld;
    const bool has_weight = !is_absent(push.weight), has_table = !is_absent(push.table);
    float sum = 0.0;
    if (X_ELEMENT == ELEMENT_F32)
        for (uint c = gl_LocalInvocationID.x; c < push.size; c += LOCAL_SIZE)
            sum += x.at[from + c] * x.at[from + c];
    else
        for (uint c = 2 * gl_LocalInvocationID.x; c < push.size; c += 2 * LOCAL_SIZE) {
            const vec2 v = pair_at(push.x, from + c, X_ELEMENT);
            sum += dot(v, v);
        }
    const float factor = has_weight ? inversesqrt(sum_of_group(sum) / float(push.size) + push.eps) : 1.0;
    for (uint c = 2 * gl_LocalInvocationID.x; c < push.size; c += 2 * LOCAL_SIZE) {
        const bool is_pair = c + 1 < push.size;
        vec2 v = factor * (is_pair ? pair_at(push.x, from + c, X_ELEMENT) : vec2(x.at[from + c], 0.0));
        if (has_weight)
            v *= vec2(w.at[c], is_pair ? w.at[c + 1] : 0.0);
        if (has_table) {
            const vec2 t = vec2(table.at[turn + c], table.at[turn + c + 1]);
            v = vec2(v.x * t.x - v.y * t.y, v.x * t.y + v.y * t.x);
        }
        if (TO_ELEMENT != ELEMENT_F32) {
            WritableWords(push.to).at[(into + c) / 2] = pack(v, TO_ELEMENT);
            continue;
        }
        to.at[into + c] = v.x;
        if (is_pair)
            to.at[into + c + 1] = v.y;
    }
}
