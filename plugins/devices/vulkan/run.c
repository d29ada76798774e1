/* run.c - a run: inputs in, the recorded commands, outputs out. */
#include "vulkan.h"

#include <stdlib.h>
#include <string.h>

/* ---- bindings ----------------------------------------------------------------------------------------------- */

/* data: [slot][item], as bind_take leaves it. */
static void copy_bound(const wn_program *p, void *const *data, uint64_t count, int32_t role)
{
    uint64_t at = 0;
    for (uint64_t k = 0; k < p->bindings.slot_count; k++) {
        const struct bind_slot *slot = &p->bindings.slots[k];
        for (uint64_t item = 0; item < (slot->is_shared ? 1 : p->max_items); item++) {
            void *mine = p->memory.mapped ? p->memory.mapped + slot->offset + item * slot->stride : p->io.mapped + at;
            at += round_up(slot->bytes, PLAN_ALIGNMENT);
            if (slot->role != role || item >= count)
                continue;
            void *theirs = data[k * count + item];
            memcpy(role == WN_ROLE_INPUT ? mine : theirs, role == WN_ROLE_INPUT ? theirs : mine, slot->bytes);
        }
    }
}

/* The row numbers of op `op` in the input at `slot`, of all items. */
static wn_status check_row_numbers(const wn_program *p, uint64_t op, const struct bind_slot *slot, void *const *data,
                                   uint64_t items, uint64_t limit, wn_error *err)
{
    const wn_tensor *out = &p->graph->tensors[p->graph->ops[op].out];
    for (uint64_t i = 0; i < items * (slot->bytes / 4); i++) {
        int32_t id;
        const uint64_t row = i % (slot->bytes / 4), item = i / (slot->bytes / 4);
        memcpy(&id, (const char *)data[item] + row * 4, sizeof id);
        if (id < 0 || (uint64_t)id >= limit)
            return wn_fail(err, WN_E_ARG, "graph \"%s\", \"%s\": id %d in row %llu of item %llu, must be 0 to %llu",
                           p->bindings.graph_name, out->name ? out->name : check_op_name(p->graph->ops[op].kind), id,
                           (unsigned long long)row, (unsigned long long)item, (unsigned long long)limit - 1);
    }
    return WN_OK;
}

static wn_status check_ids(const wn_program *p, void *const *data, uint64_t count, wn_error *err)
{
    const wn_graph *g = p->graph;
    for (uint64_t i = 0; i < g->op_count; i++) {
        const wn_op *op = &g->ops[i];
        if (op->kind != WN_OP_EMBED && op->kind != WN_OP_PICK_ROW)
            continue;
        const uint32_t ids = op->in[op->kind == WN_OP_EMBED ? 0 : 1];
        const uint64_t limit = op->kind == WN_OP_EMBED ? g->weights[op->weight[0]].rows : g->tensors[op->in[0]].rows;
        for (uint64_t k = 0; k < p->bindings.slot_count; k++) {
            const struct bind_slot *slot = &p->bindings.slots[k];
            if (slot->tensor == ids)
                WN_TRY(check_row_numbers(p, i, slot, data + k * count, slot->is_shared ? 1 : count, limit, err));
        }
    }
    return WN_OK;
}

/* ---- run ---------------------------------------------------------------------------------------------------- */

struct run {
    wn_program *program;
    uint64_t count;
    void *const *data;
};

static wn_status run_whole(const struct run *run, wn_error *err)
{
    wn_program *p = run->program;
    struct recording *r;
    if (!p->is_built)
        WN_TRY(program_build(p, err));
    WN_TRY(record_get(p, run->count, &r, err));
    copy_bound(p, run->data, run->count, WN_ROLE_INPUT);
    WN_TRY(record_submit(p, r, err));
    copy_bound(p, run->data, run->count, WN_ROLE_OUTPUT);
    return WN_OK;
}

static wn_status run_once(void *arg, wn_error *err)
{
    const struct run *run = arg;
    room_enter(run->program);
    const wn_status status = run_whole(run, err);
    room_leave(run->program);
    return status;
}

wn_status program_run(wn_program *p, uint64_t count, const wn_binding *bindings, uint64_t binding_count, wn_error *err)
{
    void **data;
    WN_TRY(bind_take(&p->bindings, p->max_items, count, bindings, binding_count, &data, err));
    wn_status status = check_ids(p, data, count, err);
    if (status == WN_OK)
        status = device_use(p->device, run_once, &(struct run){ p, count, data }, err);
    free(data);
    return status;
}
