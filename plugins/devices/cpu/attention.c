/* attention.c - softmax(q k^T) v without ever holding the scores of a whole row.
 *
 * A task is one head of one item and a chunk of queries. Everything is computed transposed: 64 queries lie side by side
 * in a panel, so that scores^T = k q^T and out^T = v^T weights^T are products of plain rows of k and v (the broadcast
 * operand of the micro-kernels) with panels, and the softmax runs down columns, one query in each lane, without any
 * sum across lanes. Keys are walked in blocks of 128; scores become exponentials around the largest score so far, and
 * what was summed under a smaller one is rescaled (online softmax: Milakov and Gimelshein 2018; FlashAttention: Dao et
 * al. 2022). Only q, once, and the result, once, are transposed.
 *
 * Blocks and their order depend on the number of keys alone, so a query's bits do not depend on how queries are shared.
 */
#include "cpu.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define KEYS 128

/* One task's scratch. In bf16 q, k, v and weights hold pairs of bf16 where float is written. */
struct task_memory {
    float *q;              /* [panels][padded][PANEL], scaled */
    float *k;              /* [KEYS][padded] */
    float *v;              /* [KEYS][size]; pairs of keys in bf16 */
    float *score;          /* [KEYS][PANEL] */
    float *weight;         /* [KEYS][PANEL]; the same as score in f32 */
    float *out;            /* [panels][size][PANEL] */
    float *largest;        /* [panels][PANEL] */
    float *sum;            /* [panels][PANEL] */
    float *factor;         /* [PANEL] */
    float *bias;           /* [queries + keys - 1], reversed */
    float *row;            /* [padded] */
    const void **pointers; /* [KEYS or size] */
};

struct attention {
    wn_program *p;
    const struct step *s;
    int is_bf16;
    uint64_t heads, size, padded; /* padded: size, even in bf16 */
    uint64_t queries, keys;
    uint64_t chunk, chunks, panels; /* queries of a task, tasks of a head, panels of a task */
};

/* What one task works on. */
struct task {
    const struct attention *a;
    struct task_memory m;
    uint64_t item, head, first, rows;
};

static struct attention shape_of(uint64_t queries, uint64_t keys, uint64_t cols, uint64_t heads, int is_bf16)
{
    struct attention a = { .heads = heads, .size = cols / heads, .is_bf16 = is_bf16, .queries = queries, .keys = keys };
    a.padded = is_bf16 ? round_up(a.size, 2) : a.size;
    uint64_t most = round_up(65536 / a.size + 1, PANEL); /* q and out of a chunk: 256 KiB each */
    most = most > 384 ? 384 : most;
    a.chunks = ceil_div(queries, most);
    a.chunk = round_up(ceil_div(queries, a.chunks), PANEL);
    a.chunks = ceil_div(queries, a.chunk);
    a.panels = a.chunk / PANEL;
    return a;
}

/* Lays the pieces out from base; returns the bytes. */
static uint64_t lay_out(const struct attention *a, char *base, struct task_memory *m)
{
    uint64_t pointers = a->size > KEYS ? a->size : KEYS;
    const uint64_t floats[12] = { a->panels * a->padded * PANEL,
                                  KEYS * a->padded,
                                  KEYS * a->size,
                                  KEYS * PANEL,
                                  KEYS * PANEL,
                                  a->panels * a->size * PANEL,
                                  a->panels * PANEL,
                                  a->panels * PANEL,
                                  PANEL,
                                  a->queries + a->keys,
                                  a->padded,
                                  pointers * 2 };
    void *at[12];
    uint64_t used = 0;
    for (int i = 0; i < 12; i++) {
        at[i] = base ? base + used : NULL;
        used += round_up(floats[i] * sizeof(float), 64);
    }
    *m = (struct task_memory){ at[0], at[1], at[2],  at[3], a->is_bf16 ? at[4] : at[3], at[5], at[6], at[7],
                               at[8], at[9], at[10], at[11] };
    return used;
}

struct needs attention_needs(const wn_graph *g, const wn_op *op, int64_t dtype, uint64_t max_items)
{
    (void)max_items;
    struct task_memory m;
    const wn_tensor *q = &g->tensors[op->in[0]], *k = &g->tensors[op->in[1]];
    struct attention a = shape_of(q->rows, k->rows, q->cols, (uint64_t)op->i[0], dtype == WN_BF16);
    return (struct needs){ lay_out(&a, NULL, &m), 0 };
}

