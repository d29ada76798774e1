/* Fields are hashed one after another, each behind its length, numbers as little-endian bytes: no two different
 * candidates can give the hash the same bytes. */
#include "engine/identity.h"

#include "base/sha256.h"

#include <string.h>

static void add_u64(struct sha256 *h, uint64_t value)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    sha256_add(h, bytes, sizeof bytes);
}

static void add_bytes(struct sha256 *h, const void *data, uint64_t bytes)
{
    add_u64(h, bytes);
    sha256_add(h, data, bytes);
}

static void add_text(struct sha256 *h, const char *text)
{
    add_bytes(h, text ? text : "", text ? strlen(text) : 0);
}

static void add_number(struct sha256 *h, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    add_u64(h, bits);
}

static struct identity finish(struct sha256 *h)
{
    char hex[65];
    struct identity id;
    sha256_hex(h, hex);
    memcpy(id.text, hex, IDENTITY_DIGITS);
    id.text[IDENTITY_DIGITS] = '\0';
    return id;
}

/* ---- options --------------------------------------------------------------------------------------------------- */

static void add_option(struct sha256 *h, const wn_option *o, const void *values)
{
    const char *at = (const char *)values + o->offset;
    const char *text;
    int32_t is_set;
    add_text(h, o->name);
    switch (o->type) {
    case WN_OPTION_BOOL:
        memcpy(&is_set, at, sizeof is_set);
        add_u64(h, is_set != 0);
        break;
    case WN_OPTION_INT:
    case WN_OPTION_U64:
    case WN_OPTION_NUMBER:
        add_bytes(h, at, 8);
        break;
    default:
        memcpy(&text, at, sizeof text);
        add_text(h, text);
    }
}

struct identity identity_context(const struct spec *spec, const char *model_key, const wn_option *canvas_options,
                                 const float *sigma, const char *prompt)
{
    const wn_canvas *canvas = &spec->canvas;
    struct sha256 h;
    sha256_init(&h);
    add_text(&h, model_key);
    add_u64(&h, canvas->width_px);
    add_u64(&h, canvas->height_px);
    add_u64(&h, canvas->steps);
    for (const wn_option *o = canvas_options; o && o->name && canvas->extra; o++)
        add_option(&h, o, canvas->extra);
    add_bytes(&h, sigma, ((uint64_t)canvas->steps + 1) * sizeof *sigma);
    add_text(&h, prompt);
    add_u64(&h, (uint64_t)spec->solver);
    if (spec->start_image)
        add_text(&h, spec->start_sha256);
    return finish(&h);
}

/* ---- candidates ------------------------------------------------------------------------------------------------ */

struct identity identity_noise(const float *noise, uint64_t values)
{
    struct sha256 h;
    sha256_init(&h);
    add_bytes(&h, noise, values * sizeof *noise);
    return finish(&h);
}

static void add_move(struct sha256 *h, const struct noise_source *source, const struct move *m)
{
    add_u64(h, (uint64_t)m->kind);
    add_u64(h, m->point);
    if (m->kind == MOVE_ADVANCE)
        return;
    add_u64(h, m->stream);
    add_u64(h, (uint64_t)source->mode);
    add_u64(h, source->seed);
    add_u64(h, source->aux_seed);
    if (m->kind == MOVE_RENOISE)
        return;
    add_u64(h, (uint64_t)m->kernel.kind);
    add_number(h, m->kernel.scale);
}

struct identity identity_candidate(const struct identity *context, const struct identity *noise,
                                   const struct noise_source *source, uint32_t move_count, const struct move *moves)
{
    struct sha256 h;
    sha256_init(&h);
    sha256_add(&h, context->text, IDENTITY_DIGITS);
    sha256_add(&h, noise->text, IDENTITY_DIGITS);
    for (uint32_t i = 0; i < move_count; i++)
        add_move(&h, source, &moves[i]);
    return finish(&h);
}
