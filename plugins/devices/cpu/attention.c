/* attention.c - softmax(q k^T) v without ever holding the scores of a whole row.
 *
 * A task is one head of one item and a chunk of queries. It walks the keys in blocks of 128: packs k (transposed) and v
 * of the block as weight panels, then, 48 queries at a time, multiplies, turns scores into exponentials around the
 * largest score so far, rescales what was summed under a smaller one, and adds the block's part of the output (online
 * softmax: Milakov and Gimelshein 2018; FlashAttention: Dao et al. 2022). The products are the micro-kernels of linear.c.
 * Blocks and their order depend on the number of keys alone, so a row's bits do not depend on how queries are shared.
 */
#include "cpu.h"

#include <math.h>
#include <string.h>

#define KEYS 128
#define KEY_PANELS (KEYS / PANEL)
#define TILE 48

/* One task's scratch, all sizes in floats; the bf16 operands need half of theirs. */
struct tile_memory {
    float *k;      /* [KEY_PANELS][size][PANEL] */
    float *v;      /* [out_panels][KEYS][PANEL] */
    float *q;      /* [chunk][size], scaled */
    float *score;  /* [KEY_PANELS][TILE][PANEL] */
    float *weight; /* bf16 only: the same rounded */
    float *out;    /* [out_panels][chunk][PANEL] */
    float *row;    /* [size + PANEL] */
    struct softmax_state *state; /* [chunk] */
    const void **pointers;       /* [TILE] */
};

struct attention {
    wn_program *p;
    const struct step *s;
    int is_bf16;
    uint64_t heads, size, padded; /* padded: size, even in bf16 */
    uint64_t out_panels, chunk, chunks;
};

static struct attention shape_of(uint64_t rows, uint64_t cols, uint64_t heads, int is_bf16)
{
    struct attention a = { .heads = heads, .size = cols / heads, .is_bf16 = is_bf16 };
    a.padded = is_bf16 ? round_up(a.size, 2) : a.size;
    a.out_panels = ceil_div(a.size, PANEL);
    uint64_t most = round_up(65536 / a.size + 1, TILE); /* q and out of a chunk: 256 KiB each */
    most = most > 384 ? 384 : most;
    a.chunks = ceil_div(rows, most);
    a.chunk = smaller(round_up(ceil_div(rows, a.chunks), TILE), most);
    a.chunks = ceil_div(rows, a.chunk);
    return a;
}

/* Lays the pieces out from base; returns the bytes. */
static uint64_t lay_out(const struct attention *a, char *base, struct tile_memory *m)
{
    uint64_t used = 0;
    const uint64_t floats[9] = { KEYS * a->padded,       KEYS * a->out_panels * PANEL,       a->chunk * a->padded,
                                 KEY_PANELS * TILE * PANEL, KEY_PANELS * TILE * PANEL, a->out_panels * a->chunk * PANEL,
                                 a->padded + PANEL,      a->chunk * 2,                       TILE * 2 };
    void *at[9];
    for (int i = 0; i < 9; i++) {
        at[i] = base ? base + used : NULL;
        used += round_up(floats[i] * sizeof(float), 64);
    }
    *m = (struct tile_memory){ at[0], at[1], at[2], at[3], at[4], at[5], at[6], at[7], at[8] };
    return used;
}

struct needs attention_needs(const wn_graph *g, const wn_op *op, int64_t dtype, uint64_t max_items)
{
    (void)max_items;
    struct tile_memory m;
    const wn_tensor *q = &g->tensors[op->in[0]];
    struct attention a = shape_of(q->rows, q->cols, (uint64_t)op->i[0], dtype == WN_BF16);
    return (struct needs){ lay_out(&a, NULL, &m), 0 };
}

/* ---- packing ------------------------------------------------------------------------------------------------ */

static void pack_q(const struct attention *a, const struct tile_memory *m, uint64_t row, const float *q)
{
    const struct isa *isa = a->p->device->isa;
    const float times_scale[4] = { a->s->op.f[0], 0, 1, 0 };
    if (!a->is_bf16) {
        isa->unary(q, m->q + row * a->padded, a->size, WN_ACT_NONE, times_scale);
        return;
    }
    uint16_t *dst = (uint16_t *)m->q + row * a->padded;
    isa->unary(q, m->row, a->size, WN_ACT_NONE, times_scale);
    m->row[a->size] = 0;
    isa->to_bf16(m->row, dst, a->padded);
}

