/* image_file.h - pictures that people bring: PNG and JPEG, told apart by their content. [any] */
#ifndef WINNOW_BASE_IMAGE_FILE_H
#define WINNOW_BASE_IMAGE_FILE_H

#include <winnow/plugin.h>

/* Reads a picture of at most 16384 x 16384 px. image->rgb is ended by image_free. */
wn_status image_read(const char *path, wn_image *image, wn_error *err);
void image_free(wn_image *image);

#endif
