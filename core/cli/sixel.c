/* sixel.c - a picture as sixels: the DEC terminals' graphics, six rows of one colour at a time.
 *
 * 216 colours, six of each primary; what a pixel loses by that its neighbours take over (Floyd & Steinberg 1976). */
#include "base/buffer.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { LEVELS = 6, COLOURS = LEVELS * LEVELS * LEVELS, BAND = 6 };

void sixel_encode(const wn_image *image, struct buffer *out);

static int32_t clamp(int32_t value)
{
    return value < 0 ? 0 : value > 255 ? 255 : value;
}

/* error [2][width + 2][3] in sixteenths: this row's and the next one's, with a column on either side. */
static uint8_t quantise(const uint8_t *rgb, int32_t *here, int32_t *below)
{
    int32_t index = 0;
    for (int c = 0; c < 3; c++) {
        const int32_t wanted = clamp(rgb[c] + (here[c] + 8) / 16);
        const int32_t level = (wanted * (LEVELS - 1) + 127) / 255, rest = wanted - level * 255 / (LEVELS - 1);
        here[3 + c] += 7 * rest;
        below[c - 3] += 3 * rest;
        below[c] += 5 * rest;
        below[c + 3] += rest;
        index = index * LEVELS + level;
    }
    return (uint8_t)index;
}

static void quantise_rows(const wn_image *image, uint8_t *index, int32_t *errors)
{
    const uint64_t width = image->width_px, row_errors = (width + 2) * 3;
    for (uint32_t y = 0; y < image->height_px; y++) {
        int32_t *here = errors + y % 2 * row_errors, *below = errors + (y + 1) % 2 * row_errors;
        memset(below, 0, row_errors * sizeof *below);
        for (uint64_t x = 0; x < width; x++)
            index[y * width + x] = quantise(image->rgb + (y * width + x) * 3, here + (x + 1) * 3, below + (x + 1) * 3);
    }
}

static void put_run(struct buffer *out, uint64_t count, char sixel)
{
    if (count > 3)
        buffer_printf(out, "!%llu%c", (unsigned long long)count, sixel);
    for (uint64_t i = 0; count <= 3 && i < count; i++)
        buffer_byte(out, sixel);
}

/* rows: of the band, at most 6. */
static void put_colour(struct buffer *out, const uint8_t *band, uint64_t width, uint32_t rows, uint32_t colour)
{
    uint64_t run = 0;
    char last = 0;
    buffer_printf(out, "#%u", colour);
    for (uint64_t x = 0; x < width; x++) {
        uint32_t bits = 0;
        for (uint32_t y = 0; y < rows; y++)
            bits |= (uint32_t)(band[y * width + x] == colour) << y;
        const char sixel = (char)(63 + bits);
        if (sixel != last)
            put_run(out, run, last), run = 0;
        last = sixel;
        run++;
    }
    put_run(out, run, last);
    buffer_byte(out, '$');
}

static void put_band(struct buffer *out, const uint8_t *band, uint64_t width, uint32_t rows)
{
    bool is_used[COLOURS] = { false };
    for (uint64_t i = 0; i < width * rows; i++)
        is_used[band[i]] = true;
    for (uint32_t colour = 0; colour < COLOURS; colour++)
        if (is_used[colour])
            put_colour(out, band, width, rows, colour);
    buffer_byte(out, '-');
}

static void put_palette(struct buffer *out)
{
    for (uint32_t i = 0; i < COLOURS; i++)
        buffer_printf(out, "#%u;2;%u;%u;%u", i, i / (LEVELS * LEVELS) * 100 / (LEVELS - 1),
                      i / LEVELS % LEVELS * 100 / (LEVELS - 1), i % LEVELS * 100 / (LEVELS - 1));
}

void sixel_encode(const wn_image *image, struct buffer *out)
{
    const uint64_t width = image->width_px;
    uint8_t *index = malloc(width * image->height_px);
    int32_t *errors = calloc(2 * (width + 2) * 3, sizeof *errors);
    if (!index || !errors) {
        out->failed = WN_E_MEMORY;
    } else {
        quantise_rows(image, index, errors);
        buffer_printf(out, "\x1bP0;1;0q\"1;1;%u;%u", image->width_px, image->height_px);
        put_palette(out);
        for (uint32_t y = 0; y < image->height_px; y += BAND)
            put_band(out, index + y * width, width, image->height_px - y < BAND ? image->height_px - y : BAND);
        buffer_text(out, "\x1b\\");
    }
    free(index);
    free(errors);
}
