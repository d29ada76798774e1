/* fuzz_pictures.c - pictures from anywhere: PNG with its texts, JPEG, WebP. */
#include "replay.h"

#include "base/png.h"
#include "base/jpeg.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_PIXELS = 1 << 20 };

static void use_text(void *arg, const char *key, const char *value)
{
    *(size_t *)arg += strlen(key) + strlen(value);
}

static void must_have_said_why(wn_status status, const wn_error *err)
{
    if (status != WN_OK && (err->code != status || !err->message[0]))
        abort();
}

static void use_png(const unsigned char *data, size_t size)
{
    uint32_t width, height;
    uint8_t *rgb = NULL;
    size_t characters = 0;
    wn_error err = { 0 };
    must_have_said_why(png_decode("fuzz", data, size, &width, &height, &rgb, &err), &err);
    free(rgb);
    must_have_said_why(png_read_texts("fuzz", data, size, use_text, &characters, &err), &err);
}

static void use_jpeg(const unsigned char *data, size_t size)
{
    uint32_t width, height;
    uint8_t *rgb = NULL;
    wn_error err = { 0 };
    must_have_said_why(jpeg_decode("fuzz", data, size, &width, &height, &rgb, &err), &err);
    free(rgb);
}

/* A header may promise a picture of gigabytes, which is lawful and slow: bytes 16..23 of a PNG are its size. */
static int is_huge(const unsigned char *data, size_t size)
{
    double width = 0, height = 0;
    for (int i = 0; size >= 24 && i < 4; i++) {
        width = 256 * width + data[16 + i];
        height = 256 * height + data[20 + i];
    }
    return width * height > MOST_PIXELS;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    if (png_is(data, size) && !is_huge(data, size))
        use_png(data, size);
    else if (size > 2 && data[0] == 0xff && data[1] == 0xd8)
        use_jpeg(data, size);
    return 0;
}
