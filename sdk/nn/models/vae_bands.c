/* vae_bands.c - see vae_bands.h. A band of a 3 x 3 convolution reads one row more on both sides; at the picture's edges
 * the rows that are there are taken from the other side, so that all bands have one shape, and one kernel.
 */
#include "vae_bands.h"

/* Positions of a band: enough to fill a device, and few beside the picture. Values of a chunk of statistics. */
enum { SMALLEST_ROWS = 4, BANDS = 8, SMALLEST_BAND = 16384, LARGEST_BAND = 65536, CHUNK = 32768 };

const float vae_eps = 1e-6f;

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

uint64_t vae_band_count(const struct picture *p)
{
    return ceil_div(p->height, band_rows(p));
}

struct rows vae_band(const struct picture *p, uint64_t index)
{
    const uint64_t rows = band_rows(p);
    return (struct rows){ index * rows, smaller(rows, p->height - index * rows) };
}

struct rows vae_reads(const struct picture *p, struct rows wanted, uint64_t upsample)
{
    const uint64_t most = upsample == 1 ? wanted.count + 2 : (wanted.count + 3) / 2 + 1;
    const uint64_t count = smaller(most, p->height), first = wanted.first ? (wanted.first - 1) / upsample : 0;
    return (struct rows){ smaller(first, p->height - count), count };
}

nn_t vae_window(const nn_scope *s, const struct picture *p, nn_t x, struct rows r)
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

nn_t vae_moments(const nn_scope *s, const nn_vae *c, const struct picture *p, uint64_t channels)
{
    return nn_temp(s->g, "moments", p->height * p->width / chunk_of(p->width, channels), 2 * c->groups, 0);
}

void vae_measure(const nn_scope *s, const nn_vae *c, const struct picture *p, nn_t moments, nn_t x, struct rows r)
{
    const uint64_t chunk = chunk_of(p->width, nn_cols(s->g, x)), each = p->width / chunk;
    nn_group_moments(s->g, x, c->groups, chunk,
                     nn_window(s->g, moments, r.first * each, r.count * each, 0, 2 * c->groups));
}

nn_t vae_table(const nn_scope *s, const struct picture *p, const char *leaf, nn_t moments, uint64_t channels)
{
    const nn_layer l = vae_norm_layer(s, leaf, channels);
    return nn_group_table(s->g, moments, l.w, l.b, channels, chunk_of(p->width, channels), vae_eps);
}

static nn_t table_of(const nn_scope *s, const nn_vae *c, const char *leaf, const struct picture *p)
{
    const uint64_t channels = nn_cols(s->g, p->x);
    const nn_t moments = vae_moments(s, c, p, channels);
    vae_measure(s, c, p, moments, p->x, (struct rows){ 0, p->height });
    return vae_table(s, p, leaf, moments, channels);
}

/* ---- convolutions --------------------------------------------------------------------------------------------- */

nn_t vae_conv_rows(const nn_scope *s, nn_layer l, const struct picture *p, nn_t x, struct rows has, struct rows wanted,
                   uint64_t upsample, const nn_epilogue *e)
{
    const nn_conv_shape shape = { .height = has.count,
                                  .width = p->width,
                                  .kernel = 3,
                                  .stride = 1,
                                  .pad_before = 1,
                                  .pad_after = 1,
                                  .upsample = upsample,
                                  .first = wanted.first - upsample * has.first,
                                  .rows = wanted.count };
    return nn_conv(s->g, x, l.w, l.b, &shape, e);
}

/* Where `to` is p, a band is normalised before the one above is written: the row between them is still p's. */
void vae_conv_normed(const nn_scope *s, const nn_vae *c, const char *norm, const char *conv, const struct picture *p,
                     nn_t residual, const struct picture *to)
{
    const nn_layer l = scope_layer(s, conv, nn_cols(s->g, to->x), 9 * nn_cols(s->g, p->x));
    const nn_t table = table_of(s, c, norm, p);
    const uint64_t bands = vae_band_count(p), ahead = to->x == p->x ? 1 : 0;
    nn_t normed[2] = { 0, 0 };
    for (uint64_t i = 0; i < bands + ahead; i++) {
        if (i < bands) {
            const struct rows read = vae_reads(p, vae_band(p, i), 1);
            normed[i % 2] = nn_group_apply(s->g, vae_window(s, p, p->x, read), table, WN_ACT_SILU);
        }
        if (i < ahead)
            continue;
        const struct rows band = vae_band(p, i - ahead);
        const nn_epilogue e = { .residual = residual ? vae_window(s, to, residual, band) : 0,
                                .into = vae_window(s, to, to->x, band) };
        vae_conv_rows(s, l, p, normed[(i - ahead) % 2], vae_reads(p, band, 1), band, 1, &e);
    }
}

void vae_add_shortcut(const nn_scope *s, const char *leaf, const struct picture *p, const struct picture *to)
{
    const nn_layer l = scope_layer(s, leaf, nn_cols(s->g, to->x), nn_cols(s->g, p->x));
    for (uint64_t i = 0; i < vae_band_count(p); i++) {
        const struct rows band = vae_band(p, i);
        const nn_t sum = vae_window(s, to, to->x, band);
        nn_linear(s->g, vae_window(s, p, p->x, band), l.w, l.b, &(nn_epilogue){ .residual = sum, .into = sum });
    }
}
