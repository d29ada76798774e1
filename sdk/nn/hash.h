/* hash.h - a 128-bit hash to tell contents apart: model keys, image caches. Not for adversaries. */
#ifndef WINNOW_NN_HASH_H
#define WINNOW_NN_HASH_H

#include "nn.h"

typedef struct nn_hash {
    uint64_t h[2];
} nn_hash;

/* A hash to begin with; the same on every machine. [any] */
NN_API nn_hash nn_hash_begin(void);
/* Adds `size` bytes, and that they were `size`: ("ab", "c") and ("a", "bc") differ. [any] */
NN_API void nn_hash_add(nn_hash *hash, const void *data, uint64_t size);
/* 32 hexadecimal digits and a NUL. [any] */
NN_API void nn_hash_text(const nn_hash *hash, char text[33]);

#endif