/* Key j of the block becomes column j % PANEL of panel j / PANEL. */
static void pack_k(const struct attention *a, const struct tile_memory *m, uint64_t j, const float *k)
{
    float *dst = m->k + j / PANEL * a->padded * PANEL + j % PANEL;
    if (!a->is_bf16) {
        for (uint64_t c = 0; c < a->size; c++)
            dst[c * PANEL] = k[c];
        return;
    }
    uint16_t *rounded = (uint16_t *)m->row;
    rounded[a->padded - 1] = 0;
    a->p->device->isa->to_bf16(k, rounded, a->size);
    for (uint64_t c = 0; c < a->padded / 2; c++)
        memcpy(dst + c * PANEL, rounded + 2 * c, sizeof(float)); /* a pair */
}

/* Key j of the block becomes row j of every panel; in bf16 the pairs of rows 2i and 2i + 1 are interleaved. */
static void pack_v(const struct attention *a, const struct tile_memory *m, uint64_t j, const float *v)
{
    uint16_t *rounded = (uint16_t *)m->row;
    if (a->is_bf16)
        a->p->device->isa->to_bf16(v, rounded, a->size);
    for (uint64_t panel = 0; panel < a->out_panels; panel++) {
        uint64_t cols = smaller(PANEL, a->size - panel * PANEL);
        float *dst = m->v + panel * KEYS * PANEL;
        if (!a->is_bf16) {
            memcpy(dst + j * PANEL, v + panel * PANEL, cols * sizeof(float));
            continue;
        }
        uint16_t *pairs = (uint16_t *)(dst + j / 2 * PANEL) + j % 2;
        for (uint64_t c = 0; c < cols; c++)
            pairs[2 * c] = rounded[panel * PANEL + c];
    }
}

/* Keys first .. first + n of one head. What the panels hold beyond them is never used, or is finite times 0. */
static void pack_block(const struct attention *a, const struct tile_memory *m, uint64_t item, uint64_t head, uint64_t first,
                       uint64_t n)
{
    for (uint64_t j = 0; j < n; j++) {
        pack_k(a, m, j, view_row(&a->s->in[1], item, first + j) + head * a->size);
        pack_v(a, m, j, view_row(&a->s->in[2], item, first + j) + head * a->size);
    }
}

/* ---- one block of keys for one tile of queries --------------------------------------------------------------- */

static void multiply_scores(const struct attention *a, const struct tile_memory *m, uint64_t row, uint64_t rows, uint64_t keys)
{
    const struct isa *isa = a->p->device->isa;
    uint64_t element = a->is_bf16 ? sizeof(uint16_t) : sizeof(float);
    for (uint64_t r = 0; r < rows; r++)
        m->pointers[r] = (const char *)m->q + (row + r) * a->padded * element;
    for (uint64_t panel = 0; panel * PANEL < keys; panel++)
        (a->is_bf16 ? isa->gemm_bf16 : isa->gemm_f32)(m->pointers, 0, rows, m->k + panel * a->padded * PANEL,
                                                      a->padded / (a->is_bf16 ? 2 : 1), m->score + panel * TILE * PANEL,
                                                      smaller(PANEL, keys - panel * PANEL), 1);
}

/* Row r of the tile: scores of `keys` keys, the first being `key`, become weights; earlier sums are rescaled. The panels
 * of a row lie apart, so they are taken one after the other. */
static void weigh_row(const struct attention *a, const struct tile_memory *m, uint64_t row, uint64_t r, const float *bias,
                      uint64_t visible, uint64_t keys)
{
    const struct isa *isa = a->p->device->isa;
    for (uint64_t panel = 0; panel * PANEL < keys; panel++) {
        float *score = m->score + (panel * TILE + r) * PANEL;
        uint64_t begin = panel * PANEL, n = visible > begin ? smaller(visible - begin, PANEL) : 0;
        float factor = isa->softmax_row(score, bias ? bias + begin : NULL, n, PANEL, &m->state[row + r]);
        if (factor == 1.0f)
            continue;
        for (uint64_t before = 0; before < panel; before++)
            isa->scale_row(m->score + (before * TILE + r) * PANEL, factor, PANEL);
        for (uint64_t p = 0; p < a->out_panels; p++)
            isa->scale_row(m->out + (p * a->chunk + row + r) * PANEL, factor, PANEL);
    }
}

static void round_weights(const struct attention *a, const struct tile_memory *m, uint64_t rows, uint64_t keys)
{
    for (uint64_t panel = 0; panel * PANEL < keys; panel++)
        a->p->device->isa->to_bf16(m->score + panel * TILE * PANEL, (uint16_t *)m->weight + panel * TILE * PANEL, rows * PANEL);
}

