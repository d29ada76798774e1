/* product_matrix.c - LINEAR and CONV on matrix units: how a tile of outputs is shared out among subgroups. Where groups
 * have matrices of their own, product_matrix2.c takes what suits them.
 *
 * Everything follows from the device's limits and the shape of one item: an item's result must not depend on how many
 * there are.
 */
#include "product.h"

#include "matrix.h"

enum { CHUNK = 32, SKEW = 8, SMALLEST = 16, MAX_WARPS = 16 };

struct tiling {
    uint32_t rows, cols;       /* outputs of a group */
    uint32_t threads;          /* wanted */
    uint32_t warps_m, warps_n; /* subgroups down and across */
};

/* Subgroups halve the longer side of what each of them has, so that a word of shared memory is multiplied often. */
static void share_out(struct tiling *t, const struct matrix_shape *s, uint32_t subgroup)
{
    const uint32_t warps = (uint32_t)smaller(MAX_WARPS, t->threads > subgroup ? t->threads / subgroup : 1);
    t->warps_m = t->warps_n = 1;
    while (t->warps_m * t->warps_n < warps) {
        const uint32_t height = t->rows / t->warps_m, width = t->cols / t->warps_n;
        if (height >= width && height > s->m)
            t->warps_m *= 2;
        else if (width > s->n)
            t->warps_n *= 2;
        else
            break;
    }
}

/* Bytes of shared memory, as product_coopmat.comp declares it. */
static uint32_t shared_bytes(const struct tiling *t, const struct matrix_shape *s)
{
    const uint32_t input = (t->rows + t->cols) * (CHUNK + SKEW) * 2, stage = t->warps_m * t->warps_n * s->m * s->n * 4;
    return input > stage ? input : stage;
}

/* The largest tile that the device can hold and the item fills. 128 x 256 means 128 sums for each of 256 invocations:
 * only NVIDIA's have registers for that. */
static int choose(const struct caps *caps, const wn_tensor *to, const struct matrix_shape *s, struct tiling *t)
{
    static const struct tiling tilings[] = { { 128, 256, 256, 0, 0 }, { 128, 128, 256, 0, 0 }, { 64, 64, 128, 0, 0 } };
    for (size_t i = 0; i < sizeof tilings / sizeof *tilings; i++) {
        *t = tilings[i];
        if (i < 2 && (to->rows < 4 * t->rows || to->cols < 4 * t->cols))
            continue;
        if (i == 0 && caps->properties.vendorID != VENDOR_NVIDIA)
            continue;
        share_out(t, s, caps->matrix_subgroup);
        if (shared_bytes(t, s) <= caps->shared_bytes &&
            t->warps_m * t->warps_n * caps->matrix_subgroup <= caps->properties.limits.maxComputeWorkGroupInvocations)
            return 1;
    }
    return 0;
}

int product_fits_matrix(const struct compiler *c, const wn_op *op)
{
    const struct caps *caps = c->device->caps;
    const wn_tensor *to = &c->g->tensors[op->out];
    const struct matrix_shape *s = caps->is_software ? NULL : matrix_shape_of(caps, product_type(c, op));
    struct tiling t;
    return s && to->rows >= SMALLEST && to->cols >= SMALLEST && choose(caps, to, s, &t);
}

int product_is_out_aligned(const wn_graph *g, const wn_op *op)
{
    return g->tensors[op->out].cols % 4 == 0 && matrix_is_aligned(g, op->out) && matrix_is_aligned(g, op->in[1]) &&
           matrix_is_aligned(g, op->in[2]) && matrix_is_aligned(g, op->in[3]);
}

wn_status product_lower_matrix(struct compiler *c, const struct product *p)
{
    const struct caps *caps = c->device->caps;
    const struct matrix_shape *s = matrix_shape_of(caps, p->type);
    struct tiling t;
    choose(caps, &c->g->tensors[p->op->out], s, &t);
    const int is_f16 = p->type == ELEMENT_F16;
    struct command *k = product_command(c, p, is_f16 ? KERNEL_LINEAR_COOPMAT_F16 : KERNEL_LINEAR_COOPMAT_BF16,
                                        is_f16 ? KERNEL_CONV_COOPMAT_F16 : KERNEL_CONV_COOPMAT_BF16,
                                        matrix_is_aligned(c->g, p->op->in[0]) && p->x.cols % 8 == 0, CHUNK);
    if (!k)
        return WN_E_MEMORY;
    command_constant(k, t.warps_m * t.warps_n * caps->matrix_subgroup);
    command_constant(k, s->m);
    command_constant(k, s->n);
    command_constant(k, s->k);
    command_constant(k, t.warps_m);
    command_constant(k, t.warps_n);
    command_constant(k, t.rows / t.warps_m / s->m);
    command_constant(k, t.cols / t.warps_n / s->n);
    command_constant(k, (uint32_t)product_is_out_aligned(c->g, p->op));
    command_constant(k, p->x.type);
    command_constant(k, p->to.type);
    k->rows = p->to.rows;
    k->rows_per_group = t.rows;
    k->columns = ceil_div(p->to.cols, t.cols);
    return WN_OK;
}
