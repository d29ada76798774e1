/* velocity.c - one network evaluation of a batch. Items go through a program in chunks; each brings its own latent,
 * text and modulation row, so a chunk's composition cannot matter.
 */
#include "flux.h"

#include <stdlib.h>

uint64_t items_for(const struct flux *f, uint64_t floats)
{
    const uint64_t budget = UINT64_C(1) << 28; /* floats: 1 GiB */
    const uint64_t fits = floats ? budget / floats : budget;
    const uint64_t batch = (uint64_t)f->options->batch;
    return fits < 1 ? 1 : fits < batch ? fits : batch;
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
    return items_for(f, 12 * tokens * f->flux.heads * f->flux.head_width); /* residual, norm, q k v, attention, mlp */
}

/* The program for h x w latents. */
static wn_status program_for(struct flux *f, uint64_t h, uint64_t w, const nn_program **out, wn_error *err)
{
    static const char *const names[] = { "x", "text", "modulation", "v", NULL };
    struct sized_program *s = sized_find(f->velocity, &f->clock, h, w, 0);
    *out = &s->program;
    if (s->program.program)
        return WN_OK;
    return nn_program_make(
        nn_flux_velocity_graph(&f->flux, f->parts.weights[PART_TRANSFORMER], h / 2, w / 2, f->text_length), &f->device,
        f->dtype, velocity_items(f, h, w), names, &s->program, err);
}

void velocity_release(struct flux *f)
{
    for (int i = 0; i < PROGRAM_SIZES; i++)
        nn_program_end(&f->velocity[i].program);
}

static wn_status reserve(struct flux *f, uint64_t floats, wn_error *err)
{
    if (f->tokens_size >= floats)
        return WN_OK;
    float *larger = realloc(f->tokens, floats * sizeof *larger);
    if (!larger)
        return wn_fail(err, WN_E_MEMORY, "out of memory for %llu floats of tokens", (unsigned long long)floats);
    f->tokens = larger;
    f->tokens_size = floats;
    return WN_OK;
}

static wn_status run_chunk(struct flux *f, const nn_program *p, uint64_t h, uint64_t w, uint64_t count,
                           const wn_velocity_item *items, wn_error *err)
{
    const uint64_t channels = f->vae.latent_channels;
    const uint64_t size = channels * h * w;
    float *v = f->tokens + count * size;
    void **data = calloc(4 * count, sizeof *data);
    wn_status status = data ? WN_OK : wn_fail(err, WN_E_MEMORY, "out of memory for a batch");
    for (uint64_t i = 0; i < count && status == WN_OK; i++) {
        float *row = NULL;
        status = conditioning_row(f, (wn_cond *)items[i].cond, items[i].sigma, &row, err);
        nn_flux_pack(items[i].x, channels, h, w, f->tokens + i * size);
        data[4 * i] = f->tokens + i * size;
        data[4 * i + 1] = items[i].cond->text;
        data[4 * i + 2] = row;
        data[4 * i + 3] = v + i * size;
    }
    if (status == WN_OK)
        status = nn_program_run(p, count, data, err);
    for (uint64_t i = 0; i < count && status == WN_OK; i++)
        nn_flux_unpack(v + i * size, channels, h, w, items[i].v);
    free(data);
    return status;
}

wn_status velocity_run(struct flux *f, const wn_canvas *canvas, uint64_t count, const wn_velocity_item *items,
                       wn_error *err)
{
    const uint64_t stride = nn_vae_stride(&f->vae);
    const uint64_t h = canvas->height_px / stride;
    const uint64_t w = canvas->width_px / stride;
    const nn_program *p;
    WN_TRY(program_for(f, h, w, &p, err));
    WN_TRY(reserve(f, 2 * p->max_items * f->vae.latent_channels * h * w, err));
    for (uint64_t first = 0; first < count; first += p->max_items) {
        const uint64_t n = count - first < p->max_items ? count - first : p->max_items;
        if (f->host->cancelled(f->host->ctx))
            return wn_fail(err, WN_E_CANCELLED, "cancelled");
        WN_TRY(run_chunk(f, p, h, w, n, items + first, err));
    }
    if (f->release_encoders)
        conditioning_release(f);
    return WN_OK;
}
