/* reuse.c - from step to step the blocks of the transformer add nearly the same to the image's tokens. So they need not
 * run at every step: the first double block always does, and where it shows that little has changed (first_block), or
 * where the schedule says so (steps), what all the others added when they ran last is added again.
 *
 *   h0 = embedded image tokens, h1 = after the first block, h = after the last; [image tokens, D], float32
 *   first = h1 - h0, rest = h - h1
 *   first_block: skip where  mean |first - first'| < threshold mean |first'|  (ParaAttention's first-block cache)
 *   steps:       skip where  the schedule has fewer than `every` steps between sigma' and sigma
 *   skipped: h = h1 + rest'
 *
 * first', rest' and sigma' are those of the sample's last step that ran in full: its memory (winnow/memory.h). Sums are
 * double, in an order that does not depend on threads. */
#include "flux.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RULE_OFF, RULE_FIRST_BLOCK, RULE_STEPS };

/* Before rest [image tokens, D] and, for first_block, first [image tokens, D]. */
struct head {
    float sigma;
    float reserved[15]; /* 0 */
};

static int rule_of(const struct flux *f)
{
    const char *name = f->options->reuse;
    return strcmp(name, "first_block") == 0 ? RULE_FIRST_BLOCK : strcmp(name, "steps") == 0 ? RULE_STEPS : RULE_OFF;
}

wn_status reuse_check(const struct flux *f, wn_error *err)
{
    const struct flux_options *o = f->options;
    if (rule_of(f) == RULE_OFF)
        return WN_OK;
    if (o->reuse_from < o->reuse_to)
        return wn_fail(err, WN_E_ARG, "reuse_from %g is below reuse_to %g: sigma falls from the first to the second",
                       o->reuse_from, o->reuse_to);
    if (f->flux.double_blocks == 0)
        return wn_fail(err, WN_E_UNSUPPORTED,
                       "%s has no double block by whose work reuse could be told; set reuse to off",
                       f->parts.path[PART_TRANSFORMER]);
    return WN_OK;
}

bool reuse_key(const struct flux *f, char text[128])
{
    const struct flux_options *o = f->options;
    const int rule = rule_of(f);
    snprintf(text, 128, "reuse %s %.17g from %.17g to %.17g", o->reuse,
             rule == RULE_STEPS ? (double)o->reuse_every : o->reuse_threshold, o->reuse_from, o->reuse_to);
    return rule != RULE_OFF;
}

static uint64_t image_floats(const struct flux *f, uint64_t h, uint64_t w)
{
    return (h / 2) * (w / 2) * f->flux.heads * f->flux.head_width;
}

uint64_t reuse_bytes(const struct flux *f, uint64_t h, uint64_t w)
{
    const uint64_t floats = image_floats(f, h, w);
    switch (rule_of(f)) {
    case RULE_FIRST_BLOCK:
        return sizeof(struct head) + 2 * floats * sizeof(float);
    case RULE_STEPS:
        return sizeof(struct head) + floats * sizeof(float);
    default:
        return 0;
    }
}

/* ---- passes over the tokens ----------------------------------------------------------------------------------- */

enum { BLOCK = 1 << 15 };

struct pass {
    uint64_t n;
    float *out; // [n] = a + sign b
    const float *a, *b;
    float sign;
    double *sums; // [blocks][2] of |a - b| and |b|, instead
};

static void combine_block(void *arg, uint64_t k)
{
    const struct pass *p = arg;
    const uint64_t end = (k + 1) * BLOCK < p->n ? (k + 1) * BLOCK : p->n;
    for (uint64_t i = k * BLOCK; i < end; i++)
        p->out[i] = p->a[i] + p->sign * p->b[i];
}

static void sum_block(void *arg, uint64_t k)
{
    const struct pass *p = arg;
    const uint64_t end = (k + 1) * BLOCK < p->n ? (k + 1) * BLOCK : p->n;
    double change = 0, size = 0;
    for (uint64_t i = k * BLOCK; i < end; i++) {
        change += fabs((double)p->a[i] - (double)p->b[i]);
        size += fabs((double)p->b[i]);
    }
    p->sums[2 * k] = change;
    p->sums[2 * k + 1] = size;
}

