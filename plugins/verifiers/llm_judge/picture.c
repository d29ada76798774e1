/* picture.c - PNG rather than JPEG: the judge sees what the search made, not what a codec made of it. */
#include "picture.h"

#include <image/resize.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>

static const char uri_head[] = "data:image/png;base64,";

static void write_base64(const uint8_t *data, size_t bytes, char *to)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < bytes; i += 3) {
        const size_t n = bytes - i < 3 ? bytes - i : 3;
        const uint32_t group =
            (uint32_t)data[i] << 16 | (n > 1 ? (uint32_t)data[i + 1] << 8 : 0) | (n > 2 ? (uint32_t)data[i + 2] : 0);
        for (size_t k = 0; k < 4; k++)
            *to++ = k <= n ? digits[group >> (18 - 6 * k) & 63] : '=';
    }
    *to = '\0';
}

/* The image as PNG; free() it. */
static wn_status pack(const wn_image *image, uint8_t **png, size_t *bytes, wn_error *err)
{
    png_image head = {
        .version = PNG_IMAGE_VERSION, .width = image->width_px, .height = image->height_px, .format = PNG_FORMAT_RGB
    };
    png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(head);
    *png = malloc(size);
    if (!*png)
        return wn_fail(err, WN_E_MEMORY, "no memory for a PNG of %zu bytes", (size_t)size);
    if (!png_image_write_to_memory(&head, *png, &size, 0, image->rgb, 0, NULL)) {
        free(*png);
        *png = NULL;
        return wn_fail(err, WN_E_MEMORY, "cannot pack %u x %u pixels as PNG: %s", image->width_px, image->height_px,
                       head.message);
    }
    *bytes = size;
    return WN_OK;
}

static wn_status write_uri(const wn_image *image, char **uri, wn_error *err)
{
    uint8_t *png;
    size_t bytes = 0;
    WN_TRY(pack(image, &png, &bytes, err));
    *uri = malloc(sizeof uri_head + (bytes + 2) / 3 * 4);
    if (*uri) {
        memcpy(*uri, uri_head, sizeof uri_head - 1);
        write_base64(png, bytes, *uri + sizeof uri_head - 1);
    }
    free(png);
    return *uri ? WN_OK : wn_fail(err, WN_E_MEMORY, "no memory for an image of %zu bytes", bytes);
}

static uint32_t scaled(uint32_t side, uint32_t longest, int64_t max_side)
{
    const uint64_t px = ((uint64_t)side * (uint64_t)max_side + longest / 2) / longest;
    return px ? (uint32_t)px : 1;
}

wn_status picture_data_uri(const wn_image *image, int64_t max_side_px, char **uri, wn_error *err)
{
    const uint32_t longest = image->width_px > image->height_px ? image->width_px : image->height_px;
    if (max_side_px == 0 || longest <= max_side_px)
        return write_uri(image, uri, err);
    const uint32_t width = scaled(image->width_px, longest, max_side_px);
    const uint32_t height = scaled(image->height_px, longest, max_side_px);
    uint8_t *rgb = malloc((size_t)width * height * 3);
    if (!rgb)
        return wn_fail(err, WN_E_MEMORY, "no memory for %u x %u pixels", width, height);
    wn_status status = nn_resize_rgb8(image, NN_FILTER_LANCZOS, width, height, rgb, err);
    if (status == WN_OK)
        status = write_uri(&(wn_image){ width, height, rgb }, uri, err);
    free(rgb);
    return status;
}

const char *picture_base64(const char *uri)
{
    return uri + sizeof uri_head - 1;
}

void picture_hash(const wn_image *image, char hex[65])
{
    nn_sha256 s;
    char size[32];
    nn_sha256_begin(&s);
    nn_sha256_add_field(&s, size, (size_t)snprintf(size, sizeof size, "%ux%u", image->width_px, image->height_px));
    nn_sha256_add_field(&s, image->rgb, (size_t)image->width_px * image->height_px * 3);
    nn_sha256_end(&s, hex);
}
