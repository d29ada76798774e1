/* png.h - PNG pictures with text in them, to and from memory.
 *
 * Equal input gives equal bytes (with the same libdeflate): no time stamps. [any] throughout. */
#ifndef WINNOW_BASE_PNG_H
#define WINNOW_BASE_PNG_H

#include "base/buffer.h"

#include <stdbool.h>

enum { PNG_MAX_SIDE_PX = 16384, PNG_MAX_TEXT_BYTES = 8 << 20 };

/* One text chunk, UTF-8 here. Written as tEXt (Latin-1) where that holds all its characters and !is_utf8, else as iTXt.
 */
struct png_text {
    const char *key; /* 1..79 bytes of printable ASCII */
    const char *value;
    bool is_utf8; /* iTXt whatever the value: for JSON, which readers expect in UTF-8 */
};

/* Appends the file to out. */
wn_status png_encode(const wn_image *image, const struct png_text *texts, uint64_t text_count, struct buffer *out,
                     wn_error *err);

bool png_is(const void *data, uint64_t bytes); /* by its signature */

/* Every kind of PNG as 8-bit RGB, as Pillow's convert("RGB") has it: palettes and grays expanded, 16 bits cut to their
 * high byte, alpha dropped. free() *rgb. name is for messages. */
wn_status png_decode(const char *name, const void *data, uint64_t bytes, uint32_t *width_px, uint32_t *height_px,
                     uint8_t **rgb, wn_error *err);

/* Calls each(arg, key, value) for the text chunks before the pixels, in the file's order, values as UTF-8. */
wn_status png_read_texts(const char *name, const void *data, uint64_t bytes,
                         void (*each)(void *arg, const char *key, const char *value), void *arg, wn_error *err);

#endif
