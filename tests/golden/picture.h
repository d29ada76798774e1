/* picture.h - the small pictures of tests/golden/models. Needs libpng. */
#ifndef WINNOW_TESTS_GOLDEN_PICTURE_H
#define WINNOW_TESTS_GOLDEN_PICTURE_H

#include "check.h"
#include "tiny.h"

#include <png.h>

/* name: of its size, "37x53". The pixels live as long as the process. */
static wn_image picture_read(const char *name)
{
    char path[4096];
    png_image png = { .version = PNG_IMAGE_VERSION };
    snprintf(path, sizeof path, "%s/tests/golden/models/picture_%s.png", WINNOW_SOURCE_DIR, name);
    CHECK(png_image_begin_read_from_file(&png, path));
    png.format = PNG_FORMAT_RGB;
    uint8_t *rgb = tiny_alloc(PNG_IMAGE_SIZE(png), 1);
    CHECK(png_image_finish_read(&png, NULL, rgb, 0, NULL));
    return (wn_image){ png.width, png.height, rgb };
}

#endif
