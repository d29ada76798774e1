/* norm.c - NORM, HEAD_NORM_ROPE, GROUP_NORM, GROUP_MOMENTS and GROUP_TABLE.
 *
 * The first two work row by row. A group's statistics run over the whole picture: fixed chunks of rows (by shape, never
 * by threads) give mean and sum of squares around their own mean, in two passes while they are in cache; the chunks
 * are joined in order, in double (Chan, Golub, LeVeque 1979), so nothing cancels and nothing depends on threads.
 */
#include "cpu.h"

#include <math.h>
#include <string.h>

struct norm_call {
    wn_program *p;
    const struct step *s;
    uint64_t rows, rows_per_task;
};

static struct norm_call call_of(wn_program *p, const struct step *s, uint64_t count)
{
    return (struct norm_call){ p, s, count * s->out.rows, ceil_div(8192, s->out.cols) };
}

static const float *vector_of(const struct step *s, int slot)
{
    return s->packed[slot] ? s->packed[slot]->data : NULL;
}

static void norm_rows(void *arg, uint64_t i)
{
    const struct norm_call *c = arg;
    const struct step *s = c->s;
    struct norm_shape shape = { s->op.i[0] == 2, s->in[1].data != NULL, s->op.f[0], vector_of(s, 0), vector_of(s, 1) };
    uint64_t end = smaller((i + 1) * c->rows_per_task, c->rows);
    for (uint64_t r = i * c->rows_per_task; r < end; r++) {
        uint64_t item = r / s->out.rows, row = r % s->out.rows;
        if (s->in[1].data)
            shape.w = view_row(&s->in[1], item, 0);
        if (s->in[2].data)
            shape.b = view_row(&s->in[2], item, 0);
        c->p->device->isa->norm_row(&shape, view_row(&s->in[0], item, row), view_row(&s->out, item, row), s->out.cols);
    }
}

wn_status norm_run(wn_program *p, const struct step *s, uint64_t count, wn_error *err)
{
    (void)err;
    struct norm_call c = call_of(p, s, count);
    parallel_for(p, ceil_div(c.rows, c.rows_per_task), norm_rows, &c);
    return WN_OK;
}

static void rotate_rows(void *arg, uint64_t i)
{
    const struct norm_call *c = arg;
    const struct step *s = c->s;
    uint64_t heads = (uint64_t)s->op.i[0], size = s->out.cols / heads;
    uint64_t end = smaller((i + 1) * c->rows_per_task, c->rows);
    for (uint64_t r = i * c->rows_per_task; r < end; r++) {
        uint64_t item = r / s->out.rows, row = r % s->out.rows;
        const float *x = view_row(&s->in[0], item, row), *table = view_row(&s->in[1], item, row);
        float *out = view_row(&s->out, item, row);
        for (uint64_t h = 0; h < heads; h++)
            c->p->device->isa->head_row(x + h * size, out + h * size, size, vector_of(s, 0), table, s->op.f[0]);
    }
}

wn_status head_norm_rope_run(wn_program *p, const struct step *s, uint64_t count, wn_error *err)
{
    (void)err;
    struct norm_call c = call_of(p, s, count);
    parallel_for(p, ceil_div(c.rows, c.rows_per_task), rotate_rows, &c);
    return WN_OK;
}

/* ---- group norm ---------------------------------------------------------------------------------------------
 *
 * GROUP_MOMENTS measures chunks, GROUP_TABLE joins them, GROUP_NORM with a table applies it; GROUP_NORM without one
 * does all three in its workspace. */

struct group_call {
    wn_program *p;
    const struct step *s;
    struct view x;
    uint64_t groups, width;       /* width: channels of a group */
    uint64_t rows, chunk, chunks; /* rows of an item and of a chunk, chunks of an item */
    struct view moments;          // [chunks, 2 groups]: mean, sum of (x - mean)^2
    struct view table;            // [3, channels]: mean, factor, shift
};

static uint64_t group_chunk(uint64_t cols)
{
    uint64_t rows = 16384 / cols;
    return rows < 8 ? 8 : rows > 256 ? 256 : rows;
}

static uint64_t moments_size(uint64_t chunks, uint64_t groups)
{
    return round_up(chunks * 2 * groups, 16);
}

struct needs group_moments_needs(const wn_graph *g, const wn_op *op, int64_t dtype, uint64_t max_items)
{
    (void)dtype, (void)max_items;
    return (struct needs){ 2 * g->tensors[op->in[0]].cols * sizeof(float), 0 };
}

struct needs group_norm_needs(const wn_graph *g, const wn_op *op, int64_t dtype, uint64_t max_items)
{
    const wn_tensor *x = &g->tensors[op->in[0]];
    struct needs n = group_moments_needs(g, op, dtype, max_items);
    if (op->in[1] == WN_NONE)
        n.workspace_bytes = max_items *
                            (moments_size(ceil_div(x->rows, group_chunk(x->cols)), (uint64_t)op->i[0]) + 3 * x->cols) *
                            sizeof(float);
    return n;
}

/* Sums of `width` columns each, in double. */
static double group_sum(const struct group_call *c, const float *columns, uint64_t group)
{
    double sum = 0;
    for (uint64_t k = 0; k < c->width; k++)
        sum += (double)columns[group * c->width + k];
    return sum;
}

