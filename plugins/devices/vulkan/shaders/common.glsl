// common.glsl - what every kernel begins with: memory by address, group numbers, float formats, reductions of a row.
//
// Nothing is bound: push constants hold 64-bit addresses. Every kernel's push constants begin with `group0`, the number
// of the dispatch's first group (a long dispatch is cut into several), and `items`, the candidates of this run.
// A row of a tensor is at address + 4 * (item * item_stride + row * ld).

#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference_uvec2 : require

layout(buffer_reference, std430, buffer_reference_align = 4) buffer Floats { float at[]; };
layout(buffer_reference, std430, buffer_reference_align = 16) readonly buffer Vectors { vec4 at[]; };
layout(buffer_reference, std430, buffer_reference_align = 16) buffer WritableVectors { vec4 at[]; };
layout(buffer_reference, std430, buffer_reference_align = 16) readonly buffer Quads { uvec4 at[]; };
layout(buffer_reference, std430, buffer_reference_align = 8) buffer WritablePairs { uvec2 at[]; };
layout(buffer_reference, std430, buffer_reference_align = 4) buffer WritableWords { uint at[]; };
layout(buffer_reference, std430, buffer_reference_align = 4) readonly buffer Words { uint at[]; };
layout(buffer_reference, std430, buffer_reference_align = 8) readonly buffer WordPairs { uvec2 at[]; };

// enum element of vulkan.h
const uint ELEMENT_F32 = 0, ELEMENT_F16 = 1, ELEMENT_BF16 = 2;

bool is_absent(uvec2 address) { return (address.x | address.y) == 0; }

// Both halves of a word, the lower address first.
vec2 unpack(uint word, uint element)
{
    return element == ELEMENT_F16 ? unpackHalf2x16(word)
                                  : vec2(uintBitsToFloat(word << 16), uintBitsToFloat(word & 0xffff0000u));
}

// To the nearest bfloat16, ties to even; NaN stays NaN. The result is a float.
float round_bf16(float x)
{
    const uint bits = floatBitsToUint(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return x;
    return uintBitsToFloat((bits + 0x7fffu + ((bits >> 16) & 1u)) & 0xffff0000u);
}

// Two halves, the first in the lower one. Larger than any of them becomes the largest: a picture with a few clipped
// values, as diffusers clips them, and not one of NaN.
uint pack_f16(vec2 x)
{
    return packHalf2x16(mix(x, sign(x) * 65504.0, greaterThan(abs(x), vec2(65504.0))));
}

float round_to(float x, uint element)
{
    return element == ELEMENT_F16 ? unpackHalf2x16(pack_f16(vec2(x, 0.0))).x
                                  : element == ELEMENT_BF16 ? round_bf16(x) : x;
}

// The other way round than unpack.
uint pack(vec2 x, uint element)
{
    const uvec2 bits = floatBitsToUint(vec2(round_bf16(x.x), round_bf16(x.y)));
    return element == ELEMENT_F16 ? pack_f16(x) : bits.x >> 16 | bits.y & 0xffff0000u;
}

// Elements `at` and `at` + 1 of a tensor of floats or of 16-bit values, of which `at` must be even.
vec2 pair_at(uvec2 address, uint at, uint element)
{
    return element == ELEMENT_F32 ? vec2(Floats(address).at[at], Floats(address).at[at + 1])
                                  : unpack(Words(address).at[at / 2], element);
}
