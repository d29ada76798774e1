/* velocity.c - one network evaluation of a batch. Items go through a program in chunks; each brings its own latent,
 * text and modulation row, so a chunk's composition cannot matter.
 *
 * Several devices share out the items by how fast each of them was lately. Which one gets an item depends on the clock,
 * so their results must be the same to the last bit: the first item that a program is made for is computed on the first
 * device too, and compared.
 */
#include "flux.h"

#include <device/blocks.h>
#include <device/clock.h>
#include <device/graph.h>

#include <stdlib.h>
#include <string.h>

#define USUAL_BYTES (UINT64_C(1) << 30)

static uint64_t items_within(const struct flux *f, uint64_t bytes, uint64_t floats)
{
    const uint64_t budget = bytes / sizeof(float), fits = floats ? budget / floats : budget;
    const uint64_t batch = (uint64_t)f->options->batch;
    return fits < 1 ? 1 : fits < batch ? fits : batch;
}

uint64_t items_for(const struct flux *f, uint64_t floats)
{
    return items_within(f, USUAL_BYTES, floats);
}

/* As the device keeps it: quantised, or in the type of the products. */
static uint64_t weight_bytes(const wn_weight *w, uint64_t size)
{
    uint64_t sum = 0;
    for (uint64_t k = 0; k < w->part_count; k++)
        sum += w->part[k].rows * smaller(size * w->cols, weight_row_bytes(w->part[k].dtype, w->cols));
    return sum;
}

static uint64_t bytes_of(const wn_graph *g, uint64_t size)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < g->op_count; i++)
        if (g->ops[i].weight[0] != WN_NONE)
            sum += weight_bytes(&g->weights[g->ops[i].weight[0]], size);
    return sum;
}

static wn_status count_weights(const struct flux *f, uint64_t *bytes, wn_error *err)
{
    nn_graph *g = nn_flux_velocity_graph(&f->flux, f->parts.weights[PART_TRANSFORMER], 1, 1, f->text_length);
    const wn_status status = nn_graph_status(g, err);
    if (status == WN_OK)
        *bytes = bytes_of(nn_graph_get(g), f->velocity_dtype == WN_F32 ? 4 : 2);
    nn_graph_free(g);
    return status;
}

wn_status velocity_plan(struct flux *f, wn_error *err)
{
    wn_device_info info = { .struct_size = sizeof info };
    uint64_t weights;
    WN_TRY(f->host->device_info(f->host->ctx, f->device.device, &info, err));
    WN_TRY(count_weights(f, &weights, err));
    f->velocity_bytes = USUAL_BYTES;
    if (info.kind != WN_DEVICE_CPU && weights > info.memory_bytes / 10 * 8 && info.memory_bytes / 4 > USUAL_BYTES)
        f->velocity_bytes = info.memory_bytes / 4;
    return WN_OK;
}

struct sized_program *sized_find(struct sized_program *slots, uint64_t *clock, uint64_t height, uint64_t width,
                                 int32_t quality)
{
    struct sized_program *oldest = &slots[0];
    ++*clock;
    for (int i = 0; i < PROGRAM_SIZES; i++) {
        struct sized_program *s = &slots[i];
        if (s->program.program && s->height == height && s->width == width && s->quality == quality) {
            s->used = *clock;
            return s;
        }
        if (s->used < oldest->used)
            oldest = s;
    }
    nn_program_end(&oldest->program);
    *oldest = (struct sized_program){ .height = height, .width = width, .quality = quality, .used = *clock };
    return oldest;
}

uint64_t velocity_items(const struct flux *f, uint64_t h, uint64_t w)
{
    const uint64_t tokens = f->text_length + (h / 2) * (w / 2);
    const uint64_t floats =
        12 * tokens * f->flux.heads * f->flux.head_width; /* residual, norm, q k v, attention, mlp */
    return items_within(f, f->velocity_bytes ? f->velocity_bytes : USUAL_BYTES, floats);
}

