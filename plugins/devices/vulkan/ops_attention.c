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

enum { SOFTWARE_KEYS = 4 };

/* How attention_software.comp goes through a head. */
struct software_shape {
    uint32_t queries; /* of a lane */
    uint32_t groups;  /* of four dimensions in a turn */
};

/* Of the running output, which lies in shared memory, for each query of a lane. */
static uint64_t query_bytes(const struct compiler *c, uint64_t size)
{
    return ceil_div(size, 4) * 16 * c->device->caps->subgroup;
}

/* All loops of an invocation, over all keys: check_turns. */
static uint64_t turns_of(const struct compiler *c, const struct attention *a, struct software_shape s)
{
    const uint64_t fours = ceil_div(a->size, 4),
                   blocks = ceil_div(a->k.rows, SOFTWARE_KEYS * c->device->caps->subgroup);
    const uint64_t scores = fours / s.groups + 1, values = fours / (s.groups == 1 ? 1 : s.groups / 2) + 1;
    return blocks * (1 + scores + values) + 2 * fours;
}

/* Fewer queries where shared memory is small, and where keys are so many that the driver would end the loops. With
 * 32 KiB and 8 lanes, heads of 256 have 4 queries, of 512 2. */
static struct software_shape shape_of(const struct compiler *c, const struct attention *a)
{
    struct software_shape s = { 8, 0 };
    do {
        s.queries /= 2;
        s.groups = a->size % (32 / s.queries) == 0 ? 8 / s.queries : 1;
    } while (s.queries > 1 &&
             (s.queries * query_bytes(c, a->size) > c->device->caps->shared_bytes || turns_of(c, a, s) > MAX_TURNS));
    return s;
}

static wn_status check_software(const struct compiler *c, const struct attention *a, struct software_shape s)
{
    const struct caps *caps = c->device->caps;
    if (query_bytes(c, a->size) > caps->shared_bytes)
        return wn_fail(c->err, WN_E_UNSUPPORTED, "heads of %u, at most %u on this software device; use device \"cpu\"",
                       a->size, caps->shared_bytes / (16 * caps->subgroup) * 4);
    return check_turns(c, turns_of(c, a, s));
}

static int is_pair_aligned(const struct operand *o)
{
    return o->address % 8 == 0 && o->ld % 2 == 0;
}

static wn_status lower_software(struct compiler *c, const struct attention *a)
{
    const uint32_t lanes = c->device->caps->subgroup;
    const struct software_shape s = shape_of(c, a);
    WN_TRY(check_software(c, a, s));
    struct command *k = attention_command(c, a, KERNEL_ATTENTION_SOFTWARE);
    if (!k)
        return WN_E_MEMORY;
    command_constant(k, lanes);
    command_constant(k, a->size % 4 == 0 && is_pair_aligned(&a->q) && is_pair_aligned(&a->k) &&
                            is_pair_aligned(&a->v) && is_pair_aligned(&a->to));
    command_constant(k, a->size);
    command_constant(k, a->op->i[1] == 1);
    command_constant(k, a->type);
    command_constant(k, s.queries);
    command_constant(k, s.groups);
    k->rows = ceil_div(a->q.rows, s.queries * lanes) * a->push.heads;
    k->rows_per_group = 1;
    return WN_OK;
}

/* ---- all ---------------------------------------------------------------------------------------------------- */

wn_status lower_attention(struct compiler *c, const wn_op *op)
{
    const struct attention a = gather(c, op);
    if (c->device->caps->is_software)
        return lower_software(c, &a);
    return attention_fits_matrix(c, op) ? attention_lower_matrix(c, &a) : lower_tile(c, &a);
}
