/* html.c - prompts come from strangers and lineages from plugins: nothing of theirs reaches the page as markup.
 */
#include "report/html.h"

#include "base/png.h"
#include "base/utf8.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 256 << 20 };

/* The code point of a well-formed character. */
static uint32_t decode(const char *at, uint64_t length)
{
    uint32_t code = (unsigned char)at[0];

    if (length > 1)
        code &= 0x7fu >> length;
    for (uint64_t i = 1; i < length; i++)
        code = code << 6 | ((unsigned char)at[i] & 0x3fu);
    return code;
}

/* Controls but tab and newline; marks that turn the writing direction; characters without width. */
static bool is_deceptive(uint32_t c)
{
    return (c < 0x20 && c != '\t' && c != '\n') || (c >= 0x7f && c < 0xa0) || c == 0x61c ||
           (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) ||
           c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe007f);
}

static const char *entity_of(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

void html_text(struct buffer *out, const char *text)
{
    uint64_t left = strlen(text), length;

    for (; left > 0; text += length, left -= length) {
        const char *entity = entity_of(*text);
        length = utf8_length(text, left);
        if (length == 0) {
            length = 1;
            buffer_text(out, "\xef\xbf\xbd");
        } else if (is_deceptive(decode(text, length))) {
            buffer_printf(out, "[U+%04X]", (unsigned)decode(text, length));
        } else if (entity) {
            buffer_text(out, entity);
        } else {
            buffer_append(out, text, length);
        }
    }
}

void html_base64(struct buffer *out, const void *data, uint64_t bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = data;

    for (uint64_t i = 0; i < bytes; i += 3) {
        uint32_t group =
            (uint32_t)p[i] << 16 | (i + 1 < bytes ? (uint32_t)p[i + 1] << 8 : 0) | (i + 2 < bytes ? p[i + 2] : 0);
        char quad[4] = { digits[group >> 18], digits[group >> 12 & 63], digits[group >> 6 & 63], digits[group & 63] };
        if (i + 2 >= bytes)
            quad[3] = '=';
        if (i + 1 >= bytes)
            quad[2] = '=';
        buffer_append(out, quad, 4);
    }
}

/* The mean of each factor x factor block; rgb is overwritten by the smaller picture. */
static void shrink(uint8_t *rgb, uint32_t width, uint32_t small_width, uint32_t small_height, uint32_t factor)
{
    for (size_t y = 0; y < small_height; y++)
        for (size_t x = 0; x < small_width; x++)
            for (size_t c = 0; c < 3; c++) {
                uint64_t sum = 0;
                for (size_t k = 0; k < (size_t)factor * factor; k++)
                    sum += rgb[((y * factor + k / factor) * width + x * factor + k % factor) * 3 + c];
                rgb[(y * small_width + x) * 3 + c] = (uint8_t)((sum + factor * factor / 2) / (factor * factor));
            }
}

/* file: replaced by a PNG of at most `most_px` a side when its picture is larger, or when it shall be bare of text */
static wn_status fit(const char *path, struct buffer *file, uint32_t most_px, bool is_bare, struct html_picture *p,
                     wn_error *err)
{
    uint8_t *rgb = NULL;
    uint32_t longer, factor;
    wn_image small;
    wn_status status;

    WN_TRY(png_decode(path, file->data, file->size, &p->width_px, &p->height_px, &rgb, err));
    longer = p->width_px > p->height_px ? p->width_px : p->height_px;
    factor = (longer + most_px - 1) / most_px;
    small = (wn_image){ p->width_px / factor, p->height_px / factor, rgb };
    if ((factor < 2 && !is_bare) || small.width_px == 0 || small.height_px == 0) {
        free(rgb);
        return WN_OK;
    }
    if (factor > 1)
        shrink(rgb, p->width_px, small.width_px, small.height_px, factor);
    buffer_clear(file);
    status = png_encode(&small, NULL, 0, file, err);
    free(rgb);
    return status;
}

static wn_status embed(struct buffer *out, const char *path, uint32_t most_px, bool is_bare,
                       struct html_picture *picture, wn_error *err)
{
    struct buffer file = BUFFER_INIT(FILE_MAX);
    wn_status status = buffer_read_file(&file, path, err);

    if (status == WN_OK)
        status = fit(path, &file, most_px, is_bare, picture, err);
    if (status == WN_OK) {
        buffer_text(out, "data:image/png;base64,");
        html_base64(out, file.data, file.size);
    }
    buffer_free(&file);
    return status;
}

wn_status html_picture(struct buffer *out, const char *path, struct html_picture *picture, wn_error *err)
{
    return embed(out, path, HTML_WIDE_PX, false, picture, err);
}

wn_status html_thumbnail(struct buffer *out, const char *path, uint32_t most_px, wn_error *err)
{
    struct html_picture picture;

    return embed(out, path, most_px, true, &picture, err);
}
