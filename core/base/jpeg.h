/* jpeg.h - JPEG pictures from memory, with the pixels that Pillow reads: both decode with libjpeg. [any] */
#ifndef WINNOW_BASE_JPEG_H
#define WINNOW_BASE_JPEG_H

#include <winnow/plugin.h>

#include <stdbool.h>

bool jpeg_is(const void *data, uint64_t bytes); /* by its first marker */

/* Baseline and progressive, color and gray, as 8-bit RGB; free() image's rgb. The orientation that a camera notes is
 * not applied, as in the published verifiers. CMYK has no RGB without a profile and is refused, like 12-bit samples and
 * files that are damaged or cut off. name is for messages. */
wn_status jpeg_decode(const char *name, const void *data, uint64_t bytes, uint32_t *width_px, uint32_t *height_px,
                      uint8_t **rgb, wn_error *err);

#endif
