/* events.c - the report's curves as TensorBoard's scalars. Steps are what the curve runs over: evaluations, candidates,
 * or the prompt's place in the run. */
#include "export/export.h"

#include "base/plain.h"
#include "base/png.h"
#include "export/event_file.h"
#include "ledger/picture.h"

#include <math.h>
#include <stdlib.h>

struct writer {
    struct buffer *out;
    double start;
};

enum { TAG_SIZE = 320 };

/* what/title, as UTF-8 that is whole, whatever a ledger's names are: else no reader takes the file. */
static void make_tag(const char *what, const char *title, char tag[TAG_SIZE])
{
    struct buffer b = BUFFER_INIT(1 << 20);
    buffer_printf(&b, "%s/%s", what, title);
    plain_copy(tag, TAG_SIZE, buffer_string(&b), 0);
    buffer_free(&b);
}

static void scalar(struct writer *w, const char *what, const char *title, uint64_t step, double value)
{
    char tag[TAG_SIZE];
    if (!isfinite(value))
        return;
    make_tag(what, title, tag);
    event_scalar(w->out, w->start, step, tag, value);
}

/* names: of the mean and of the ends of its interval */
static void write_curve(struct writer *w, const char *const names[3], const char *title, uint64_t count,
                        const struct numbers_point *points)
{
    for (uint64_t i = 0; i < count; i++) {
        scalar(w, names[0], title, points[i].x, points[i].y.mean);
        scalar(w, names[1], title, points[i].x, points[i].y.low);
        scalar(w, names[2], title, points[i].x, points[i].y.high);
    }
}

static void write_trial(struct writer *w, const struct data *d, const struct data_trial *t, uint64_t nfe_before)
{
    scalar(w, "prompt", "nfe", t->id, (double)t->nfe);
    scalar(w, "run", "nfe", t->id, (double)(nfe_before + t->nfe));
    for (uint64_t m = 0; m < d->metric_count && t->first; m++) {
        scalar(w, "prompt_first", d->metrics[m].title, t->id, t->first->values[m]);
        scalar(w, "prompt_winner", d->metrics[m].title, t->id, t->winner->values[m]);
    }
}

static wn_status write_picture(struct writer *w, const struct data *d, const struct data_trial *t, wn_error *err)
{
    struct buffer png = BUFFER_INIT(PICTURE_MAX_BYTES);
    uint32_t width_px = 0, height_px = 0;
    uint8_t *rgb = NULL;
    char tag[TAG_SIZE];
    wn_status status = picture_read(d->directory, t->winner->image, &png, err);
    if (status == WN_OK) /* decoded for its size, and so that no broken one goes on */
        status = png_decode(t->winner->image, png.data, png.size, &width_px, &height_px, &rgb, err);
    free(rgb);
    make_tag("winner", t->prompt_id, tag);
    if (status == WN_OK)
        event_picture(w->out, w->start, t->winner->ordinal, tag, width_px, height_px, &png);
    buffer_free(&png);
    return status;
}

wn_status export_events(const struct data *d, const struct numbers *n, double start, bool with_images,
                        struct buffer *out, wn_error *err)
{
    struct writer w = { out, start };
    static const char *const best_of_n[] = { "best_of_n", "best_of_n_low", "best_of_n_high" };
    static const char *const best_so_far[] = { "best_so_far", "best_so_far_low", "best_so_far_high" };
    uint64_t nfe = 0;
    event_begin(out, start);
    for (uint64_t i = 0; i < n->curve_count; i++) {
        const struct numbers_curve *c = &n->curves[i];
        const char *title = d->metrics[c->metric].title;
        write_curve(&w, best_of_n, title, c->best_of_count, c->best_of);
        write_curve(&w, best_so_far, title, c->against_nfe_count, c->against_nfe);
    }
    for (uint64_t i = 0; i < d->trial_count; nfe += d->trials[i++].nfe)
        write_trial(&w, d, &d->trials[i], nfe);
    for (uint64_t i = 0; i < d->trial_count && with_images; i++)
        if (d->trials[i].winner && d->trials[i].winner->image[0])
            WN_TRY(write_picture(&w, d, &d->trials[i], err));
    return WN_OK;
}
