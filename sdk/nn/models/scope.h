/* scope.h - layers by the names of a checkpoint: what the model files share.
 *
 * A scope is a graph, the weights it takes, and the beginning of the tensors' names ("encoder.layers.3."). The model
 * files then read like the checkpoint's list of tensors. Errors stay in the graph, as always while building.
 */
#ifndef WINNOW_NN_MODELS_SCOPE_H
#define WINNOW_NN_MODELS_SCOPE_H

#include "../graph.h"
#include "../weights/weights.h"

typedef struct nn_scope {
    nn_graph *g;
    const nn_weights *w;
    char prefix[256];
} nn_scope;

/* The scope whose names begin with `parent`'s prefix and the formatted text. */
nn_scope scope_in(const nn_scope *parent, const char *format, ...) WN_PRINTF(2, 3);

/* A matrix with its bias: `leaf`.weight [rows, cols] and `leaf`.bias [1, rows]. */
typedef struct nn_layer {
    nn_w w;
    nn_w b;
} nn_layer;
nn_layer scope_layer(const nn_scope *s, const char *leaf, uint64_t rows, uint64_t cols);
/* Layers below one another, as one: q, k and v in a single product. */
nn_layer scope_join(const nn_scope *s, uint32_t count, const char *const *leaf, uint64_t rows_each, uint64_t cols);
/* Rows first .. first+count-1 of a layer. */
nn_layer layer_rows(nn_graph *g, nn_layer layer, uint64_t first, uint64_t count);

/* x W^T + b with `leaf`.weight [n, cols of x] and `leaf`.bias. */
nn_t scope_linear(const nn_scope *s, const char *leaf, nn_t x, uint64_t n, const nn_epilogue *e);
/* The same without a bias. */
nn_t scope_project(const nn_scope *s, const char *leaf, nn_t x, uint64_t n, const nn_epilogue *e);
nn_t scope_layer_norm(const nn_scope *s, const char *leaf, nn_t x, float eps);

/* Whether <prefix><name> exists. */
int scope_has(const nn_scope *s, const char *name);
/* The first of the prefixes (ended by NULL) under which `name` exists, or NULL. */
const char *weights_prefix(const nn_weights *w, const char *const *prefixes, const char *name);
/* 1 + the largest N for which a tensor <prefix>N.<anything> exists. */
uint64_t weights_blocks(const nn_weights *w, const char *prefix);
/* Size of a tensor's dimension, or 0 when there is no such tensor or dimension. */
uint64_t weights_dim(const nn_weights *w, uint32_t dim, const char *format, ...) WN_PRINTF(3, 4);

/* WN_ACT_... of a config's name ("quick_gelu"), or 0 when it is not known. */
int32_t activation_by_name(const char *name);

#endif
