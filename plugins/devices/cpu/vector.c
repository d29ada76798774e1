/* vector.c - LINEAR with a single row for each item: modulation, time and pooled-text layers.
 *
 * Such a product reads every weight once and is bound by memory, so the weights are used where they lie, as stored:
 * nothing is packed, and the 6.5 GB of FLUX's modulation stay in their file. A task makes 64 outputs for all items from
 * each row of the weight while that row is in the first-level cache. Weights and inputs are not rounded in bf16.
 */
#include "cpu.h"

struct vector_product {
    wn_program *p;
    const struct step *s;
    uint64_t count;
};

struct needs vector_needs(const wn_graph *g, const wn_op *op, int64_t dtype, uint64_t max_items)
{
    (void)dtype;
    return (struct needs){ (max_items * PANEL + g->tensors[op->in[0]].cols) * sizeof(float), 0 };
}

static void finish_outputs(const struct vector_product *v, const float *acc, uint64_t first, uint64_t n)
{
    const struct step *s = v->s;
    const float *bias = s->packed[1] ? (const float *)s->packed[1]->data + first : NULL;
    for (uint64_t item = 0; item < v->count; item++) {
        const float *mul = view_row(&s->in[1], item, 0), *gate = view_row(&s->in[2], item, 0);
        const float *residual = view_row(&s->in[3], item, 0);
        struct finish f = { s->op.activation, bias, mul ? mul + first : NULL, gate ? gate + first : NULL,
                            residual ? residual + first : NULL };
        v->p->device->isa->finish_row(&f, acc + item * PANEL, view_row(&s->out, item, 0) + first, n);
    }
}

static void multiply_rows(void *arg, uint64_t i)
{
    const struct vector_product *v = arg;
    const struct isa *isa = v->p->device->isa;
    uint64_t first = i * PANEL, n = smaller(PANEL, v->s->out.cols - first);
    float *acc = scratch_take(v->p), *buffer = acc + v->p->max_items * PANEL;
    for (uint64_t r = 0; r < n; r++) {
        const float *w = weights_row_in_place(isa, &v->s->weight[0], first + r, buffer);
        for (uint64_t item = 0; item < v->count; item++)
            acc[item * PANEL + r] = isa->dot(w, view_row(&v->s->in[0], item, 0), v->s->in[0].cols);
    }
    finish_outputs(v, acc, first, n);
    scratch_give(v->p, acc);
}

wn_status vector_run(wn_program *p, const struct step *s, uint64_t count, wn_error *err)
{
    (void)err;
    struct vector_product v = { p, s, count };
    parallel_for(p, ceil_div(s->out.cols, PANEL), multiply_rows, &v);
    return WN_OK;
}
