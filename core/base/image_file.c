/* image_file.c - a file's name says nothing reliable about its content, so the first bytes decide who reads it. */
#include "base/image_file.h"

#include "base/buffer.h"
#include "base/jpeg.h"
#include "base/png.h"
#include "base/pool.h"
#include "base/webp.h"

#include <stdlib.h>

enum { MAX_FILE_BYTES = 1 << 30 };

static wn_status decode(const char *path, const struct buffer *file, wn_image *image, uint8_t **rgb, wn_error *err)
{
    uint32_t *width = &image->width_px, *height = &image->height_px;
    if (png_is(file->data, file->size))
        return png_decode(path, file->data, file->size, width, height, rgb, err);
    if (jpeg_is(file->data, file->size))
        return jpeg_decode(path, file->data, file->size, width, height, rgb, err);
    if (webp_is(file->data, file->size))
        return webp_decode(path, file->data, file->size, width, height, rgb, err);
    return wn_fail(err, WN_E_FORMAT, "%s is no PNG, JPEG or WebP picture; convert it", path);
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

static void read_job(void *arg, uint64_t i)
{
    struct image_job *job = (struct image_job *)arg + i;
    job->status = image_read(job->path, &job->image, &job->err);
}

void image_read_all(struct pool *pool, uint64_t count, struct image_job *jobs)
{
    pool_parallel_for(pool, count, read_job, jobs);
}
