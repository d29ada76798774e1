/* flux_parts.c - the two lists of names (flux_names.c), matrix by matrix, with the rows each part takes. */
#include "flux_parts.h"

#include "flux_names.h"

#include <stdlib.h>

struct maker {
    struct flux_parts_list *list;
    const char *block[2]; /* what names begin with in the two layouts */
    uint64_t number;      /* of the block */
};

static void set_place(const struct maker *m, int layout, const char *leaf, uint64_t row, uint64_t rows,
                      struct flux_place *p)
{
    if (*m->block[layout])
        snprintf(p->module, sizeof p->module, "%s.%u.%s", m->block[layout], (unsigned)m->number, leaf);
    else
        snprintf(p->module, sizeof p->module, "%s", leaf);
    p->row = row;
    p->rows = rows;
}

static struct flux_part *add(const struct maker *m, const char *diffusers, const char *bfl, uint64_t rows)
{
    struct flux_part *p = &m->list->part[m->list->count++];
    p->rows = rows;
    set_place(m, NN_FLUX_DIFFUSERS - 1, diffusers, 0, rows, &p->in[NN_FLUX_DIFFUSERS - 1]);
    set_place(m, NN_FLUX_BFL - 1, bfl, 0, rows, &p->in[NN_FLUX_BFL - 1]);
    return p;
}

/* Separate matrices of diffusers that are one below the other in the original's. */
static void add_fused(const struct maker *m, const char *const *diffusers, const char *bfl, const uint64_t *rows, int n)
{
    uint64_t at = 0, all = 0;
    for (int i = 0; i < n; i++)
        all += rows[i];
    for (int i = 0; i < n; i++, at += rows[i - 1]) {
        struct flux_part *p = add(m, diffusers[i], bfl, rows[i]);
        p->in[NN_FLUX_BFL - 1].row = at;
        p->in[NN_FLUX_BFL - 1].rows = all;
    }
}

static void add_stream(const struct maker *m, const struct flux_stream_names *a, const struct flux_stream_names *b,
                       uint64_t d)
{
    add(m, a->mod, b->mod, 6 * d);
    add_fused(m, a->qkv, b->qkv[0], (const uint64_t[]){ d, d, d }, 3);
    add(m, a->proj, b->proj, d);
    add(m, a->up, b->up, 4 * d);
    add(m, a->down, b->down, d);
}

/* The last modulation: shift and scale, in another order in each layout. */
static void add_last_mod(const struct maker *m, const char *diffusers, const char *bfl, uint64_t d)
{
    for (uint64_t i = 0; i < 2; i++) {
        struct flux_part *p = add(m, diffusers, bfl, d);
        p->in[0].rows = p->in[1].rows = 2 * d;
        p->in[NN_FLUX_DIFFUSERS - 1].row = i * d;
        p->in[NN_FLUX_BFL - 1].row = (1 - i) * d;
    }
}

static void add_outside(const struct maker *m, const nn_flux *c, const struct flux_names *a, const struct flux_names *b)
{
    const uint64_t d = c->heads * c->head_width;
    add(m, a->image_in, b->image_in, d);
    add(m, a->text_in, b->text_in, d);
    for (int i = 0; i < 2; i++) {
        add(m, a->time_in[i], b->time_in[i], d);
        add(m, a->vector_in[i], b->vector_in[i], d);
        if (c->has_guidance)
            add(m, a->guidance_in[i], b->guidance_in[i], d);
    }
    add_last_mod(m, a->last_mod, b->last_mod, d);
    add(m, a->last, b->last, c->out_channels);
}

wn_status flux_parts_make(const nn_flux *c, struct flux_parts_list *out, wn_error *err)
{
    const struct flux_names *a = flux_names_of(NN_FLUX_DIFFUSERS), *b = flux_names_of(NN_FLUX_BFL);
    const uint64_t d = c->heads * c->head_width;
    struct maker m = { out, { "", "" }, 0 };
    *out = (struct flux_parts_list){ calloc(16 + 14 * c->double_blocks + 6 * c->single_blocks, sizeof *out->part), 0 };
    if (!out->part)
        return wn_fail(err, WN_E_MEMORY, "no memory for the names of a transformer");
    add_outside(&m, c, a, b);
    m.block[NN_FLUX_DIFFUSERS - 1] = a->double_blocks;
    m.block[NN_FLUX_BFL - 1] = b->double_blocks;
    for (m.number = 0; m.number < c->double_blocks; m.number++) {
        add_stream(&m, &a->image, &b->image, d);
        add_stream(&m, &a->text, &b->text, d);
    }
    m.block[NN_FLUX_DIFFUSERS - 1] = a->single_blocks;
    m.block[NN_FLUX_BFL - 1] = b->single_blocks;
    for (m.number = 0; m.number < c->single_blocks; m.number++) {
        add(&m, a->single.mod, b->single.mod, 3 * d);
        add_fused(&m, a->single.in, b->single.in[0], (const uint64_t[]){ d, d, d, 4 * d }, 4);
        add(&m, a->single.out, b->single.out, d);
    }
    return WN_OK;
}
