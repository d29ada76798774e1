/* graph_internal.h - the builder's state, shared by graph.c (tensors, weights, compile) and graph_ops.c (operations).
 */
#ifndef WINNOW_NN_GRAPH_INTERNAL_H
#define WINNOW_NN_GRAPH_INTERNAL_H

#include "graph.h"

/* A block of memory that dies with the graph: names and constants. */
struct graph_block {
    struct graph_block *next;
};

struct nn_graph {
    char *name;
    wn_tensor *tensors;
    wn_weight *weights;
    wn_op *ops;
    uint32_t tensor_count, tensor_capacity;
    uint32_t weight_count, weight_capacity;
    uint32_t op_count, op_capacity;
    struct graph_block *blocks;
    wn_error first; /* code WN_OK until the first mistake */
    wn_graph view;
};

/* Keeps the first mistake; prefixes the graph's name. g may be NULL. */
void graph_fail(nn_graph *g, wn_status code, const char *format, ...) WN_PRINTF(3, 4);
int graph_is_good(const nn_graph *g);

/* NULL, with the graph's error set, when t or w is no handle of g: what then uses it does nothing. */
const wn_tensor *graph_tensor(nn_graph *g, nn_t t, const char *what);
const wn_weight *graph_weight(nn_graph *g, nn_w w, const char *what);
/* Elements of a vector, whether it is stored [1, n] or, as stacks and slices are, [n, 1]; 0 when it is a matrix. */
uint64_t graph_vector_size(const wn_weight *w);

/* `into` when given and of this shape, else a new TEMP; 0 on a mistake. */
nn_t graph_out(nn_graph *g, const char *name, nn_t into, uint64_t rows, uint64_t cols);
/* Appends op with handles already turned into indices. */
void graph_append(nn_graph *g, const wn_op *op);

#endif
