/* Resizing against Pillow: hashes of many sizes and all filters, one published array, and the edges. */
#include "check.h"

#include "image/resize.h"

static wn_error err;

/* Made by tests/golden/make_resize.py: width, height, new width, new height, hash for each of Pillow's filters 0 to 5.
 */
static const struct {
    uint32_t width, height, new_width, new_height;
    uint32_t hashes[6];
} cases[] = {
    { 128, 128, 224, 224, { 0xcf29bf5d, 0x96c62959, 0x9bc6cad4, 0xde6159b6, 0x64021b1c, 0xdfcc3f96 } },
    { 256, 256, 224, 224, { 0xfb5dd478, 0xe7e4eae3, 0xd875d405, 0x4c5cebf8, 0x208d24cb, 0x2411920b } },
    { 131, 97, 302, 224, { 0x33b232d1, 0xf56726f8, 0x12e3cc77, 0xe37f46ee, 0x33b232d1, 0xd9d1e4ff } },
    { 97, 131, 224, 302, { 0x5bb656eb, 0x33d750e9, 0x016757d8, 0xc06dfd5c, 0x5bb656eb, 0xa5200a61 } },
    { 333, 177, 40, 30, { 0xd683bb7d, 0x6fdb9b96, 0x179c2552, 0xb1125140, 0x4fd58f31, 0x1b767ae8 } },
    { 177, 333, 40, 30, { 0xcc24eaac, 0x893f2245, 0xdb6b9b1b, 0x44f7d8f9, 0x4c558f1e, 0xb405dfdb } },
    { 1, 1, 5, 7, { 0x6d9f532f, 0x6d9f532f, 0x6d9f532f, 0x6d9f532f, 0x6d9f532f, 0x6d9f532f } },
    { 5, 7, 1, 1, { 0xa9ccd02c, 0x056fbdeb, 0xe0d39611, 0x056fbdeb, 0x1614230b, 0x17dff7c8 } },
    { 64, 64, 64, 20, { 0xdfed0974, 0x1ddda438, 0x98405226, 0xafa04595, 0x5bd543fb, 0x6593e63a } },
    { 64, 64, 20, 64, { 0xb936b9cd, 0x2a4768c5, 0x369b83f0, 0x09a0b05b, 0x8d1775d1, 0xbe82f1eb } },
    { 2, 300, 3, 20, { 0xec9cb762, 0xbf5ec1ec, 0x180b2b49, 0x2ef77551, 0x3903dbc7, 0xe7ef2308 } },
    { 300, 2, 20, 3, { 0xa7f78a58, 0x73bdcc8e, 0x8c0fc395, 0xd3dc0a00, 0xcf69337e, 0xbce25d1f } },
    { 31, 31, 31, 31, { 0x94070b68, 0x94070b68, 0x94070b68, 0x94070b68, 0x94070b68, 0x94070b68 } },
    { 9, 37, 55, 52, { 0x2c53ac7d, 0xc79a0799, 0xd77e6486, 0x48644a50, 0x2c53ac7d, 0x2c6c488c } },
    { 49, 5, 17, 8, { 0x30d2dc2a, 0xef165535, 0xb5738c7d, 0x1dca2488, 0xd2540299, 0xb75da6db } },
    { 32, 49, 29, 31, { 0xa3d7f932, 0x266ce689, 0x107a7482, 0xdc1fe415, 0xd37e5723, 0x74c97a00 } },
    { 42, 25, 51, 14, { 0x89915ef7, 0xfdc3cbd5, 0x50ef3b08, 0xcb115305, 0x827e55df, 0x414cffeb } },
    { 7, 32, 2, 58, { 0x73a40b6c, 0xf12ececc, 0x7b113a3b, 0x858d68a6, 0x9c892ccf, 0xd8b0b774 } },
    { 54, 25, 28, 39, { 0xf6b81fb7, 0x29f49aab, 0x2d8fdba2, 0x7f031199, 0x777def5e, 0x7b1751cd } },
    { 49, 50, 1, 45, { 0x183f19d2, 0xfa0584d3, 0xd4ecb732, 0xe2bee48c, 0x3d055d31, 0xee3b3ac3 } },
    { 29, 18, 47, 52, { 0x471b7ab1, 0x72ebca4d, 0x0dab3c96, 0xa4357817, 0x471b7ab1, 0x7db9f810 } },
    { 15, 38, 7, 58, { 0x053410fe, 0x5f040ba5, 0xbfdabb96, 0x28adb97d, 0x25b0c857, 0xa5342fc6 } },
    { 21, 2, 2, 2, { 0xb63eae9c, 0x5e52010f, 0xb5a90bf6, 0x83c50b06, 0xde4967c4, 0x8ff12734 } },
    { 42, 35, 1, 57, { 0x6305511f, 0x50d8f348, 0xcee0b7af, 0x57aeffac, 0x9c2e1fda, 0xf7e211c1 } },
    { 25, 44, 14, 28, { 0x4da8e8ff, 0x59018c69, 0xed3873e7, 0x15f594e8, 0x104b055f, 0xebac66a2 } },
    { 47, 2, 34, 15, { 0x467cabfb, 0x88ffc9d7, 0x98db69ba, 0x18135a50, 0xc1deaf22, 0x542b63c9 } },
    { 49, 29, 32, 36, { 0xfdcd15b9, 0x6bb6e990, 0xc4963705, 0x3d8e7df4, 0xb425ac19, 0xc4cd74d4 } },
    { 15, 23, 15, 44, { 0x8e5762b4, 0xfcecddbd, 0x73f47d5a, 0xa0593d3a, 0x8e5762b4, 0xa198648e } },
    { 15, 49, 30, 19, { 0x121e7cd9, 0x08a474e8, 0xddfd389b, 0xa8904731, 0xc3e56ca1, 0xf9124fff } },
    { 60, 2, 27, 54, { 0x29084534, 0xc75b479f, 0x1f6adf2c, 0x6b7c628a, 0x0a1229c8, 0x1317c326 } },
    { 59, 36, 60, 42, { 0x5d1d9fef, 0xf4101a3c, 0x6b3f49d6, 0x62219e0d, 0x5d1d9fef, 0xadc5ad90 } },
    { 7, 12, 41, 47, { 0x4c1c9651, 0x98080aad, 0xdd233284, 0x0236c4bf, 0x4c1c9651, 0x164da74c } },
    { 56, 19, 8, 48, { 0xc7a2747b, 0x6b88c2e1, 0x9c67afd8, 0x1dcbbbbf, 0xdd2fb019, 0xbd04a199 } },
    { 22, 58, 47, 46, { 0x8de45df4, 0x7170da90, 0x0a438d2a, 0x0db895f4, 0xb2f31226, 0xf90ed345 } },
    { 33, 60, 28, 33, { 0x747e5372, 0xebe17c4a, 0xdb052ab5, 0x4072fc83, 0xa3f7fde0, 0x56f8b87a } },
    { 54, 59, 43, 13, { 0x79d0222d, 0x0c28576a, 0x931b3a7d, 0x5d9f904a, 0x7285a5b6, 0xb953023e } },
    { 20, 19, 38, 57, { 0x68b90a7f, 0x23834c3e, 0x5fd961bf, 0x34c998cb, 0x6ca24da7, 0x88d28309 } },
    { 32, 55, 33, 26, { 0x2ca02666, 0xb8ff18ac, 0x3c12eeef, 0x9ab71702, 0x3c64259d, 0x9cf12bea } },
    { 38, 55, 3, 31, { 0x371fa70c, 0x350101f7, 0x6cd8cba1, 0x045b5ef1, 0x05126599, 0xcc50e85a } },
    { 16, 48, 52, 26, { 0xe076de52, 0xc1642353, 0xdda259c6, 0x1325a4a9, 0xe36cea9b, 0x939dae85 } },
    { 27, 43, 12, 24, { 0x71bcf070, 0x83ef0b1b, 0xb9829627, 0x14df7048, 0x06a932b9, 0x7c81e67e } },
    { 36, 57, 45, 50, { 0xb3fefba9, 0xb034ab4c, 0x63481c7a, 0x8b3871b2, 0xf377850b, 0x7b03a312 } },
    { 44, 48, 24, 6, { 0xdb9a19fc, 0x8a733048, 0x51a22341, 0xddd202a1, 0xe9a44b60, 0xdcd75b19 } },
};

