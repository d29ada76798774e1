#version 460
// elementwise.comp - the operations whose every output is a function of one or two values: UNARY, BINARY, COPY, EMBED,
// PICK_ROW and WEIGHT of device.h. A group computes BLOCK outputs of one item.
#extension GL_GOOGLE_include_directive : require

layout(constant_id = 0) const uint LOCAL_SIZE = 64;
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint KIND = 9;       // WN_OP_... of device.h
layout(constant_id = 2) const uint ACTIVATION = 1; // UNARY
layout(constant_id = 3) const bool IS_PRODUCT = false; // BINARY
layout(constant_id = 4) const uint ELEMENT = 0; // of the weight

#include "common.glsl"
#include "activation.glsl"

const uint EMBED = 7, BINARY = 8, UNARY = 9, COPY = 10, PICK_ROW = 11, WEIGHT = 12;
const uint BLOCK = 256;

layout(push_constant) uniform Push {
    uint group0, items;
    uvec2 a, b, weight, more, to; // more: positions of EMBED, or absent
    uint rows, cols, a_ld, a_item, b_ld, b_item, to_ld, to_item, weight_ld, more_ld, blocks;
    float f[4];
} push;

float weight_at(uint row, uint col)
{
    const uint i = row * push.weight_ld + col;
    if (ELEMENT == ELEMENT_F32)
        return Floats(push.weight).at[i];
    const vec2 pair = unpack(Words(push.weight).at[i / 2], ELEMENT);
    return i % 2 == 0 ? pair.x : pair.y;
}

float value(uint item, uint r, uint c)
{
    const uint a = item * push.a_item + r * push.a_ld + c;
    switch (KIND) {
    case UNARY:
        return push.f[2] * activate(push.f[0] * Floats(push.a).at[a] + push.f[1], ACTIVATION) + push.f[3];
    case BINARY: {
        const float b = Floats(push.b).at[item * push.b_item + r * push.b_ld + c];
        return IS_PRODUCT ? Floats(push.a).at[a] * b : Floats(push.a).at[a] + b;
    }
    case COPY: // bits, since row numbers are copied too
        return Floats(push.a).at[a];
    case EMBED: {
        const float w = weight_at(Words(push.b).at[item * push.b_item + r * push.b_ld], c);
        return is_absent(push.more) ? w : w + Floats(push.more).at[r * push.more_ld + c];
    }
    case PICK_ROW:
        return Floats(push.a).at[item * push.a_item + Words(push.b).at[item * push.b_item] * push.a_ld + c];
    default:
        return weight_at(r, c);
    }
}

void main()
{
    const uint group = gl_WorkGroupID.x + push.group0, item = group / push.blocks, first = group % push.blocks * BLOCK;
    if (item >= push.items)
        return;
    for (uint k = gl_LocalInvocationID.x; k < BLOCK && first + k < push.rows * push.cols; k += LOCAL_SIZE) {
        const uint r = (first + k) / push.cols, c = (first + k) % push.cols;
        Floats(push.to).at[item * push.to_item + r * push.to_ld + c] = value(item, r, c);
    }
}
