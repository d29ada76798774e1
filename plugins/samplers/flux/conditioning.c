/* conditioning.c - modulation vectors. A prompt's schedule is known when it is encoded, so all its rows are computed at
 * once, with one pass over the modulation weights. Other sigmas (re-noising, stochastic steps) get their rows on
 * demand, kept in a bounded list of the most recently used.
 *
 * A row is a function of (sigma, number of rows computed together): the schedule's always come from the schedule's
 * program, the others always from the program for one row, so that results do not depend on the order of requests.
 */
#include "flux.h"

#include <stdlib.h>
#include <string.h>

enum { WHOLE = 0, SINGLE = 1, EXTRA_ROWS = 64 };

static wn_status compile(struct flux *f, int which, uint64_t count, wn_error *err)
{
    static const char *const names[] = { "time", "pooled", "modulation", NULL };
    static const char *const guided[] = { "time", "pooled", "modulation", "guidance", NULL };
    nn_program *p = &f->conditioning[which];
    if (which == WHOLE && p->program && f->conditioning_count != count)
        nn_program_end(p);
    if (p->program)
        return WN_OK;
    f->conditioning_count = which == WHOLE ? count : f->conditioning_count;
    return nn_program_make(nn_flux_conditioning_graph(&f->flux, f->parts.weights[PART_TRANSFORMER], count), &f->device,
                           f->dtype, 1, f->flux.has_guidance ? guided : names, p, err);
}

void conditioning_release(struct flux *f)
{
    nn_program_end(&f->conditioning[WHOLE]);
    nn_program_end(&f->conditioning[SINGLE]);
}

/* rows [count, modulation width] for count sigmas. */
static wn_status compute(struct flux *f, int which, const wn_cond *cond, uint64_t count, const float *sigma,
                         float *rows, wn_error *err)
{
    float guidance[NN_FLUX_SINUSOID];
    WN_TRY(compile(f, which, count, err));
    float *time = calloc(count * NN_FLUX_SINUSOID, sizeof *time);
    if (!time)
        return wn_fail(err, WN_E_MEMORY, "out of memory for %llu sigmas", (unsigned long long)count);
    for (uint64_t i = 0; i < count; i++) /* by way of a timestep of 0..1000, as the reference pipeline rounds it */
        nn_flux_sinusoid(sigma[i] * 1000.0f / 1000.0f, time + i * NN_FLUX_SINUSOID);
    nn_flux_sinusoid(cond->guidance, guidance);
    const wn_status status =
        nn_program_run(&f->conditioning[which], 1, (void *[]){ time, cond->pooled, rows, guidance }, err);
    free(time);
    return status;
}

wn_status conditioning_begin(struct flux *f, wn_cond *cond, uint64_t count, const float *sigma, wn_error *err)
{
    const uint64_t width = nn_flux_modulation_width(&f->flux);
    const uint64_t batch = (uint64_t)f->options->batch * f->runner_count;
    cond->extra_capacity = batch > EXTRA_ROWS ? batch : EXTRA_ROWS;
    cond->extra = calloc(cond->extra_capacity, sizeof *cond->extra);
    cond->sigma = calloc(count, sizeof *cond->sigma);
    cond->rows = calloc(count * width, sizeof *cond->rows);
    if (!cond->extra || !cond->sigma || !cond->rows)
        return wn_fail(err, WN_E_MEMORY, "out of memory for %llu modulation rows of %llu floats",
                       (unsigned long long)count, (unsigned long long)width);
    cond->count = count;
    memcpy(cond->sigma, sigma, count * sizeof *sigma);
    return WN_OK;
}

wn_status conditioning_schedule(struct flux *f, wn_cond *cond, wn_error *err)
{
    const wn_status status = compute(f, WHOLE, cond, cond->count, cond->sigma, cond->rows, err);
    cond->has_rows = status == WN_OK;
    return status;
}

wn_status conditioning_settle(struct flux *f, wn_error *err)
{
    wn_status status = WN_OK;
    text_release(f);
    for (wn_cond *c = f->conds; c && status == WN_OK; c = c->next)
        if (!c->has_rows)
            status = conditioning_schedule(f, c, err);
    conditioning_release(f);
    return status;
}

/* An unused place, or the one unused for longest; its row allocated. NULL when memory ran out. */
static struct extra_row *place(wn_cond *cond, uint64_t width)
{
    struct extra_row *oldest = &cond->extra[0];
    if (cond->extra_count < cond->extra_capacity) {
        oldest = &cond->extra[cond->extra_count];
        oldest->row = calloc(width, sizeof *oldest->row);
        if (!oldest->row)
            return NULL;
        cond->extra_count++;
        return oldest;
    }
    for (uint64_t i = 1; i < cond->extra_count; i++)
        if (cond->extra[i].used < oldest->used)
            oldest = &cond->extra[i];
    return oldest;
}

wn_status conditioning_row(struct flux *f, wn_cond *cond, float sigma, float **row, wn_error *err)
{
    const uint64_t width = nn_flux_modulation_width(&f->flux);
    for (uint64_t i = 0; i < cond->count; i++)
        if (cond->sigma[i] == sigma) {
            *row = cond->rows + i * width;
            return WN_OK;
        }
    struct extra_row *extra = NULL;
    for (uint64_t i = 0; i < cond->extra_count && !extra; i++)
        if (cond->extra[i].sigma == sigma)
            extra = &cond->extra[i];
    if (!extra) {
        extra = place(cond, width);
        if (!extra)
            return wn_fail(err, WN_E_MEMORY, "out of memory for %llu floats", (unsigned long long)width);
        extra->sigma = 0; /* of no use to anyone should computing fail: sigmas are positive */
        WN_TRY(compute(f, SINGLE, cond, 1, &sigma, extra->row, err));
        extra->sigma = sigma;
    }
    extra->used = f->clock;
    *row = extra->row;
    return WN_OK;
}

void cond_end(wn_cond *cond)
{
    if (!cond)
        return;
    for (uint64_t i = 0; i < cond->extra_count; i++)
        free(cond->extra[i].row);
    free(cond->extra);
    free(cond->prompt);
    free(cond->text);
    free(cond->pooled);
    free(cond->sigma);
    free(cond->rows);
    free(cond);
}
