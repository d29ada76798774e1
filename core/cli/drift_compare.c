/* drift_compare.c - what the first side made waits in a nameless file, and what the second makes of the same noise is
 * compared with it; see drift_maker.h. */
#include "cli/drift_maker.h"

#include "base/image_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint64_t image_bytes(const struct maker *m)
{
    const wn_canvas *canvas = &m->plan->spec->canvas;
    return (uint64_t)canvas->width_px * canvas->height_px * 3;
}

static wn_status make_room(struct maker *m, uint64_t values, wn_error *err)
{
    if (m->spill)
        return WN_OK;
    m->values = values;
    m->floats = calloc(values, 2 * sizeof *m->floats);
    m->rgb = malloc(image_bytes(m));
    if (!m->floats || !m->rgb)
        return wn_fail(err, WN_E_MEMORY, "no memory for a latent of %llu values", (unsigned long long)values);
    return spill_create(m->plan->directory, 2 * values * sizeof *m->floats + image_bytes(m), &m->spill, err);
}

enum { PARTS = 2 };

/* What is set aside of a candidate: noise and latent, and its picture. */
static void parts_of(const struct maker *m, struct spill_part parts[PARTS])
{
    parts[0] = (struct spill_part){ m->floats, 2 * m->values * sizeof *m->floats };
    parts[1] = (struct spill_part){ m->rgb, image_bytes(m) };
}

static wn_status set_aside(struct maker *m, uint64_t pair, const struct replay_result *made, wn_error *err)
{
    struct spill_part parts[PARTS];
    WN_TRY(make_room(m, made->values, err));
    memcpy(m->floats, made->noise, m->values * sizeof *m->floats);
    memcpy(m->floats + m->values, made->latent, m->values * sizeof *m->floats);
    memcpy(m->rgb, made->image.rgb, image_bytes(m));
    parts_of(m, parts);
    return spill_put(m->spill, PARTS, parts, &m->place[pair], err);
}

static wn_status fetch(const struct maker *m, uint64_t pair, wn_error *err)
{
    struct spill_part parts[PARTS];
    parts_of(m, parts);
    return spill_get(m->spill, m->place[pair], PARTS, parts, err);
}

static void compare_latents(const struct maker *m, struct drift_pair *p, const float *b)
{
    const float *a = m->floats + m->values;
    double size = 0, difference = 0;
    for (uint64_t i = 0; i < m->values; i++) {
        const double d = (double)b[i] - (double)a[i];
        size += (double)a[i] * (double)a[i];
        difference += d * d;
        p->latent_most = fabs(d) > p->latent_most ? fabs(d) : p->latent_most;
    }
    p->latent_share = difference > 0 ? sqrt(difference / size) : 0;
}

static void compare_pixels(const struct maker *m, struct drift_pair *p, const uint8_t *b)
{
    const uint64_t bytes = image_bytes(m);
    uint64_t squares = 0;
    int most = 0;
    for (uint64_t i = 0; i < bytes; i++) {
        const int d = abs(b[i] - m->rgb[i]);
        squares += (uint64_t)(d * d);
        most = d > most ? d : most;
    }
    p->square = (double)squares / (double)bytes;
    p->pixel_most = most;
}

static wn_status keep_worst(struct maker *m, uint64_t pair, const uint8_t *b, wn_error *err)
{
    struct drift *d = m->drift;
    const wn_canvas *canvas = &m->plan->spec->canvas;
    const uint8_t *const from[2] = { m->rgb, b };
    if (d->worst_side[0].rgb && !(d->pairs[pair].square > m->worst))
        return WN_OK;
    m->worst = d->pairs[pair].square;
    d->worst = pair;
    for (int side = 0; side < 2; side++) {
        uint8_t *rgb = malloc(image_bytes(m));
        if (!rgb)
            return wn_fail(err, WN_E_MEMORY, "no memory for a picture");
        memcpy(rgb, from[side], image_bytes(m));
        image_free(&d->worst_side[side]);
        d->worst_side[side] = (wn_image){ canvas->width_px, canvas->height_px, rgb };
    }
    return WN_OK;
}

/* A difference from what is not a number would read as none. */
static wn_status check_latent(const struct maker *m, uint64_t pair, const struct replay_result *made, wn_error *err)
{
    for (uint64_t i = 0; i < made->values; i++)
        if (!isfinite(made->latent[i]))
            return wn_fail(err, WN_E_INTERNAL,
                           "candidate %s on side %c (%s): value %llu of its latent is %g; a dtype of more range is "
                           "needed there, bf16 or f32",
                           drift_pair_at(m, pair)->candidate.id, 'A' + m->side, m->drift->side[m->side].name,
                           (unsigned long long)i, (double)made->latent[i]);
    return WN_OK;
}

wn_status drift_take(struct maker *m, uint64_t pair, const struct replay_result *made, wn_error *err)
{
    struct drift_pair *p = &m->drift->pairs[pair];
    WN_TRY(check_latent(m, pair, made, err));
    if (m->side == 0)
        return set_aside(m, pair, made, err);
    WN_TRY(fetch(m, pair, err));
    compare_latents(m, p, made->latent);
    compare_pixels(m, p, made->image.rgb);
    return keep_worst(m, pair, made->image.rgb, err);
}

wn_status drift_noise(const struct maker *m, uint64_t pair, float **noise, wn_error *err)
{
    const uint64_t bytes = m->values * sizeof **noise;
    WN_TRY(fetch(m, pair, err));
    *noise = malloc(bytes);
    if (!*noise)
        return wn_fail(err, WN_E_MEMORY, "no memory for a noise of %llu values", (unsigned long long)m->values);
    memcpy(*noise, m->floats, bytes);
    return WN_OK;
}
