/* copy.c - a graph kept in one block: a program outlives the graph that it was made of, and is built from it again when
 * the device was lost.
 */
#include "vulkan.h"

#include <stdlib.h>
#include <string.h>

/* With room NULL only counts. */
struct room {
    char *at;
    uint64_t used;
};

static void *take(struct room *r, const void *data, uint64_t bytes)
{
    char *to = r->at ? r->at + r->used : NULL;
    if (to && bytes)
        memcpy(to, data, bytes);
    r->used += round_up(bytes, 16);
    return to;
}

static const char *take_text(struct room *r, const char *text)
{
    return text ? take(r, text, strlen(text) + 1) : NULL;
}

static wn_graph *copy_into(struct room *r, const wn_graph *graph)
{
    wn_graph *g = take(r, graph, sizeof *graph);
    wn_tensor *tensors = take(r, graph->tensors, graph->tensor_count * sizeof *tensors);
    wn_weight *weights = take(r, graph->weights, graph->weight_count * sizeof *weights);
    const wn_op *ops = take(r, graph->ops, graph->op_count * sizeof *ops);
    const char *name = take_text(r, graph->name);
    for (uint64_t i = 0; i < graph->tensor_count; i++) {
        const wn_tensor *t = &graph->tensors[i];
        const char *copy = take_text(r, t->name);
        const void *data = t->role == WN_ROLE_CONST ? take(r, t->data, t->rows * t->cols * 4) : NULL;
        if (tensors)
            tensors[i].name = copy, tensors[i].data = data;
    }
    for (uint64_t i = 0; i < graph->weight_count; i++) {
        const char *copy = take_text(r, graph->weights[i].name);
        if (weights)
            weights[i].name = copy;
    }
    if (g)
        g->name = name, g->tensors = tensors, g->weights = weights, g->ops = ops;
    return g;
}

wn_graph *copy_graph(const wn_graph *graph)
{
    struct room count = { 0 };
    copy_into(&count, graph);
    struct room room = { .at = malloc(count.used) };
    return room.at ? copy_into(&room, graph) : NULL;
}