static uint8_t *make_pixels(uint32_t width, uint32_t height)
{
    size_t n = 3 * (size_t)width * height;
    uint8_t *p = malloc(n);
    uint32_t state = width * 65536 + height;
    for (size_t i = 0; p && i < n; i++) {
        state = state * 1664525 + 1013904223;
        p[i] = (uint8_t)(state >> 24);
    }
    return p;
}

static uint32_t fnv_1a(const uint8_t *p, size_t n)
{
    uint32_t h = 0x811c9dc5;
    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * 0x01000193;
    return h;
}

static void equals_pillow(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t *pixels = make_pixels(cases[i].width, cases[i].height);
        const wn_image image = { cases[i].width, cases[i].height, pixels };
        size_t n = 3 * (size_t)cases[i].new_width * cases[i].new_height;
        uint8_t *out = malloc(n);
        for (int f = 0; f < 6; f++) {
            CHECK_OK(nn_resize_rgb8(&image, f + 1, cases[i].new_width, cases[i].new_height, out, &err), err);
            if (fnv_1a(out, n) != cases[i].hashes[f])
                CHECK_FAIL("%u x %u to %u x %u, filter %d: hash %08x, want %08x", cases[i].width, cases[i].height,
                           cases[i].new_width, cases[i].new_height, f, fnv_1a(out, n), cases[i].hashes[f]);
        }
        free(out);
        free(pixels);
    }
}

