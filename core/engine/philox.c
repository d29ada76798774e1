/* philox.c - Philox4x32-10: ten rounds of two 32 x 32 -> 64 bit products and exclusive ors. */
#include "engine/philox.h"

void philox_4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)PHILOX_M0 * c0, p1 = (uint64_t)PHILOX_M1 * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += PHILOX_W0;
        k1 += PHILOX_W1;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* The same rounds with the lanes innermost, so that a compiler makes vector code of them. */
void philox_lanes(uint64_t first, uint64_t high, const uint32_t key[2], uint32_t out[4][PHILOX_LANES])
{
    uint32_t k0 = key[0], k1 = key[1];
    for (uint32_t i = 0; i < PHILOX_LANES; i++) {
        out[0][i] = (uint32_t)(first + i);
        out[1][i] = (uint32_t)((first + i) >> 32);
        out[2][i] = (uint32_t)high;
        out[3][i] = (uint32_t)(high >> 32);
    }
    for (int round = 0; round < 10; round++, k0 += PHILOX_W0, k1 += PHILOX_W1)
        for (uint32_t i = 0; i < PHILOX_LANES; i++) {
            uint64_t p0 = (uint64_t)PHILOX_M0 * out[0][i], p1 = (uint64_t)PHILOX_M1 * out[2][i];
            out[0][i] = (uint32_t)(p1 >> 32) ^ out[1][i] ^ k0;
            out[1][i] = (uint32_t)p1;
            out[2][i] = (uint32_t)(p0 >> 32) ^ out[3][i] ^ k1;
            out[3][i] = (uint32_t)p0;
        }
}
