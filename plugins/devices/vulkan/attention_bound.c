/* attention_bound.c - how large scores can become, when queries and keys were normalised head by head.
 *
 * RMSNorm makes a head's length sqrt(size), its weight w at most sqrt(size) max |w|, and rotary embedding keeps it (the
 * rotations of a constant table are measured, those of an input are unknown). So |scale q k| is at most
 * |scale| size max |wq| max |wk|.
 */
#include "attention.h"

#include <device/blocks.h>
#include <weights/weights.h>

#include <math.h>
#include <stdlib.h>

/* Rounding of q and k to 16 bits, and of the norm. */
static const float slack = 1.02f;

/* Rows first .. last of columns of a tensor that is not a window. */
struct region {
    uint32_t base;
    uint64_t first, last, col0, col1;
};

static struct region region_of(const wn_graph *g, uint32_t tensor)
{
    const wn_tensor *t = &g->tensors[tensor];
    if (t->role == WN_ROLE_WINDOW)
        return (struct region){ t->base, t->row0, t->row0 + t->rows, t->col0, t->col0 + t->cols };
    return (struct region){ tensor, 0, t->rows, 0, t->cols };
}

static int is_met(const struct region *a, const struct region *b)
{
    return a->base == b->base && a->first < b->last && b->first < a->last && a->col0 < b->col1 && b->col0 < a->col1;
}

static float largest_of_weight(const wn_weight *w)
{
    float values[1024], largest = 0;
    for (uint64_t p = 0; p < w->part_count; p++) {
        const wn_weight_part *part = &w->part[p];
        const uint64_t n = part->rows * w->cols;
        const nn_tensor t = { .dtype = part->dtype,
                              .bytes = part->rows * weight_row_bytes(part->dtype, w->cols),
                              .data = part->data };
        for (uint64_t i = 0; i < n; i += 1024) {
            const uint64_t some = smaller(1024, n - i);
            nn_tensor_to_f32(&t, i, values, some);
            for (uint64_t k = 0; k < some; k++)
                largest = fmaxf(largest, fabsf(values[k] * part->scale));
        }
    }
    return largest;
}

/* By how much a table of rotations lengthens what it turns. */
static float largest_of_table(const wn_graph *g, uint32_t tensor)
{
    const wn_tensor *t = &g->tensors[tensor];
    float largest = 0;
    if (t->role != WN_ROLE_CONST || t->cols % 2 != 0)
        return INFINITY;
    const float *pair = t->data;
    for (uint64_t i = 0; i < t->rows * t->cols; i += 2)
        largest = fmaxf(largest, hypotf(pair[i], pair[i + 1]));
    return largest;
}

/* Of the length of a head of op's output over sqrt(size). */
static float length_of(const wn_graph *g, const wn_op *op, const struct region *wanted, uint32_t size)
{
    const struct region out = region_of(g, op->out);
    if (op->kind != WN_OP_HEAD_NORM_ROPE || op->weight[0] == WN_NONE || out.col0 > wanted->col0 ||
        out.col1 < wanted->col1 || (out.col1 - out.col0) / (uint64_t)op->i[0] != size ||
        (wanted->col0 - out.col0) % size != 0)
        return INFINITY;
    const float turned = op->in[1] == WN_NONE ? 1.0f : largest_of_table(g, op->in[1]);
    return turned * largest_of_weight(&g->weights[op->weight[0]]);
}

/* The last op that writes a row decides for it; several may have written one part of the rows each. */
static float largest_length(const struct compiler *c, uint32_t tensor, uint32_t size)
{
    struct region left = region_of(c->g, tensor);
    float largest = 0;
    for (uint64_t i = c->op; i > 0 && left.first < left.last; i--) {
        const wn_op *op = &c->g->ops[i - 1];
        const struct region out = region_of(c->g, op->out);
        if (!is_met(&left, &out))
            continue;
        largest = fmaxf(largest, length_of(c->g, op, &left, size));
        if (out.first <= left.first)
            left.first = smaller(out.last, left.last);
        else if (out.last >= left.last)
            left.last = out.first;
        else
            return INFINITY;
    }
    return left.first < left.last ? INFINITY : largest;
}

float attention_bound(const struct compiler *c, const wn_op *op, uint32_t size)
{
    const float q = largest_length(c, op->in[0], size), k = largest_length(c, op->in[1], size);
    return slack * fabsf(op->f[0]) * (float)size * q * k;
}
