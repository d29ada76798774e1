/* preprocess.c - resize, crop and normalise as an image processor's settings say. */
#include "preprocess.h"

#include "../config.h"
#include "resize_float.h"

#include <inttypes.h>
#include <stdlib.h>

static const double clip_mean[3] = { 0.48145466, 0.4578275, 0.40821073 };
static const double clip_std[3] = { 0.26862954, 0.26130258, 0.27577711 };

nn_preprocess nn_preprocess_clip(uint32_t size_px)
{
    nn_preprocess p = { .resize = NN_RESIZE_PIL,
                        .filter = NN_FILTER_BICUBIC,
                        .short_px = size_px,
                        .crop_width_px = size_px,
                        .crop_height_px = size_px,
                        .crop = NN_CROP_FLOOR,
                        .scale = 1 / 255.0f };
    for (int c = 0; c < 3; c++) {
        p.mean[c] = (float)clip_mean[c];
        p.std[c] = (float)clip_std[c];
    }
    return p;
}

/* ---- settings ---- */

static wn_status get_side(const nn_config *c, const char *key, uint32_t *px, wn_error *err)
{
    int64_t value;
    WN_TRY(nn_config_require(c, key, err));
    WN_TRY(nn_config_int(c, key, 0, &value, err));
    if (value < 1 || value > NN_IMAGE_MAX_PX)
        return wn_fail(err, WN_E_FORMAT, "%s: %s is %" PRId64 " px, want 1 to %d", nn_config_file(c), key, value,
                       NN_IMAGE_MAX_PX);
    *px = (uint32_t)value;
    return WN_OK;
}

/* A size as {"shortest_edge": s}, as {"height": h, "width": w}, or as one number, which means a short side for the
 * resize and a square for the crop. *short_px is NULL for the crop. */
static wn_status get_size(const nn_config *c, const char *key, uint32_t *short_px, uint32_t *width, uint32_t *height,
                          wn_error *err)
{
    const nn_config *object = NULL;
    wn_error no_object;
    if (!nn_config_has(c, key))
        return WN_OK;
    if (short_px)
        *short_px = *width = *height = 0;
    if (nn_config_object(c, key, &object, &no_object) != WN_OK) {
        WN_TRY(get_side(c, key, short_px ? short_px : width, err));
        if (!short_px)
            *height = *width;
        return WN_OK;
    }
    if (short_px && nn_config_has(object, "shortest_edge"))
        return get_side(object, "shortest_edge", short_px, err);
    WN_TRY(get_side(object, "height", height, err));
    return get_side(object, "width", width, err);
}

static wn_status get_triple(const nn_config *c, const char *key, float out[3], wn_error *err)
{
    double values[3] = { (double)out[0], (double)out[1], (double)out[2] };
    uint32_t count = 3;
    WN_TRY(nn_config_numbers(c, key, values, 3, &count, err));
    if (count != 3)
        return wn_fail(err, WN_E_FORMAT, "%s: %s has %u numbers, want 3", nn_config_file(c), key, count);
    for (int i = 0; i < 3; i++)
        out[i] = (float)values[i];
    return WN_OK;
}

static wn_status read_resize(const nn_config *c, nn_preprocess *p, wn_error *err)
{
    bool is_on;
    int64_t filter;
    WN_TRY(nn_config_int(c, "resample", NN_FILTER_BICUBIC - 1, &filter, err));
    if (filter < 0 || filter > 5)
        return wn_fail(err, WN_E_FORMAT, "%s: resample is %" PRId64 ", want 0 to 5", nn_config_file(c), filter);
    p->filter = (int32_t)filter + 1;
    WN_TRY(get_size(c, "size", &p->short_px, &p->resize_width_px, &p->resize_height_px, err));
    WN_TRY(nn_config_bool(c, "do_resize", true, &is_on, err));
    if (!is_on)
        p->short_px = p->resize_width_px = p->resize_height_px = 0;
    WN_TRY(get_size(c, "crop_size", NULL, &p->crop_width_px, &p->crop_height_px, err));
    WN_TRY(nn_config_bool(c, "do_center_crop", true, &is_on, err));
    if (!is_on)
        p->crop_width_px = p->crop_height_px = 0;
    return WN_OK;
}

