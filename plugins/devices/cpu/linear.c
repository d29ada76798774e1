/* linear.c - LINEAR and CONV as one blocked matrix product.
 *
 * Every output row is the sum over taps of (a run of input channels) x (rows of a packed weight). A linear layer has
 * one tap; a convolution has one for each kernel position, whose runs are pixels, found by pointer: nothing is ever
 * unrolled to columns. Without padding and upsampling a kernel row is contiguous in a channels-last picture, so its
 * taps melt into one longer run (patch embeddings).
 *
 * A task is a chunk of output rows (of all items together) times a group of weight panels. Its 64 columns wide result
 * stays in the task's scratch until all of k is summed, then bias, activation, gate and residual are applied on the
 * way out. In bf16 the input is rounded once, into the workspace, before the product starts.
 *
 * Each output is one chain over k in a fixed order, so neither chunks, groups nor batch mates change its bits. Measured
 * on one Zen 4 core, the kernels alone: 113 to 116 GFLOP/s f32 from 48x768x192 to 384x512x3072, which is all its
 * multipliers can do (OpenBLAS 0.3.21 reaches 93 to 101 on large shapes, and less on small ones), and 228 GFLOP/s bf16.
 * Hence own kernels where we have them, and OpenBLAS on every other processor (isa_openblas.c).
 */
#include "cpu.h"

#define CHUNK_ROWS  192  /* c: 48 KiB of scratch; a panel block is reused 32 times */
#define BLOCK_BYTES 1536 /* of k at a time: 64 columns x 1.5 KiB = 96 KiB of a panel, in the second-level cache */

/* How the rows of x are reached. */
struct geometry {
    uint64_t rows;      /* of out, one item */
    uint64_t taps, run; /* runs, and elements in each, padding included */
    uint64_t channels;  /* of x, padded as the packed weight */
    uint64_t kernel, stride, pad, up, height, width, out_width;
    uint64_t first; /* row of the result that is out's first */
};

struct product {
    wn_program *p;
    const struct step *s;
    struct geometry geo;
    struct view x;    /* what is multiplied: the input or its bf16 copy; data counts bytes below */
    uint64_t element; /* bytes */
    uint64_t rows, chunk, chunks, panels, group;
};

static struct geometry geometry_of(const wn_op *op, uint64_t in_rows, uint64_t out_rows, uint64_t cols, int is_bf16)
{
    uint64_t channels = is_bf16 ? round_up(cols, 2) : cols;
    if (op->kind == WN_OP_LINEAR)
        return (struct geometry){ out_rows, 1, channels, channels, 1, 1, 0, 1, in_rows, 1, 1, 0 };
    struct geometry g = { .rows = out_rows, .channels = channels, .kernel = (uint64_t)op->i[2] };
    g.height = (uint64_t)op->i[0];
    g.width = (uint64_t)op->i[1];
    g.stride = (uint64_t)op->i[3];
    g.pad = (uint64_t)op->i[4];
    g.up = (uint64_t)op->i[6];
    g.first = (uint64_t)op->i[7];
    g.out_width = (g.width * g.up + g.pad + (uint64_t)op->i[5] - g.kernel) / g.stride + 1;
    g.taps = g.kernel * g.kernel;
    g.run = channels;
    return g;
}

/* A kernel row is one run when its pixels lie side by side and none is padding. */
static void melt_taps(struct geometry *g, uint64_t ld, int64_t pad_after)
{
    if (g->kernel > 1 && g->pad == 0 && pad_after == 0 && g->up == 1 && ld == g->channels) {
        g->taps = g->kernel;
        g->run = g->channels * g->kernel;
    }
}

struct needs gemm_needs(const wn_graph *g, const wn_op *op, int64_t dtype, uint64_t max_items)
{
    const wn_tensor *x = &g->tensors[op->in[0]], *out = &g->tensors[op->out];
    struct geometry geo = geometry_of(op, x->rows, out->rows, x->cols, dtype == WN_BF16);
    struct needs n = { CHUNK_ROWS * PANEL * sizeof(float) + geo.taps * CHUNK_ROWS * sizeof(void *), 0 };
    if (dtype == WN_BF16)
        n.workspace_bytes = max_items * x->rows * geo.channels * sizeof(uint16_t);
    return n;
}

