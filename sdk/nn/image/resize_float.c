/* resize_float.c - torch's bilinear and bicubic interpolation, with and without antialiasing.
 *
 * Each output pixel of a pass is a sum over neighbouring source pixels; both kinds differ only in which pixels and
 * which weights. Positions and weights are computed in float32, like torch does it, because a position's rounding is as
 * large as the error that is left. Along x first, then along y, all in float32.
 *
 * Easy to get wrong: the cubic parameter is -0.5 with antialiasing and -0.75 without; without it the four taps begin
 * one pixel before the floor of the position and are clamped, not left out; bilinear positions are clamped at 0 first.
 * Source: ATen/native/UpSample.h and cpu/UpSampleKernel.cpp.
 */
#include "resize_float.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct taps {
    int64_t *first; /* [out]; pixels before the first and behind the last are the first and the last */
    uint32_t *count;
    float *weights; /* [out][stride] */
    uint32_t stride;
};

struct kernel {
    float support; /* pixels to each side */
    float a;       /* of the cubic; unused by the linear */
};

/* ---- weights ---- */

static float linear(float x)
{
    x = fabsf(x);
    return x < 1 ? 1 - x : 0;
}

static float cubic(float x, float a)
{
    x = fabsf(x);
    if (x < 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

static float weight(const struct kernel *k, float x)
{
    return k->support < 2 ? linear(x) : cubic(x, k->a);
}

/* All pixels under the kernel, which is widened by the scale when the image shrinks; weights add up to 1. */
static void fill_antialiased(const struct kernel *k, uint32_t in, uint32_t out, struct taps *t)
{
    const float scale = (float)in / (float)out, widening = scale < 1 ? 1 : scale;
    const float support = k->support * widening, narrowing = 1 / widening;
    for (uint32_t i = 0; i < out; i++) {
        const float centre = (float)((double)scale * (i + 0.5));
        float *w = t->weights + (size_t)i * t->stride, sum = 0;
        int64_t low = (int64_t)((double)(centre - support) + 0.5), high = (int64_t)((double)(centre + support) + 0.5);
        t->first[i] = low < 0 ? 0 : low;
        t->count[i] = (uint32_t)((high > in ? in : high) - t->first[i]);
        for (uint32_t j = 0; j < t->count[i]; j++)
            sum += w[j] = weight(k, (float)(((double)((float)(j + t->first[i]) - centre) + 0.5) * (double)narrowing));
        for (uint32_t j = 0; j < t->count[i] && sum != 0; j++)
            w[j] /= sum;
    }
}

/* The nearest 2 * support pixels. */
static void fill_nearest(const struct kernel *k, uint32_t in, uint32_t out, struct taps *t)
{
    const float scale = (float)in / (float)out;
    const int32_t reach = (int32_t)k->support;
    for (uint32_t i = 0; i < out; i++) {
        float position = fmaf(scale, (float)i + 0.5f, -0.5f);
        if (reach == 1 && position < 0)
            position = 0;
        const float whole = floorf(position), part = position - whole;
        t->first[i] = (int64_t)whole - (reach - 1);
        t->count[i] = 2 * (uint32_t)reach;
        for (int32_t j = 0; j < 2 * reach; j++)
            t->weights[(size_t)i * t->stride + (size_t)j] = weight(k, (float)(j - reach + 1) - part);
    }
}

static void free_taps(struct taps *t)
{
    free(t->first);
    free(t->count);
    free(t->weights);
}

static wn_status make_taps(int32_t filter, bool is_antialiased, uint32_t in, uint32_t out, struct taps *t,
                           wn_error *err)
{
    const struct kernel k = { filter == NN_FILTER_BICUBIC ? 2 : 1, is_antialiased ? -0.5f : -0.75f };
    const double scale = (double)in / out;
    t->stride = (uint32_t)ceil((double)k.support * (is_antialiased && scale > 1 ? scale : 1)) * 2 + 1;
    t->first = malloc(out * sizeof *t->first);
    t->count = malloc(out * sizeof *t->count);
    t->weights = malloc((size_t)out * t->stride * sizeof *t->weights);
    if (!t->first || !t->count || !t->weights)
        return wn_fail(err, WN_E_MEMORY, "no memory to resize %u to %u pixels", in, out);
    (is_antialiased ? fill_antialiased : fill_nearest)(&k, in, out, t);
    return WN_OK;
}

/* ---- passes ---- */

static size_t clamp(int64_t i, uint32_t in)
{
    return i < 0 ? 0 : i < in ? (size_t)i : in - 1u;
}

/* src [rows][in][3] -> dst [rows][out][3] */
static void pass_x(const struct taps *t, const float *src, uint32_t in, float *dst, uint32_t out, uint32_t rows)
{
    for (uint32_t y = 0; y < rows; y++, src += 3 * (size_t)in)
        for (uint32_t x = 0; x < out; x++, dst += 3) {
            const float *w = t->weights + (size_t)x * t->stride;
            dst[0] = dst[1] = dst[2] = 0;
            for (uint32_t k = 0; k < t->count[x]; k++)
                for (size_t c = 0; c < 3; c++)
                    dst[c] += src[3 * clamp(t->first[x] + k, in) + c] * w[k];
        }
}

/* src [in][row] -> dst [out][row] */
static void pass_y(const struct taps *t, const float *src, uint32_t in, float *dst, uint32_t out, size_t row)
{
    memset(dst, 0, out * row * sizeof *dst);
    for (uint32_t y = 0; y < out; y++, dst += row)
        for (uint32_t k = 0; k < t->count[y]; k++) {
            const float *from = src + clamp(t->first[y] + k, in) * row;
            const float w = t->weights[(size_t)y * t->stride + k];
            for (size_t i = 0; i < row; i++)
                dst[i] += from[i] * w;
        }
}

static wn_status check_sides(uint32_t in, uint32_t out, const char *which, wn_error *err)
{
    if (in == 0 || in > NN_IMAGE_MAX_PX || out == 0 || out > NN_IMAGE_MAX_PX)
        return wn_fail(err, WN_E_ARG, "%s of an image is to go from %u to %u px, both want 1 to %d", which, in, out,
                       NN_IMAGE_MAX_PX);
    return WN_OK;
}

wn_status nn_resize_f32(const float *src, uint32_t width_px, uint32_t height_px, int32_t filter, bool is_antialiased,
                        uint32_t dst_width_px, uint32_t dst_height_px, float *dst, wn_error *err)
{
    struct taps x = { 0 }, y = { 0 };
    if (filter != NN_FILTER_BILINEAR && filter != NN_FILTER_BICUBIC)
        return wn_fail(err, WN_E_ARG, "resize filter %d of a float image is neither bilinear (%d) nor bicubic (%d)",
                       filter, NN_FILTER_BILINEAR, NN_FILTER_BICUBIC);
    WN_TRY(check_sides(width_px, dst_width_px, "width", err));
    WN_TRY(check_sides(height_px, dst_height_px, "height", err));
    float *between = malloc(3 * (size_t)dst_width_px * height_px * sizeof *between);
    wn_status status = between ? WN_OK
                               : wn_fail(err, WN_E_MEMORY, "no memory to resize %u x %u to %u x %u pixels", width_px,
                                         height_px, dst_width_px, dst_height_px);
    if (status == WN_OK)
        status = make_taps(filter, is_antialiased, width_px, dst_width_px, &x, err);
    if (status == WN_OK)
        status = make_taps(filter, is_antialiased, height_px, dst_height_px, &y, err);
    if (status == WN_OK) {
        pass_x(&x, src, width_px, between, dst_width_px, height_px);
        pass_y(&y, between, height_px, dst, dst_height_px, 3 * (size_t)dst_width_px);
    }
    free_taps(&x);
    free_taps(&y);
    free(between);
    return status;
}
