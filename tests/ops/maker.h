/* maker.h - makes wn_graphs with random content, one line for each tensor, weight and op. */
#ifndef WINNOW_TESTS_OPS_MAKER_H
#define WINNOW_TESTS_OPS_MAKER_H

#include <winnow/device.h>

#define MAKER_MAX 64

struct maker {
    const char *name;
    wn_tensor tensor[MAKER_MAX];
    wn_weight weight[MAKER_MAX];
    wn_op op[MAKER_MAX];
    void *memory[4 * MAKER_MAX]; /* of constants and weights */
    uint32_t tensors, weights, ops, memories;
    uint64_t seed;
};

void maker_begin(struct maker *m, const char *name, uint64_t seed);
void maker_end(struct maker *m);

/* Values in (-1, 1), a function of seed alone. */
float maker_random(uint64_t *seed);

uint32_t maker_input(struct maker *m, const char *name, uint64_t rows, uint64_t cols, uint32_t flags);
uint32_t maker_ids(struct maker *m, const char *name, uint64_t rows);
uint32_t maker_temp(struct maker *m, uint64_t rows, uint64_t cols);
uint32_t maker_output(struct maker *m, const char *name, uint64_t rows, uint64_t cols);
uint32_t maker_constant(struct maker *m, uint64_t rows, uint64_t cols);
uint32_t maker_window(struct maker *m, uint32_t base, uint64_t row0, uint64_t rows, uint64_t col0, uint64_t cols);

/* A weight in `parts` parts, each of the next type of `dtypes` in turn; values are scaled by 1 / sqrt(cols). */
uint32_t maker_weight(struct maker *m, uint64_t rows, uint64_t cols, uint64_t parts, const int32_t *dtypes);
uint32_t maker_weight_f32(struct maker *m, uint64_t rows, uint64_t cols);
uint32_t maker_vector(struct maker *m, uint64_t n); /* float32 */

/* An op with everything absent; out is set. */
wn_op *maker_op(struct maker *m, int32_t kind, uint32_t x, uint32_t out);
wn_graph maker_graph(const struct maker *m);

/* An element of a weight as the double it stands for. */
double maker_weight_at(const wn_weight *w, uint64_t row, uint64_t col);

#endif
