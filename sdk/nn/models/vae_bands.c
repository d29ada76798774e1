/* vae_bands.c - see vae_bands.h. A band of a 3 x 3 convolution reads one row more on both sides; at the picture's edges
 * the rows that are there are taken from the other side, so that all bands have one shape, and one kernel.
 */
#include "vae_bands.h"

/* Positions of a band: enough to fill a device, and few beside the picture. Values of a chunk of statistics. */
enum { SMALLEST_ROWS = 4, BANDS = 8, SMALLEST_BAND = 16384, LARGEST_BAND = 65536, CHUNK = 32768 };

const float vae_eps = 1e-6f;

/* Rows of a picture. */
struct rows {
    uint64_t first, count;
};

static uint64_t ceil_div(uint64_t n, uint64_t by)
{
    return (n + by - 1) / by;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* ---- bands ---------------------------------------------------------------------------------------------------- */

static uint64_t band_rows(const struct picture *p)
{
    const uint64_t positions = p->height * p->width, share = ceil_div(positions, BANDS);
    const uint64_t usual = share < SMALLEST_BAND ? SMALLEST_BAND : smaller(share, LARGEST_BAND);
    const uint64_t rows = ceil_div(p->height, ceil_div(positions, p->band ? p->band : usual));
    return rows < SMALLEST_ROWS ? SMALLEST_ROWS : rows;
}

static uint64_t band_count(const struct picture *p)
{
    return ceil_div(p->height, band_rows(p));
}

static struct rows band_of(const struct picture *p, uint64_t index)
{
    const uint64_t rows = band_rows(p);
    return (struct rows){ index * rows, smaller(rows, p->height - index * rows) };
}

/* What a convolution reads for them. */
static struct rows with_neighbours(const struct picture *p, struct rows band)
{
    const uint64_t count = smaller(band.count + 2, p->height), first = band.first ? band.first - 1 : 0;
    return (struct rows){ smaller(first, p->height - count), count };
}

static nn_t window(const nn_scope *s, const struct picture *p, nn_t x, struct rows r)
{
    return nn_window(s->g, x, r.first * p->width, r.count * p->width, 0, nn_cols(s->g, x));
}

/* ---- norms ---------------------------------------------------------------------------------------------------- */

nn_layer vae_norm_layer(const nn_scope *s, const char *leaf, uint64_t n)
{
    return (nn_layer){ .w = nn_weight(s->g, s->w, 1, n, "%s%s.weight", s->prefix, leaf),
                       .b = nn_weight(s->g, s->w, 1, n, "%s%s.bias", s->prefix, leaf) };
}

/* Positions of a chunk of statistics: a row of the picture, or an even part of it. */
static uint64_t chunk_of(uint64_t width, uint64_t channels)
{
    while (width % 2 == 0 && width * channels > CHUNK)
        width /= 2;
    return width;
}

static nn_t table_of(const nn_scope *s, const nn_vae *c, const char *leaf, const struct picture *p)
{
    const uint64_t channels = nn_cols(s->g, p->x), chunk = chunk_of(p->width, channels);
    const nn_layer l = vae_norm_layer(s, leaf, channels);
    const nn_t moments = nn_temp(s->g, "moments", p->height * p->width / chunk, 2 * c->groups, 0);
    nn_group_moments(s->g, p->x, c->groups, chunk, moments);
    return nn_group_table(s->g, moments, l.w, l.b, channels, chunk, vae_eps);
}

/* ---- convolutions --------------------------------------------------------------------------------------------- */

struct conv {
    const nn_scope *s;
    const struct picture *p, *to;
    nn_layer layer;
    nn_t table, residual;
};

static nn_t normed_band(const struct conv *c, uint64_t index)
{
    const struct rows read = with_neighbours(c->p, band_of(c->p, index));
    return nn_group_apply(c->s->g, window(c->s, c->p, c->p->x, read), c->table, WN_ACT_SILU);
}

static void conv_band(const struct conv *c, nn_t x, uint64_t index)
{
    const struct rows band = band_of(c->p, index), read = with_neighbours(c->p, band);
    const nn_conv_shape shape = { .height = read.count,
                                  .width = c->p->width,
                                  .kernel = 3,
                                  .stride = 1,
                                  .pad_before = 1,
                                  .pad_after = 1,
                                  .upsample = 1,
                                  .first = band.first - read.first,
                                  .rows = band.count };
    const nn_epilogue e = { .residual = c->residual ? window(c->s, c->to, c->residual, band) : 0,
                            .into = window(c->s, c->to, c->to->x, band) };
    nn_conv(c->s->g, x, c->layer.w, c->layer.b, &shape, &e);
}

/* Where `to` is p, a band is normalised before the one above is written: the row between them is still p's. */
void vae_conv_normed(const nn_scope *s, const nn_vae *c, const char *norm, const char *conv, const struct picture *p,
                     nn_t residual, const struct picture *to)
{
    const uint64_t bands = band_count(p), channels = nn_cols(s->g, to->x), in = nn_cols(s->g, p->x);
    const struct conv k = { .s = s,
                            .p = p,
                            .to = to,
                            .layer = scope_layer(s, conv, channels, 9 * in),
                            .table = table_of(s, c, norm, p),
                            .residual = residual };
    nn_t next = 0;
    for (uint64_t i = 0; i < bands; i++) {
        const nn_t x = next ? next : normed_band(&k, i);
        next = to->x == p->x && i + 1 < bands ? normed_band(&k, i + 1) : 0;
        conv_band(&k, x, i);
    }
}

void vae_add_shortcut(const nn_scope *s, const char *leaf, const struct picture *p, const struct picture *to)
{
    const nn_layer l = scope_layer(s, leaf, nn_cols(s->g, to->x), nn_cols(s->g, p->x));
    for (uint64_t i = 0; i < band_count(p); i++) {
        const struct rows band = band_of(p, i);
        const nn_t sum = window(s, to, to->x, band);
        nn_linear(s->g, window(s, p, p->x, band), l.w, l.b, &(nn_epilogue){ .residual = sum, .into = sum });
    }
}
