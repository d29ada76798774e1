/* png_rgb.c - libpng as Debian builds it has no vector code, and its Paeth filter branches on noise: it takes twice as
 * long for a picture as this file, which does without branches.
 *
 * Each row is one byte that names its filter and the bytes' differences from a prediction: of a, the pixel to the left,
 * of b, the one above, of c, the one above that to the left, or of several; outside the picture all are 0. A row is
 * undone in place and moved to where it belongs in the picture, which is never behind what is still to be read.
 * Source: the PNG specification, section 9.
 */
#include "base/png_rgb.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { CHUNK_BYTES = 12, SIGNATURE_BYTES = 8 }; /* length, type and check sum around a chunk's data */

/* ---- chunks ---- */

static uint32_t big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* The chunk at `at`: false when it does not fit. */
static bool find_chunk(const uint8_t *data, uint64_t bytes, uint64_t at, bool *is_pixels, uint32_t *length)
{
    if (bytes - at < CHUNK_BYTES)
        return false;
    *length = big_endian(data + at);
    *is_pixels = memcmp(data + at + 4, "IDAT", 4) == 0;
    return *length <= bytes - at - CHUNK_BYTES;
}

/* Inflates the run of IDAT chunks. True when it is sound and exactly as long as the room. */
static bool inflate_chunks(z_stream *z, const uint8_t *data, uint64_t bytes)
{
    bool is_pixels, is_begun = false;
    uint32_t length;
    int code = Z_OK;
    for (uint64_t at = SIGNATURE_BYTES; code == Z_OK && find_chunk(data, bytes, at, &is_pixels, &length);
         at += length + (uint64_t)CHUNK_BYTES) {
        if (is_begun && !is_pixels)
            return false;
        if (!is_pixels)
            continue;
        is_begun = true;
        if (crc32_z(0, data + at + 4, length + (size_t)4) != big_endian(data + at + 8 + length))
            return false;
        z->next_in = (Bytef *)(uintptr_t)(data + at + 8); /* zlib forgot the const */
        z->avail_in = length;
        code = length ? inflate(z, Z_NO_FLUSH) : Z_OK;
    }
    return code == Z_STREAM_END && z->avail_in == 0 && z->avail_out == 0;
}

/* ---- filters ---- */

enum { NONE, SUB, UP, AVERAGE, PAETH, FILTERS };

/* Whichever of the three is nearest to a + b - c; a before b before c. */
static inline int paeth(int a, int b, int c)
{
    const int from_a = abs(b - c), from_b = abs(a - c), from_c = abs(a + b - 2 * c);
    const int best = from_b <= from_c ? b : c, least = from_b <= from_c ? from_b : from_c;
    return from_a <= least ? a : best;
}

/* from [bytes] -> to [bytes], with the row above; to may lie before from. bytes is a multiple of 3. */
static void undo_paeth(const uint8_t *from, const uint8_t *above, uint8_t *to, size_t bytes)
{
    int a[3] = { 0 }, c[3] = { 0 };
    for (size_t i = 0; i < bytes; i += 3)
        for (size_t k = 0; k < 3; k++) {
            const int b = above[i + k];
            to[i + k] = (uint8_t)(a[k] = (from[i + k] + paeth(a[k], b, c[k])) & 255);
            c[k] = b;
        }
}

static void undo_average(const uint8_t *from, const uint8_t *above, uint8_t *to, size_t bytes)
{
    int a[3] = { 0 };
    for (size_t i = 0; i < bytes; i += 3)
        for (size_t k = 0; k < 3; k++)
            to[i + k] = (uint8_t)(a[k] = (from[i + k] + (a[k] + above[i + k]) / 2) & 255);
}

static void undo(int filter, const uint8_t *from, const uint8_t *above, uint8_t *to, size_t bytes)
{
    switch (filter) {
    case SUB:
        memmove(to, from, bytes);
        for (size_t i = 3; i < bytes; i++)
            to[i] = (uint8_t)(to[i] + to[i - 3]);
        break;
    case UP:
        for (size_t i = 0; i < bytes; i++)
            to[i] = (uint8_t)(from[i] + above[i]);
        break;
    case AVERAGE:
        undo_average(from, above, to, bytes);
        break;
    case PAETH:
        undo_paeth(from, above, to, bytes);
        break;
    default:
        memmove(to, from, bytes);
    }
}

static bool undo_rows(uint8_t *rows, uint32_t width, uint32_t height)
{
    const size_t bytes = 3 * (size_t)width;
    uint8_t *nothing = calloc(bytes, 1);
    const uint8_t *above = nothing;
    bool is_sound = nothing != NULL;
    for (size_t y = 0; is_sound && y < height; y++) {
        const uint8_t *row = rows + y * (bytes + 1);
        is_sound = *row < FILTERS;
        undo(*row, row + 1, above, rows + y * bytes, bytes);
        above = rows + y * bytes;
    }
    free(nothing);
    return is_sound;
}

uint8_t *png_read_rgb(const uint8_t *data, uint64_t bytes, uint32_t width_px, uint32_t height_px)
{
    const size_t room = (3 * (size_t)width_px + 1) * height_px;
    z_stream z = { 0 };
    uint8_t *rows = room <= UINT32_MAX ? malloc(room) : NULL;
    if (!rows || inflateInit(&z) != Z_OK) {
        free(rows);
        return NULL;
    }
    z.next_out = rows;
    z.avail_out = (uInt)room;
    const bool is_sound = inflate_chunks(&z, data, bytes) && undo_rows(rows, width_px, height_px);
    inflateEnd(&z);
    if (is_sound)
        return rows;
    free(rows);
    return NULL;
}
