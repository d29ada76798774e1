/* ops_rows.c - lowers NORM, HEAD_NORM_ROPE and GROUP_NORM: one subgroup for each row, head or chunk. */
#include "vulkan.h"

enum { MAX_CHUNKS = 64, CHUNK_ROWS = 16 };

/* Constants 0 and 1 of all kernels here. */
static void subgroup_constants(const struct compiler *c, struct command *k)
{
    command_constant(k, c->device->caps->subgroup);
    command_constant(k, (uint32_t)c->device->caps->has_subgroup_arithmetic);
}

static wn_status vector_of(struct compiler *c, int slot, uint64_t *address)
{
    const struct packed *packed;
    WN_TRY(weight_of(c, slot, PACK_VECTOR, ELEMENT_F32, 1, &packed));
    if (packed)
        *address = packed->slice.address;
    return WN_OK;
}

/* ---- norm --------------------------------------------------------------------------------------------------- */

struct norm_push {
    struct push_head head;
    uint64_t x, scale, shift, to;
    uint32_t rows, cols, x_ld, x_item, to_ld, to_item, scale_item, shift_item;
    float eps;
};
_Static_assert(sizeof(struct norm_push) <= PUSH_BYTES, "push constants");

static int is_norm_aligned(const struct norm_push *p, enum element to)
{
    const uint64_t addresses = p->x | p->scale | p->shift | (to == ELEMENT_F32 ? p->to : 2 * p->to);
    const uint32_t strides = p->cols | p->x_ld | p->x_item | p->to_ld | p->to_item | p->scale_item | p->shift_item;
    return addresses % 16 == 0 && strides % 4 == 0;
}

wn_status lower_norm(struct compiler *c, const wn_op *op)
{
    const struct operand x = operand_of(c, op->in[0]), scale = operand_of(c, op->in[1]);
    const struct operand shift = operand_of(c, op->in[2]), to = operand_of(c, op->out);
    struct norm_push push = { .x = x.address,
                              .scale = scale.address,
                              .shift = shift.address,
                              .to = to.address,
                              .rows = x.rows,
                              .cols = x.cols,
                              .x_ld = x.ld,
                              .x_item = x.item_stride,
                              .to_ld = to.ld,
                              .to_item = to.item_stride,
                              .scale_item = scale.item_stride,
                              .shift_item = shift.item_stride,
                              .eps = op->f[0] };
    WN_TRY(vector_of(c, 0, &push.scale));
    WN_TRY(vector_of(c, 1, &push.shift));
    struct command *k = command_new(c, KERNEL_NORM, &push, sizeof push);
    if (!k)
        return WN_E_MEMORY;
    subgroup_constants(c, k);
    command_constant(k, op->i[0] == 2);
    command_constant(k, scale.address != 0);
    command_constant(k, to.type);
    command_constant(k, (uint32_t)is_norm_aligned(&push, to.type));
    k->rows = x.rows;
    k->rows_per_group = 1;
    command_reads(k, &x);
    command_reads(k, &scale);
    command_reads(k, &shift);
    command_writes(k, &to);
    return WN_OK;
}

/* ---- heads -------------------------------------------------------------------------------------------------- */

struct head_push {
    struct push_head head;
    uint64_t x, table, weight, to;
    uint32_t rows, heads, size, x_ld, x_item, to_ld, to_item, table_ld, table_item;
    float eps;
};
_Static_assert(sizeof(struct head_push) <= PUSH_BYTES, "push constants");

wn_status lower_head_norm_rope(struct compiler *c, const wn_op *op)
{
    const struct operand x = operand_of(c, op->in[0]), table = operand_of(c, op->in[1]), to = operand_of(c, op->out);
    struct head_push push = { .x = x.address,
                              .table = table.address,
                              .to = to.address,
                              .rows = x.rows,
                              .heads = (uint32_t)op->i[0],
                              .size = x.cols / (uint32_t)op->i[0],
                              .x_ld = x.ld,
                              .x_item = x.item_stride,
                              .to_ld = to.ld,
                              .to_item = to.item_stride,
                              .table_ld = table.ld,
                              .table_item = table.item_stride,
                              .eps = op->f[0] };
    WN_TRY(vector_of(c, 0, &push.weight));
    struct command *k = command_new(c, KERNEL_HEAD_NORM_ROPE, &push, sizeof push);
    if (!k)
        return WN_E_MEMORY;
    subgroup_constants(c, k);
    command_constant(k, x.type);
    command_constant(k, to.type);
    k->rows = (uint64_t)x.rows * push.heads;
    k->rows_per_group = 1;
    command_reads(k, &x);
    command_reads(k, &table);
    command_writes(k, &to);
    return WN_OK;
}

/* ---- groups ------------------------------------------------------------------------------------------------- */

enum { PHASE_PARTIAL = 0, PHASE_COMBINE = 1, PHASE_APPLY = 2 };

struct group_push {
    struct push_head head;
    uint64_t x, weight, bias, to, work;
    uint32_t rows, cols, x_ld, x_item, to_ld, to_item, groups, chunks;
    float eps;
};
_Static_assert(sizeof(struct group_push) <= PUSH_BYTES, "push constants");

/* By the rows alone, so that a picture's statistics do not depend on the batch. */
static uint64_t chunks_of(uint64_t rows)
{
    return smaller(ceil_div(rows, CHUNK_ROWS), MAX_CHUNKS);
}

uint64_t group_norm_workspace(const struct compiler *c, const wn_op *op)
{
    return c->p->max_items * (uint64_t)op->i[0] * (chunks_of(c->g->tensors[op->in[0]].rows) + 1) * 2 * sizeof(float);
}

static wn_status group_phase(struct compiler *c, const wn_op *op, const struct group_push *push, uint32_t phase,
                             const struct operand *x, const struct operand *work, const struct operand *to)
{
    const uint64_t rows[3] = { (uint64_t)push->groups * push->chunks, push->groups, push->rows };
    struct command *k = command_new(c, KERNEL_GROUP_NORM, push, sizeof *push);
    if (!k)
        return WN_E_MEMORY;
    subgroup_constants(c, k);
    command_constant(k, phase);
    command_constant(k, (uint32_t)op->activation);
    k->rows = rows[phase];
    k->rows_per_group = 1;
    command_reads(k, x);
    command_reads(k, work);
    command_writes(k, to);
    return WN_OK;
}

wn_status lower_group_norm(struct compiler *c, const wn_op *op)
{
    const struct operand x = operand_of(c, op->in[0]), to = operand_of(c, op->out), work = workspace_of(c);
    const struct operand none = { 0 };
    struct group_push push = { .x = x.address,
                               .to = to.address,
                               .work = work.address,
                               .rows = x.rows,
                               .cols = x.cols,
                               .x_ld = x.ld,
                               .x_item = x.item_stride,
                               .to_ld = to.ld,
                               .to_item = to.item_stride,
                               .groups = (uint32_t)op->i[0],
                               .chunks = (uint32_t)chunks_of(x.rows),
                               .eps = op->f[0] };
    WN_TRY(vector_of(c, 0, &push.weight));
    WN_TRY(vector_of(c, 1, &push.bias));
    WN_TRY(group_phase(c, op, &push, PHASE_PARTIAL, &x, &none, &work));
    WN_TRY(group_phase(c, op, &push, PHASE_COMBINE, &work, &none, &work));
    return group_phase(c, op, &push, PHASE_APPLY, &x, &work, &to);
}
