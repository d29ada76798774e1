// matrix.glsl - what kernels on matrix units share: 16-bit values in shared memory, cooperative matrices of them.
//
// Compiled once for each type of the multiplied values: BF16 is defined or not. Shared memory is one array of 16-byte
// words whose rows are skewed by one word, so that the rows of a matrix begin in different banks. Matrices are loaded
// and stored whole; which lane holds which element is the driver's business, so anything that needs to know where an
// element is (epilogue, softmax) goes through shared memory and works on plain values.
//
// EMULATED is for tests, on drivers without bfloat16: matrices are of float16, which has all but the smallest and
// largest values of bfloat16. See tests/ops/units.c.

#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_control_flow_attributes : require
#ifdef BF16
const uint ELEMENT_HALF = ELEMENT_BF16;
#else
const uint ELEMENT_HALF = ELEMENT_F16;
#endif
#if defined(BF16) && !defined(EMULATED)
#extension GL_EXT_bfloat16 : require
#define HALF bfloat16_t
#else
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#define HALF float16_t
#endif

#define MATRIX_A     coopmat<HALF, gl_ScopeSubgroup, M, K, gl_MatrixUseA>
#define MATRIX_B     coopmat<HALF, gl_ScopeSubgroup, K, N, gl_MatrixUseB>
#define MATRIX_SUM   coopmat<float, gl_ScopeSubgroup, M, N, gl_MatrixUseAccumulator>
#define MATRIX_HALF  coopmat<HALF, gl_ScopeSubgroup, M, N, gl_MatrixUseAccumulator>

// Of the array `tile`.
#if defined(BF16) && defined(EMULATED)
#extension GL_NV_cooperative_matrix2 : require
#extension GL_EXT_shader_explicit_arithmetic_types_int16 : require
float16_t widened(const in uint r, const in uint c, const in float16_t bits)
{
    return float16_t(uintBitsToFloat(uint(float16BitsToUint16(bits)) << 16));
}

float16_t narrowed(const in uint r, const in uint c, const in float16_t x)
{
    return uint16BitsToFloat16(uint16_t(floatBitsToUint(round_bf16(float(x))) >> 16));
}

#define LOAD(matrix, at, step, layout)                                                                                 \
    {                                                                                                                  \
        coopMatLoad(matrix, tile, at, step, layout);                                                                   \
        coopMatPerElementNV(matrix, matrix, widened);                                                                  \
    }
#define STORE_HALF(sum, at, step)                                                                                      \
    {                                                                                                                  \
        MATRIX_HALF values = MATRIX_HALF(sum);                                                                         \
        coopMatPerElementNV(values, values, narrowed);                                                                 \
        coopMatStore(values, tile, at, step, gl_CooperativeMatrixLayoutRowMajor);                                      \
    }
#else
#define LOAD(matrix, at, step, layout) coopMatLoad(matrix, tile, at, step, layout)
#define STORE_HALF(sum, at, step)                                                                                      \
    coopMatStore(MATRIX_HALF(sum), tile, at, step, gl_CooperativeMatrixLayoutRowMajor)
#endif

uvec2 pack4(vec4 x)
{
    return uvec2(pack(x.xy, ELEMENT_HALF), pack(x.zw, ELEMENT_HALF));
}

uvec4 pack8(vec4 a, vec4 b)
{
    return uvec4(pack4(a), pack4(b));
}

// Tensors hold floats or values of the type that is multiplied. `at` is a multiple of 8, rows begin at such multiples.
uvec4 load8(uvec2 address, uint at, uint element)
{
    return element == ELEMENT_F32 ? pack8(Vectors(address).at[at / 4], Vectors(address).at[at / 4 + 1])
                                  : Quads(address).at[at / 8];
}

// The same of four.
void store4(uvec2 address, uint at, vec4 value, uint element)
{
    if (element == ELEMENT_F32)
        WritableVectors(address).at[at / 4] = value;
    else
        WritablePairs(address).at[at / 4] = pack4(value);
}

// What lanes of this subgroup wrote to shared memory is seen by its other lanes.
void subgroup_sync()
{
    subgroupMemoryBarrierShared();
    subgroupBarrier();
}
