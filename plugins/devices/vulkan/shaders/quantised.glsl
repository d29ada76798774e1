// quantised.glsl - values of quantised weights. device.h has the blocks, blocks.c how a row lies here: the blocks' quants,
// then, where a block has a single factor, all factors as 16-bit floats.

// enum element of vulkan.h
const uint ELEMENT_Q8_0 = 3, ELEMENT_Q4_0 = 4, ELEMENT_Q4_K = 5, ELEMENT_Q5_K = 6, ELEMENT_Q6_K = 7;

// Half number i of the factors that begin at word `first`.
float factor_at(Words row, uint first, uint i)
{
    const vec2 pair = unpackHalf2x16(row.at[first + i / 2]);
    return i % 2 == 0 ? pair.x : pair.y;
}

// `width` bits of each of the four bytes, from bit `shift` on.
vec4 quants(uint word, uint shift, uint width)
{
    const uint mask = (1u << width) - 1;
    return vec4(word >> shift & mask, word >> (8 + shift) & mask, word >> (16 + shift) & mask, word >> (24 + shift) & mask);
}

vec4 signed_bytes(uint word)
{
    const int w = int(word);
    return vec4(bitfieldExtract(w, 0, 8), bitfieldExtract(w, 8, 8), bitfieldExtract(w, 16, 8), bitfieldExtract(w, 24, 8));
}

// Scale and minimum of group g of a block of Q4_K or Q5_K: 6 bits each, in the 12 bytes from word `at` on.
uvec2 six_bits(Words row, uint at, uint g)
{
    const uint low = row.at[at], middle = row.at[at + 1], high = row.at[at + 2];
    const uint shift = 8 * (g % 4);
    if (g < 4)
        return uvec2(low >> shift & 63u, middle >> shift & 63u);
    const uint both = high >> shift;
    return uvec2((both & 15u) | (low >> (shift + 6) & 3u) << 4, (both >> 4 & 15u) | (middle >> (shift + 6) & 3u) << 4);
}

// k and k + 1 .. k + 3 of a row of `depth` values; k is a multiple of 4.
vec4 quantised(Words row, uint element, uint k, uint depth)
{
    const uint block = k / (element == ELEMENT_Q8_0 || element == ELEMENT_Q4_0 ? 32 : 256);
    if (element == ELEMENT_Q8_0)
        return factor_at(row, depth / 4, block) * signed_bytes(row.at[k / 4]);
    if (element == ELEMENT_Q4_0) {
        const uint j = k % 32;
        return factor_at(row, depth / 8, block) * (quants(row.at[4 * block + j % 16 / 4], j / 16 * 4, 4) - 8.0);
    }
    const uint j = k % 256, g = j / 32;
    if (element == ELEMENT_Q6_K) {
        const uint first = 52 * block;
        const vec4 low = quants(row.at[first + g / 4 * 16 + g % 2 * 8 + j % 32 / 4], g % 4 / 2 * 4, 4);
        const vec4 high = quants(row.at[first + 32 + g / 4 * 8 + j % 32 / 4], g % 4 * 2, 2);
        const uint s = 2 * g + j % 32 / 16;
        const float scale = float(bitfieldExtract(int(row.at[first + 48 + s / 4]), int(8 * (s % 4)), 8));
        return factor_at(row, depth / 256 * 52, block) * scale * (low + 16.0 * high - 32.0);
    }
    const bool has_fifth = element == ELEMENT_Q5_K;
    const uint first = (has_fifth ? 44 : 36) * block;
    const vec2 factors = unpackHalf2x16(row.at[first]) * vec2(six_bits(row, first + 1, g));
    vec4 q = quants(row.at[first + (has_fifth ? 12 : 4) + g / 2 * 8 + j % 32 / 4], g % 2 * 4, 4);
    if (has_fifth)
        q += 16.0 * quants(row.at[first + 4 + j % 32 / 4], g, 1);
    return factors.x * q - factors.y;
}