static wn_status read_normalize(const nn_config *c, nn_preprocess *p, wn_error *err)
{
    bool is_on;
    double scale;
    WN_TRY(nn_config_number(c, "rescale_factor", 1 / 255.0, &scale, err));
    WN_TRY(nn_config_bool(c, "do_rescale", true, &is_on, err));
    p->scale = is_on ? (float)scale : 1;
    WN_TRY(get_triple(c, "image_mean", p->mean, err));
    WN_TRY(get_triple(c, "image_std", p->std, err));
    WN_TRY(nn_config_bool(c, "do_normalize", true, &is_on, err));
    for (int i = 0; i < 3; i++) {
        p->mean[i] = is_on ? p->mean[i] : 0;
        p->std[i] = is_on ? p->std[i] : 1;
        if (!(p->std[i] > 0))
            return wn_fail(err, WN_E_FORMAT, "%s: image_std[%d] is %g, want more than 0", nn_config_file(c), i,
                           (double)p->std[i]);
    }
    return WN_OK;
}

wn_status nn_preprocess_open(const char *folder, nn_preprocess *out, wn_error *err)
{
    char *path = NULL;
    nn_config *c;
    if (asprintf(&path, "%s/preprocessor_config.json", folder) < 0)
        return wn_fail(err, WN_E_MEMORY, "%s: no memory", folder);
    wn_status status = nn_config_open(path, &c, err);
    *out = nn_preprocess_clip(224);
    if (status == WN_OK)
        status = read_resize(c, out, err);
    if (status == WN_OK)
        status = read_normalize(c, out, err);
    nn_config_close(c);
    free(path);
    return status;
}

/* ---- images ---- */

/* The size after the resize alone. */
static wn_status resized_size(const nn_preprocess *p, uint32_t width, uint32_t height, uint32_t *out_width,
                              uint32_t *out_height, wn_error *err)
{
    *out_width = p->resize_width_px ? p->resize_width_px : width;
    *out_height = p->resize_height_px ? p->resize_height_px : height;
    if (width == 0 || height == 0)
        return wn_fail(err, WN_E_ARG, "an image of %u x %u px has no pixels", width, height);
    if (p->short_px) { /* the long side truncates */
        uint64_t w = width <= height ? p->short_px : (uint64_t)p->short_px * width / height;
        uint64_t h = height <= width ? p->short_px : (uint64_t)p->short_px * height / width;
        if (w > NN_IMAGE_MAX_PX || h > NN_IMAGE_MAX_PX)
            return wn_fail(err, WN_E_ARG, "an image of %u x %u px becomes %" PRIu64 " x %" PRIu64 ", at most %d a side",
                           width, height, w, h, NN_IMAGE_MAX_PX);
        *out_width = (uint32_t)w;
        *out_height = (uint32_t)h;
    }
    return WN_OK;
}

wn_status nn_preprocess_size(const nn_preprocess *p, uint32_t width_px, uint32_t height_px, uint32_t *out_width_px,
                             uint32_t *out_height_px, wn_error *err)
{
    WN_TRY(resized_size(p, width_px, height_px, out_width_px, out_height_px, err));
    if (p->crop_width_px) {
        *out_width_px = p->crop_width_px;
        *out_height_px = p->crop_height_px;
    }
    return WN_OK;
}

/* Where a crop of `crop` pixels begins in `size`; negative when it is larger. */
static int64_t crop_start(int32_t rule, uint32_t size, uint32_t crop)
{
    int64_t margin = (int64_t)size - crop, is_odd = margin & 1, start = (margin - is_odd) / 2;
    return rule == NN_CROP_HALF_EVEN ? start + (is_odd & start) : start;
}