/* ---- the bf16 copy ------------------------------------------------------------------------------------------ */

#define ROUND_ROWS 16

/* Rounds rows [i * ROUND_ROWS, ...) of all items together. */
static void round_rows(void *arg, uint64_t i)
{
    const struct product *m = arg;
    const struct view *x = &m->s->in[0];
    uint64_t ld = m->geo.channels, end = smaller((i + 1) * ROUND_ROWS, m->x.rows);
    for (uint64_t r = i * ROUND_ROWS; r < end; r++) {
        uint16_t *dst = (uint16_t *)m->s->workspace + r * ld;
        m->p->device->isa->to_bf16(view_row(x, r / x->rows, r % x->rows), dst, x->cols);
        if (ld > x->cols)
            dst[x->cols] = 0;
    }
}

/* ---- pointers ----------------------------------------------------------------------------------------------- */

/* The bytes of pixel or row `at` of an item. */
static const void *input_at(const struct product *m, uint64_t item, uint64_t at)
{
    return (const char *)m->x.data + (item * m->x.item_stride + at * m->x.ld) * m->element;
}

/* Of a convolution's result: pixel x of line y of an item. */
struct pixel {
    uint64_t item, y, x;
};

/* The runs that tap (ky, kx) reads for `count` pixels side by side; zeros where it lies in the padding. Before the
 * first line or pixel, numbers wrap and are too large as well. */
static const void **line_runs(const struct product *m, struct pixel at, uint64_t count, uint64_t ky, uint64_t kx,
                              const void **runs)
{
    const struct geometry *g = &m->geo;
    const uint64_t y = (at.y + g->first) * g->stride + ky - g->pad, half = g->up - 1;
    const uint64_t width = y < g->height * g->up ? g->width * g->up : 0;
    const void *zeros = m->p->zeros;
    const char *line = width ? input_at(m, at.item, (y >> half) * g->width) : NULL;
    uint64_t x = at.x * g->stride + kx - g->pad;
    for (uint64_t i = 0; i < count; i++, x += g->stride)
        *runs++ = x < width ? line + (x >> half) * m->x.ld * m->element : zeros;
    return runs;
}

/* For `rows` output rows from `at` on, of all items together. A line at a time, for a division costs more than a
 * narrow layer's products. */
static const void **tap_runs(const struct product *m, struct pixel at, uint64_t rows, uint64_t ky, uint64_t kx,
                             const void **runs)
{
    const struct geometry *g = &m->geo;
    while (rows > 0) {
        const uint64_t count = smaller(rows, g->out_width - at.x);
        runs = line_runs(m, at, count, ky, kx, runs);
        rows -= count;
        at.x = 0;
        if (++at.y * g->out_width == g->rows)
            at = (struct pixel){ at.item + 1, 0, 0 };
    }
    return runs;
}

static void find_rows(const struct product *m, uint64_t first, uint64_t rows, const void **runs)
{
    uint64_t item = first / m->geo.rows, row = first % m->geo.rows;
    for (uint64_t r = 0; r < rows; r++) {
        *runs++ = input_at(m, item, row);
        if (++row == m->geo.rows) {
            row = 0;
            item++;
        }
    }
}

/* runs[taps][rows]: for output rows first .. first + rows of all items together. */
static void find_runs(const struct product *m, uint64_t first, uint64_t rows, const void **runs)
{
    const struct geometry *g = &m->geo;
    const int is_melted = g->taps != g->kernel * g->kernel;
    if (m->s->op.kind == WN_OP_LINEAR) {
        find_rows(m, first, rows, runs);
        return;
    }
    const uint64_t row = first % g->rows;
    const struct pixel at = { first / g->rows, row / g->out_width, row % g->out_width };
    for (uint64_t ky = 0; ky < g->kernel; ky++)
        for (uint64_t kx = 0; kx < (is_melted ? 1 : g->kernel); kx++)
            runs = tap_runs(m, at, rows, ky, kx, runs);
}

/* ---- tasks -------------------------------------------------------------------------------------------------- */

