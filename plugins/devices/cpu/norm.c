/* norm.c - NORM, HEAD_NORM_ROPE and GROUP_NORM.
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

/* ---- group norm --------------------------------------------------------------------------------------------- */

struct moments {
    double mean, squares; /* squares: sum of (x - mean)^2 */
};

struct group_call {
    wn_program *p;
    const struct step *s;
    uint64_t groups, width; /* width: channels of a group */
    uint64_t chunk, chunks; /* rows of a chunk, chunks of an item */
    struct moments *parts;  /* [items][chunks][groups] */
    struct moments *whole;  /* [items][groups]; squares holds 1 / sqrt(variance + eps) */
};

static uint64_t group_chunk(uint64_t cols)
{
    uint64_t rows = 16384 / cols;
    return rows < 8 ? 8 : rows > 256 ? 256 : rows;
}

struct needs group_norm_needs(const wn_graph *g, const wn_op *op, int64_t dtype, uint64_t max_items)
{
    (void)dtype;
    const wn_tensor *x = &g->tensors[op->in[0]];
    uint64_t chunks = ceil_div(x->rows, group_chunk(x->cols));
    return (struct needs){ 3 * x->cols * sizeof(float),
                           max_items * (chunks + 1) * (uint64_t)op->i[0] * sizeof(struct moments) };
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
    const struct view *x = &c->s->in[0];
    const struct isa *isa = c->p->device->isa;
    uint64_t item = i / c->chunks, first = i % c->chunks * c->chunk, rows = smaller(c->chunk, x->rows - first);
    const float *data = view_row(x, item, first);
    float *sum = scratch_take(c->p), *mean = sum + x->cols;
    struct moments *part = c->parts + i * c->groups;
    memset(sum, 0, x->cols * sizeof *sum);
    isa->column_sums(data, rows, x->ld, x->cols, sum);
    for (uint64_t g = 0; g < c->groups; g++) {
        part[g].mean = (double)(float)(group_sum(c, sum, g) / (double)(rows * c->width));
        for (uint64_t k = 0; k < c->width; k++)
            mean[g * c->width + k] = (float)part[g].mean;
    }
    memset(sum, 0, x->cols * sizeof *sum);
    isa->column_squares(data, rows, x->ld, x->cols, mean, sum);
    for (uint64_t g = 0; g < c->groups; g++)
        part[g].squares = group_sum(c, sum, g);
    scratch_give(c->p, sum);
}

static void join_chunks(void *arg, uint64_t i)
{
    const struct group_call *c = arg;
    uint64_t item = i / c->groups, group = i % c->groups;
    struct moments all = { 0, 0 };
    double n = 0;
    for (uint64_t k = 0; k < c->chunks; k++) {
        const struct moments *part = &c->parts[(item * c->chunks + k) * c->groups + group];
        double m = (double)(smaller(c->chunk, c->s->in[0].rows - k * c->chunk) * c->width);
        double delta = part->mean - all.mean;
        all.mean += delta * m / (n + m);
        all.squares += part->squares + delta * delta * n * m / (n + m);
        n += m;
    }
    c->whole[i] = (struct moments){ all.mean, 1.0 / sqrt(all.squares / n + (double)c->s->op.f[0]) };
}

static void apply_chunk(void *arg, uint64_t i)
{
    const struct group_call *c = arg;
    const struct step *s = c->s;
    uint64_t cols = s->out.cols, item = i / c->chunks, first = i % c->chunks * c->chunk;
    uint64_t rows = smaller(c->chunk, s->out.rows - first);
    const float *w = vector_of(s, 0), *b = vector_of(s, 1);
    float *mean = scratch_take(c->p), *scale = mean + cols, *shift = scale + cols;
    for (uint64_t k = 0; k < cols; k++) {
        const struct moments *m = &c->whole[item * c->groups + k / c->width];
        mean[k] = (float)m->mean;
        scale[k] = (float)m->squares * (w ? w[k] : 1.0f);
        shift[k] = b ? b[k] : 0.0f;
    }
    for (uint64_t r = 0; r < rows; r++)
        c->p->device->isa->centre_row(view_row(&s->in[0], item, first + r), view_row(&s->out, item, first + r), cols,
                                      mean, scale, shift, s->op.activation);
    scratch_give(c->p, mean);
}

wn_status group_norm_run(wn_program *p, const struct step *s, uint64_t count, wn_error *err)
{
    (void)err;
    struct group_call c = { .p = p, .s = s, .groups = (uint64_t)s->op.i[0], .chunk = group_chunk(s->out.cols) };
    c.width = s->out.cols / c.groups;
    c.chunks = ceil_div(s->out.rows, c.chunk);
    c.parts = s->workspace;
    c.whole = c.parts + count * c.chunks * c.groups;
    parallel_for(p, count * c.chunks, measure_chunk, &c);
    parallel_for(p, count * c.groups, join_chunks, &c);
    parallel_for(p, count * c.chunks, apply_chunk, &c);
    return WN_OK;
}
