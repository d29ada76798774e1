/* hash.c - two multiply-and-fold lanes over 8-byte words, little-endian. */
#include "hash.h"

#include <string.h>

static uint64_t mix(uint64_t h, uint64_t value)
{
    h = (h ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ (h >> 29);
}

static void add_word(nn_hash *hash, uint64_t word)
{
    hash->h[0] = mix(hash->h[0], word);
    hash->h[1] = mix(hash->h[1] + word, ~word);
}

nn_hash nn_hash_begin(void)
{
    return (nn_hash){ { UINT64_C(0x243f6a8885a308d3), UINT64_C(0x13198a2e03707344) } }; /* digits of pi */
}

void nn_hash_add(nn_hash *hash, const void *data, uint64_t size)
{
    const unsigned char *p = data;
    for (uint64_t i = 0; i < size; i += 8) {
        const uint64_t n = size - i < 8 ? size - i : 8;
        uint64_t word = 0;
        for (uint64_t k = 0; k < n; k++)
            word |= (uint64_t)p[i + k] << (8 * k);
        add_word(hash, word);
    }
    add_word(hash, size);
}

void nn_hash_text(const nn_hash *hash, char text[33])
{
    snprintf(text, 33, "%016llx%016llx", (unsigned long long)hash->h[0], (unsigned long long)hash->h[1]);
}
