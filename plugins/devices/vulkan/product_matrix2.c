/* product_matrix2.c - LINEAR on matrices of a whole group (VK_NV_cooperative_matrix2): which tile a group multiplies.
 *
 * A beside of product_matrix.c: it takes linear products of stored 16-bit values by weights in 16 bits, which is nearly
 * all of a transformer; convolutions, quantised weights and float32 inputs go on as there, and so does every other
 * vendor. Everything follows from the shape of one item.
 */
#include "product.h"

#include "matrix.h"

static const struct group_shape tiles[] = { { { 128, 256, 64, 0 }, 256 },
                                            { { 128, 128, 64, 0 }, 256 },
                                            { { 64, 64, 64, 0 }, 128 } };

static int has_tile(const struct caps *caps, int32_t type, const struct group_shape *wanted, struct group_shape *tile)
{
    *tile = *wanted;
    tile->shape.type = type;
    return tile->threads <= caps->properties.limits.maxComputeWorkGroupInvocations && caps_has_group_shape(caps, tile);
}

int product_tile2(const struct caps *caps, int32_t type, uint64_t rows, uint64_t cols, struct group_shape *tile)
{
    const size_t last = sizeof tiles / sizeof *tiles - 1;
    if (caps->tile.m)
        return has_tile(caps, type, &(struct group_shape){ caps->tile, tiles[last].threads }, tile);
    for (size_t i = 0; i <= last; i++)
        if ((i == last || (rows >= 4 * tiles[i].shape.m && cols >= 4 * tiles[i].shape.n)) &&
            has_tile(caps, type, &tiles[i], tile))
            return 1;
    return 0;
}

static int choose(const struct caps *caps, const struct product *p, struct group_shape *tile)
{
    return product_tile2(caps, p->type == ELEMENT_F16 ? COMPONENT_F16 : COMPONENT_BF16, p->to.rows, p->to.cols, tile);
}

int product_fits_matrix2(const struct compiler *c, const struct product *p)
{
    struct group_shape tile;
    return p->op->kind == WN_OP_LINEAR && p->x.type == p->type && p->weight->type == p->type &&
           product_is_out_aligned(c->g, p->op) && choose(c->device->caps, p, &tile);
}

wn_status product_lower_matrix2(struct compiler *c, const struct product *p)
{
    struct group_shape tile;
    choose(c->device->caps, p, &tile);
    const struct matrix_shape *s = &tile.shape;
    const int is_whole = p->to.rows % s->m == 0 && p->to.cols % s->n == 0 && p->x.cols % s->k == 0;
    struct command *k = product_command(
        c, p, p->type == ELEMENT_F16 ? KERNEL_LINEAR_COOPMAT2_F16 : KERNEL_LINEAR_COOPMAT2_BF16, KERNEL_COUNT, 1, s->k);
    if (!k)
        return WN_E_MEMORY;
    command_constant(k, tile.threads);
    command_constant(k, s->m);
    command_constant(k, s->n);
    command_constant(k, !is_whole);
    command_constant(k, p->to.type);
    k->rows = ceil_div(p->to.rows, s->m);
    k->rows_per_group = 1;
    k->columns = ceil_div(p->to.cols, s->n);
    return WN_OK;
}
