/* Reading, by libpng (writing: png_write.c), which reports errors by a long jump. Each use of it here is one struct
 * that owns everything, one function that sets the jump and calls the steps, and one that frees: no local variable is
 * needed after a jump.
 *
 * Files come from strangers: sides, chunk sizes and chunk counts are limited before libpng allocates. */
#include "base/png.h"

#include <png.h>
#include <stdlib.h>
#include <string.h>

struct job {
    const char *name;
    wn_error *err;
    png_structp png;
    png_infop info;

    const uint8_t *data;
    uint64_t bytes, at;
    uint8_t *rgb; // [height][width][3]
    uint32_t width_px, height_px;
};

static void on_error(png_structp png, png_const_charp message)
{
    struct job *job = png_get_error_ptr(png);
    wn_fail(job->err, WN_E_FORMAT, "%s: not a PNG that can be read: %s", job->name, message);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png, (void)message; /* warnings are about chunks that nobody here looks at */
}

/* ---- reading ---- */

bool png_is(const void *data, uint64_t bytes)
{
    return bytes >= 8 && memcmp(data, "\x89PNG\r\n\x1a\n", 8) == 0;
}

static void on_read(png_structp png, png_bytep data, size_t bytes)
{
    struct job *job = png_get_io_ptr(png);
    if (bytes > job->bytes - job->at)
        png_error(png, "the file ends too early");
    memcpy(data, job->data + job->at, bytes);
    job->at += bytes;
}

/* libpng allocates and clears a text chunk of up to 2 GiB before it sees that the file has no such bytes. */
static void check_chunks(const struct job *job)
{
    for (uint64_t at = 8; job->bytes - at >= 12;) {
        const uint8_t *length = job->data + at;
        uint64_t bytes = (uint64_t)length[0] << 24 | (uint64_t)length[1] << 16 | (uint64_t)length[2] << 8 | length[3];
        if (bytes > job->bytes - at - 12)
            png_error(job->png, "a chunk is longer than the rest of the file");
        at += bytes + 12;
    }
}

static void read_header(struct job *job)
{
    if (!png_is(job->data, job->bytes))
        png_error(job->png, "it has no PNG signature");
    check_chunks(job);
    png_set_user_limits(job->png, PNG_MAX_SIDE_PX, PNG_MAX_SIDE_PX);
    png_set_chunk_malloc_max(job->png, PNG_MAX_TEXT_BYTES);
    png_set_chunk_cache_max(job->png, 128);
    png_set_read_fn(job->png, job, on_read);
    png_read_info(job->png, job->info);
}

static void read_pixels(struct job *job)
{
    png_structp png = job->png;
    read_header(job);
    png_set_expand(png);
    png_set_strip_16(png);
    png_set_strip_alpha(png);
    png_set_gray_to_rgb(png);
    int passes = png_set_interlace_handling(png);
    png_read_update_info(png, job->info);
    job->width_px = png_get_image_width(png, job->info);
    job->height_px = png_get_image_height(png, job->info);
    size_t stride = (size_t)job->width_px * 3;
    if (png_get_rowbytes(png, job->info) != stride)
        png_error(png, "its pixels do not become RGB");
    job->rgb = malloc(stride * job->height_px); /* at most 16384 x 16384 x 3 */
    if (!job->rgb)
        png_error(png, "no memory for its pixels");
    for (int pass = 0; pass < passes; pass++)
        for (uint32_t y = 0; y < job->height_px; y++)
            png_read_row(png, job->rgb + y * stride, NULL);
}

static wn_status read_jump(struct job *job, void (*steps)(struct job *job))
{
    job->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, job, on_error, on_warning);
    job->info = job->png ? png_create_info_struct(job->png) : NULL;
    if (!job->info)
        return wn_fail(job->err, WN_E_MEMORY, "no memory to decode a PNG");
    if (setjmp(png_jmpbuf(job->png)))
        return job->err->code;
    steps(job);
    return WN_OK;
}

wn_status png_decode(const char *name, const void *data, uint64_t bytes, uint32_t *width_px, uint32_t *height_px,
                     uint8_t **rgb, wn_error *err)
{
    struct job job = { .name = name, .err = err, .data = data, .bytes = bytes };
    wn_status status = read_jump(&job, read_pixels);
    png_destroy_read_struct(&job.png, &job.info, NULL);
    if (status != WN_OK) {
        free(job.rgb);
        return status;
    }
    *width_px = job.width_px;
    *height_px = job.height_px;
    *rgb = job.rgb;
    return WN_OK;
}

/* Latin-1 to UTF-8; NULL when memory ran out. */
static char *widen(const char *latin)
{
    char *wide = malloc(strlen(latin) * 2 + 1), *to = wide;
    for (; wide && *latin; latin++) {
        unsigned char c = (unsigned char)*latin;
        if (c >= 0x80)
            *to++ = (char)(0xc0 | c >> 6);
        *to++ = (char)(c < 0x80 ? c : 0x80 | (c & 0x3f));
    }
    if (wide)
        *to = 0;
    return wide;
}

static wn_status pass_texts(struct job *job, void (*each)(void *arg, const char *key, const char *value), void *arg)
{
    png_textp texts = NULL;
    int count = 0;
    png_get_text(job->png, job->info, &texts, &count);
    for (int i = 0; i < count; i++) {
        bool is_utf8 = texts[i].compression >= PNG_ITXT_COMPRESSION_NONE;
        char *wide = is_utf8 ? NULL : widen(texts[i].text);
        if (!is_utf8 && !wide)
            return wn_fail(job->err, WN_E_MEMORY, "no memory for the texts of %s", job->name);
        each(arg, texts[i].key, is_utf8 ? texts[i].text : wide);
        free(wide);
    }
    return WN_OK;
}

wn_status png_read_texts(const char *name, const void *data, uint64_t bytes,
                         void (*each)(void *arg, const char *key, const char *value), void *arg, wn_error *err)
{
    struct job job = { .name = name, .err = err, .data = data, .bytes = bytes };
    wn_status status = read_jump(&job, read_header);
    if (status == WN_OK)
        status = pass_texts(&job, each, arg);
    png_destroy_read_struct(&job.png, &job.info, NULL);
    return status;
}
