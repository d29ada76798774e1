// tensors.glsl - matrices of a whole group, and where they lie in memory (VK_NV_cooperative_matrix2).
//
// Where CLAMP is 1, what lies outside x or W counts as 0 and what lies outside out is not stored. Strides are multiples
// of 4, of 16-bit values of 8: the compiler, which cannot know, is told by a mask.
//
// EMULATED is for tests, on a driver that has neither matrices of groups nor tensor layouts, nor bfloat16 (Mesa's
// lavapipe): its one subgroup is the group, it goes from element to element, and values of bfloat16 are those of
// float16. No device is given that; see tests/ops/units.c.

#extension GL_NV_cooperative_matrix2 : require
#extension GL_EXT_shader_16bit_storage : require

#ifdef EMULATED
#extension GL_EXT_shader_explicit_arithmetic_types_int16 : require
layout(buffer_reference, std430, buffer_reference_align = 2) writeonly buffer Shorts { uint16_t at[]; };
layout(local_size_x = 8) in;
#define GROUP       gl_ScopeSubgroup
const uint GROUP_CHUNK = 16;
#else
layout(buffer_reference, std430, buffer_reference_align = 16) readonly buffer Halves { HALF at[]; };
layout(buffer_reference, std430, buffer_reference_align = 16) writeonly buffer WritableHalves { HALF at[]; };
layout(buffer_reference, std430, buffer_reference_align = 16) writeonly buffer WideFloats { float at[]; };
layout(local_size_x_id = 12) in;
#define GROUP       gl_ScopeWorkgroup
const uint GROUP_CHUNK = CHUNK;
#endif
#define GROUP_X     coopmat<HALF, GROUP, TILE_M, GROUP_CHUNK, gl_MatrixUseA>
#define GROUP_W     coopmat<HALF, GROUP, GROUP_CHUNK, TILE_N, gl_MatrixUseB>
#define GROUP_SUM   coopmat<float, GROUP, TILE_M, TILE_N, gl_MatrixUseAccumulator>
#define GROUP_SHORT coopmat<HALF, GROUP, TILE_M, TILE_N, gl_MatrixUseAccumulator>

// `index` elements of so many bytes behind an address.
uvec2 address_of(uvec2 base, uint index, uint bytes)
{
    uint high, low, carry;
    umulExtended(index, bytes, high, low);
    low = uaddCarry(base.x, low, carry);
    return uvec2(low, base.y + high + carry);
}

#ifdef EMULATED
HALF half_at(uvec2 address, uint at)
{
    return HALF(pair_at(address, at & ~1u, ELEMENT_HALF)[at & 1]);
}

HALF x_element(const in uint r, const in uint c, const in HALF old, const in uvec2 x, const in uint row0,
               const in uint k)
{
    return row0 + r < push.rows && k + c < push.depth ? half_at(x, (row0 + r) * push.x_ld + k + c) : HALF(0.0);
}

HALF w_element(const in uint r, const in uint c, const in HALF old, const in uint col0, const in uint k)
{
    return col0 + c < push.cols && k + r < push.depth ? half_at(push.weight, (col0 + c) * push.weight_ld + k + r)
                                                      : HALF(0.0);
}

float store_element(const in uint r, const in uint c, const in float sum, const in uvec2 to, const in uint row0,
                    const in uint col0)
{
    const uint at = (row0 + r) * push.to_ld + col0 + c;
    if (row0 + r >= push.rows || col0 + c >= push.cols)
        return sum;
    if (TO_ELEMENT == ELEMENT_F32)
        Floats(to).at[at] = sum;
    else
        Shorts(to).at[at] = uint16_t(pack(vec2(sum, 0.0), ELEMENT_HALF));
    return sum;
}

GROUP_X load_x(uvec2 x, uint row0, uint k)
{
    GROUP_X a = GROUP_X(0.0);
    coopMatPerElementNV(a, a, x_element, x, row0, k);
    return a;
}

GROUP_W load_w(uint col0, uint k)
{
    GROUP_W b = GROUP_W(0.0);
    coopMatPerElementNV(b, b, w_element, col0, k);
    return b;
}

void store_sum(uvec2 to, uint row0, uint col0, GROUP_SUM sum)
{
    coopMatPerElementNV(sum, sum, store_element, to, row0, col0);
}
#else
#define LAYOUT tensorLayoutNV<2, CLAMP>

LAYOUT layout_of(uint rows, uint cols, uint stride)
{
    LAYOUT t = createTensorLayoutNV(2, CLAMP);
    t = setTensorLayoutDimensionNV(t, rows, cols);
    return setTensorLayoutStrideNV(t, stride, 1);
}

GROUP_X load_x(uvec2 x, uint row0, uint k)
{
    GROUP_X a;
    LAYOUT all = layout_of(push.rows, push.depth, push.x_ld & ~7u);
    coopMatLoadTensorNV(a, Halves(x).at, 0, sliceTensorLayoutNV(all, row0, TILE_M, k, GROUP_CHUNK));
    return a;
}

// W lies as [n, k] and is wanted as [k, n].
GROUP_W load_w(uint col0, uint k)
{
    GROUP_W b;
    LAYOUT all = layout_of(push.cols, push.depth, push.weight_ld & ~7u);
    tensorViewNV<2, false, 1, 0> turned = createTensorViewNV(2, false, 1, 0);
    coopMatLoadTensorNV(b, Halves(push.weight).at, 0, sliceTensorLayoutNV(all, col0, TILE_N, k, GROUP_CHUNK), turned);
    return b;
}

void store_sum(uvec2 to, uint row0, uint col0, GROUP_SUM sum)
{
    const uint stride = push.to_ld & (TO_ELEMENT == ELEMENT_F32 ? ~3u : ~7u);
    LAYOUT place = sliceTensorLayoutNV(layout_of(push.rows, push.cols, stride), row0, TILE_M, col0, TILE_N);
    if (TO_ELEMENT == ELEMENT_F32)
        coopMatStoreTensorNV(sum, WideFloats(to).at, 0, place);
    else
        coopMatStoreTensorNV(GROUP_SHORT(sum), WritableHalves(to).at, 0, place);
}
#endif
