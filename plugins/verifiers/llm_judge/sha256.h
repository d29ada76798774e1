/* sha256.h - SHA-256 (FIPS 180-4), which names the files of the cache. [any] */
#ifndef LLM_JUDGE_SHA256_H
#define LLM_JUDGE_SHA256_H

#include <stddef.h>
#include <stdint.h>

struct sha256 {
    uint32_t state[8];
    uint64_t bytes;
    uint8_t block[64];
};

void sha256_begin(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *data, size_t bytes);
/* Adds the length before the bytes, so that ("ab", "c") and ("a", "bc") differ. */
void sha256_add_field(struct sha256 *s, const void *data, size_t bytes);
void sha256_end(struct sha256 *s, char hex[65]); /* 64 lower-case digits and a NUL */

#endif