/* c[rows][PANEL] = all of k for one panel. */
static void multiply_panel(const struct product *m, const void *const *runs, uint64_t rows, uint64_t panel,
                           uint64_t cols, float *c)
{
    const struct isa *isa = m->p->device->isa;
    const struct packed *w = m->s->packed[0];
    int is_bf16 = w->packing == PACK_BF16;
    const char *weights = (const char *)w->data + panel * w->panel_bytes;
    uint64_t run_bytes = m->geo.run * m->element;
    for (uint64_t tap = 0; tap < m->geo.taps; tap++) {
        for (uint64_t at = 0; at < run_bytes; at += BLOCK_BYTES) {
            struct product_shape shape = { rows, cols,          smaller(BLOCK_BYTES, run_bytes - at) / sizeof(float),
                                           at,   sizeof(float), tap == 0 && at == 0 };
            (is_bf16 ? isa->gemm_bf16 : isa->gemm_f32)(runs + tap * rows, weights, c, &shape);
            weights += shape.k * PANEL * sizeof(float);
        }
    }
}

static void finish_panel(const struct product *m, uint64_t first, uint64_t rows, uint64_t panel, uint64_t cols,
                         const float *c)
{
    const struct step *s = m->s;
    uint64_t col = panel * PANEL;
    for (uint64_t r = 0; r < rows; r++, c += PANEL) {
        uint64_t item = (first + r) / m->geo.rows, row = (first + r) % m->geo.rows;
        const float *bias = s->packed[1] ? (const float *)s->packed[1]->data + col : NULL;
        const float *mul = view_row(&s->in[1], item, row), *gate = view_row(&s->in[2], item, 0);
        const float *residual = view_row(&s->in[3], item, row);
        struct finish f = { s->op.activation, bias, mul ? mul + col : NULL, gate ? gate + col : NULL,
                            residual ? residual + col : NULL };
        m->p->device->isa->finish_row(&f, c, view_row(&s->out, item, row) + col, cols);
    }
}

static void multiply_chunk(void *arg, uint64_t i)
{
    const struct product *m = arg;
    uint64_t first = i % m->chunks * m->chunk, rows = smaller(m->chunk, m->rows - first);
    uint64_t panel = i / m->chunks * m->group, end = smaller(panel + m->group, m->panels);
    float *c = scratch_take(m->p);
    const void **runs = (const void **)(void *)(c + CHUNK_ROWS * PANEL);
    find_runs(m, first, rows, runs);
    for (; panel < end; panel++) {
        uint64_t cols = smaller(PANEL, m->s->out.cols - panel * PANEL);
        multiply_panel(m, runs, rows, panel, cols, c);
        finish_panel(m, first, rows, panel, cols, c);
    }
    scratch_give(m->p, c);
}

/* Chunks of equal height; groups of panels so that there are a few tasks for each thread. */
static void share_out(struct product *m)
{
    m->chunks = ceil_div(m->rows, CHUNK_ROWS);
    m->chunk = round_up(ceil_div(m->rows, m->chunks), 6);
    m->chunks = ceil_div(m->rows, m->chunk);
    m->panels = ceil_div(m->s->out.cols, PANEL);
    uint64_t tasks = (uint64_t)m->p->scratch_count * 8;
    m->group = ceil_div(m->panels * m->chunks, tasks);
    m->group = smaller(m->group, m->panels);
}

wn_status gemm_run(wn_program *p, const struct step *s, uint64_t count, wn_error *err)
{
    (void)err;
    int is_bf16 = p->dtype == WN_BF16;
    struct product m = { .p = p, .s = s, .x = s->in[0], .element = is_bf16 ? 2 : 4 };
    m.geo = geometry_of(&s->op, s->in[0].rows, s->out.rows, s->in[0].cols, is_bf16);
    if (is_bf16) {
        m.x = (struct view){ s->workspace, count * s->in[0].rows, m.geo.channels, m.geo.channels,
                             s->in[0].rows * m.geo.channels };
        parallel_for(p, ceil_div(m.x.rows, ROUND_ROWS), round_rows, &m);
    }
    if (s->op.kind == WN_OP_CONV)
        melt_taps(&m.geo, m.x.ld, s->op.i[5]);
    m.rows = count * m.geo.rows;
    share_out(&m);
    parallel_for(p, m.chunks * ceil_div(m.panels, m.group), multiply_chunk, &m);
    return WN_OK;
}
