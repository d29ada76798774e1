/* ops_attention.c - lowers ATTENTION to the kernel that suits the device and the shape. */
#include "attention.h"

enum element attention_type(const struct compiler *c)
{
    return c->p->dtype == WN_F32 ? ELEMENT_F32 : c->p->dtype == WN_F16 ? ELEMENT_F16 : ELEMENT_BF16;
}

static struct attention gather(const struct compiler *c, const wn_op *op)
{
    struct attention a = { .op = op,
                           .q = operand_of(c, op->in[0]),
                           .k = operand_of(c, op->in[1]),
                           .v = operand_of(c, op->in[2]),
                           .bias = operand_of(c, op->in[3]),
                           .to = operand_of(c, op->out) };
    a.size = a.q.cols / (uint32_t)op->i[0];
    a.type = attention_type(c);
    a.push = (struct attention_push){ .q = a.q.address,
                                      .k = a.k.address,
                                      .v = a.v.address,
                                      .bias = a.bias.address,
                                      .to = a.to.address,
                                      .rows = a.q.rows,
                                      .keys = a.k.rows,
                                      .heads = (uint32_t)op->i[0],
                                      .q_ld = a.q.ld,
                                      .q_item = a.q.item_stride,
                                      .k_ld = a.k.ld,
                                      .k_item = a.k.item_stride,
                                      .v_ld = a.v.ld,
                                      .v_item = a.v.item_stride,
                                      .to_ld = a.to.ld,
                                      .to_item = a.to.item_stride,
                                      .bias_ld = a.bias.ld,
                                      .bias_item = a.bias.item_stride,
                                      .scale = op->f[0] };
    return a;
}

static void touch(struct command *k, const struct attention *a)
{
    command_reads(k, &a->q);
    command_reads(k, &a->k);
    command_reads(k, &a->v);
    command_reads(k, &a->bias);
    command_writes(k, &a->to);
}

struct command *attention_command(struct compiler *c, const struct attention *a, enum kernel kernel)
{
    struct command *k = command_new(c, kernel, &a->push, sizeof a->push);
    if (k)
        touch(k, a);
    return k;
}

static wn_status lower_plain(struct compiler *c, const struct attention *a)
{
    struct command *k = attention_command(c, a, KERNEL_ATTENTION);
    if (!k)
        return WN_E_MEMORY;
    command_constant(k, c->device->caps->subgroup);
    command_constant(k, (uint32_t)c->device->caps->has_subgroup_arithmetic);
    command_constant(k, a->size);
    command_constant(k, a->op->i[1] == 1);
    command_constant(k, a->type);
    k->rows = (uint64_t)a->q.rows * a->push.heads;
    k->rows_per_group = 1;
    return WN_OK;
}

/* ---- GPUs ---------------------------------------------------------------------------------------------------- */

enum { TILE_ROWS = 64, TILE_SIZE = 16 };

static wn_status lower_tile(struct compiler *c, const struct attention *a)
{
    struct command *k = attention_command(c, a, KERNEL_ATTENTION_TILE);
    if (!k)
        return WN_E_MEMORY;
    command_constant(k, a->size);
    command_constant(k, a->op->i[1] == 1);
    command_constant(k, a->type);
    command_constant(k, (uint32_t)ceil_div(a->size, TILE_SIZE));
    k->rows = ceil_div(a->q.rows, TILE_ROWS) * a->push.heads;
    k->rows_per_group = 1;
    return WN_OK;
}

/* ---- software devices --------------------------------------------------------------------------------------- */

enum { SOFTWARE_QUERIES = 4 };

static int is_pair_aligned(const struct operand *o)
{
    return o->address % 8 == 0 && o->ld % 2 == 0;
}

static wn_status lower_software(struct compiler *c, const struct attention *a)
{
    const uint32_t lanes = c->device->caps->subgroup;
    struct command *k = attention_command(c, a, KERNEL_ATTENTION_SOFTWARE);
    if (!k)
        return WN_E_MEMORY;
    command_constant(k, lanes);
    command_constant(k, is_pair_aligned(&a->q) && is_pair_aligned(&a->k) && is_pair_aligned(&a->v) &&
                            is_pair_aligned(&a->to));
    command_constant(k, a->size);
    command_constant(k, a->op->i[1] == 1);
    command_constant(k, a->type);
    k->rows = ceil_div(a->q.rows, SOFTWARE_QUERIES * lanes) * a->push.heads;
    k->rows_per_group = 1;
    return WN_OK;
}

/* The running output of a group must fit shared memory. */
static int suits_software(const struct compiler *c, const struct attention *a)
{
    const struct caps *caps = c->device->caps;
    return a->size % 4 == 0 && a->size * SOFTWARE_QUERIES * caps->subgroup * 4 <= caps->shared_bytes;
}

/* ---- all ---------------------------------------------------------------------------------------------------- */

wn_status lower_attention(struct compiler *c, const wn_op *op)
{
    const struct attention a = gather(c, op);
    if (c->device->caps->is_software)
        return suits_software(c, &a) ? lower_software(c, &a) : lower_plain(c, &a);
    return attention_fits_matrix(c, op) ? attention_lower_matrix(c, &a) : lower_tile(c, &a);
}
