/* ops_rows.c - lowers NORM, HEAD_NORM_ROPE, GROUP_NORM and its parts: one subgroup for each row, head or chunk. */
#include "vulkan.h"

enum { CHUNKS = 64, CHUNK_ROWS = 16, CHUNK_VALUES = 65536 }; /* the last: what check_turns allows, and more */

/* Constants 0 and 1 of all kernels here. */
static void subgroup_constants(const struct compiler *c, struct command *k)
{
    command_constant(k, c->device->caps->subgroup);
    command_constant(k, (uint32_t)c->device->caps->has_subgroup_arithmetic);
}

/* The lanes share out `values`, once in each of `loops`. */
static wn_status check_loops(const struct compiler *c, uint64_t values, uint64_t loops)
{
    return check_turns(c, loops * (ceil_div(values, c->device->caps->subgroup) + 1));
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
    const int is_aligned = is_norm_aligned(&push, to.type);
    WN_TRY(check_loops(c, ceil_div(x.cols, is_aligned ? 4 : 1), 3));
    struct command *k = command_new(c, KERNEL_NORM, &push, sizeof push);
    if (!k)
        return WN_E_MEMORY;
    subgroup_constants(c, k);
    command_constant(k, op->i[0] == 2);
    command_constant(k, scale.address != 0);
    command_constant(k, to.type);
    command_constant(k, (uint32_t)is_aligned);
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
    WN_TRY(check_loops(c, push.size, 2));
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

enum { PHASE_MOMENTS = 0, PHASE_JOIN = 1, PHASE_APPLY = 2 };

struct group_push {
    struct push_head head;
    uint64_t x, weight, bias, table, to;
    uint32_t rows, cols, x_ld, x_item, to_ld, to_item, table_item, groups, chunks, chunk;
    float eps;
};
_Static_assert(sizeof(struct group_push) <= PUSH_BYTES, "push constants");

/* A part of the workspace of a GROUP_NORM that measures, as it were a tensor. */
static struct operand part_of(const struct operand *workspace, uint64_t first, uint64_t rows, uint64_t cols)
{
    struct operand o = *workspace;
    o.address += first * sizeof(float);
    o.rows = (uint32_t)rows;
    o.cols = o.ld = (uint32_t)cols;
    o.item_stride = o.rows * o.ld;
    return o;
}

/* By one picture alone, so that its statistics do not depend on the batch. width: channels of a group. */
static uint64_t chunks_of(uint64_t rows, uint64_t width)
{
    const uint64_t few = smaller(ceil_div(rows, CHUNK_ROWS), CHUNKS), least = ceil_div(rows * width, CHUNK_VALUES);
    return few > least ? few : smaller(least, rows);
}

uint64_t group_norm_workspace(const struct compiler *c, const wn_op *op)
{
    const wn_tensor *x = &c->g->tensors[op->in[0]];
    if (op->in[1] != WN_NONE)
        return 0;
    const uint64_t groups = (uint64_t)op->i[0], chunks = chunks_of(x->rows, x->cols / groups);
    return c->p->max_items * (2 * groups * chunks + 3 * x->cols) * sizeof(float);
}

/* Of a picture of `rows` rows. */
static struct group_push group_push_of(const wn_op *op, const struct operand *x, const struct operand *table,
                                       const struct operand *to, uint32_t rows)
{
    return (struct group_push){ .x = x->address,
                                .table = table->address,
                                .to = to->address,
                                .rows = rows,
                                .cols = to->cols,
                                .x_ld = x->ld,
                                .x_item = x->item_stride,
                                .to_ld = to->ld,
                                .to_item = to->item_stride,
                                .table_item = table->item_stride,
                                .groups = (uint32_t)op->i[0],
                                .eps = op->f[0] };
}

static wn_status group_phase(struct compiler *c, const wn_op *op, const struct group_push *push, uint32_t phase,
                             const struct operand *x, const struct operand *table, const struct operand *to)
{
    const uint64_t rows[3] = { (uint64_t)push->groups * push->chunks, push->groups, push->rows };
    struct command *k = command_new(c, KERNEL_GROUP_NORM, push, sizeof *push);
    if (!k)
        return WN_E_MEMORY;
    subgroup_constants(c, k);
    command_constant(k, phase);
    command_constant(k, phase == PHASE_APPLY ? (uint32_t)op->activation : WN_ACT_NONE);
    command_constant(k, phase == PHASE_APPLY ? to->type : ELEMENT_F32);
    k->rows = rows[phase];
    k->rows_per_group = 1;
    command_reads(k, x);
    command_reads(k, table);
    command_writes(k, to);
    return WN_OK;
}

static wn_status measure(struct compiler *c, const wn_op *op, const struct operand *x, const struct operand *moments,
                         uint32_t chunk)
{
    const struct operand none = { 0 };
    struct group_push push = group_push_of(op, x, &none, moments, x->rows);
    push.cols = x->cols;
    push.chunk = chunk;
    push.chunks = moments->rows;
    WN_TRY(check_loops(c, smaller(chunk, x->rows) * (x->cols / push.groups), 2));
    return group_phase(c, op, &push, PHASE_MOMENTS, x, &none, moments);
}

static wn_status join(struct compiler *c, const wn_op *op, const struct operand *moments, const struct operand *table,
                      uint32_t rows, uint32_t chunk)
{
    const struct operand none = { 0 };
    struct group_push push = group_push_of(op, moments, &none, table, rows);
    push.chunk = chunk;
    push.chunks = moments->rows;
    WN_TRY(vector_of(c, 0, &push.weight));
    WN_TRY(vector_of(c, 1, &push.bias));
    WN_TRY(check_loops(c, push.chunks + table->cols / push.groups, 2));
    return group_phase(c, op, &push, PHASE_JOIN, moments, &none, table);
}

static wn_status apply(struct compiler *c, const wn_op *op, const struct operand *x, const struct operand *table)
{
    const struct operand to = operand_of(c, op->out);
    const struct group_push push = group_push_of(op, x, table, &to, x->rows);
    WN_TRY(check_loops(c, x->cols, 1));
    return group_phase(c, op, &push, PHASE_APPLY, x, table, &to);
}

wn_status lower_group_moments(struct compiler *c, const wn_op *op)
{
    const struct operand x = operand_of(c, op->in[0]), moments = operand_of(c, op->out);
    return measure(c, op, &x, &moments, (uint32_t)op->i[1]);
}

wn_status lower_group_table(struct compiler *c, const wn_op *op)
{
    const struct operand moments = operand_of(c, op->in[0]), table = operand_of(c, op->out);
    return join(c, op, &moments, &table, moments.rows * (uint32_t)op->i[1], (uint32_t)op->i[1]);
}

wn_status lower_group_norm(struct compiler *c, const wn_op *op)
{
    const struct operand x = operand_of(c, op->in[0]), given = operand_of(c, op->in[1]);
    if (given.address)
        return apply(c, op, &x, &given);
    const struct operand work = workspace_of(c);
    const uint64_t groups = (uint64_t)op->i[0];
    const uint64_t chunk = ceil_div(x.rows, chunks_of(x.rows, x.cols / groups)), chunks = ceil_div(x.rows, chunk);
    const struct operand moments = part_of(&work, 0, chunks, 2 * groups);
    const struct operand table = part_of(&work, c->p->max_items * moments.item_stride, 3, x.cols);
    WN_TRY(measure(c, op, &x, &moments, (uint32_t)chunk));
    WN_TRY(join(c, op, &moments, &table, x.rows, (uint32_t)chunk));
    return apply(c, op, &x, &table);
}
