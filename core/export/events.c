/* events.c - the report's curves as TensorBoard's scalars. Steps are what the curve runs over: evaluations, candidates,
 * or the prompt's place in the run. */
#include "export/export.h"

#include "base/png.h"
#include "export/event_file.h"
#include "ledger/picture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct writer {
    struct buffer *out;
    double start;
};

WN_PRINTF(4, 5) static void scalar(struct writer *w, uint64_t step, double value, const char *format, ...)
{
    char tag[320];
    va_list args;
    if (!isfinite(value))
        return;
    va_start(args, format);
    vsnprintf(tag, sizeof tag, format, args);
    va_end(args);
    event_scalar(w->out, w->start, step, tag, value);
}

static void write_curve(struct writer *w, const char *what, const char *title, uint64_t count,
                        const struct numbers_point *points)
{
    for (uint64_t i = 0; i < count; i++) {
        scalar(w, points[i].x, points[i].y.mean, "%s/%s", what, title);
        scalar(w, points[i].x, points[i].y.low, "%s_low/%s", what, title);
        scalar(w, points[i].x, points[i].y.high, "%s_high/%s", what, title);
    }
}

static void write_trial(struct writer *w, const struct data *d, const struct data_trial *t, uint64_t nfe_before)
{
    scalar(w, t->id, (double)t->nfe, "prompt/nfe");
    scalar(w, t->id, (double)(nfe_before + t->nfe), "run/nfe");
    for (uint64_t m = 0; m < d->metric_count && t->first; m++) {
        scalar(w, t->id, t->first->values[m], "prompt_first/%s", d->metrics[m].title);
        scalar(w, t->id, t->winner->values[m], "prompt_winner/%s", d->metrics[m].title);
    }
}

static wn_status write_picture(struct writer *w, const struct data *d, const struct data_trial *t, wn_error *err)
{
    struct buffer png = BUFFER_INIT(PICTURE_MAX_BYTES);
    uint32_t width_px = 0, height_px = 0;
    uint8_t *rgb = NULL;
    char tag[160];
    wn_status status = picture_read(d->directory, t->winner->image, &png, err);
    if (status == WN_OK) /* decoded for its size, and so that no broken one goes on */
        status = png_decode(t->winner->image, png.data, png.size, &width_px, &height_px, &rgb, err);
    free(rgb);
    snprintf(tag, sizeof tag, "winner/%s", t->prompt_id);
    if (status == WN_OK)
        event_picture(w->out, w->start, t->winner->ordinal, tag, width_px, height_px, &png);
    buffer_free(&png);
    return status;
}

wn_status export_events(const struct data *d, const struct numbers *n, double start, bool with_images,
                        struct buffer *out, wn_error *err)
{
    struct writer w = { out, start };
    uint64_t nfe = 0;
    event_begin(out, start);
    for (uint64_t i = 0; i < n->curve_count; i++) {
        const struct numbers_curve *c = &n->curves[i];
        const char *title = d->metrics[c->metric].title;
        write_curve(&w, "best_of_n", title, c->best_of_count, c->best_of);
        write_curve(&w, "best_so_far", title, c->against_nfe_count, c->against_nfe);
    }
    for (uint64_t i = 0; i < d->trial_count; nfe += d->trials[i++].nfe)
        write_trial(&w, d, &d->trials[i], nfe);
    for (uint64_t i = 0; i < d->trial_count && with_images; i++)
        if (d->trials[i].winner && d->trials[i].winner->image[0])
            WN_TRY(write_picture(&w, d, &d->trials[i], err));
    return WN_OK;
}
