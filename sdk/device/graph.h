/* graph.h - what every device does before and around its own work: is the graph right, where does each tensor live, is
 * everything bound.
 *
 * A device plugin links this (target winnow-device) and need not repeat the promises of device.h: behind check_graph it
 * may index without looking. [any] throughout.
 */
#ifndef WINNOW_DEVICE_GRAPH_H
#define WINNOW_DEVICE_GRAPH_H

#include <winnow/device.h>

/* ---- check.c ------------------------------------------------------------------------------------------------ */

/* Handles, shapes, windows, weights, activations, aliasing and order; one message for the first mistake. */
wn_status check_graph(const wn_graph *graph, wn_error *err);
/* "linear" and so on. */
const char *check_op_name(int32_t kind);
/* What is wrong is prefixed with the graph, the op and its output; op UINT64_MAX: with the graph alone. */
wn_status check_fail(const wn_graph *graph, uint64_t op, wn_error *err, wn_status code, const char *format, ...)
    WN_PRINTF(5, 6);

/* ---- plan.c ------------------------------------------------------------------------------------------------- */

/* Activations that are never needed at the same time share memory; constants lie in a block of their own. All offsets
 * are multiples of PLAN_ALIGNMENT. */
enum { PLAN_ALIGNMENT = 64 };

struct plan {
    uint64_t *offset;    /* for each tensor that is not a window: bytes into memory, or into constants */
    uint64_t *stride;    /* bytes between its items; 0 for shared ones */
    uint64_t *workspace; /* for each op */
    uint64_t memory_bytes, constant_bytes;
};

/* element_bytes: for each tensor, of its elements as the device stores them; NULL: 4 everywhere. workspace_bytes: for
 * each op, what it needs while it runs (all items). End with plan_free, after failures too. */
wn_status plan_memory(const wn_graph *graph, uint64_t max_items, const uint8_t *element_bytes,
                      const uint64_t *workspace_bytes, struct plan *plan, wn_error *err);
void plan_free(struct plan *plan);

/* ---- bind.c ------------------------------------------------------------------------------------------------- */

/* An INPUT or OUTPUT: where a run copies from or to. */
struct bind_slot {
    const char *name;
    uint32_t tensor;
    int32_t role;
    int is_shared;
    uint64_t bytes;          /* of one item; dense */
    uint64_t offset, stride; /* of the plan */
};

struct bind_table {
    struct bind_slot *slots;
    uint64_t slot_count;
    char *names;
    char *graph_name;
};

/* Keeps all it needs of the graph. End with bind_free, after failures too. */
wn_status bind_describe(const wn_graph *graph, const struct plan *plan, struct bind_table *table, wn_error *err);
void bind_free(struct bind_table *table);

/* (*data)[slot * count + item] from the caller's bindings of a run of `count` items, at most max_items: all of them
 * must be there. free() ends *data, which is NULL after a failure. */
wn_status bind_take(const struct bind_table *table, uint64_t max_items, uint64_t count, const wn_binding *bindings,
                    uint64_t binding_count, void ***data, wn_error *err);

/* ---- work.c ------------------------------------------------------------------------------------------------- */

/* Multiplications and additions of one item, as counted in the literature (2 for each product). */
double work_flops(const wn_graph *graph, const wn_op *op);
/* What is read and written of tensors for one item, as float32. */
double work_bytes(const wn_graph *graph, const wn_op *op);

/* ---- small arithmetic ---------------------------------------------------------------------------------------- */

static inline uint64_t round_up(uint64_t n, uint64_t to)
{
    return (n + to - 1) / to * to;
}

static inline uint64_t ceil_div(uint64_t n, uint64_t by)
{
    return (n + by - 1) / by;
}

static inline uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

#endif
