/* figures.c - what pages are put together from: text of pictures, pictures made smaller, ticks. */
#include "../ledger/scratch.h"
#include "base/files.h"
#include "base/png.h"
#include "report/html.h"
#include "report/show.h"
#include "report/svg.h"

static char scratch[64];
static wn_error err;

static void encodes_base64(void)
{
    static const char *const pairs[][2] = {
        { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" }
    };

    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) { /* RFC 4648, section 10 */
        struct buffer b = BUFFER_INIT(64);
        html_base64(&b, pairs[i][0], strlen(pairs[i][0]));
        CHECK_STR(buffer_string(&b), pairs[i][1]);
        buffer_free(&b);
    }
}

/* A picture of 1000 x 500 px is embedded as a third of it, and keeps its colours. */
static void shrinks_pictures(void)
{
    static uint8_t rgb[1000 * 500 * 3];
    struct buffer png = BUFFER_INIT(8 << 20), uri = BUFFER_INIT(8 << 20);
    struct html_picture picture;
    char path[FILE_PATH_SIZE];

    memset(rgb, 200, sizeof rgb);
    CHECK_OK(png_encode(&(wn_image){ 1000, 500, rgb }, NULL, 0, &png, &err), err);
    CHECK_OK(path_join(path, scratch, "large.png", &err), err);
    CHECK_OK(file_write(path, png.data, png.size, &err), err);
    CHECK_OK(html_picture(&uri, path, &picture, &err), err);
    CHECK_INT(picture.width_px, 1000);
    buffer_clear(&png);
    CHECK_OK(png_encode(&(wn_image){ 333, 166, rgb }, NULL, 0, &png, &err), err);
    buffer_clear(&uri);
    buffer_text(&uri, "data:image/png;base64,");
    html_base64(&uri, png.data, png.size);
    buffer_free(&png);
    CHECK_OK(html_picture(&png, path, &picture, &err), err);
    CHECK_STR(buffer_string(&png), buffer_string(&uri));
    buffer_free(&png);
    buffer_free(&uri);
}

static void ticks_are_nice(void)
{
    CHECK_NEAR(svg_nice_step(0, 1, 5), 0.2, 1e-12);
    CHECK_NEAR(svg_nice_step(0.27, 0.33, 5), 0.02, 1e-12);
    CHECK_NEAR(svg_nice_step(0, 5, 5), 1, 1e-12);
    CHECK_NEAR(svg_nice_step(0, 43, 5), 10, 1e-12);
    CHECK_NEAR(svg_nice_step(3, 3, 5), 1, 1e-12);
}

static void counts_points(void)
{
    static const struct data_metric yes_or_no = { .is_yes_or_no = true, .largest = 1 };
    static const struct {
        double gain;
        const char *want;
    } cases[] = { { 0.01, "+1 point" }, { -0.012, "-1 point" }, { 0.02, "+2 points" }, { 0, "+0 points" },
                  { -0.002, "+0 points" } };
    char text[SHOW_SIZE];

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        show_gain(&yes_or_no, cases[i].gain, text);
        CHECK_STR(text, cases[i].want);
    }
    show_bound(&yes_or_no, -0.002, text); /* on which side of 0 it lies */
    CHECK_STR(text, "-0");
}

int main(void)
{
    scratch_make(scratch);
    encodes_base64();
    counts_points();
    shrinks_pictures();
    ticks_are_nice();
    scratch_remove(scratch);
    return CHECK_DONE();
}
