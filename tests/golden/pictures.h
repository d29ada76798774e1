/* pictures.h - the pictures that verifiers are tested with: files of odd sizes (make_clip.py) and a single pixel. */
#ifndef WINNOW_TESTS_GOLDEN_PICTURES_H
#define WINNOW_TESTS_GOLDEN_PICTURES_H

#include "base/image_file.h"
#include "check.h"

enum { PICTURES = 5 };

/* Links winnow-core. The pixels live as long as the process. */
static inline void pictures_read(wn_image image[PICTURES])
{
    static const char *const names[] = { "37x53", "64x31", "8x8", "200x111" };
    static const uint8_t pixel[3] = { 200, 30, 90 };
    char path[4096];
    wn_error err;
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/tests/golden/models/picture_%s.png", WINNOW_SOURCE_DIR, names[i]);
        CHECK_OK(image_read(path, &image[i], &err), err);
    }
    image[4] = (wn_image){ 1, 1, pixel };
}

static inline void pictures_free(wn_image image[PICTURES])
{
    for (int i = 0; i < 4; i++)
        image_free(&image[i]);
}

#endif
