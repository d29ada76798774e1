/* ops_elements.c - lowers UNARY, BINARY, COPY, EMBED, PICK_ROW and WEIGHT to elementwise.comp. */
#include "vulkan.h"

enum { LOCAL_SIZE = 64, BLOCK = 256 };

struct push {
    struct push_head head;
    uint64_t a, b, weight, more, to;
    uint32_t rows, cols, a_ld, a_item, b_ld, b_item, to_ld, to_item, weight_ld, more_ld, blocks;
    float f[4];
};
_Static_assert(sizeof(struct push) <= PUSH_BYTES, "push constants");

static struct push push_of(const struct operand *a, const struct operand *b, const struct operand *to)
{
    return (struct push){ .a = a->address,
                          .b = b->address,
                          .to = to->address,
                          .rows = to->rows,
                          .cols = to->cols,
                          .a_ld = a->ld,
                          .a_item = a->item_stride,
                          .b_ld = b->ld,
                          .b_item = b->item_stride,
                          .to_ld = to->ld,
                          .to_item = to->item_stride,
                          .blocks = (uint32_t)ceil_div((uint64_t)to->rows * to->cols, BLOCK) };
}

static wn_status append(struct compiler *c, const wn_op *op, const struct push *push, enum element element,
                        const struct operand *a, const struct operand *b, const struct operand *to)
{
    struct command *k = command_new(c, KERNEL_ELEMENTWISE, push, sizeof *push);
    if (!k)
        return WN_E_MEMORY;
    command_constant(k, LOCAL_SIZE);
    command_constant(k, (uint32_t)op->kind);
    command_constant(k, (uint32_t)op->activation);
    command_constant(k, op->kind == WN_OP_BINARY && op->i[0] == 2);
    command_constant(k, element);
    k->rows = push->blocks;
    k->rows_per_group = 1;
    command_reads(k, a);
    command_reads(k, b);
    command_writes(k, to);
    return WN_OK;
}

wn_status lower_unary(struct compiler *c, const wn_op *op)
{
    const struct operand a = operand_of(c, op->in[0]), none = { 0 }, to = operand_of(c, op->out);
    struct push push = push_of(&a, &none, &to);
    for (int i = 0; i < 4; i++)
        push.f[i] = op->f[i];
    return append(c, op, &push, ELEMENT_F32, &a, &none, &to);
}

wn_status lower_binary(struct compiler *c, const wn_op *op)
{
    const struct operand a = operand_of(c, op->in[0]), to = operand_of(c, op->out);
    struct operand b = operand_of(c, op->in[1]);
    if (b.rows == 1)
        b.ld = 0; /* the same row for all */
    const struct push push = push_of(&a, &b, &to);
    return append(c, op, &push, ELEMENT_F32, &a, &b, &to);
}

wn_status lower_copy(struct compiler *c, const wn_op *op)
{
    const struct operand a = operand_of(c, op->in[0]), none = { 0 }, to = operand_of(c, op->out);
    const struct push push = push_of(&a, &none, &to);
    return append(c, op, &push, ELEMENT_F32, &a, &none, &to);
}

wn_status lower_pick_row(struct compiler *c, const wn_op *op)
{
    const struct operand a = operand_of(c, op->in[0]), b = operand_of(c, op->in[1]), to = operand_of(c, op->out);
    const struct push push = push_of(&a, &b, &to);
    return append(c, op, &push, ELEMENT_F32, &a, &b, &to);
}

/* Rows of a table in 16 bits where that is exact. */
static enum element table_type(const wn_weight *w)
{
    enum element type = w->part[0].dtype == WN_BF16  ? ELEMENT_BF16
                        : w->part[0].dtype == WN_F16 ? ELEMENT_F16
                                                     : ELEMENT_F32;
    for (uint64_t k = 0; k < w->part_count; k++)
        if (w->part[k].dtype != w->part[0].dtype || w->part[k].scale != 1.0f)
            type = ELEMENT_F32;
    return type;
}

/* Of a table that stays in host memory (weights.c) rows are read from there: few, so that a copy would cost more. */
wn_status lower_embed(struct compiler *c, const wn_op *op)
{
    const struct packed *table, *positions;
    const struct operand ids = operand_of(c, op->in[0]), none = { 0 }, to = operand_of(c, op->out);
    WN_TRY(weight_of(c, 0, PACK_ROWS, table_type(&c->g->weights[op->weight[0]]), 1, &table));
    WN_TRY(weight_of(c, 1, PACK_ROWS, ELEMENT_F32, 1, &positions));
    struct push push = push_of(&none, &ids, &to);
    push.weight = table->slice.address;
    push.weight_ld = (uint32_t)table->stride;
    push.more = positions ? positions->slice.address : 0;
    push.more_ld = positions ? (uint32_t)positions->stride : 0;
    return append(c, op, &push, table->type, &none, &ids, &to);
}

wn_status lower_weight(struct compiler *c, const wn_op *op)
{
    const struct packed *table;
    const struct operand none = { 0 }, to = operand_of(c, op->out);
    WN_TRY(weight_of(c, 0, PACK_ROWS, table_type(&c->g->weights[op->weight[0]]), 1, &table));
    struct push push = push_of(&none, &none, &to);
    push.weight = table->slice.address;
    push.weight_ld = (uint32_t)table->stride;
    return append(c, op, &push, table->type, &none, &none, &to);
}
