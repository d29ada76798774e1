/* program.c - from names to bindings, so that the users of a model never see tensor indices. */
#include "program.h"

#include <stdlib.h>

/* Halves the items until the device has room: results do not depend on how many are computed at once. */
static wn_status compile_fitting(const nn_graph *g, int64_t dtype, nn_program *out, wn_error *err)
{
    wn_status status = nn_graph_compile(g, &out->device, dtype, out->max_items, &out->program, err);
    while (status == WN_E_MEMORY && out->max_items > 1) {
        out->max_items /= 2;
        status = nn_graph_compile(g, &out->device, dtype, out->max_items, &out->program, err);
    }
    return status;
}

wn_status nn_program_make(nn_graph *g, const nn_device *device, int64_t dtype, uint64_t max_items,
                          const char *const *names, nn_program *out, wn_error *err)
{
    *out = (nn_program){ .device = *device, .max_items = max_items };
    wn_status status = compile_fitting(g, dtype, out, err);
    for (; status == WN_OK && *names; names++) {
        const uint32_t tensor = nn_find(g, *names);
        if (tensor == WN_NONE || out->slot_count == NN_PROGRAM_SLOTS)
            status = wn_fail(err, WN_E_INTERNAL, "the graph has no input or output \"%s\"", *names);
        else
            out->slot[out->slot_count++] = tensor;
    }
    nn_graph_free(g);
    if (status != WN_OK)
        nn_program_end(out);
    return status;
}

static wn_status run_chunk(const nn_program *p, uint64_t count, void *const *data, wn_binding *bindings, wn_error *err)
{
    const uint64_t n = count * p->slot_count;
    for (uint64_t i = 0; i < n; i++)
        bindings[i] = (wn_binding){ p->slot[i % p->slot_count], (uint32_t)(i / p->slot_count), data[i] };
    return p->device.api->run(p->program, count, bindings, n, err);
}

wn_status nn_program_run(const nn_program *p, uint64_t count, void *const *data, wn_error *err)
{
    const uint64_t most = count < p->max_items ? count : p->max_items;
    wn_binding *bindings = calloc(most * p->slot_count, sizeof *bindings);
    if (!bindings)
        return wn_fail(err, WN_E_MEMORY, "out of memory for %llu bindings", (unsigned long long)(most * p->slot_count));
    wn_status status = WN_OK;
    for (uint64_t first = 0; status == WN_OK && first < count; first += most)
        status = run_chunk(p, count - first < most ? count - first : most, data + first * p->slot_count, bindings, err);
    free(bindings);
    return status;
}

void nn_program_end(nn_program *p)
{
    if (p->program)
        p->device.api->free_program(p->program);
    *p = (nn_program){ 0 };
}
