/* webp.h - WebP pictures from memory, in builds with libwebp. [any] */
#ifndef WINNOW_BASE_WEBP_H
#define WINNOW_BASE_WEBP_H

#include <winnow/plugin.h>

#include <stdbool.h>

bool webp_is(const void *data, uint64_t bytes); /* by its signature */

/* Lossy and lossless as 8-bit RGB, alpha dropped; free() *rgb. Animations are refused. WN_E_UNSUPPORTED in a build
 * without libwebp. name is for messages. */
wn_status webp_decode(const char *name, const void *data, uint64_t bytes, uint32_t *width_px, uint32_t *height_px,
                      uint8_t **rgb, wn_error *err);

#endif