static nn_graph *graph_of(const struct call *c, int which)
{
    const nn_flux *flux = &c->f->flux;
    const nn_weights *w = c->f->parts.weights[PART_TRANSFORMER];
    const uint64_t rows = c->h / 2, cols = c->w / 2, text = c->f->text_length;
    switch (which) {
    case VELOCITY_HEAD:
        return nn_flux_head_graph(flux, w, rows, cols, text);
    case VELOCITY_REST:
        return nn_flux_rest_graph(flux, w, rows, cols, text);
    case VELOCITY_TAIL:
        return nn_flux_tail_graph(flux, w, rows * cols);
    default:
        return nn_flux_velocity_graph(flux, w, rows, cols, text);
    }
}

wn_status velocity_program(const struct call *c, struct runner *r, int which, const nn_program **out, bool *is_new,
                           wn_error *err)
{
    static const char *const names[VELOCITY_GRAPHS][NN_PROGRAM_SLOTS] = {
        [VELOCITY_WHOLE] = { "x", "text", "modulation", "v" },
        [VELOCITY_HEAD] = { "x", "text", "modulation", "embedded", "after" },
        [VELOCITY_REST] = { "before", "modulation", "image", "v" },
        [VELOCITY_TAIL] = { "image", "modulation", "v" },
    };
    struct sized_program *s = sized_find(r->velocity[which], &r->clock, c->h, c->w, 0);
    *out = &s->program;
    if (s->program.program)
        return WN_OK;
    *is_new = true;
    return nn_program_make(graph_of(c, which), &r->device, c->f->velocity_dtype, velocity_items(c->f, c->h, c->w),
                           names[which], &s->program, err);
}

static void end_programs(struct runner *r)
{
    for (int which = 0; which < VELOCITY_GRAPHS; which++)
        for (int i = 0; i < PROGRAM_SIZES; i++)
            nn_program_end(&r->velocity[which][i].program);
}

void velocity_release(struct flux *f)
{
    for (uint64_t k = 0; k < f->runner_count; k++)
        end_programs(&f->runner[k]);
}

void velocity_end(struct flux *f)
{
    velocity_release(f);
    for (uint64_t k = 0; k < f->runner_count; k++) {
        free(f->runner[k].tokens);
        free(f->runner[k].between);
    }
}

wn_status velocity_reserve(float **memory, uint64_t *size, uint64_t floats, wn_error *err)
{
    if (*size >= floats)
        return WN_OK;
    float *larger = realloc(*memory, floats * sizeof *larger);
    if (!larger)
        return wn_fail(err, WN_E_MEMORY, "out of memory for %llu floats of tokens", (unsigned long long)floats);
    *memory = larger;
    *size = floats;
    return WN_OK;
}

/* A runner's part of a call. */
struct share {
    const struct call *call;
    struct runner *runner;
    uint64_t first, count;
    wn_status status;
    wn_error err;
};

static uint64_t latent_size(const struct call *c)
{
    return c->f->vae.latent_channels * c->h * c->w;
}

static wn_status run_whole(const struct call *c, const nn_program *p, uint64_t first, uint64_t count, float *x,
                           float *v, wn_error *err)
{
    const uint64_t size = latent_size(c);
    void **data = calloc(4 * count, sizeof *data);
    if (!data)
        return wn_fail(err, WN_E_MEMORY, "out of memory for a batch");
    for (uint64_t i = 0; i < count; i++) {
        data[4 * i] = x + i * size;
        data[4 * i + 1] = c->items[first + i].cond->text;
        data[4 * i + 2] = c->rows[first + i];
        data[4 * i + 3] = v + i * size;
    }
    const wn_status status = nn_program_run(p, count, data, err);
    free(data);
    return status;
}