static void crop_and_normalize(const nn_preprocess *p, const wn_image *image, uint8_t *cropped, float *dst)
{
    uint64_t pixels = (uint64_t)image->width_px * image->height_px;
    const uint8_t *rgb = image->rgb;
    if (p->crop_width_px) {
        nn_crop_rgb8(image, crop_start(p->crop, image->width_px, p->crop_width_px),
                     crop_start(p->crop, image->height_px, p->crop_height_px), p->crop_width_px, p->crop_height_px,
                     cropped);
        rgb = cropped;
        pixels = (uint64_t)p->crop_width_px * p->crop_height_px;
    }
    nn_normalize_rgb8(rgb, pixels, p->scale, p->mean, p->std, dst);
}

static wn_status run_8_bit(const nn_preprocess *p, const wn_image *image, uint32_t width, uint32_t height, float *dst,
                           wn_error *err)
{
    uint8_t *resized = malloc(3 * (size_t)width * height);
    uint8_t *cropped = malloc(3 * (size_t)p->crop_width_px * p->crop_height_px + 1);
    const wn_image middle = { width, height, resized };
    wn_status status = resized && cropped
                           ? nn_resize_rgb8(image, p->filter, width, height, resized, err)
                           : wn_fail(err, WN_E_MEMORY, "no memory for an image of %u x %u px", width, height);
    if (status == WN_OK)
        crop_and_normalize(p, &middle, cropped, dst);
    free(resized);
    free(cropped);
    return status;
}

/* The rectangle that the crop leaves of resized [height][width][3], normalised; black where it lies outside. */
static void crop_and_normalize_float(const nn_preprocess *p, const float *resized, uint32_t width, uint32_t height,
                                     float *dst)
{
    const uint32_t w = p->crop_width_px ? p->crop_width_px : width, h = p->crop_width_px ? p->crop_height_px : height;
    const int64_t left = crop_start(p->crop, width, w), top = crop_start(p->crop, height, h);
    for (int64_t y = top; y < top + h; y++)
        for (int64_t x = left; x < left + w; x++)
            for (int c = 0; c < 3; c++) {
                const bool is_inside = x >= 0 && x < width && y >= 0 && y < height;
                const float v = is_inside ? resized[3 * (y * width + x) + c] : 0;
                *dst++ = (v - p->mean[c]) / p->std[c];
            }
}

static wn_status run_float(const nn_preprocess *p, const wn_image *image, uint32_t width, uint32_t height, float *dst,
                           wn_error *err)
{
    static const float zero[3] = { 0, 0, 0 }, one[3] = { 1, 1, 1 };
    const uint64_t pixels = (uint64_t)image->width_px * image->height_px;
    float *given = malloc(3 * pixels * sizeof *given);
    float *resized = malloc(3 * (uint64_t)width * height * sizeof *resized);
    wn_status status = given && resized ? WN_OK
                                        : wn_fail(err, WN_E_MEMORY, "no memory for images of %u x %u and %u x %u px",
                                                  image->width_px, image->height_px, width, height);
    if (status == WN_OK) {
        nn_normalize_rgb8(image->rgb, pixels, p->scale, zero, one, given);
        status = nn_resize_f32(given, image->width_px, image->height_px, p->filter, p->resize == NN_RESIZE_TORCH_AA,
                               width, height, resized, err);
    }
    if (status == WN_OK)
        crop_and_normalize_float(p, resized, width, height, dst);
    free(given);
    free(resized);
    return status;
}

wn_status nn_preprocess_run(const nn_preprocess *p, const wn_image *image, float *dst, wn_error *err)
{
    uint32_t width, height;
    WN_TRY(resized_size(p, image->width_px, image->height_px, &width, &height, err));
    switch (p->resize) {
    case NN_RESIZE_PIL:
        return run_8_bit(p, image, width, height, dst, err);
    case NN_RESIZE_TORCH_AA:
    case NN_RESIZE_TORCH_NOAA:
        return run_float(p, image, width, height, dst, err);
    default:
        return wn_fail(err, WN_E_ARG, "resize %d of an image processor is none of 1 to 3", p->resize);
    }
}
