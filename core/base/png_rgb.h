/* png_rgb.h - the pixels of the commonest kind of PNG, 8-bit RGB that is not interlaced, quickly. [any]
 *
 * Reads sound files only: every check sum right, the pixels all there and no byte more. What else a file may be, libpng
 * reads or refuses.
 */
#ifndef WINNOW_BASE_PNG_RGB_H
#define WINNOW_BASE_PNG_RGB_H

#include <stdbool.h>
#include <stdint.h>

/* data: the file, whose header says 8-bit RGB of width_px x height_px, at most 16384 a side, not interlaced. The
 * pixels, [height][width][3], to be freed; NULL when libpng has to try. */
uint8_t *png_read_rgb(const uint8_t *data, uint64_t bytes, uint32_t width_px, uint32_t height_px);

#endif