/* p: the first program of the call. */
static wn_status run_chunk(const struct call *c, struct runner *r, const nn_program *p, uint64_t first, uint64_t count,
                           wn_error *err)
{
    const uint64_t channels = c->f->vae.latent_channels, size = latent_size(c);
    WN_TRY(velocity_reserve(&r->tokens, &r->tokens_size, 2 * p->max_items * size, err));
    float *x = r->tokens, *v = x + count * size;
    for (uint64_t i = 0; i < count; i++)
        nn_flux_pack(c->items[first + i].x, channels, c->h, c->w, x + i * size);
    WN_TRY(c->memory ? reuse_chunk(c, r, first, count, x, v, err) : run_whole(c, p, first, count, x, v, err));
    for (uint64_t i = 0; i < count; i++)
        nn_flux_unpack(v + i * size, channels, c->h, c->w, c->items[first + i].v);
    return WN_OK;
}

static wn_status first_program(const struct call *c, struct runner *r, const nn_program **out, bool *is_new,
                               wn_error *err)
{
    return velocity_program(c, r, c->memory ? VELOCITY_HEAD : VELOCITY_WHOLE, out, is_new, err);
}

static wn_status run_share(const struct share *s, wn_error *err)
{
    const struct call *c = s->call;
    struct flux *f = c->f;
    const nn_program *p;
    bool is_new;
    WN_TRY(first_program(c, s->runner, &p, &is_new, err));
    const double start = seconds_now();
    for (uint64_t done = 0; done < s->count; done += p->max_items) {
        const uint64_t n = s->count - done < p->max_items ? s->count - done : p->max_items;
        if (f->host->cancelled(f->host->ctx))
            return wn_fail(err, WN_E_CANCELLED, "cancelled");
        WN_TRY(run_chunk(c, s->runner, p, s->first + done, n, err));
    }
    const double rate = (double)s->count / (seconds_now() - start + 1e-9), before = s->runner->items_per_second;
    s->runner->items_per_second = before > 0 ? 0.5 * (before + rate) : rate;
    return WN_OK;
}

/* ---- several devices ---------------------------------------------------------------------------------------- */

/* One item of the call with each of its programs, into out: two velocities, and what is remembered after the first. */
static wn_status run_one(const struct call *c, struct runner *r, uint64_t item, float *out, wn_error *err)
{
    const uint64_t size = latent_size(c);
    const nn_program *p;
    bool is_new;
    wn_velocity_item alone = c->items[item];
    wn_memory_item memory = { .after = out + 2 * size };
    struct call one = *c;
    one.items = &alone;
    one.rows = &c->rows[item];
    one.memory = c->memory ? &memory : NULL;
    one.always_reuses = true;
    alone.v = out;
    WN_TRY(first_program(&one, r, &p, &is_new, err));
    WN_TRY(run_chunk(&one, r, p, 0, 1, err));
    memory = (wn_memory_item){ .before = memory.after };
    alone.v = out + size;
    return c->memory ? run_chunk(&one, r, p, 0, 1, err) : WN_OK;
}

static wn_status compare(const struct call *c, struct runner *r, uint64_t item, wn_error *err)
{
    const uint64_t floats = 2 * latent_size(c) + (c->memory ? reuse_bytes(c->f, c->h, c->w) / sizeof(float) : 0);
    float *a = calloc(2 * floats, sizeof *a);
    if (!a)
        return wn_fail(err, WN_E_MEMORY, "out of memory for two velocities");
    float *b = a + floats;
    wn_status status = run_one(c, &c->f->runner[0], item, a, err);
    if (status == WN_OK)
        status = run_one(c, r, item, b, err);
    if (status == WN_OK && memcmp(a, b, floats * sizeof *a) != 0)
        status =
            wn_fail(err, WN_E_UNSUPPORTED,
                    "devices %s and %s give different bits, so that a picture would depend on which of them made it; "
                    "name devices of one kind with one driver, and compare these two with `winnow drift`",
                    c->f->runner[0].name, r->name);
    free(a);
    return status;
}

