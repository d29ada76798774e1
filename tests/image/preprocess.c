/* Image processor settings: what is read, which sizes follow, and that the steps are those of resize.h. */
#include "../weights/files.h"

#include "image/preprocess.h"

static wn_error err;

static nn_preprocess read_settings(const char *json)
{
    nn_preprocess p = { 0 };
    write_text("preprocessor_config.json", json);
    CHECK_OK(nn_preprocess_open(folder, &p, &err), err);
    return p;
}

static void refuse(const char *json, const char *reason)
{
    nn_preprocess p;
    write_text("preprocessor_config.json", json);
    CHECK_INT(nn_preprocess_open(folder, &p, &err), strstr(reason, "no /") ? WN_E_MISSING : WN_E_FORMAT);
    CHECK_CONTAINS(err.message, "preprocessor_config.json");
    CHECK_CONTAINS(err.message, reason);
}

static void reads_settings(void)
{
    nn_preprocess p = read_settings("{}");
    CHECK_INT(p.filter, NN_FILTER_BICUBIC);
    CHECK_INT(p.short_px, 224);
    CHECK_INT(p.crop_width_px, 224);
    CHECK_NEAR((double)p.mean[0], 0.48145466, 2e-8);
    p = read_settings(
        "{\"size\": 64, \"crop_size\": 50, \"resample\": 2, \"do_normalize\": false, \"rescale_factor\": 0.5}");
    CHECK_INT(p.filter, NN_FILTER_BILINEAR);
    CHECK_INT(p.short_px, 64);
    CHECK_INT(p.crop_height_px, 50);
    CHECK(p.scale == 0.5f && p.mean[1] == 0.0f && p.std[2] == 1.0f);
    p = read_settings(
        "{\"size\": {\"height\": 40, \"width\": 70}, \"do_center_crop\": false, \"image_std\": [1, 2, 3]}");
    CHECK_INT(p.short_px, 0);
    CHECK_INT(p.resize_height_px, 40);
    CHECK_INT(p.resize_width_px, 70);
    CHECK_INT(p.crop_width_px, 0);
    CHECK(p.std[2] == 3.0f);
    p = read_settings("{\"do_resize\": false, \"do_rescale\": false}");
    CHECK_INT(p.short_px, 0);
    CHECK(p.scale == 1.0f);
    refuse("{\"resample\": 6}", "resample is 6, want 0 to 5");
    refuse("{\"size\": {\"longest_edge\": 4}}", "no /size/height");
    refuse("{\"size\": 0}", "size is 0 px");
    refuse("{\"size\": \"big\"}", "want an integer");
    refuse("{\"crop_size\": {\"height\": 7}}", "no /crop_size/width");
    refuse("{\"image_mean\": [1]}", "image_mean has 1 numbers, want 3");
    refuse("{\"image_std\": [1, 0, 1]}", "image_std[1] is 0");
}

static void check_size(const nn_preprocess *p, uint32_t width, uint32_t height, uint32_t want_width,
                       uint32_t want_height)
{
    uint32_t w = 0, h = 0;
    CHECK_OK(nn_preprocess_size(p, width, height, &w, &h, &err), err);
    CHECK_INT(w, want_width);
    CHECK_INT(h, want_height);
}

static void computes_sizes(void)
{
    nn_preprocess p = nn_preprocess_clip(224);
    check_size(&p, 1000, 10, 224, 224);
    p.crop_width_px = p.crop_height_px = 0;
    check_size(&p, 640, 480, 298, 224); /* 298.67 truncates */
    check_size(&p, 480, 640, 224, 298);
    check_size(&p, 7, 7, 224, 224);
    uint32_t w, h;
    CHECK_INT(nn_preprocess_size(&p, 1, 60000, &w, &h, &err), WN_E_ARG);
    CHECK_INT(nn_preprocess_size(&p, 0, 5, &w, &h, &err), WN_E_ARG);
    p.short_px = 0;
    check_size(&p, 31, 17, 31, 17);
}

/* A crop alone shows where it begins: pixel (x, y) of the image is (x, y, 0). */
static void check_crop(int32_t rule, uint32_t size, uint32_t crop, int want_first)
{
    static uint8_t pixels[9 * 9 * 3];
    static float out[9 * 9 * 3];
    for (uint32_t i = 0; i < size * size; i++) {
        pixels[3 * i] = (uint8_t)(i % size + 1);
        pixels[3 * i + 1] = (uint8_t)(i / size + 1);
    }
    const nn_preprocess p = { .resize = NN_RESIZE_PIL,
                              .filter = NN_FILTER_BOX,
                              .crop_width_px = crop,
                              .crop_height_px = crop,
                              .crop = rule,
                              .scale = 1,
                              .std = { 1, 1, 1 } };
    const wn_image image = { size, size, pixels };
    CHECK_OK(nn_preprocess_run(&p, &image, out, &err), err);
    uint32_t i = want_first < 0 ? (uint32_t)-want_first : 0; /* first column and row that are not padding */
    CHECK_NEAR((double)out[3 * (i * crop + i)], want_first < 0 ? 1 : want_first + 1, 0);
    CHECK_NEAR((double)out[3 * (i * crop + i) + 1], want_first < 0 ? 1 : want_first + 1, 0);
    CHECK(i == 0 || out[3 * ((i - 1) * crop + i)] == 0.0f);
}

static void crops_in_the_middle(void)
{
    check_crop(NN_CROP_FLOOR, 9, 4, 2); /* 2.5 */
    check_crop(NN_CROP_HALF_EVEN, 9, 4, 2);
    check_crop(NN_CROP_FLOOR, 9, 6, 1); /* 1.5 */
    check_crop(NN_CROP_HALF_EVEN, 9, 6, 2);
    check_crop(NN_CROP_FLOOR, 9, 5, 2);
    check_crop(NN_CROP_FLOOR, 4, 9, -3); /* -2.5 */
    check_crop(NN_CROP_HALF_EVEN, 4, 9, -2);
}

static void runs_the_steps_in_order(void)
{
    static uint8_t pixels[50 * 30 * 3], resized[20 * 12 * 3], cropped[12 * 12 * 3];
    static float got[12 * 12 * 3], want[12 * 12 * 3];
    const wn_image image = { 50, 30, pixels }, middle = { 20, 12, resized };
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(i * 37 + i / 50);
    nn_preprocess p = nn_preprocess_clip(12);
    CHECK_OK(nn_preprocess_run(&p, &image, got, &err), err);
    CHECK_OK(nn_resize_rgb8(&image, NN_FILTER_BICUBIC, 20, 12, resized, &err), err);
    nn_crop_rgb8(&middle, 4, 0, 12, 12, cropped);
    nn_normalize_rgb8(cropped, 12 * 12, p.scale, p.mean, p.std, want);
    CHECK(memcmp(got, want, sizeof got) == 0);
}

int main(void)
{
    scratch_make(folder);
    reads_settings();
    computes_sizes();
    crops_in_the_middle();
    runs_the_steps_in_order();
    scratch_remove(folder);
    return CHECK_DONE();
}
