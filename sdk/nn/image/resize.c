/* resize.c - Pillow's resize for 8-bit RGB, bit for bit.
 *
 * Pillow resizes along x, stores 8-bit values, then resizes along y (the other way round for tall images, see
 * is_y_first). Each pass is a sum over the source pixels under
 * the filter, whose weights are computed in double, divided by their sum and rounded to 22 fractional bits; the sum is
 * then exact in integers. When an image shrinks, the filter is widened by the scale. A pass that changes no size is
 * left out.
 *
 * Easy to get wrong: the result between the passes is rounded to 8 bits; weights round half away from zero; centres are
 * truncated after adding 0.5, not rounded; the widened filter multiplies by the reciprocal of the scale.
 * Source: Pillow, src/libImaging/Resample.c and, for nearest, Geometry.c.
 */
#include "resize.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PI 3.14159265358979323846

/* ---- filters ---- */

static double box(double x)
{
    return x > -0.5 && x <= 0.5 ? 1 : 0;
}

static double bilinear(double x)
{
    x = fabs(x);
    return x < 1 ? 1 - x : 0;
}

static double hamming(double x)
{
    x = fabs(x);
    if (x == 0)
        return 1;
    if (x >= 1)
        return 0;
    x *= PI;
    return sin(x) / x * ((double)0.54f + (double)0.46f * cos(x)); /* float constants, as Pillow's */
}

static double bicubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

static double sinc(double x)
{
    x *= PI;
    return x == 0 ? 1 : sin(x) / x;
}

static double lanczos(double x)
{
    return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0;
}

static const struct filter {
    double (*weight)(double x);
    double support;
} filters[] = {
    [NN_FILTER_LANCZOS] = { lanczos, 3 }, [NN_FILTER_BILINEAR] = { bilinear, 1 }, [NN_FILTER_BICUBIC] = { bicubic, 2 },
    [NN_FILTER_BOX] = { box, 0.5 },       [NN_FILTER_HAMMING] = { hamming, 1 },
};

/* ---- weights of one pass ---- */

enum { FRACTION_BITS = 22 };

struct span {
    uint32_t first; /* source pixels first .. first+count-1 */
    uint32_t count;
};

struct taps {
    struct span *spans; /* [out] */
    int32_t *weights;   /* [out][stride] */
    double *exact;      /* [stride], scratch */
    uint32_t stride;
};

static void free_taps(struct taps *t)
{
    free(t->spans);
    free(t->weights);
    free(t->exact);
}

static wn_status make_taps(const struct filter *f, uint32_t in, uint32_t out, struct taps *t, wn_error *err)
{
    double scale = (double)in / out, widening = scale < 1 ? 1 : scale, support = f->support * widening;
    t->stride = (uint32_t)ceil(support) * 2 + 1;
    t->spans = malloc(out * sizeof *t->spans);
    t->weights = malloc((size_t)out * t->stride * sizeof *t->weights);
    t->exact = malloc(t->stride * sizeof *t->exact);
    if (!t->spans || !t->weights || !t->exact)
        return wn_fail(err, WN_E_MEMORY, "no memory to resize %u to %u pixels", in, out);
    for (uint32_t i = 0; i < out; i++) {
        double centre = (i + 0.5) * scale, sum = 0;
        int64_t low = (int64_t)(centre - support + 0.5), high = (int64_t)(centre + support + 0.5);
        low = low < 0 ? 0 : low;
        high = high > in ? in : high;
        t->spans[i] = (struct span){ (uint32_t)low, (uint32_t)(high - low) };
        for (uint32_t k = 0; k < t->spans[i].count; k++)
            sum += t->exact[k] = f->weight(((double)(k + low) - centre + 0.5) * (1 / widening));
        for (uint32_t k = 0; k < t->spans[i].count; k++) {
            double w = (sum != 0 ? t->exact[k] / sum : t->exact[k]) * (1 << FRACTION_BITS);
            t->weights[(size_t)i * t->stride + k] = (int32_t)(w < 0 ? w - 0.5 : w + 0.5);
        }
    }
    return WN_OK;
}

