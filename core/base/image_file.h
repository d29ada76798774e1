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

/* One of several pictures to read: path is given, the others are what image_read gives. */
struct image_job {
    const char *path;
    wn_image image;
    wn_status status;
    wn_error err; /* where status is not WN_OK */
};

struct pool;

/* Reads all at once, each on one thread of the pool: decoding takes as long as a small model needs for the picture. */
void image_read_all(struct pool *pool, uint64_t count, struct image_job *jobs);

#endif
