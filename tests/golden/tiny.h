/* tiny.h - the tiny pipelines of tests/golden/models: their weights made from nothing, and comparisons. */
#ifndef WINNOW_TESTS_GOLDEN_TINY_H
#define WINNOW_TESTS_GOLDEN_TINY_H

#include <weights/weights.h>

/* Writes the case's safetensors files (weights.txt says which) and copies its small files into a folder of the build
 * tree that belongs to `user` alone, and returns its path. Exits with a message on failure. */
const char *tiny_folder(const char *case_name, const char *user);
/* An expected tensor of the case's golden.safetensors as float32; exits when it is not there. */
const float *tiny_golden(const nn_weights *golden, const char *name, uint64_t *count);

/* Zeroed memory that lives as long as the process and is not reported as leaked. */
void *tiny_alloc(uint64_t count, uint64_t size);

/* sqrt(sum (a-b)^2 / sum b^2) */
double relative_l2(const float *a, const float *b, uint64_t n);

#endif
