/* attention_matrix.c - ATTENTION on matrix units: how many queries and keys a group works on at once.
 *
 * Everything follows from the device's limits and the shape of one item: an item's result must not depend on how many
 * there are.
 */
#include "attention.h"

#include <math.h>

#include "matrix.h"

enum { THREADS = 256, MAX_WARPS = 8, SMALLEST = 16, SMALLEST_SIZE = 32, LARGEST_SIZE = 128 };

struct tiling {
    uint32_t warps, keys, width;
};

static uint32_t shared_bytes(const struct tiling *t, const struct matrix_shape *s, uint32_t subgroup)
{
    const uint32_t values = t->keys * (t->width / 8 + s->n / 8 + 1), scores = t->warps * s->m * (t->keys / 4 + 1);
    return 16 * (values + scores) + 4 * t->warps * subgroup;
}

/* Keys: a row of weights and a fragment of correction factors must fit where the row's scores were, and a lane takes
 * eight of them or more. Queries: as many as fit, since each group reads all keys; no more subgroups
 * than have rows. */
static int choose(const struct caps *caps, uint64_t rows, uint64_t size, const struct matrix_shape *s, struct tiling *t)
{
    const uint32_t lanes = caps->matrix_subgroup / s->m, limit = caps->properties.limits.maxComputeWorkGroupInvocations;
    t->width = (uint32_t)round_up(size, s->k > s->n ? s->k : s->n);
    for (t->keys = 2 * s->n; t->keys <= 64; t->keys *= 2) {
        if (t->keys % s->k != 0 || t->keys < 8 * lanes)
            continue;
        for (t->warps = MAX_WARPS; t->warps > 0; t->warps /= 2) {
            const uint32_t threads = t->warps * caps->matrix_subgroup;
            if ((t->warps == 1 || (t->warps / 2 * s->m < rows && threads <= THREADS)) && threads <= limit &&
                shared_bytes(t, s, caps->matrix_subgroup) <= caps->shared_bytes)
                return 1;
        }
    }
    return 0;
}

int attention_fits_matrix(const struct compiler *c, const wn_op *op)
{
    const struct caps *caps = c->device->caps;
    const wn_tensor *q = &c->g->tensors[op->in[0]], *k = &c->g->tensors[op->in[1]];
    const uint64_t size = q->cols / (uint64_t)op->i[0];
    const struct matrix_shape *s = caps->is_software ? NULL : matrix_shape_of(caps, attention_type(c));
    struct tiling t;
    return s && caps->has_matrix_attention && q->rows >= SMALLEST && k->rows >= SMALLEST && size % 8 == 0 &&
           size >= SMALLEST_SIZE && size <= LARGEST_SIZE && caps->matrix_subgroup % s->m == 0 &&
           matrix_is_aligned(c->g, op->in[0]) && matrix_is_aligned(c->g, op->in[1]) &&
           matrix_is_aligned(c->g, op->in[2]) && matrix_is_aligned(c->g, op->out) && choose(caps, q->rows, size, s, &t);
}

/* With a bound B of all scores, weights exp(score - offset) lie between exp(-2 B + spare) and exp(spare): normal
 * numbers of the type, and sums of them in float32. */
static int find_offset(const struct compiler *c, const struct attention *a, float *offset)
{
    const float spare = a->type == ELEMENT_F16 ? 10.0f : 0.0f, most = a->type == ELEMENT_F16 ? 9.0f : 40.0f;
    const float bound = a->op->i[1] == 1 || a->bias.address ? INFINITY : attention_bound(c, a->op, a->size);
    *offset = bound - spare;
    return bound <= most;
}

wn_status attention_lower_matrix(struct compiler *c, const struct attention *a)
{
    const struct caps *caps = c->device->caps;
    const struct matrix_shape *s = matrix_shape_of(caps, a->type);
    struct tiling t;
    struct attention fixed = *a;
    choose(caps, a->q.rows, a->size, s, &t);
    const int is_fixed = find_offset(c, a, &fixed.push.offset);
    struct command *k = attention_command(
        c, &fixed, a->type == ELEMENT_F16 ? KERNEL_ATTENTION_COOPMAT_F16 : KERNEL_ATTENTION_COOPMAT_BF16);
    if (!k)
        return WN_E_MEMORY;
    command_constant(k, t.warps * caps->matrix_subgroup);
    command_constant(k, a->size);
    command_constant(k, t.width);
    command_constant(k, a->op->i[1] == 1);
    command_constant(k, (uint32_t)is_fixed);
    command_constant(k, s->m);
    command_constant(k, s->n);
    command_constant(k, s->k);
    command_constant(k, t.warps);
    command_constant(k, t.keys);
    command_constant(k, caps->matrix_subgroup / s->m);
    command_constant(k, a->q.type);
    command_constant(k, a->k.type);
    command_constant(k, a->v.type);
    command_constant(k, a->to.type);
    k->rows = ceil_div(a->q.rows, t.warps * s->m) * a->push.heads;
    k->rows_per_group = 1;
    return WN_OK;
}
