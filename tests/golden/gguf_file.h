/* gguf_file.h - GGUF files for tests: a writer, the two simple quantisers, and FLUX.1 under its original names. */
#ifndef WINNOW_TESTS_GOLDEN_GGUF_FILE_H
#define WINNOW_TESTS_GOLDEN_GGUF_FILE_H

#include <models/flux.h>
#include <weights/weights.h>

/* Version 3, alignment 32, with the architecture "flux" and no other key. Exits with a message on failure. */
void gguf_write(const char *path, const nn_tensor *tensors, uint64_t count);

/* A tensor of F32 as Q8_0 or Q4_0, rounded as the reference quantisers do: Q8_0 with d = max |x| / 127, Q4_0 with d =
 * the value of largest size / -8. Rows must be whole blocks. Data live as long as the process. */
nn_tensor gguf_quantise(const nn_tensor *t, int32_t dtype);

/* A transformer of diffusers' layout as F32 under the original names, q, k, v (and a single block's MLP) fused, the
 * last modulation's halves swapped. Returns the count; *out lives as long as the process. */
uint64_t bfl_tensors(const nn_weights *w, const nn_flux *c, nn_tensor **out);

#endif