static void combine(const struct flux *f, uint64_t n, float *out, const float *a, float sign, const float *b)
{
    struct pass p = { .n = n, .out = out, .a = a, .b = b, .sign = sign };
    f->host->parallel_for(f->host->ctx, (n + BLOCK - 1) / BLOCK, combine_block, &p);
}

/* mean |now - then| < threshold mean |then|; false where a number is none. */
static wn_status compare(const struct flux *f, uint64_t n, const float *now, const float *then, bool *is_near,
                         wn_error *err)
{
    const uint64_t blocks = (n + BLOCK - 1) / BLOCK;
    struct pass p = { .n = n, .a = now, .b = then, .sums = calloc(2 * blocks, sizeof *p.sums) };
    double change = 0, size = 0;
    if (!p.sums)
        return wn_fail(err, WN_E_MEMORY, "out of memory for %llu sums", (unsigned long long)blocks);
    f->host->parallel_for(f->host->ctx, blocks, sum_block, &p);
    for (uint64_t k = 0; k < blocks; k++) {
        change += p.sums[2 * k];
        size += p.sums[2 * k + 1];
    }
    free(p.sums);
    *is_near = change < f->options->reuse_threshold * size;
    return WN_OK;
}

/* ---- one chunk ------------------------------------------------------------------------------------------------ */

/* An item on its way. */
struct way {
    const wn_velocity_item *item;
    wn_memory_item *memory;
    float *row;
    float *x, *v;  // [image tokens, features]
    float *tokens; // [text + image, D] after the first block
    float *image;  // its image tokens
    float *first;  // [image tokens, D], of memory->after where that has it
    float *rest;   // [image tokens, D], of memory->after
    bool skips;
};

struct chunk {
    const struct call *call;
    struct runner *runner;
    uint64_t count;
    uint64_t n; /* floats of the image's tokens */
    struct way *way;
    void **data; // [count][NN_PROGRAM_SLOTS], scratch
};

static const float *rest_of(const void *memory)
{
    return (const float *)((const struct head *)memory + 1);
}

static void set_out(const struct chunk *k, uint64_t first, float *x, float *v)
{
    const struct call *c = k->call;
    const struct flux *f = c->f;
    const uint64_t size = f->vae.latent_channels * c->h * c->w;
    const uint64_t text = f->text_length * f->flux.heads * f->flux.head_width;
    float *between = k->runner->between;
    for (uint64_t i = 0; i < k->count; i++, between += text + 2 * k->n) {
        struct way *w = &k->way[i];
        w->item = &c->items[first + i];
        w->memory = &c->memory[first + i];
        w->row = c->rows[first + i];
        w->x = x + i * size;
        w->v = v + i * size;
        w->tokens = between;
        w->image = between + text;
        w->rest = (float *)((struct head *)w->memory->after + 1);
        w->first = rule_of(f) == RULE_FIRST_BLOCK ? w->rest + k->n : w->image + k->n;
    }
}

static wn_status run_head(const struct chunk *k, wn_error *err)
{
    const nn_program *p;
    bool is_new;
    WN_TRY(velocity_program(k->call, k->runner, VELOCITY_HEAD, &p, &is_new, err));
    for (uint64_t i = 0; i < k->count; i++) {
        const struct way *w = &k->way[i];
        memcpy(k->data + 5 * i, (void *[]){ w->x, w->item->cond->text, w->row, w->first, w->tokens },
               5 * sizeof(void *));
    }
    return nn_program_run(p, k->count, k->data, err);
}

/* Levels of the schedule above sigma. */
static uint64_t steps_before(const wn_cond *cond, float sigma)
{
    uint64_t steps = 0;
    for (uint64_t i = 0; i < cond->count; i++)
        steps += cond->sigma[i] > sigma;
    return steps;
}

static bool is_step_between(const struct flux *f, const wn_velocity_item *item, float full)
{
    const uint64_t then = steps_before(item->cond, full), now = steps_before(item->cond, item->sigma);
    return now >= then && now - then < (uint64_t)f->options->reuse_every;
}