/* Pillow's own test of bicubic reduction: 12 x 12 quadrants to 6 x 6. */
static void equals_published_array(void)
{
    static const uint8_t want[3][6] = { { 0xe1, 0xe3, 0xd4, 0x2b, 0x1c, 0x1e },
                                        { 0xe3, 0xe5, 0xd6, 0x29, 0x1a, 0x1c },
                                        { 0xd4, 0xd6, 0xc9, 0x36, 0x29, 0x2b } };
    static uint8_t pixels[12 * 12 * 3], out[6 * 6 * 3];
    for (int i = 0; i < 12 * 12; i++)
        memset(pixels + 3 * i, (i % 12 < 6) == (i / 12 < 6) ? 0xe1 : 0x1e, 3);
    const wn_image image = { 12, 12, pixels };
    CHECK_OK(nn_resize_rgb8(&image, NN_FILTER_BICUBIC, 6, 6, out, &err), err);
    for (int y = 0; y < 6; y++)
        for (int x = 0; x < 6; x++) /* the lower half is the upper one turned by half a turn */
            for (int c = 0; c < 3; c++)
                CHECK_INT(out[3 * (6 * y + x) + c], y < 3 ? want[y][x] : want[5 - y][5 - x]);
}

static void older_pillow_resizes_x_first(void)
{
    uint8_t *pixels = make_pixels(20, 200), two[3 * 7 * 200], one[3 * 7 * 9], tall[3 * 20 * 9], both[3 * 7 * 9];
    const wn_image image = { 20, 200, pixels };
    CHECK_OK(nn_resize_rgb8(&image, NN_FILTER_BICUBIC | NN_RESIZE_X_FIRST, 7, 9, one, &err), err);
    CHECK_OK(nn_resize_rgb8(&image, NN_FILTER_BICUBIC, 7, 200, two, &err), err);
    CHECK_OK(nn_resize_rgb8(&(wn_image){ 7, 200, two }, NN_FILTER_BICUBIC, 7, 9, both, &err), err);
    CHECK(memcmp(one, both, sizeof one) == 0);
    CHECK_OK(nn_resize_rgb8(&image, NN_FILTER_BICUBIC, 20, 9, tall, &err), err);
    CHECK_OK(nn_resize_rgb8(&(wn_image){ 20, 9, tall }, NN_FILTER_BICUBIC, 7, 9, both, &err), err);
    CHECK_OK(nn_resize_rgb8(&image, NN_FILTER_BICUBIC, 7, 9, one, &err), err);
    CHECK(memcmp(one, both, sizeof one) == 0);
    free(pixels);
}

static void refuses(uint32_t width, uint32_t height, int32_t filter, uint32_t new_width, uint32_t new_height,
                    const char *what)
{
    static uint8_t pixels[3], out[3];
    CHECK_INT(nn_resize_rgb8(&(wn_image){ width, height, pixels }, filter, new_width, new_height, out, &err), WN_E_ARG);
    CHECK_CONTAINS(err.message, what);
}

static void crops(void)
{
    uint8_t *p = make_pixels(5, 4), out[3 * 7 * 3];
    const wn_image image = { 5, 4, p };
    nn_crop_rgb8(&image, 1, 2, 3, 2, out);
    CHECK(memcmp(out, p + 3 * (2 * 5 + 1), 9) == 0 && memcmp(out + 9, p + 3 * (3 * 5 + 1), 9) == 0);
    nn_crop_rgb8(&image, -1, -1, 7, 3, out); /* black all round */
    for (int i = 0; i < 7 * 3; i++)
        CHECK_INT(out[3 * i], i % 7 == 0 || i % 7 == 6 || i / 7 == 0 ? 0 : p[3 * ((i / 7 - 1) * 5 + i % 7 - 1)]);
    nn_crop_rgb8(&image, 9, 9, 7, 3, out);
    CHECK_INT(out[0] | out[30] | out[62], 0);
    free(p);
}

static void normalizes(void)
{
    const uint8_t rgb[6] = { 0, 51, 255, 1, 2, 3 };
    const float mean[3] = { 0.5f, 0.25f, 0 }, std[3] = { 0.5f, 0.25f, 2 };
    float rows[6], planes[6];
    nn_normalize_rgb8(rgb, 2, 1 / 255.0f, mean, std, rows);
    nn_normalize_planar_rgb8(rgb, 2, 1 / 255.0f, mean, std, planes);
    CHECK_NEAR((double)rows[0], -1, 0);
    CHECK_NEAR((double)rows[1], -0.2, 1e-6);
    CHECK_NEAR((double)rows[2], 0.5, 1e-6);
    CHECK_NEAR((double)rows[5], 3 / 510.0, 1e-7);
    for (int i = 0; i < 6; i++)
        CHECK_NEAR((double)planes[2 * (i % 3) + i / 3], (double)rows[i], 0);
}

int main(void)
{
    equals_pillow();
    equals_published_array();
    older_pillow_resizes_x_first();
    refuses(0, 1, NN_FILTER_BOX, 1, 1, "width of an image is 0 px");
    refuses(1, 0, NN_FILTER_BOX, 1, 1, "height of an image is 0 px");
    refuses(1, 1, NN_FILTER_BOX, 0, 1, "new width");
    refuses(1, 1, NN_FILTER_BOX, 1, 65537, "new height of an image is 65537 px");
    refuses(1, 1, 0, 1, 1, "filter 0");
    refuses(1, 1, 7, 1, 1, "filter 7");
    crops();
    normalizes();
    return CHECK_DONE();
}
