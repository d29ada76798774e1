/* A file's name says nothing reliable about its content, so the first bytes decide. PNG goes through libpng, JPEG
 * through stb_image with every other format compiled out. A JPEG decoder may differ from another by a unit or two in a
 * pixel. */
#include "base/image_file.h"

#include "base/buffer.h"
#include "base/png.h"

#include <stdlib.h>
#include <string.h>

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_JPEG
#define STBI_NO_STDIO
#define STBI_MAX_DIMENSIONS PNG_MAX_SIDE_PX
#pragma GCC diagnostic ignored "-Wunused-function" /* the formats that are compiled out stay declared */
#include <stb/stb_image.h>

enum { MAX_FILE_BYTES = 1 << 30 };

static wn_status read_jpeg(const char *path, const struct buffer *file, wn_image *image, uint8_t **rgb, wn_error *err)
{
    int width, height, channels;
    *rgb = stbi_load_from_memory((const uint8_t *)file->data, (int)file->size, &width, &height, &channels, 3);
    if (!*rgb)
        return wn_fail(err, WN_E_FORMAT, "%s: not a JPEG that can be read: %s", path, stbi_failure_reason());
    image->width_px = (uint32_t)width;
    image->height_px = (uint32_t)height;
    return WN_OK;
}

static wn_status decode(const char *path, const struct buffer *file, wn_image *image, uint8_t **rgb, wn_error *err)
{
    if (png_is(file->data, file->size))
        return png_decode(path, file->data, file->size, &image->width_px, &image->height_px, rgb, err);
    if (file->size >= 3 && memcmp(file->data, "\xff\xd8\xff", 3) == 0)
        return read_jpeg(path, file, image, rgb, err);
    return wn_fail(err, WN_E_FORMAT, "%s is neither a PNG nor a JPEG picture; convert it", path);
}

wn_status image_read(const char *path, wn_image *image, wn_error *err)
{
    struct buffer file = BUFFER_INIT(MAX_FILE_BYTES);
    uint8_t *rgb = NULL;
    wn_status status = buffer_read_file(&file, path, err);
    if (status == WN_OK)
        status = decode(path, &file, image, &rgb, err);
    buffer_free(&file);
    image->rgb = rgb;
    return status;
}

void image_free(wn_image *image)
{
    free((void *)(uintptr_t)image->rgb);
    image->rgb = NULL;
}
