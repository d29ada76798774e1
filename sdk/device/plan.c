/* plan.c - where every tensor lives: activations that are never needed at the same time share memory.
 *
 * A tensor is alive from the first op that touches it (inputs: from the start) to the last one (outputs: to the end); a
 * workspace only during its op. Blocks are placed largest first, each at the lowest offset where nothing that is alive
 * at the same time lies. That is within a few percent of the largest sum of live bytes for the graphs at hand.
 */
#include "graph.h"

#include <stdlib.h>

struct block {
    uint64_t bytes, offset;
    uint64_t first, last; /* ops, counted from 1; 0 is before, op_count + 1 after */
    uint64_t *result;     /* where the offset goes */
};

struct planner {
    const wn_graph *g;
    const uint8_t *element_bytes; /* NULL: 4 everywhere */
    struct block *blocks;
    uint64_t count;
};

static int largest_first(const void *a, const void *b)
{
    const struct block *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return x->first != y->first ? (x->first < y->first ? -1 : 1) : 0;
}

static int lowest_first(const void *a, const void *b)
{
    const struct block *x = *(struct block *const *)a, *y = *(struct block *const *)b;
    return x->offset != y->offset ? (x->offset < y->offset ? -1 : 1) : 0;
}

/* The lowest gap among the placed blocks that live at the same time. busy: room for all. */
static uint64_t place(const struct planner *p, uint64_t index, const struct block **busy)
{
    const struct block *b = &p->blocks[index];
    uint64_t n = 0, offset = 0;
    for (uint64_t i = 0; i < index; i++) {
        if (p->blocks[i].first <= b->last && b->first <= p->blocks[i].last)
            busy[n++] = &p->blocks[i];
    }
    qsort(busy, n, sizeof(*busy), lowest_first);
    for (uint64_t i = 0; i < n && busy[i]->offset < offset + b->bytes; i++) {
        if (offset < busy[i]->offset + busy[i]->bytes)
            offset = busy[i]->offset + busy[i]->bytes;
    }
    return offset;
}

/* ---- lifetimes ---------------------------------------------------------------------------------------------- */

static void touch(struct block *b, uint64_t when)
{
    b->first = b->first < when ? b->first : when;
    b->last = b->last > when ? b->last : when;
}

static void touch_tensor(const struct planner *p, uint32_t t, uint64_t when)
{
    if (t != WN_NONE)
        touch(&p->blocks[p->g->tensors[t].role == WN_ROLE_WINDOW ? p->g->tensors[t].base : t], when);
}

static void find_lifetimes(const struct planner *p)
{
    for (uint64_t i = 0; i < p->g->tensor_count; i++) {
        p->blocks[i].first = UINT64_MAX;
        if (p->g->tensors[i].role == WN_ROLE_INPUT)
            touch(&p->blocks[i], 0);
        if (p->g->tensors[i].role == WN_ROLE_OUTPUT)
            touch(&p->blocks[i], p->g->op_count + 1);
    }
    for (uint64_t i = 0; i < p->g->op_count; i++) {
        for (int s = 0; s < 4; s++)
            touch_tensor(p, p->g->ops[i].in[s], i + 1);
        touch_tensor(p, p->g->ops[i].out, i + 1);
    }
}

/* ---- sizes -------------------------------------------------------------------------------------------------- */

static wn_status size_tensors(const struct planner *p, uint64_t max_items, struct plan *plan, wn_error *err)
{
    for (uint64_t i = 0; i < p->g->tensor_count; i++) {
        const wn_tensor *t = &p->g->tensors[i];
        struct block *b = &p->blocks[i];
        b->result = &plan->offset[i];
        if (t->role == WN_ROLE_WINDOW)
            continue;
        uint64_t size = p->element_bytes ? p->element_bytes[i] : 4;
        uint64_t bytes = round_up(t->rows * t->cols * size, PLAN_ALIGNMENT); /* fits: check.c bounds the sides */
        if (t->role == WN_ROLE_CONST) {
            plan->offset[i] = plan->constant_bytes;
            plan->constant_bytes += bytes;
            continue;
        }
        int is_shared = t->role == WN_ROLE_INPUT && t->flags & WN_TENSOR_SHARED;
        plan->stride[i] = is_shared ? 0 : bytes;
        if (__builtin_mul_overflow(bytes, is_shared ? 1 : max_items, &b->bytes))
            return check_fail(p->g, UINT64_MAX, err, WN_E_ARG, "tensor \"%s\" [%llu, %llu] for %llu items is too large",
                              t->name ? t->name : "", (unsigned long long)t->rows, (unsigned long long)t->cols,
                              (unsigned long long)max_items);
    }
    return WN_OK;
}

/* Drops the blocks that need no memory (windows, constants, unused ones) and adds the workspaces. */
static void gather(struct planner *p, const uint64_t *workspace_bytes, struct plan *plan)
{
    uint64_t n = 0;
    for (uint64_t i = 0; i < p->g->tensor_count; i++) {
        if (p->blocks[i].bytes && p->blocks[i].first != UINT64_MAX)
            p->blocks[n++] = p->blocks[i];
    }
    for (uint64_t i = 0; i < p->g->op_count; i++) {
        if (workspace_bytes[i])
            p->blocks[n++] =
                (struct block){ round_up(workspace_bytes[i], PLAN_ALIGNMENT), 0, i + 1, i + 1, &plan->workspace[i] };
    }
    p->count = n;
}

static wn_status place_all(struct planner *p, struct plan *plan, wn_error *err)
{
    const struct block **busy = calloc(p->count + 1, sizeof(*busy));
    if (!busy)
        return wn_fail(err, WN_E_MEMORY, "out of memory while memory was planned");
    qsort(p->blocks, p->count, sizeof *p->blocks, largest_first);
    for (uint64_t i = 0; i < p->count; i++) {
        struct block *b = &p->blocks[i];
        *b->result = b->offset = place(p, i, busy);
        if (plan->memory_bytes < b->offset + b->bytes)
            plan->memory_bytes = b->offset + b->bytes;
    }
    free(busy);
    return WN_OK;
}

wn_status plan_memory(const wn_graph *graph, uint64_t max_items, const uint8_t *element_bytes,
                      const uint64_t *workspace_bytes, struct plan *plan, wn_error *err)
{
    struct planner p = { graph, element_bytes, calloc(graph->tensor_count + graph->op_count, sizeof *p.blocks), 0 };
    *plan = (struct plan){ calloc(graph->tensor_count + 1, sizeof *plan->offset),
                           calloc(graph->tensor_count + 1, sizeof *plan->stride),
                           calloc(graph->op_count + 1, sizeof *plan->workspace), 0, 0 };
    wn_status status = WN_OK;
    if (!p.blocks || !plan->offset || !plan->stride || !plan->workspace)
        status = wn_fail(err, WN_E_MEMORY, "out of memory while memory was planned");
    if (status == WN_OK)
        status = size_tensors(&p, max_items, plan, err);
    if (status == WN_OK) {
        find_lifetimes(&p);
        gather(&p, workspace_bytes, plan);
        status = place_all(&p, plan, err);
    }
    free(p.blocks);
    return status;
}

void plan_free(struct plan *plan)
{
    free(plan->offset);
    free(plan->stride);
    free(plan->workspace);
}