static uint8_t round_clamp(int32_t sum)
{
    int32_t v = sum >> FRACTION_BITS;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/* src [rows][in][3] -> dst [rows][out][3] */
static void pass_x(const struct taps *t, const uint8_t *src, uint32_t in, uint8_t *dst, uint32_t out, uint32_t rows)
{
    for (uint32_t y = 0; y < rows; y++, src += 3 * (size_t)in)
        for (uint32_t x = 0; x < out; x++, dst += 3) {
            const int32_t *w = t->weights + (size_t)x * t->stride;
            const uint8_t *p = src + 3 * (size_t)t->spans[x].first;
            int32_t r = 1 << (FRACTION_BITS - 1), g = r, b = r;
            for (uint32_t k = 0; k < t->spans[x].count; k++, p += 3) {
                r += p[0] * w[k];
                g += p[1] * w[k];
                b += p[2] * w[k];
            }
            dst[0] = round_clamp(r);
            dst[1] = round_clamp(g);
            dst[2] = round_clamp(b);
        }
}

/* src [in][row_bytes] -> dst [out][row_bytes], columns side by side so that the sums run along memory */
static void pass_y(const struct taps *t, const uint8_t *src, uint8_t *dst, uint32_t out, size_t row_bytes)
{
    enum { STRIP = 1024 };
    int32_t sums[STRIP];
    for (uint32_t y = 0; y < out; y++)
        for (size_t x = 0; x < row_bytes; x += STRIP) {
            size_t n = row_bytes - x < STRIP ? row_bytes - x : STRIP;
            for (size_t i = 0; i < n; i++)
                sums[i] = 1 << (FRACTION_BITS - 1);
            for (uint32_t k = 0; k < t->spans[y].count; k++) {
                const uint8_t *row = src + (t->spans[y].first + k) * row_bytes + x;
                int32_t w = t->weights[(size_t)y * t->stride + k];
                for (size_t i = 0; i < n; i++)
                    sums[i] += row[i] * w;
            }
            for (size_t i = 0; i < n; i++)
                dst[y * row_bytes + x + i] = round_clamp(sums[i]);
        }
}

/* ---- whole images ---- */

static wn_status resize_x(const wn_image *src, const struct filter *f, uint32_t width, uint8_t *dst, wn_error *err)
{
    struct taps t = { 0 };
    wn_status status = make_taps(f, src->width_px, width, &t, err);
    if (status == WN_OK)
        pass_x(&t, src->rgb, src->width_px, dst, width, src->height_px);
    free_taps(&t);
    return status;
}

static wn_status resize_y(const wn_image *src, const struct filter *f, uint32_t height, uint8_t *dst, wn_error *err)
{
    struct taps t = { 0 };
    wn_status status = make_taps(f, src->height_px, height, &t, err);
    if (status == WN_OK)
        pass_y(&t, src->rgb, dst, height, 3 * (size_t)src->width_px);
    free_taps(&t);
    return status;
}

/* From 13 on Pillow resizes along y first when the height loses more than twice the pixels that the width loses. */
static int is_y_first(const wn_image *src, uint32_t width, uint32_t height)
{
    return height < src->height_px && (int64_t)src->height_px - height > 2 * ((int64_t)src->width_px - width);
}

static wn_status resize_both(const wn_image *src, const struct filter *f, int y_first, uint32_t width, uint32_t height,
                             uint8_t *dst, wn_error *err)
{
    const uint32_t middle_width = y_first ? src->width_px : width, middle_height = y_first ? height : src->height_px;
    uint8_t *between = malloc(3 * (size_t)middle_width * middle_height);
    if (!between)
        return wn_fail(err, WN_E_MEMORY, "no memory to resize %u x %u to %u x %u pixels", src->width_px, src->height_px,
                       width, height);
    const wn_image middle = { middle_width, middle_height, between };
    wn_status status = y_first ? resize_y(src, f, height, between, err) : resize_x(src, f, width, between, err);
    if (status == WN_OK)
        status = y_first ? resize_x(&middle, f, width, dst, err) : resize_y(&middle, f, height, dst, err);
    free(between);
    return status;
}

/* Pillow adds up the source position in double, so this does. */
static void resize_nearest(const wn_image *src, uint32_t width, uint32_t height, uint8_t *dst)
{
    double step_x = (double)src->width_px / width, step_y = (double)src->height_px / height, from_y = 0.5 * step_y;
    for (uint32_t y = 0; y < height; y++, from_y += step_y) {
        const uint8_t *row = src->rgb + 3 * (size_t)src->width_px * (size_t)from_y;
        double from_x = 0.5 * step_x;
        for (uint32_t x = 0; x < width; x++, from_x += step_x, dst += 3)
            memcpy(dst, row + 3 * (size_t)from_x, 3);
    }
}

static wn_status check_side(const char *which, uint32_t px, wn_error *err)
{
    if (px == 0 || px > NN_IMAGE_MAX_PX)
        return wn_fail(err, WN_E_ARG, "%s of an image is %u px, want 1 to %d", which, px, NN_IMAGE_MAX_PX);
    return WN_OK;
}

wn_status nn_resize_rgb8(const wn_image *src, int32_t filter, uint32_t dst_width_px, uint32_t dst_height_px,
                         uint8_t *dst, wn_error *err)
{
    WN_TRY(check_side("width", src->width_px, err));
    WN_TRY(check_side("height", src->height_px, err));
    WN_TRY(check_side("new width", dst_width_px, err));
    WN_TRY(check_side("new height", dst_height_px, err));
    int y_first = !(filter & NN_RESIZE_X_FIRST) && is_y_first(src, dst_width_px, dst_height_px);
    filter &= ~NN_RESIZE_X_FIRST;
    int same_width = dst_width_px == src->width_px, same_height = dst_height_px == src->height_px;
    if (filter < NN_FILTER_NEAREST || filter > NN_FILTER_HAMMING)
        return wn_fail(err, WN_E_ARG, "resize filter %d is none of 1 to 6", filter);
    if (same_width && same_height)
        memcpy(dst, src->rgb, 3 * (size_t)dst_width_px * dst_height_px);
    else if (filter == NN_FILTER_NEAREST)
        resize_nearest(src, dst_width_px, dst_height_px, dst);
    else if (same_height)
        return resize_x(src, &filters[filter], dst_width_px, dst, err);
    else if (same_width)
        return resize_y(src, &filters[filter], dst_height_px, dst, err);
    else
        return resize_both(src, &filters[filter], y_first, dst_width_px, dst_height_px, dst, err);
    return WN_OK;
}

/* ---- crop and normalise ---- */

void nn_crop_rgb8(const wn_image *src, int64_t left, int64_t top, uint32_t width_px, uint32_t height_px, uint8_t *dst)
{
    int64_t from = left < 0 ? 0 : left, to = left + width_px > src->width_px ? src->width_px : left + width_px;
    memset(dst, 0, 3 * (size_t)width_px * height_px);
    for (int64_t y = 0; y < height_px; y++)
        if (top + y >= 0 && top + y < src->height_px && from < to)
            memcpy(dst + 3 * (y * width_px + from - left), src->rgb + 3 * ((top + y) * src->width_px + from),
                   3 * (size_t)(to - from));
}

/* What each of the 256 values becomes. */
static void make_table(float scale, float mean, float std, float table[256])
{
    for (int v = 0; v < 256; v++)
        table[v] = ((float)v * scale - mean) / std;
}

void nn_normalize_rgb8(const uint8_t *rgb, uint64_t pixels, float scale, const float mean[3], const float std[3],
                       float *dst)
{
    float table[256];
    for (int c = 0; c < 3; c++) {
        make_table(scale, mean[c], std[c], table);
        for (uint64_t i = 0; i < pixels; i++)
            dst[3 * i + (uint64_t)c] = table[rgb[3 * i + (uint64_t)c]];
    }
}

void nn_normalize_planar_rgb8(const uint8_t *rgb, uint64_t pixels, float scale, const float mean[3], const float std[3],
                              float *dst)
{
    float table[256];
    for (int c = 0; c < 3; c++, dst += pixels) {
        make_table(scale, mean[c], std[c], table);
        for (uint64_t i = 0; i < pixels; i++)
            dst[i] = table[rgb[3 * i + (uint64_t)c]];
    }
}
