/* jpeg.c - libjpeg reports errors by calling back, and the callback must not return: as in png.c, one struct owns
 * everything, one function sets the jump and calls the steps, one frees.
 *
 * libjpeg mends what is damaged, with a warning and gray pixels; a score of such a picture would mean nothing, so a
 * warning about its data ends the reading. Files come from strangers: sides, memory and the number of scans of a
 * progressive file (each costs a pass over all pixels, in a few bytes) are limited.
 */
#include "base/jpeg.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

enum { MAX_SIDE_PX = 16384, MAX_MEMORY_BYTES = 1 << 30, MAX_SCANS = 200 };

struct job {
    const char *name;
    wn_error *err;
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf back;
    const void *data;
    uint64_t bytes;
    uint8_t *rgb; // [height][width][3]
};

static _Noreturn void fail(j_common_ptr jpeg, const char *why)
{
    struct job *job = jpeg->client_data;
    wn_fail(job->err, WN_E_FORMAT, "%s: not a JPEG that can be read: %s", job->name, why);
    longjmp(job->back, 1);
}

static void on_error(j_common_ptr jpeg)
{
    char why[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, why);
    fail(jpeg, why);
}

/* Stray bytes between segments and notes of other programs do not touch the pixels. */
static void on_message(j_common_ptr jpeg, int level)
{
    const int code = jpeg->err->msg_code;
    if (level < 0 && code != JWRN_EXTRANEOUS_DATA && code != JWRN_JFIF_MAJOR && code != JWRN_BOGUS_ICC)
        on_error(jpeg);
}

static void on_progress(j_common_ptr jpeg)
{
    if (((j_decompress_ptr)jpeg)->input_scan_number > MAX_SCANS)
        fail(jpeg, "it has more than 200 scans");
}

static void read_header(struct job *job)
{
    struct jpeg_decompress_struct *jpeg = &job->jpeg;
    jpeg_mem_src(jpeg, job->data, (unsigned long)job->bytes);
    jpeg_read_header(jpeg, TRUE);
    if (jpeg->image_width > MAX_SIDE_PX || jpeg->image_height > MAX_SIDE_PX)
        fail((j_common_ptr)jpeg, "it is larger than 16384 x 16384 px");
    if (jpeg->data_precision != 8)
        fail((j_common_ptr)jpeg, "its samples do not have 8 bits");
    if (jpeg->jpeg_color_space == JCS_CMYK || jpeg->jpeg_color_space == JCS_YCCK)
        fail((j_common_ptr)jpeg, "it is CMYK, for print; convert it to RGB");
    jpeg->out_color_space = JCS_RGB;
}

static void read_pixels(struct job *job)
{
    struct jpeg_decompress_struct *jpeg = &job->jpeg;
    read_header(job);
    jpeg_start_decompress(jpeg);
    const size_t stride = (size_t)jpeg->output_width * 3;
    job->rgb = malloc(stride * jpeg->output_height); /* at most 16384 x 16384 x 3 */
    if (!job->rgb)
        fail((j_common_ptr)jpeg, "no memory for its pixels");
    while (jpeg->output_scanline < jpeg->output_height) {
        JSAMPROW row = job->rgb + stride * jpeg->output_scanline;
        jpeg_read_scanlines(jpeg, &row, 1);
    }
    jpeg_finish_decompress(jpeg);
}

static wn_status read_jump(struct job *job)
{
    job->jpeg.err = jpeg_std_error(&job->errors);
    job->jpeg.client_data = job;
    job->errors.error_exit = on_error;
    job->errors.emit_message = on_message;
    if (setjmp(job->back))
        return job->err->code;
    jpeg_create_decompress(&job->jpeg);
    job->jpeg.mem->max_memory_to_use = MAX_MEMORY_BYTES;
    job->progress.progress_monitor = on_progress;
    job->jpeg.progress = &job->progress;
    read_pixels(job);
    return WN_OK;
}

bool jpeg_is(const void *data, uint64_t bytes)
{
    return bytes >= 3 && memcmp(data, "\xff\xd8\xff", 3) == 0;
}

wn_status jpeg_decode(const char *name, const void *data, uint64_t bytes, uint32_t *width_px, uint32_t *height_px,
                      uint8_t **rgb, wn_error *err)
{
    struct job job = { .name = name, .err = err, .data = data, .bytes = bytes };
    const wn_status status = read_jump(&job);
    *width_px = job.jpeg.output_width;
    *height_px = job.jpeg.output_height;
    jpeg_destroy_decompress(&job.jpeg);
    if (status != WN_OK) {
        free(job.rgb);
        return status;
    }
    *rgb = job.rgb;
    return WN_OK;
}
