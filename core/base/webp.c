/* webp.c - libwebp's own limits are enough: a side has at most 16383 px by the format. */
#include "base/webp.h"

#include <string.h>

bool webp_is(const void *data, uint64_t bytes)
{
    return bytes >= 12 && memcmp(data, "RIFF", 4) == 0 && memcmp((const char *)data + 8, "WEBP", 4) == 0;
}

#ifdef WINNOW_HAVE_WEBP

#include <stdlib.h>

#include <webp/decode.h>

wn_status webp_decode(const char *name, const void *data, uint64_t bytes, uint32_t *width_px, uint32_t *height_px,
                      uint8_t **rgb, wn_error *err)
{
    WebPBitstreamFeatures f;
    if (WebPGetFeatures(data, bytes, &f) != VP8_STATUS_OK)
        return wn_fail(err, WN_E_FORMAT, "%s: not a WebP that can be read: its header is damaged or cut off", name);
    if (f.has_animation)
        return wn_fail(err, WN_E_FORMAT, "%s: is an animated WebP; save one of its frames", name);
    const size_t stride = (size_t)f.width * 3, size = stride * (size_t)f.height;
    uint8_t *pixels = malloc(size);
    if (!pixels)
        return wn_fail(err, WN_E_MEMORY, "%s: no memory for %d x %d px", name, f.width, f.height);
    if (!WebPDecodeRGBInto(data, bytes, pixels, size, (int)stride)) {
        free(pixels);
        return wn_fail(err, WN_E_FORMAT, "%s: not a WebP that can be read: its pixels are damaged or cut off", name);
    }
    *width_px = (uint32_t)f.width;
    *height_px = (uint32_t)f.height;
    *rgb = pixels;
    return WN_OK;
}

#else

wn_status webp_decode(const char *name, const void *data, uint64_t bytes, uint32_t *width_px, uint32_t *height_px,
                      uint8_t **rgb, wn_error *err)
{
    (void)data, (void)bytes, (void)width_px, (void)height_px, (void)rgb;
    return wn_fail(err, WN_E_UNSUPPORTED, "%s: is a WebP and this build lacks libwebp: install %s", name,
                   "libwebp-dev and configure again, or convert it to PNG");
}

#endif
