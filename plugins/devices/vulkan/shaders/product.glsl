// product.glsl - what all kernels of LINEAR and CONV share: operands, where a row of A lies, and the epilogue.
//
//     out[t, n] = residual + gate * (mul * act(sum_k A[t, k] W[n, k] + bias))
//
// A row of A is a row of x, or of a convolution the window around a position: k = tap * channels + channel. Rows count
// through all items: row t of item i is row i * rows + t.

#include "common.glsl"
#include "activation.glsl"
#include "quantised.glsl"

layout(push_constant) uniform Push {
    uint group0, items;
    uvec2 x, weight, bias, mul, gate, residual, to; // bias, mul, gate, residual: absent or not
    uint x_ld, x_item, mul_ld, mul_item, gate_item, residual_ld, residual_item, to_ld, to_item;
    uint rows, cols;  // of out, for one item
    uint depth;       // K; of a convolution the channels
    uint weight_ld;   // elements, a multiple of 32, what is beyond K is 0; of quantised weights words
    uint first;       // of a convolution: the row of the result that is out's first
} push;

uint row_count() { return push.items * push.rows; }

#ifdef CONVOLUTION
// Upper left corner (x, y) of the window of output position `at`.
ivec2 window_of(uint at)
{
    return ivec2(at % OUT_WIDTH * STRIDE, (at / OUT_WIDTH + push.first) * STRIDE) - int(PAD);
}

// Offset of the first channel of tap `tap` of a window in the picture that begins at `base`; false when it is padding.
bool find_tap_from(uint base, ivec2 window, uint tap, out uint offset)
{
    const ivec2 at = window + ivec2(tap % KERNEL, tap / KERNEL);
    offset = base + (uint(at.y) / UP * WIDTH + uint(at.x) / UP) * push.x_ld;
    return at.y >= 0 && at.x >= 0 && at.y < int(HEIGHT * UP) && at.x < int(WIDTH * UP);
}

bool find_tap(uint row, uint tap, out uint offset)
{
    return find_tap_from(row / push.rows * push.x_item, window_of(row % push.rows), tap, offset);
}

float load_a(uint row, uint k)
{
    uint offset;
    const bool is_inside = k < push.depth * KERNEL * KERNEL && find_tap(row, k / push.depth, offset);
    return is_inside ? Floats(push.x).at[offset + k % push.depth] : 0.0;
}

// Four neighbours; channels are a multiple of 4 and so is everything else that is added up.
vec4 load_a4(uint row, uint k)
{
    uint offset;
    const bool is_inside = k < push.depth * KERNEL * KERNEL && find_tap(row, k / push.depth, offset);
    return is_inside ? Vectors(push.x).at[(offset + k % push.depth) / 4] : vec4(0.0);
}
#else
float load_a(uint row, uint k)
{
    const uint offset = row / push.rows * push.x_item + row % push.rows * push.x_ld;
    return k < push.depth ? Floats(push.x).at[offset + k] : 0.0;
}

vec4 load_a4(uint row, uint k)
{
    const uint offset = row / push.rows * push.x_item + row % push.rows * push.x_ld;
    return k < push.depth ? Vectors(push.x).at[(offset + k) / 4] : vec4(0.0);
}
#endif

// Four weights of output n from k on, a multiple of 4.
vec4 load_w4(uint n, uint k)
{
    if (ELEMENT >= ELEMENT_Q8_0) {
        uint carry;
        const uint low = uaddCarry(push.weight.x, 4 * n * push.weight_ld, carry);
        return k < push.depth ? quantised(Words(uvec2(low, push.weight.y + carry)), ELEMENT, k, push.depth) : vec4(0.0);
    }
    const uint i = n * push.weight_ld + k;
    if (ELEMENT == ELEMENT_F32)
        return Vectors(push.weight).at[i / 4];
    const uvec2 words = WordPairs(push.weight).at[i / 4];
    return vec4(unpack(words.x, ELEMENT), unpack(words.y, ELEMENT));
}

// One output that is not stored.
float finished(uint item, uint r, uint n, float sum)
{
    if (!is_absent(push.bias))
        sum += Floats(push.bias).at[n];
    sum = activate(sum, ACTIVATION);
    if (!is_absent(push.mul))
        sum *= Floats(push.mul).at[item * push.mul_item + r * push.mul_ld + n];
    if (!is_absent(push.gate))
        sum *= Floats(push.gate).at[item * push.gate_item + n];
    if (!is_absent(push.residual))
        sum += Floats(push.residual).at[item * push.residual_item + r * push.residual_ld + n];
    return sum;
}

void finish(uint row, uint n, float sum)
{
    const uint item = row / push.rows, r = row % push.rows;
    if (item < push.items && n < push.cols)
        Floats(push.to).at[item * push.to_item + r * push.to_ld + n] = finished(item, r, n, sum);
}

// Four neighbours that are not stored; 4 divides N and all strides, and all addresses are multiples of 16.
vec4 finished4(uint item, uint r, uint n, vec4 sum)
{
    if (!is_absent(push.bias))
        sum += Vectors(push.bias).at[n / 4];
    for (uint i = 0; i < 4; i++)
        sum[i] = activate(sum[i], ACTIVATION);
    if (!is_absent(push.mul))
        sum *= Vectors(push.mul).at[(item * push.mul_item + r * push.mul_ld + n) / 4];
    if (!is_absent(push.gate))
        sum *= Vectors(push.gate).at[(item * push.gate_item + n) / 4];
    if (!is_absent(push.residual))
        sum += Vectors(push.residual).at[(item * push.residual_item + r * push.residual_ld + n) / 4];
    return sum;
}
