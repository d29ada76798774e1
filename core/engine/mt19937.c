/* mt19937.c - the Mersenne Twister, one word at a time out of a state that is renewed every 624 words. */
#include "engine/mt19937.h"

void mt19937_seed(struct mt19937 *mt, uint32_t seed)
{
    mt->words[0] = seed;
    for (uint32_t i = 1; i < MT19937_WORDS; i++)
        mt->words[i] = 1812433253u * (mt->words[i - 1] ^ (mt->words[i - 1] >> 30)) + i;
    mt->next = MT19937_WORDS;
}

static void renew(struct mt19937 *mt)
{
    uint32_t *w = mt->words;
    for (uint32_t i = 0; i < MT19937_WORDS; i++) {
        uint32_t y = (w[i] & 0x80000000u) | (w[(i + 1) % MT19937_WORDS] & 0x7fffffffu);
        w[i] = w[(i + 397) % MT19937_WORDS] ^ (y >> 1) ^ (y & 1 ? 0x9908b0dfu : 0);
    }
    mt->next = 0;
}

uint32_t mt19937_u32(struct mt19937 *mt)
{
    if (mt->next == MT19937_WORDS)
        renew(mt);
    uint32_t y = mt->words[mt->next++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

uint64_t mt19937_u64(struct mt19937 *mt)
{
    uint64_t high = mt19937_u32(mt);
    return high << 32 | mt19937_u32(mt);
}
