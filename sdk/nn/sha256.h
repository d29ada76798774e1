/* sha256.h - SHA-256 (FIPS 180-4): names of things by their content. [any] */
#ifndef WINNOW_NN_SHA256_H
#define WINNOW_NN_SHA256_H

#include "nn.h"

/* May be copied midway, to hash several ends of one beginning. */
typedef struct nn_sha256 {
    uint32_t state[8];
    uint64_t bytes;
    uint8_t block[64];
} nn_sha256;

NN_API void nn_sha256_begin(nn_sha256 *s);
NN_API void nn_sha256_add(nn_sha256 *s, const void *data, uint64_t bytes);
/* Adds the length before the bytes, so that ("ab", "c") and ("a", "bc") differ. */
NN_API void nn_sha256_add_field(nn_sha256 *s, const void *data, uint64_t bytes);
NN_API void nn_sha256_end(nn_sha256 *s, char hex[65]); /* 64 lower-case digits and a NUL */

/* Of a whole file. */
NN_API wn_status nn_sha256_file(const char *path, char hex[65], wn_error *err);

#endif