/* A program that was not compared, for want of memory too, is not kept: the next call makes and compares it anew. */
static wn_status prepare_one(const struct call *c, const struct share *s, wn_error *err)
{
    struct runner *r = s->runner;
    const nn_program *p;
    bool is_new = false;
    WN_TRY(first_program(c, r, &p, &is_new, err));
    const wn_status status = is_new ? compare(c, r, s->first, err) : WN_OK;
    if (status != WN_OK)
        nn_program_end(
            &sized_find(r->velocity[c->memory ? VELOCITY_HEAD : VELOCITY_WHOLE], &r->clock, c->h, c->w, 0)->program);
    return status;
}

/* Compiles what the shares need; programs of other runners than the first are compared when they are new. */
static wn_status prepare(const struct call *c, uint64_t share_count, const struct share *shares, wn_error *err)
{
    for (uint64_t k = 1; k < share_count; k++)
        if (shares[k].count)
            WN_TRY(prepare_one(c, &shares[k], err));
    return WN_OK;
}

/* Each next item to whom it would be done first. */
static void share_out(struct flux *f, uint64_t count, struct share *shares)
{
    bool all_known = true;
    for (uint64_t k = 0; k < f->runner_count; k++)
        all_known &= f->runner[k].items_per_second > 0;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t best = 0;
        double soonest = 0;
        for (uint64_t k = 0; k < f->runner_count; k++) {
            const double speed = all_known ? f->runner[k].items_per_second : 1;
            const double end = (double)(shares[k].count + 1) / speed;
            if (k == 0 || end < soonest) {
                best = k;
                soonest = end;
            }
        }
        shares[best].count++;
    }
    for (uint64_t k = 1; k < f->runner_count; k++)
        shares[k].first = shares[k - 1].first + shares[k - 1].count;
}

static void run_share_of(void *arg, uint64_t k)
{
    struct share *s = (struct share *)arg + k;
    s->status = s->count ? run_share(s, &s->err) : WN_OK;
}

static wn_status run_shares(const struct call *c, uint64_t count, wn_error *err)
{
    struct flux *f = c->f;
    struct share *shares = calloc(f->runner_count, sizeof *shares);
    if (!shares)
        return wn_fail(err, WN_E_MEMORY, "out of memory for %llu devices", (unsigned long long)f->runner_count);
    for (uint64_t k = 0; k < f->runner_count; k++)
        shares[k] = (struct share){ .call = c, .runner = &f->runner[k] };
    share_out(f, count, shares);
    wn_status status = prepare(c, f->runner_count, shares, err);
    if (status == WN_OK)
        f->host->parallel_for(f->host->ctx, f->runner_count, run_share_of, shares);
    for (uint64_t k = 0; k < f->runner_count && status == WN_OK; k++)
        if (shares[k].status != WN_OK)
            status = (*err = shares[k].err).code;
    free(shares);
    return status;
}

/* ---- the whole ---------------------------------------------------------------------------------------------- */

static wn_status run_call(const struct call *c, uint64_t count, wn_error *err)
{
    for (uint64_t i = 0; i < count; i++)
        WN_TRY(conditioning_row(c->f, (wn_cond *)c->items[i].cond, c->items[i].sigma, &c->rows[i], err));
    if (c->f->runner_count > 1)
        return run_shares(c, count, err);
    const struct share all = { .call = c, .runner = &c->f->runner[0], .count = count };
    return run_share(&all, err);
}

wn_status velocity_run(struct flux *f, const wn_canvas *canvas, uint64_t count, const wn_velocity_item *items,
                       wn_memory_item *memory, wn_error *err)
{
    const uint64_t stride = nn_vae_stride(&f->vae);
    const struct call call = { .f = f,
                               .h = canvas->height_px / stride,
                               .w = canvas->width_px / stride,
                               .items = items,
                               .memory = memory,
                               .rows = calloc(count + 1, sizeof(float *)) };
    if (!call.rows)
        return wn_fail(err, WN_E_MEMORY, "out of memory for a batch");
    f->clock++;
    wn_status status = f->release_encoders ? conditioning_settle(f, err) : WN_OK;
    if (status == WN_OK)
        status = run_call(&call, count, err);
    free(call.rows);
    if (status == WN_OK && f->release_encoders)
        conditioning_release(f);
    return status;
}
