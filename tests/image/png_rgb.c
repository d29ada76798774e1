/* The quick reader of 8-bit RGB PNGs: what libpng wrote with each filter comes back, whole or not at all. */
#include "../check.h"

#include "base/png_rgb.h"

#include <png.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 37, HEIGHT = 23, ROW = 3 * WIDTH, MAX_BYTES = 1 << 16 };

static uint8_t pixels[HEIGHT * ROW];

struct file {
    uint8_t data[MAX_BYTES];
    uint64_t bytes;
};

static void on_write(png_structp png, png_bytep data, size_t bytes)
{
    struct file *f = png_get_io_ptr(png);
    if (bytes > MAX_BYTES - f->bytes)
        png_error(png, "too large");
    memcpy(f->data + f->bytes, data, bytes);
    f->bytes += bytes;
}

static void on_flush(png_structp png)
{
    (void)png;
}

/* Noise in the left half, smooth colours that pass 255 in the right one. */
static void paint(void)
{
    for (uint32_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(i % ROW < ROW / 2 ? (i * 2654435761u) >> 24 : 3 * i / ROW + 5 * i);
}

static void write_png(struct file *f, int filters, size_t chunk_bytes)
{
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    f->bytes = 0;
    png_set_write_fn(png, f, on_write, on_flush);
    png_set_compression_buffer_size(png, chunk_bytes);
    png_set_filter(png, PNG_FILTER_TYPE_BASE, filters);
    png_set_IHDR(png, info, WIDTH, HEIGHT, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (int y = 0; y < HEIGHT; y++)
        png_write_row(png, pixels + y * ROW);
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
}

static bool reads(const uint8_t *data, uint64_t bytes, uint32_t width, uint32_t height)
{
    uint8_t *rgb = png_read_rgb(data, bytes, width, height);
    if (rgb)
        CHECK(memcmp(rgb, pixels, sizeof pixels) == 0);
    free(rgb);
    return rgb != NULL;
}

static void every_filter(void)
{
    static const int filters[] = { PNG_FILTER_NONE, PNG_FILTER_SUB,   PNG_FILTER_UP,
                                   PNG_FILTER_AVG,  PNG_FILTER_PAETH, PNG_ALL_FILTERS };
    static struct file f;
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        write_png(&f, filters[i], 8192);
        CHECK(reads(f.data, f.bytes, WIDTH, HEIGHT));
        write_png(&f, filters[i], 7); /* hundreds of chunks */
        CHECK(reads(f.data, f.bytes, WIDTH, HEIGHT));
    }
}

/* From memory that ends where the file does, so that a byte read behind it is seen. */
static void nothing_or_all(void)
{
    static struct file f;
    write_png(&f, PNG_ALL_FILTERS, 200);
    CHECK(!reads(f.data, f.bytes, WIDTH + 1, HEIGHT));
    CHECK(!reads(f.data, f.bytes, WIDTH - 1, HEIGHT));
    CHECK(!reads(f.data, f.bytes, WIDTH, HEIGHT + 1));
    CHECK(!reads(f.data, f.bytes, WIDTH, HEIGHT - 1));
    for (uint64_t n = 8; n < f.bytes; n++) {
        uint8_t *cut = malloc(n);
        CHECK(cut != NULL);
        memcpy(cut, f.data, n);
        CHECK(!reads(cut, n, WIDTH, HEIGHT) || n + 12 >= f.bytes); /* the end chunk may be missing */
        free(cut);
    }
    for (uint64_t n = 0; n < 8 * f.bytes; n++) {
        f.data[n / 8] ^= (uint8_t)(1u << n % 8);
        reads(f.data, f.bytes, WIDTH, HEIGHT);
        f.data[n / 8] ^= (uint8_t)(1u << n % 8);
    }
}

int main(void)
{
    paint();
    every_filter();
    nothing_or_all();
    return CHECK_DONE();
}