/* ---- operands ----------------------------------------------------------------------------------------------- */

static const struct isa *isa_of(const struct task *t)
{
    return t->a->p->device->isa;
}

static float *head_row(const struct task *t, const struct view *v, uint64_t row)
{
    return view_row(v, t->item, row) + t->head * t->a->size;
}

/* Query r of the task becomes lane r % PANEL of panel r / PANEL. */
static void pack_q(const struct task *t, uint64_t r)
{
    const struct attention *a = t->a;
    const float times_scale[4] = { a->s->op.f[0], 0, 1, 0 };
    float *dst = t->m.q + r / PANEL * a->padded * PANEL + r % PANEL;
    isa_of(t)->unary(head_row(t, &a->s->in[0], t->first + r), t->m.row, a->size, WN_ACT_NONE, times_scale);
    if (!a->is_bf16) {
        for (uint64_t c = 0; c < a->size; c++)
            dst[c * PANEL] = t->m.row[c];
        return;
    }
    uint16_t *rounded = (uint16_t *)t->m.score; /* free until the first product */
    rounded[a->padded - 1] = 0;
    isa_of(t)->to_bf16(t->m.row, rounded, a->size);
    for (uint64_t c = 0; c < a->padded / 2; c++)
        memcpy(dst + c * PANEL, rounded + 2 * c, sizeof(float));
}

/* Keys key .. key + n of the head, side by side: where they lie their rows are far apart and fight for the same sets
 * of the cache. */
static void pack_block(const struct task *t, uint64_t key, uint64_t n)
{
    const struct attention *a = t->a;
    const struct isa *isa = isa_of(t);
    for (uint64_t j = 0; j < n; j++) {
        const float *k = head_row(t, &a->s->in[1], key + j), *v = head_row(t, &a->s->in[2], key + j);
        if (!a->is_bf16) {
            memcpy(t->m.k + j * a->size, k, a->size * sizeof *k);
            memcpy(t->m.v + j * a->size, v, a->size * sizeof *v);
            continue;
        }
        uint16_t *dst = (uint16_t *)t->m.k + j * a->padded;
        dst[a->padded - 1] = 0;
        isa->to_bf16(k, dst, a->size);
        if (j % 2 == 0)
            isa->pair_bf16(v, j + 1 < n ? head_row(t, &a->s->in[2], key + j + 1) : NULL, t->m.v + j / 2 * a->size,
                           a->size);
    }
}

/* Bias of query i and key j is bias[j - i + queries - 1]; reversed, the queries of one key ascend. */
static void reverse_bias(const struct task *t)
{
    uint64_t n = t->a->queries + t->a->keys - 1;
    const float *bias = view_row(&t->a->s->in[3], t->item, t->head);
    for (uint64_t i = 0; bias && i < n; i++)
        t->m.bias[i] = bias[n - 1 - i];
}

/* ---- one block of keys for one panel of queries --------------------------------------------------------------- */

/* score[j][lane] for keys j < n. */
static void multiply_scores(const struct task *t, uint64_t panel, uint64_t cols, uint64_t n)
{
    const struct attention *a = t->a;
    uint64_t row_bytes = a->padded * (a->is_bf16 ? sizeof(uint16_t) : sizeof(float));
    for (uint64_t j = 0; j < n; j++)
        t->m.pointers[j] = (const char *)t->m.k + j * row_bytes;
    struct product_shape shape = {
        .rows = n, .k = row_bytes / sizeof(float), .cols = cols, .step = sizeof(float), .is_first = 1
    };
    (a->is_bf16 ? isa_of(t)->gemm_bf16 : isa_of(t)->gemm_f32)(t->m.pointers, t->m.q + panel * a->padded * PANEL,
                                                              t->m.score, &shape);
}

/* Bias and mask. query and key: of lane 0 and row 0. */
static void adjust_scores(const struct task *t, uint64_t query, uint64_t key, uint64_t cols, uint64_t n)
{
    const struct attention *a = t->a;
    for (uint64_t j = 0; j < n; j++) {
        float *score = t->m.score + j * PANEL;
        if (a->s->in[3].data)
            isa_of(t)->add(score, t->m.bias + query + a->keys - 1 - (key + j), score, cols);
        uint64_t hidden = a->s->op.i[1] && key + j > query ? smaller(key + j - query, cols) : 0;
        for (uint64_t lane = 0; lane < hidden; lane++)
            score[lane] = -INFINITY;
    }
}

