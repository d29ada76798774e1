/* image_file.h - pictures that people bring: PNG, JPEG and, in builds with libwebp, WebP. [any]
 *
 * The content decides what a file is, not its name. All become 8-bit RGB with the pixels of Pillow's convert("RGB"):
 *
 *   gray, palette, 1 to 4 bits    expanded
 *   16 bits (PNG)                 the high byte, of grays too, which Pillow clips at 255
 *   alpha                         dropped, not blended
 *   color profiles, gamma         not applied
 *   orientation (EXIF)            not applied: turn the picture before
 *   CMYK and 12-bit JPEG          refused
 *   animated WebP                 refused
 *   damaged or cut off            refused
 */
#ifndef WINNOW_BASE_IMAGE_FILE_H
#define WINNOW_BASE_IMAGE_FILE_H

#include <winnow/plugin.h>

/* Reads a picture of at most 16384 x 16384 px. image->rgb is ended by image_free. */
wn_status image_read(const char *path, wn_image *image, wn_error *err);
void image_free(wn_image *image);

#endif
