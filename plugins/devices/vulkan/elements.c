/* elements.c - which activations are stored in 16 bits.
 *
 * In a program that multiplies in 16 bits, what only products and attention read is rounded to the same type anyway: it
 * is written so, which halves what they read, and lets them load it without conversion. That holds for a temporary
 * tensor (no residual stream, see WN_TENSOR_KEEP_F32) when each op that writes or reads any part of it has a kernel for
 * that: products and attention on matrix units, and the norms between them.
 */
#include "attention.h"
#include "product.h"

enum { OUT = -1, ALIGNMENT = 8 }; /* elements: 16 bytes at once */

/* slot: of op->in, or OUT. */
static int takes_16_bits(const struct compiler *c, const wn_op *op, int slot)
{
    switch (op->kind) {
    case WN_OP_LINEAR:
    case WN_OP_CONV:
        return (slot == 0 || (slot == OUT && product_is_out_aligned(c->g, op))) && product_fits_matrix(c, op);
    case WN_OP_ATTENTION:
        return slot < 3 && attention_fits_matrix(c, op);
    case WN_OP_NORM:
    case WN_OP_GROUP_NORM:
        return slot == OUT;
    case WN_OP_HEAD_NORM_ROPE:
        return (slot == 0 || slot == OUT) && c->g->tensors[op->out].cols / (uint64_t)op->i[0] % 2 == 0;
    default:
        return 0;
    }
}

static uint32_t base_of(const wn_graph *g, uint32_t tensor)
{
    return g->tensors[tensor].role == WN_ROLE_WINDOW ? g->tensors[tensor].base : tensor;
}

static int can_be(const wn_tensor *t)
{
    return t->role == WN_ROLE_TEMP && t->dtype == WN_F32 && !(t->flags & WN_TENSOR_KEEP_F32) &&
           t->cols % ALIGNMENT == 0;
}

static void look_at(const struct compiler *c, const wn_op *op, int slot, uint8_t *types)
{
    const uint32_t tensor = slot == OUT ? op->out : op->in[slot];
    if (tensor == WN_NONE)
        return;
    const wn_tensor *t = &c->g->tensors[tensor];
    const int is_aligned = t->role != WN_ROLE_WINDOW || (t->col0 % ALIGNMENT == 0 && t->cols % ALIGNMENT == 0);
    uint8_t *type = &types[base_of(c->g, tensor)];
    if (*type != ELEMENT_F32 && (!is_aligned || !takes_16_bits(c, op, slot)))
        *type = ELEMENT_F32;
}

void elements_choose(const struct compiler *c, uint8_t *types)
{
    const struct caps *caps = c->device->caps;
    const int is_16_bit = c->p->dtype != WN_F32 && caps->has_16bit_storage && !caps->is_software;
    for (uint64_t i = 0; i < c->g->tensor_count; i++)
        types[i] = !is_16_bit || !can_be(&c->g->tensors[i]) ? ELEMENT_F32
                   : c->p->dtype == WN_F16                  ? ELEMENT_F16
                                                            : ELEMENT_BF16;
    for (uint64_t i = 0; is_16_bit && i < c->g->op_count; i++)
        for (int slot = OUT; slot < 4; slot++)
            look_at(c, &c->g->ops[i], slot, types);
}
