/* ops_product.c - lowers LINEAR and CONV to the kernel that suits the device and the shape. */
#include "product.h"

enum element product_type(const struct compiler *c, const wn_op *op)
{
    if (c->p->dtype == WN_F32 || (op->kind == WN_OP_LINEAR && c->g->tensors[op->out].rows == 1))
        return ELEMENT_F32;
    return c->p->dtype == WN_F16 ? ELEMENT_F16 : ELEMENT_BF16;
}

/* Weights in 16 bits where the file has them so, which is exact, or where products are in that type. */
static enum element storage_type(const wn_weight *w, enum element product)
{
    const int32_t wanted = w->part[0].dtype;
    if (product != ELEMENT_F32)
        return product;
    for (uint64_t k = 0; k < w->part_count; k++)
        if (w->part[k].dtype != wanted || w->part[k].scale != 1.0f)
            return ELEMENT_F32;
    return wanted == WN_BF16 ? ELEMENT_BF16 : wanted == WN_F16 ? ELEMENT_F16 : ELEMENT_F32;
}

static wn_status gather(struct compiler *c, const wn_op *op, uint64_t taps, struct product *p)
{
    const enum element type = product_type(c, op);
    const wn_weight *weight = &c->g->weights[op->weight[0]];
    const enum element blocks = op->kind == WN_OP_LINEAR ? blocks_element(weight) : ELEMENT_F32;
    const int is_software = c->device->caps->is_software, has_blocks = blocks != ELEMENT_F32 && !is_software;
    const enum packing packing = is_software ? PACK_PANELS : has_blocks ? PACK_BLOCKS : PACK_ROWS;
    *p = (struct product){ .op = op,
                           .type = type,
                           .x = operand_of(c, op->in[0]),
                           .mul = operand_of(c, op->in[1]),
                           .gate = operand_of(c, op->in[2]),
                           .residual = operand_of(c, op->in[3]),
                           .to = operand_of(c, op->out) };
    WN_TRY(weight_of(c, 0, packing, has_blocks ? blocks : storage_type(weight, type), taps, &p->weight));
    WN_TRY(weight_of(c, 1, PACK_VECTOR, ELEMENT_F32, 1, &p->bias));
    p->push = (struct product_push){ .x = p->x.address,
                                     .weight = p->weight->slice.address,
                                     .bias = p->bias ? p->bias->slice.address : 0,
                                     .mul = p->mul.address,
                                     .gate = p->gate.address,
                                     .residual = p->residual.address,
                                     .to = p->to.address,
                                     .x_ld = p->x.ld,
                                     .x_item = p->x.item_stride,
                                     .mul_ld = p->mul.ld,
                                     .mul_item = p->mul.item_stride,
                                     .gate_item = p->gate.item_stride,
                                     .residual_ld = p->residual.ld,
                                     .residual_item = p->residual.item_stride,
                                     .to_ld = p->to.ld,
                                     .to_item = p->to.item_stride,
                                     .rows = p->to.rows,
                                     .cols = p->to.cols,
                                     .depth = p->x.cols,
                                     .weight_ld = (uint32_t)p->weight->stride,
                                     .first = op->kind == WN_OP_CONV ? (uint32_t)op->i[7] : 0 };
    return WN_OK;
}

static void touch(struct command *k, const struct product *p)
{
    command_weight(k, p->weight, offsetof(struct product_push, weight));
    command_reads(k, &p->x);
    command_reads(k, &p->mul);
    command_reads(k, &p->gate);
    command_reads(k, &p->residual);
    command_writes(k, &p->to);
}

/* Constants 5 to 11, which a linear kernel does not have: kernel, stride, pad, upsampling, the picture's sides. */
static void picture_constants(struct command *k, const wn_op *op)
{
    static const int64_t none[8] = { 0, 0, 1, 1, 0, 0, 1 };
    const int64_t *i = op->kind == WN_OP_CONV ? op->i : none;
    command_constant(k, (uint32_t)i[2]);
    command_constant(k, (uint32_t)i[3]);
    command_constant(k, (uint32_t)i[4]);
    command_constant(k, (uint32_t)i[6]);
    command_constant(k, (uint32_t)i[0]);
    command_constant(k, (uint32_t)i[1]);
    command_constant(k, (uint32_t)((i[1] * i[6] + i[4] + i[5] - i[2]) / i[3] + 1));
}

