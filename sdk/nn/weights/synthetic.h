/* synthetic.h - weights of no file: every tensor that a graph asks for is there, in the shape that it asks for, filled
 * with small random values. For what depends on a model's size alone: time and memory of one that nobody has to
 * download.
 *
 * The values are one block of random numbers, mapped again and again, so that 24 GB of them take 16 MB of the host; a
 * device that packs them makes real copies. Matrices and biases are uniform in +-0.04, the other vectors (norms)
 * near 1.
 */
#ifndef WINNOW_NN_WEIGHTS_SYNTHETIC_H
#define WINNOW_NN_WEIGHTS_SYNTHETIC_H

#include "weights.h"

struct nn_synthetic;

/* A set whose tensors have this dtype, WN_F32 or WN_BF16; `name` stands where a path would. Ended by nn_weights_close.
 * [any] but for graphs, which are built one at a time. */
NN_API wn_status nn_weights_synthetic(const char *name, int32_t dtype, nn_weights **out, wn_error *err);

/* ---- for weights.c ---- */

wn_status synthetic_new(const char *name, int32_t dtype, struct nn_synthetic **out, wn_error *err);
void synthetic_free(struct nn_synthetic *s); /* NULL is fine */
const nn_tensor *synthetic_find(const struct nn_synthetic *s, const char *name);
/* Found, or made; NULL when memory or addresses ran out. */
const nn_tensor *synthetic_make(struct nn_synthetic *s, const char *name, uint64_t rows, uint64_t cols);

#endif
