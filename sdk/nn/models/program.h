/* program.h - a model's graph, compiled, with the places of its inputs and outputs. */
#ifndef WINNOW_NN_MODELS_PROGRAM_H
#define WINNOW_NN_MODELS_PROGRAM_H

#include "../graph.h"

enum { NN_PROGRAM_SLOTS = 6 };

/* All zero is an unmade program; ending it is fine. */
typedef struct nn_program {
    nn_device device;
    wn_program *program;
    uint64_t max_items;
    uint32_t slot_count;
    uint32_t slot[NN_PROGRAM_SLOTS]; /* tensor index of names[i] */
} nn_program;

/* Compiles g, which it frees, and finds the inputs and outputs `names` (ended by NULL). All of the graph's must be
 * named. Where the device has no memory for max_items, for as many as it has, at least one: out->max_items. [setup] */
NN_API wn_status nn_program_make(nn_graph *g, const nn_device *device, int64_t dtype, uint64_t max_items,
                                 const char *const *names, nn_program *out, wn_error *err);
/* Any count; runs of at most max_items. data[item * slot_count + i] is bound to slot i of each item; SHARED inputs are
 * not supported here. [serial] */
NN_API wn_status nn_program_run(const nn_program *p, uint64_t count, void *const *data, wn_error *err);
NN_API void nn_program_end(nn_program *p);

#endif