/* out^T += v^T weights^T */
static void add_values(const struct task *t, uint64_t panel, uint64_t cols, uint64_t n, int is_first)
{
    const struct attention *a = t->a;
    for (uint64_t c = 0; c < a->size; c++)
        t->m.pointers[c] = t->m.v + c;
    struct product_shape shape = { .rows = a->size,
                                   .k = a->is_bf16 ? ceil_div(n, 2) : n,
                                   .cols = cols,
                                   .step = a->size * sizeof(float),
                                   .is_first = is_first };
    (a->is_bf16 ? isa_of(t)->gemm_bf16 : isa_of(t)->gemm_f32)(t->m.pointers, t->m.weight,
                                                              t->m.out + panel * a->size * PANEL, &shape);
}

static void do_panel(const struct task *t, uint64_t panel, uint64_t key, uint64_t n)
{
    const struct attention *a = t->a;
    const struct isa *isa = isa_of(t);
    uint64_t cols = smaller(PANEL, t->rows - panel * PANEL), query = t->first + panel * PANEL;
    if (a->s->op.i[1] && key >= query + cols)
        return; /* all hidden */
    multiply_scores(t, panel, cols, n);
    if (a->s->in[3].data || a->s->op.i[1])
        adjust_scores(t, query, key, cols, n);
    isa->softmax_columns(t->m.score, n, cols, t->m.largest + panel * PANEL, t->m.sum + panel * PANEL, t->m.factor);
    for (uint64_t j = 0; a->is_bf16 && j < n; j += 2)
        isa->pair_bf16(t->m.score + j * PANEL, j + 1 < n ? t->m.score + (j + 1) * PANEL : NULL,
                       t->m.weight + j / 2 * PANEL, round_up(cols, 16));
    if (key > 0)
        isa->scale_columns(t->m.out + panel * a->size * PANEL, a->size, cols, t->m.factor);
    add_values(t, panel, cols, n, key == 0);
}

/* ---- tasks -------------------------------------------------------------------------------------------------- */

static void begin_task(const struct task *t)
{
    const struct attention *a = t->a;
    uint64_t panels = ceil_div(t->rows, PANEL);
    if (t->rows % PANEL) /* lanes without a query */
        memset(t->m.q + (panels - 1) * a->padded * PANEL, 0, a->padded * PANEL * sizeof(float));
    for (uint64_t r = 0; r < t->rows; r++)
        pack_q(t, r);
    for (uint64_t r = 0; r < panels * PANEL; r++) {
        t->m.largest[r] = -FLT_MAX; /* not infinite: hidden scores are, and their difference must be */
        t->m.sum[r] = 0;
    }
    reverse_bias(t);
}

static void end_task(const struct task *t)
{
    const struct attention *a = t->a;
    for (uint64_t r = 0; r < t->rows; r++) {
        float inverse = 1.0f / t->m.sum[r], *out = head_row(t, &a->s->out, t->first + r);
        const float *from = t->m.out + r / PANEL * a->size * PANEL + r % PANEL;
        for (uint64_t c = 0; c < a->size; c++)
            out[c] = from[c * PANEL] * inverse;
    }
}

static void do_task(void *arg, uint64_t i)
{
    const struct attention *a = arg;
    struct task t = { .a = a, .item = i / (a->heads * a->chunks), .head = i / a->chunks % a->heads };
    t.first = i % a->chunks * a->chunk;
    t.rows = smaller(a->chunk, a->queries - t.first);
    char *scratch = scratch_take(a->p);
    lay_out(a, scratch, &t.m);
    begin_task(&t);
    for (uint64_t key = 0; key < a->keys && !(a->s->op.i[1] && key >= t.first + t.rows); key += KEYS) {
        uint64_t n = smaller(KEYS, a->keys - key);
        pack_block(&t, key, n);
        for (uint64_t panel = 0; panel * PANEL < t.rows; panel++)
            do_panel(&t, panel, key, n);
    }
    end_task(&t);
    scratch_give(a->p, scratch);
}

wn_status attention_run(wn_program *p, const struct step *s, uint64_t count, wn_error *err)
{
    (void)err;
    struct attention a =
        shape_of(s->in[0].rows, s->in[1].rows, s->in[0].cols, (uint64_t)s->op.i[0], p->dtype == WN_BF16);
    a.p = p;
    a.s = s;
    parallel_for(p, count * a.heads * a.chunks, do_task, &a);
    return WN_OK;
}