/* Whether the item skips the other blocks; its first residual is made on the way. */
static wn_status decide(const struct chunk *k, struct way *w, wn_error *err)
{
    const struct flux *f = k->call->f;
    const void *before = w->memory->before;
    const double sigma = (double)w->item->sigma;
    w->skips = false;
    if (rule_of(f) == RULE_FIRST_BLOCK)
        combine(f, k->n, w->first, w->image, -1, w->first);
    if (!before || sigma > f->options->reuse_from || sigma < f->options->reuse_to)
        return WN_OK;
    if (rule_of(f) == RULE_FIRST_BLOCK)
        return compare(f, k->n, w->first, rest_of(before) + k->n, &w->skips, err);
    w->skips = is_step_between(f, w->item, ((const struct head *)before)->sigma);
    return WN_OK;
}

static wn_status run_rest(const struct chunk *k, wn_error *err)
{
    const nn_program *p;
    bool is_new;
    uint64_t count = 0;
    for (uint64_t i = 0; i < k->count; i++) {
        const struct way *w = &k->way[i];
        if (!w->skips)
            memcpy(k->data + 4 * count++, (void *[]){ w->tokens, w->row, w->rest, w->v }, 4 * sizeof(void *));
    }
    if (count == 0)
        return WN_OK;
    WN_TRY(velocity_program(k->call, k->runner, VELOCITY_REST, &p, &is_new, err));
    WN_TRY(nn_program_run(p, count, k->data, err));
    for (uint64_t i = 0; i < k->count; i++) {
        const struct way *w = &k->way[i];
        if (w->skips)
            continue;
        combine(k->call->f, k->n, w->rest, w->rest, -1, w->image);
        *(struct head *)w->memory->after = (struct head){ .sigma = w->item->sigma };
        w->memory->has_after = 1;
    }
    return WN_OK;
}

static wn_status run_tail(const struct chunk *k, wn_error *err)
{
    const nn_program *p;
    bool is_new;
    uint64_t count = 0;
    for (uint64_t i = 0; i < k->count; i++) {
        const struct way *w = &k->way[i];
        if (!w->skips)
            continue;
        combine(k->call->f, k->n, w->image, w->image, 1, rest_of(w->memory->before));
        memcpy(k->data + 3 * count++, (void *[]){ w->image, w->row, w->v }, 3 * sizeof(void *));
        w->memory->is_reused = 1;
    }
    if (count == 0)
        return WN_OK;
    WN_TRY(velocity_program(k->call, k->runner, VELOCITY_TAIL, &p, &is_new, err));
    return nn_program_run(p, count, k->data, err);
}

static wn_status run(const struct chunk *k, wn_error *err)
{
    WN_TRY(run_head(k, err));
    for (uint64_t i = 0; i < k->count; i++) {
        WN_TRY(decide(k, &k->way[i], err));
        k->way[i].skips |= k->call->always_reuses && k->way[i].memory->before;
    }
    WN_TRY(run_rest(k, err));
    return run_tail(k, err);
}

wn_status reuse_chunk(const struct call *c, struct runner *r, uint64_t first, uint64_t count, float *x, float *v,
                      wn_error *err)
{
    const struct flux *f = c->f;
    const uint64_t text = f->text_length * f->flux.heads * f->flux.head_width;
    struct chunk k = { .call = c, .runner = r, .count = count, .n = image_floats(f, c->h, c->w) };
    WN_TRY(velocity_reserve(&r->between, &r->between_size, count * (text + 2 * k.n), err));
    k.way = calloc(count, sizeof *k.way);
    k.data = calloc(count * NN_PROGRAM_SLOTS, sizeof *k.data);
    wn_status status = k.way && k.data ? WN_OK : wn_fail(err, WN_E_MEMORY, "out of memory for a batch");
    if (status == WN_OK) {
        set_out(&k, first, x, v);
        status = run(&k, err);
    }
    free(k.way);
    free(k.data);
    return status;
}
