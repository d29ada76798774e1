/* work.c - how much there is to do in an op: one count for the profiles of all devices and for what is told before. */
#include "graph.h"

static double size_of(const wn_tensor *t)
{
    return (double)t->rows * (double)t->cols;
}

double work_flops(const wn_graph *graph, const wn_op *op)
{
    const double outputs = size_of(&graph->tensors[op->out]);
    switch (op->kind) {
    case WN_OP_LINEAR:
    case WN_OP_CONV:
        return 2.0 * outputs * (double)graph->weights[op->weight[0]].cols;
    case WN_OP_ATTENTION:
        return 4.0 * outputs * (double)graph->tensors[op->in[1]].rows;
    default:
        return outputs;
    }
}

double work_bytes(const wn_graph *graph, const wn_op *op)
{
    double elements = size_of(&graph->tensors[op->out]);
    for (int i = 0; i < 4; i++)
        elements += op->in[i] != WN_NONE ? size_of(&graph->tensors[op->in[i]]) : 0;
    return 4.0 * elements;
}