static void measure_chunk(void *arg, uint64_t i)
{
    const struct group_call *c = arg;
    const struct view *x = &c->x;
    const struct isa *isa = c->p->device->isa;
    uint64_t item = i / c->chunks, chunk = i % c->chunks, first = chunk * c->chunk;
    uint64_t rows = smaller(c->chunk, c->rows - first);
    const float *data = view_row(x, item, first);
    float *sum = scratch_take(c->p), *mean = sum + x->cols, *moments = view_row(&c->moments, item, chunk);
    memset(sum, 0, x->cols * sizeof *sum);
    isa->column_sums(data, rows, x->ld, x->cols, sum);
    for (uint64_t g = 0; g < c->groups; g++) {
        moments[2 * g] = (float)(group_sum(c, sum, g) / (double)(rows * c->width));
        for (uint64_t k = 0; k < c->width; k++)
            mean[g * c->width + k] = moments[2 * g];
    }
    memset(sum, 0, x->cols * sizeof *sum);
    isa->column_squares(data, rows, x->ld, x->cols, mean, sum);
    for (uint64_t g = 0; g < c->groups; g++)
        moments[2 * g + 1] = (float)group_sum(c, sum, g);
    scratch_give(c->p, sum);
}

static void join_chunks(void *arg, uint64_t i)
{
    const struct group_call *c = arg;
    uint64_t item = i / c->groups, group = i % c->groups;
    const float *w = vector_of(c->s, 0), *b = vector_of(c->s, 1);
    double mean = 0, squares = 0, n = 0;
    for (uint64_t k = 0; k < c->chunks; k++) {
        const float *part = view_row(&c->moments, item, k) + 2 * group;
        double m = (double)(smaller(c->chunk, c->rows - k * c->chunk) * c->width), delta = (double)part[0] - mean;
        mean += delta * m / (n + m);
        squares += (double)part[1] + delta * delta * n * m / (n + m);
        n += m;
    }
    const float factor = (float)(1.0 / sqrt(squares / n + (double)c->s->op.f[0]));
    for (uint64_t k = group * c->width; k < (group + 1) * c->width; k++) {
        view_row(&c->table, item, 0)[k] = (float)mean;
        view_row(&c->table, item, 1)[k] = factor * (w ? w[k] : 1.0f);
        view_row(&c->table, item, 2)[k] = b ? b[k] : 0.0f;
    }
}

static void apply_rows(void *arg, uint64_t i)
{
    const struct group_call *c = arg;
    const struct view *out = &c->s->out;
    uint64_t each = ceil_div(8192, out->cols), tasks = ceil_div(out->rows, each), item = i / tasks;
    uint64_t first = i % tasks * each, end = smaller(first + each, out->rows);
    for (uint64_t r = first; r < end; r++)
        c->p->device->isa->centre_row(view_row(&c->x, item, r), view_row(out, item, r), out->cols,
                                      view_row(&c->table, item, 0), view_row(&c->table, item, 1),
                                      view_row(&c->table, item, 2), c->s->op.activation);
}

static void apply_all(struct group_call *c, uint64_t count)
{
    parallel_for(c->p, count * ceil_div(c->s->out.rows, ceil_div(8192, c->s->out.cols)), apply_rows, c);
}

wn_status group_moments_run(wn_program *p, const struct step *s, uint64_t count, wn_error *err)
{
    (void)err;
    struct group_call c = { .p = p, .s = s, .x = s->in[0], .groups = (uint64_t)s->op.i[0], .moments = s->out };
    c.width = c.x.cols / c.groups;
    c.chunk = (uint64_t)s->op.i[1];
    c.chunks = s->out.rows;
    c.rows = c.x.rows;
    parallel_for(p, count * c.chunks, measure_chunk, &c);
    return WN_OK;
}

wn_status group_table_run(wn_program *p, const struct step *s, uint64_t count, wn_error *err)
{
    (void)err;
    struct group_call c = { .p = p, .s = s, .groups = (uint64_t)s->op.i[0], .moments = s->in[0], .table = s->out };
    c.width = s->out.cols / c.groups;
    c.chunk = (uint64_t)s->op.i[1];
    c.chunks = s->in[0].rows;
    c.rows = c.chunks * c.chunk;
    parallel_for(p, count * c.groups, join_chunks, &c);
    return WN_OK;
}

wn_status group_norm_run(wn_program *p, const struct step *s, uint64_t count, wn_error *err)
{
    (void)err;
    struct group_call c = { .p = p, .s = s, .x = s->in[0], .groups = (uint64_t)s->op.i[0], .table = s->in[1] };
    if (!c.table.data) {
        const uint64_t cols = c.x.cols;
        c.width = cols / c.groups;
        c.rows = c.x.rows;
        c.chunk = group_chunk(cols);
        c.chunks = ceil_div(c.rows, c.chunk);
        const uint64_t size = moments_size(c.chunks, c.groups), stride = size + 3 * cols;
        c.moments = (struct view){ s->workspace, c.chunks, 2 * c.groups, 2 * c.groups, stride };
        c.table = (struct view){ c.moments.data + size, 3, cols, cols, stride };
        parallel_for(p, count * c.chunks, measure_chunk, &c);
        parallel_for(p, count * c.groups, join_chunks, &c);
    }
    apply_all(&c, count);
    return WN_OK;
}
