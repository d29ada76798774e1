/* vae_tiles.c - see vae_tiles.h. The arithmetic is that of whole pictures, in the same order: no bit differs. */
#include "vae_tiles.h"

static nn_layer conv_layer(const nn_scope *s, const char *leaf, uint64_t channels, uint64_t in)
{
    return scope_layer(s, leaf, channels, 9 * in);
}

static nn_t normed(const nn_scope *s, nn_t x, nn_t table)
{
    return nn_group_apply(s->g, x, table, WN_ACT_SILU);
}

/* ---- after upsampling ----------------------------------------------------------------------------------------- */

static nn_t upsampled_rows(const nn_scope *s, const struct upsampled *u, struct rows wanted)
{
    const struct rows read = vae_reads(&u->from, wanted, 2);
    return vae_conv_rows(s, u->layer, &u->from, vae_window(s, &u->from, u->from.x, read), read, wanted, 2, NULL);
}

static nn_t upsampled_table(const nn_scope *s, const nn_vae *c, const struct upsampled *u, const struct picture *p,
                            uint64_t in)
{
    const nn_t moments = vae_moments(s, c, p, in);
    for (uint64_t i = 0; i < vae_band_count(p); i++) {
        const struct rows band = vae_band(p, i);
        vae_measure(s, c, p, moments, upsampled_rows(s, u, band), band);
    }
    return vae_table(s, p, "norm1", moments, in);
}

/* h += x, or x through the shortcut. */
static void add_upsampled(const nn_scope *s, const struct upsampled *u, const struct picture *h, const char *shortcut)
{
    const uint64_t channels = nn_cols(s->g, h->x), in = nn_cols(s->g, u->from.x);
    const nn_layer l = in == channels ? (nn_layer){ 0 } : scope_layer(s, shortcut, channels, in);
    for (uint64_t i = 0; i < vae_band_count(h); i++) {
        const struct rows band = vae_band(h, i);
        const nn_t x = upsampled_rows(s, u, band), sum = vae_window(s, h, h->x, band);
        if (l.w)
            nn_linear(s->g, x, l.w, l.b, &(nn_epilogue){ .residual = sum, .into = sum });
        else
            nn_copy(s->g, nn_add(s->g, x, sum), sum);
    }
}

struct picture vae_tiled_first(const nn_scope *s, const nn_vae *c, const struct upsampled *u, uint64_t channels,
                               const char *shortcut)
{
    const uint64_t in = nn_cols(s->g, u->from.x);
    struct picture h = { 0, 2 * u->from.height, 2 * u->from.width, u->from.band };
    const nn_t table = upsampled_table(s, c, u, &h, in);
    const nn_layer conv1 = conv_layer(s, "conv1", channels, in);
    h.x = nn_temp(s->g, "hidden", h.height * h.width, channels, 0);
    for (uint64_t i = 0; i < vae_band_count(&h); i++) {
        const struct rows band = vae_band(&h, i), read = vae_reads(&h, band, 1);
        const nn_t x = normed(s, upsampled_rows(s, u, read), table);
        vae_conv_rows(s, conv1, &h, x, read, band, 1, &(nn_epilogue){ .into = vae_window(s, &h, h.x, band) });
    }
    vae_conv_normed(s, c, "norm2", "conv2", &h, 0, &h);
    add_upsampled(s, u, &h, shortcut);
    return h;
}

/* ---- in place ------------------------------------------------------------------------------------------------- */

struct block {
    const nn_scope *s;
    const struct picture *p;
    nn_layer conv1, conv2;
    nn_t table1, table2;
};

/* Rows of the first convolution; x holds rows `has` of p, normalised. */
static nn_t hidden_rows(const struct block *b, nn_t x, struct rows has, struct rows wanted)
{
    return vae_conv_rows(b->s, b->conv1, b->p, x, has, wanted, 1, NULL);
}

static nn_t normed_rows(const struct block *b, struct rows r)
{
    return normed(b->s, vae_window(b->s, b->p, b->p->x, r), b->table1);
}

static nn_t whole_table(const struct block *b, const nn_vae *c, const char *leaf, int is_hidden)
{
    const uint64_t channels = nn_cols(b->s->g, b->p->x);
    const nn_t moments = vae_moments(b->s, c, b->p, channels);
    for (uint64_t i = 0; i < vae_band_count(b->p); i++) {
        const struct rows band = vae_band(b->p, i), read = vae_reads(b->p, band, 1);
        const nn_t x =
            is_hidden ? hidden_rows(b, normed_rows(b, read), read, band) : vae_window(b->s, b->p, b->p->x, band);
        vae_measure(b->s, c, b->p, moments, x, band);
    }
    return vae_table(b->s, b->p, leaf, moments, channels);
}

/* p's rows of a band become the block's. x: normalised, one row more than `read` on both sides. */
static void replace_band(const struct block *b, nn_t x, struct rows band)
{
    const struct rows read = vae_reads(b->p, band, 1);
    const nn_t h = normed(b->s, hidden_rows(b, x, vae_reads(b->p, read, 1), read), b->table2);
    const nn_t place = vae_window(b->s, b->p, b->p->x, band);
    vae_conv_rows(b->s, b->conv2, b->p, h, read, band, 1, &(nn_epilogue){ .residual = place, .into = place });
}

/* A band is normalised before the one above is written: the rows between them are still p's. */
void vae_tiled_block(const nn_scope *s, const nn_vae *c, const struct picture *p)
{
    const uint64_t channels = nn_cols(s->g, p->x), bands = vae_band_count(p);
    struct block b = { .s = s,
                       .p = p,
                       .conv1 = conv_layer(s, "conv1", channels, channels),
                       .conv2 = conv_layer(s, "conv2", channels, channels) };
    b.table1 = whole_table(&b, c, "norm1", 0);
    b.table2 = whole_table(&b, c, "norm2", 1);
    nn_t next = 0;
    for (uint64_t i = 0; i <= bands; i++) {
        const nn_t x = next;
        if (i < bands)
            next = normed_rows(&b, vae_reads(p, vae_reads(p, vae_band(p, i), 1), 1));
        if (i > 0)
            replace_band(&b, x, vae_band(p, i - 1));
    }
}
