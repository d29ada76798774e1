// software.glsl - loads of 64-bit words, for devices that are processors: see product_software.comp for why.
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require

layout(buffer_reference, std430, buffer_reference_align = 8) buffer Pairs { uint64_t at[]; };

vec2 floats(uint64_t pair) { return uintBitsToFloat(unpackUint2x32(pair)); }

vec4 round_vector(vec4 x, uint element)
{
    if (element == ELEMENT_F16)
        return vec4(unpackHalf2x16(pack_f16(x.xy)), unpackHalf2x16(pack_f16(x.zw)));
    if (element == ELEMENT_BF16)
        return vec4(round_bf16(x.x), round_bf16(x.y), round_bf16(x.z), round_bf16(x.w));
    return x;
}