static void add_values(const struct attention *a, const struct tile_memory *m, uint64_t row, uint64_t rows, uint64_t keys)
{
    const struct isa *isa = a->p->device->isa;
    const char *weight = (const char *)(a->is_bf16 ? m->weight : m->score);
    uint64_t row_bytes = PANEL * (a->is_bf16 ? sizeof(uint16_t) : sizeof(float));
    for (uint64_t panel = 0; panel * PANEL < keys; panel++) {
        uint64_t n = smaller(PANEL, keys - panel * PANEL);
        for (uint64_t r = 0; r < rows; r++)
            m->pointers[r] = weight + (panel * TILE + r) * row_bytes;
        for (uint64_t p = 0; p < a->out_panels; p++) {
            uint64_t step = a->is_bf16 ? panel * PANEL / 2 : panel * PANEL;
            (a->is_bf16 ? isa->gemm_bf16 : isa->gemm_f32)(m->pointers, 0, rows, m->v + (p * KEYS + step) * PANEL,
                                                          a->is_bf16 ? ceil_div(n, 2) : n,
                                                          m->out + (p * a->chunk + row) * PANEL,
                                                          smaller(PANEL, a->size - p * PANEL), 0);
        }
    }
}

/* Queries first + row ... of the head against the packed keys [key, key + keys). */
static void do_tile(const struct attention *a, const struct tile_memory *m, uint64_t item, uint64_t head, uint64_t first,
                    uint64_t row, uint64_t rows, uint64_t key, uint64_t keys)
{
    int is_causal = a->s->op.i[1] != 0;
    if (is_causal && first + row + rows <= key)
        return;
    const float *bias = view_row(&a->s->in[3], item, head);
    multiply_scores(a, m, row, rows, keys);
    for (uint64_t r = 0; r < rows; r++) {
        uint64_t query = first + row + r;
        uint64_t visible = !is_causal ? keys : query < key ? 0 : smaller(keys, query - key + 1);
        weigh_row(a, m, row, r, bias ? bias + key + a->s->in[0].rows - 1 - query : NULL, visible, keys);
    }
    if (a->is_bf16)
        round_weights(a, m, rows, keys);
    add_values(a, m, row, rows, keys);
}

/* ---- tasks -------------------------------------------------------------------------------------------------- */

static void begin_chunk(const struct attention *a, const struct tile_memory *m, uint64_t item, uint64_t head, uint64_t first,
                        uint64_t rows)
{
    memset(m->out, 0, a->out_panels * a->chunk * PANEL * sizeof(float));
    memset(m->v, 0, KEYS * a->out_panels * PANEL * sizeof(float));
    memset(m->k, 0, KEYS * a->padded * sizeof(float));
    for (uint64_t r = 0; r < rows; r++) {
        m->state[r] = (struct softmax_state){ -INFINITY, 0 };
        pack_q(a, m, r, view_row(&a->s->in[0], item, first + r) + head * a->size);
    }
}

static void end_chunk(const struct attention *a, const struct tile_memory *m, uint64_t item, uint64_t head, uint64_t first,
                      uint64_t rows)
{
    for (uint64_t r = 0; r < rows; r++) {
        const float by_sum[4] = { 1.0f / m->state[r].sum, 0, 1, 0 };
        float *out = view_row(&a->s->out, item, first + r) + head * a->size;
        for (uint64_t p = 0; p < a->out_panels; p++)
            a->p->device->isa->unary(m->out + (p * a->chunk + r) * PANEL, out + p * PANEL, smaller(PANEL, a->size - p * PANEL),
                                     WN_ACT_NONE, by_sum);
    }
}

static void do_chunk(void *arg, uint64_t i)
{
    const struct attention *a = arg;
    uint64_t item = i / (a->heads * a->chunks), head = i / a->chunks % a->heads, first = i % a->chunks * a->chunk;
    uint64_t rows = smaller(a->chunk, a->s->in[0].rows - first), all_keys = a->s->in[1].rows;
    struct tile_memory m;
    char *scratch = scratch_take(a->p);
    lay_out(a, scratch, &m);
    begin_chunk(a, &m, item, head, first, rows);
    for (uint64_t key = 0; key < all_keys; key += KEYS) {
        uint64_t keys = smaller(KEYS, all_keys - key);
        if (a->s->op.i[1] && first + rows <= key)
            break;
        pack_block(a, &m, item, head, key, keys);
        for (uint64_t row = 0; row < rows; row += TILE)
            do_tile(a, &m, item, head, first, row, smaller(TILE, rows - row), key, keys);
    }
    end_chunk(a, &m, item, head, first, rows);
    scratch_give(a->p, scratch);
}

wn_status attention_run(wn_program *p, const struct step *s, uint64_t count, wn_error *err)
{
    (void)err;
    struct attention a = shape_of(s->in[0].rows, s->in[0].cols, (uint64_t)s->op.i[0], p->dtype == WN_BF16);
    a.p = p;
    a.s = s;
    parallel_for(p, count * a.heads * a.chunks, do_chunk, &a);
    return WN_OK;
}
