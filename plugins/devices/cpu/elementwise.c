/* elementwise.c - the ops that only move or combine single elements: EMBED, BINARY, UNARY, COPY, PICK_ROW, WEIGHT.
 *
 * One loop serves all: a task is a few rows (of all items together), about 16 Ki elements, and a row function does
 * each. */
#include "cpu.h"

#include <string.h>

struct rows_call {
    wn_program *p;
    const struct step *s;
    uint64_t rows, rows_per_task;
    void (*row)(const wn_program *p, const struct step *s, uint64_t item, uint64_t row);
};

static void do_rows(void *arg, uint64_t i)
{
    const struct rows_call *c = arg;
    uint64_t end = smaller((i + 1) * c->rows_per_task, c->rows);
    for (uint64_t r = i * c->rows_per_task; r < end; r++)
        c->row(c->p, c->s, r / c->s->out.rows, r % c->s->out.rows);
}

static wn_status for_rows(wn_program *p, const struct step *s, uint64_t count,
                          void (*row)(const wn_program *p, const struct step *s, uint64_t item, uint64_t row))
{
    struct rows_call c = { p, s, count * s->out.rows, ceil_div(16384, s->out.cols), row };
    parallel_for(p, ceil_div(c.rows, c.rows_per_task), do_rows, &c);
    return WN_OK;
}

/* ---- ids ---------------------------------------------------------------------------------------------------- */

static int32_t id_at(const struct view *ids, uint64_t item, uint64_t row)
{
    int32_t id;
    memcpy(&id, view_row(ids, item, row), sizeof id);
    return id;
}

/* Whether every id of every item is in [0, limit). */
static wn_status check_ids(const wn_program *p, const struct step *s, const struct view *ids, uint64_t count,
                           uint64_t limit, wn_error *err)
{
    for (uint64_t r = 0; r < count * ids->rows; r++) {
        int32_t id = id_at(ids, r / ids->rows, r % ids->rows);
        if (id < 0 || (uint64_t)id >= limit)
            return wn_fail(err, WN_E_ARG, "graph \"%s\", \"%s\": id %d in row %llu of item %llu, must be 0 to %llu",
                           p->bindings.graph_name, s->name, id, (unsigned long long)(r % ids->rows),
                           (unsigned long long)(r / ids->rows), (unsigned long long)limit - 1);
    }
    return WN_OK;
}

static void embed_row(const wn_program *p, const struct step *s, uint64_t item, uint64_t row)
{
    const struct isa *isa = p->device->isa;
    float *out = view_row(&s->out, item, row);
    weights_row(isa, &s->weight[0], (uint64_t)id_at(&s->in[0], item, row), out);
    if (s->packed[1])
        isa->add(out, (const float *)s->packed[1]->data + row * s->out.cols, out, s->out.cols);
}

wn_status embed_run(wn_program *p, const struct step *s, uint64_t count, wn_error *err)
{
    WN_TRY(check_ids(p, s, &s->in[0], count, s->weight[0].rows, err));
    return for_rows(p, s, count, embed_row);
}

static void pick_row(const wn_program *p, const struct step *s, uint64_t item, uint64_t row)
{
    (void)p;
    uint64_t from = (uint64_t)id_at(&s->in[1], item, row);
    memcpy(view_row(&s->out, item, row), view_row(&s->in[0], item, from), s->out.cols * sizeof(float));
}

wn_status pick_row_run(wn_program *p, const struct step *s, uint64_t count, wn_error *err)
{
    WN_TRY(check_ids(p, s, &s->in[1], count, s->in[0].rows, err));
    return for_rows(p, s, count, pick_row);
}

/* ---- arithmetic --------------------------------------------------------------------------------------------- */

static void binary_row(const wn_program *p, const struct step *s, uint64_t item, uint64_t row)
{
    const float *a = view_row(&s->in[0], item, row);
    const float *b = view_row(&s->in[1], item, s->in[1].rows == 1 ? 0 : row);
    const struct isa *isa = p->device->isa;
    (s->op.i[0] == 1 ? isa->add : isa->multiply)(a, b, view_row(&s->out, item, row), s->out.cols);
}

wn_status binary_run(wn_program *p, const struct step *s, uint64_t count, wn_error *err)
{
    (void)err;
    return for_rows(p, s, count, binary_row);
}

static void unary_row(const wn_program *p, const struct step *s, uint64_t item, uint64_t row)
{
    p->device->isa->unary(view_row(&s->in[0], item, row), view_row(&s->out, item, row), s->out.cols, s->op.activation,
                          s->op.f);
}

wn_status unary_run(wn_program *p, const struct step *s, uint64_t count, wn_error *err)
{
    (void)err;
    return for_rows(p, s, count, unary_row);
}

static void copy_row(const wn_program *p, const struct step *s, uint64_t item, uint64_t row)
{
    (void)p;
    memmove(view_row(&s->out, item, row), view_row(&s->in[0], item, row), s->out.cols * sizeof(float));
}

wn_status copy_run(wn_program *p, const struct step *s, uint64_t count, wn_error *err)
{
    (void)err;
    return for_rows(p, s, count, copy_row);
}

static void weight_row(const wn_program *p, const struct step *s, uint64_t item, uint64_t row)
{
    weights_row(p->device->isa, &s->weight[0], row, view_row(&s->out, item, row));
}

wn_status weight_run(wn_program *p, const struct step *s, uint64_t count, wn_error *err)
{
    (void)err;
    return for_rows(p, s, count, weight_row);
}