struct command *product_command(struct compiler *c, const struct product *p, enum kernel linear, enum kernel conv,
                                int is_aligned, uint32_t size)
{
    struct command *k = command_new(c, p->op->kind == WN_OP_CONV ? conv : linear, &p->push, sizeof p->push);
    if (!k)
        return NULL;
    command_constant(k, (uint32_t)p->op->activation);
    command_constant(k, p->weight->type);
    command_constant(k, p->type);
    command_constant(k, (uint32_t)is_aligned);
    command_constant(k, size);
    picture_constants(k, p->op);
    touch(k, p);
    return k;
}

static int is_aligned_by_4(const struct product *p)
{
    return p->x.address % 16 == 0 && p->x.ld % 4 == 0 && p->x.cols % 4 == 0;
}

/* 128 x 128 outputs to a group where there are enough of them (by the shape of one item) and its 17 KB of shared memory
 * are there, else 64 x 64. */
static uint32_t each_of(const struct compiler *c, const struct product *p)
{
    return p->to.rows >= 512 && p->to.cols >= 512 && c->device->caps->shared_bytes > 17000 ? 8 : 4;
}

static wn_status lower_tile(struct compiler *c, const struct product *p)
{
    const uint32_t each = each_of(c, p), tile = 16 * each;
    struct command *k = product_command(c, p, KERNEL_LINEAR_TILE, KERNEL_CONV_TILE, is_aligned_by_4(p), each);
    if (!k)
        return WN_E_MEMORY;
    command_constant(k, (uint32_t)product_is_out_aligned(c->g, p->op));
    k->rows = p->to.rows;
    k->rows_per_group = tile;
    k->columns = ceil_div(p->to.cols, tile);
    return WN_OK;
}

/* ---- software devices --------------------------------------------------------------------------------------- */

enum { SOFTWARE_COLUMNS = 4, SOFTWARE_DEPTH = 8 }; /* columns of lanes; k in a turn */

static int is_even(const struct operand *o)
{
    return o->address % 8 == 0 && o->ld % 2 == 0;
}

static wn_status lower_software(struct compiler *c, const struct product *p)
{
    const uint32_t lanes = c->device->caps->subgroup;
    const uint32_t rows = p->to.rows <= lanes ? 1 : p->to.rows <= 2 * lanes ? 2 : 4;
    WN_TRY(check_turns(c, p->weight->stride / SOFTWARE_DEPTH));
    struct command *k = product_command(c, p, KERNEL_LINEAR_SOFTWARE, KERNEL_CONV_SOFTWARE, is_aligned_by_4(p), rows);
    if (!k)
        return WN_E_MEMORY;
    command_constant(k, lanes);
    command_constant(k, p->to.cols % 2 == 0 && is_even(&p->to) && is_even(&p->mul) && is_even(&p->gate) &&
                            is_even(&p->residual));
    k->rows = p->to.rows;
    k->rows_per_group = rows * lanes;
    k->columns = ceil_div(p->to.cols, SOFTWARE_COLUMNS * lanes);
    return WN_OK;
}

/* ---- all ---------------------------------------------------------------------------------------------------- */

static wn_status lower(struct compiler *c, const struct product *p)
{
    if (c->device->caps->is_software)
        return lower_software(c, p);
    if (!product_fits_matrix(c, p->op))
        return lower_tile(c, p);
    return product_fits_matrix2(c, p) ? product_lower_matrix2(c, p) : product_lower_matrix(c, p);
}

wn_status lower_linear(struct compiler *c, const wn_op *op)
{
    struct product p;
    WN_TRY(gather(c, op, 1, &p));
    return lower(c, &p);
}

wn_status lower_conv(struct compiler *c, const wn_op *op)
{
    struct product p;
    WN_TRY(gather(c, op, (uint64_t)(op->i[2] * op->i[2]), &p));
    return lower(c, &p);
}
