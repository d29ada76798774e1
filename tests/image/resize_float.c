/* Float resizing against torch (tests/golden/resize_torch.safetensors, make_resize_torch.py). Values in 0..1 agree
 * within 1e-6, also at the sizes of photographs; normalised ones, four times as large, within 5e-6 (measured: 2e-6).
 */
#include "check.h"

#include "image/preprocess.h"
#include "image/resize_float.h"
#include "weights/weights.h"

static wn_error err;
static double worst;

/* As in resize.c. */
static void fill_pixels(uint32_t width, uint32_t height, uint8_t *p)
{
    uint32_t state = width * 65536 + height;
    for (size_t i = 0; i < 3 * (size_t)width * height; i++) {
        state = state * 1664525 + 1013904223;
        p[i] = (uint8_t)(state >> 24);
    }
}

static void compare(const nn_weights *golden, const char *name, const float *got, size_t count)
{
    const nn_tensor *t = nn_weights_find(golden, name);
    CHECK(t != NULL);
    if (!t)
        return;
    for (size_t i = 0; i < count; i++) {
        const double want = (double)((const float *)t->data)[i];
        if (!(fabs((double)got[i] - want) <= 5e-6))
            CHECK_FAIL("%s: value %zu is %.9g, want %.9g", name, i, (double)got[i], want);
        worst = fmax(worst, fabs((double)got[i] - want));
    }
}

static void check_case(const nn_weights *golden, uint32_t width, uint32_t height, uint32_t to_width, uint32_t to_height)
{
    static uint8_t rgb[3 * 2000];
    static float src[3 * 2000], dst[3 * 2000];
    fill_pixels(width, height, rgb);
    for (size_t i = 0; i < 3 * (size_t)width * height; i++)
        src[i] = (float)rgb[i] / 255;
    for (int filter = NN_FILTER_BILINEAR; filter <= NN_FILTER_BICUBIC; filter++)
        for (int aa = 0; aa <= 1; aa++) {
            char name[64];
            snprintf(name, sizeof name, "%ux%u.%s.%s", width, height,
                     filter == NN_FILTER_BICUBIC ? "bicubic" : "bilinear", aa ? "aa" : "noaa");
            CHECK_OK(nn_resize_f32(src, width, height, filter, aa, to_width, to_height, dst, &err), err);
            compare(golden, name, dst, 3 * (size_t)to_width * to_height);
        }
}

/* Resize, crop and normalise as torchvision's transforms on a tensor. */
static void prepares(const nn_weights *golden)
{
    static uint8_t rgb[3 * 31 * 17];
    float dst[8 * 8 * 3];
    const wn_image image = { 31, 17, rgb };
    nn_preprocess p = nn_preprocess_clip(8);
    fill_pixels(31, 17, rgb);
    p.crop = NN_CROP_HALF_EVEN;
    p.resize = NN_RESIZE_TORCH_AA;
    CHECK_OK(nn_preprocess_run(&p, &image, dst, &err), err);
    compare(golden, "prepared.aa", dst, 8 * 8 * 3);
    p.resize = NN_RESIZE_TORCH_NOAA;
    CHECK_OK(nn_preprocess_run(&p, &image, dst, &err), err);
    compare(golden, "prepared.noaa", dst, 8 * 8 * 3);
    p.resize = 0;
    CHECK_INT(nn_preprocess_run(&p, &image, dst, &err), WN_E_ARG);
    p.resize = NN_RESIZE_TORCH_AA;
    p.filter = NN_FILTER_BOX;
    CHECK_INT(nn_preprocess_run(&p, &image, dst, &err), WN_E_ARG);
    CHECK_CONTAINS(err.message, "filter 5 of a float image");
}

static void refuses(void)
{
    float one[3] = { 0 };
    CHECK_INT(nn_resize_f32(one, 0, 1, NN_FILTER_BICUBIC, true, 1, 1, one, &err), WN_E_ARG);
    CHECK_CONTAINS(err.message, "width of an image is to go from 0 to 1 px");
    CHECK_INT(nn_resize_f32(one, 1, 1, NN_FILTER_BICUBIC, true, 1, 65537, one, &err), WN_E_ARG);
    CHECK_CONTAINS(err.message, "height");
}

int main(void)
{
    nn_weights *golden;
    CHECK_OK(nn_weights_open(WINNOW_SOURCE_DIR "/tests/golden/resize_torch.safetensors", &golden, &err), err);
    if (!golden)
        return CHECK_DONE();
    check_case(golden, 9, 7, 13, 11);
    check_case(golden, 31, 17, 8, 5);
    check_case(golden, 16, 16, 16, 7);
    check_case(golden, 5, 40, 12, 9);
    check_case(golden, 1, 3, 4, 2);
    prepares(golden);
    refuses();
    nn_weights_close(golden);
    printf("largest error %.1e (bound 5e-06)\n", worst);
    return CHECK_DONE();
}
