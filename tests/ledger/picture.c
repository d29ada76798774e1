/* PNG out and in again with texts nobody should choose; every kind of PNG as RGB; JPEG by content; broken files
 * refused. */
#include "base/image_file.h"
#include "base/png.h"
#include "ledger/recipe.h"

#include "scratch.h"

#include <png.h>
#include <winnow/sampler.h>

static wn_error err;
static char scratch[64];

static void paint(uint8_t *rgb, uint32_t width, uint32_t height)
{
    for (uint32_t i = 0; i < width * height * 3; i++)
        rgb[i] = (uint8_t)((i * 2654435761u) >> 24);
}

/* ---- round trips ---- */

struct seen {
    const char *key;
    const char *want;
    int hits;
};

static void look(void *arg, const char *key, const char *value)
{
    struct seen *seen = arg;
    if (strcmp(key, seen->key) != 0)
        return;
    seen->hits++;
    CHECK_STR(value, seen->want);
}

static void text_comes_back(const char *value, const char *want, bool is_utf8, const char *chunk)
{
    uint8_t rgb[5 * 3 * 3], *back = NULL;
    uint32_t width = 0, height = 0;
    wn_image image = { 5, 3, rgb };
    struct png_text text = { "parameters", value, is_utf8 };
    struct buffer file = BUFFER_INIT(1 << 24), again = BUFFER_INIT(1 << 24);
    struct seen seen = { "parameters", want, 0 };
    paint(rgb, 5, 3);
    CHECK_OK(png_encode(&image, &text, 1, &file, &err), err);
    CHECK_OK(png_encode(&image, &text, 1, &again, &err), err);
    CHECK(file.size == again.size && memcmp(file.data, again.data, file.size) == 0);
    CHECK(memmem(file.data, file.size, chunk, 4) != NULL);
    CHECK_OK(png_read_texts("file", file.data, file.size, look, &seen, &err), err);
    CHECK_INT(seen.hits, 1);
    CHECK_OK(png_decode("file", file.data, file.size, &width, &height, &back, &err), err);
    CHECK_INT(width, 5);
    CHECK_INT(height, 3);
    CHECK(back && memcmp(back, rgb, sizeof rgb) == 0);
    free(back);
    buffer_free(&file);
    buffer_free(&again);
}

static void texts_come_back(void)
{
    text_comes_back("a red circle\nSteps: 10", "a red circle\nSteps: 10", false, "tEXt");
    text_comes_back("caf\xc3\xa9 \xc3\xbf", "caf\xc3\xa9 \xc3\xbf", false, "tEXt"); /* Latin-1 */
    text_comes_back("\xe5\x9c\x86 \xf0\x9f\x94\xb4", "\xe5\x9c\x86 \xf0\x9f\x94\xb4", false, "iTXt");
    text_comes_back("\xe2\x80\xae<script>\x1b[31m\t", "\xe2\x80\xae<script>\x1b[31m\t", false, "iTXt");
    text_comes_back("bad \xff\xc3 bytes \xed\xa0\x80",
                    "bad \xef\xbf\xbd\xef\xbf\xbd bytes \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", false, "iTXt");
    text_comes_back("", "", false, "tEXt");
    text_comes_back("{}", "{}", true, "iTXt");
    char *lots = malloc((1 << 20) + 1);
    memset(lots, 'x', 1 << 20);
    lots[1 << 20] = 0;
    text_comes_back(lots, lots, true, "iTXt");
    free(lots);
}

/* Flat, steep, smooth, wild and striped: each leaves least behind another filter. */
static uint8_t pixel_of(int kind, uint32_t x, uint32_t y, uint32_t i)
{
    switch (kind) {
    case 0:
        return 200;
    case 1:
        return (uint8_t)(31 * x + 17 * y);
    case 2:
        return (uint8_t)(128 + (x * x + 3 * y) / 64 % 100);
    case 3:
        return (uint8_t)((i * 2654435761u) >> 24);
    default:
        return x % 2 ? 255 : 0;
    }
}

static void picture_comes_back(int kind, uint32_t width, uint32_t height)
{
    const uint64_t bytes = (uint64_t)width * height * 3;
    uint8_t *rgb = malloc(bytes), *back = NULL;
    struct buffer file = BUFFER_INIT(1 << 24);
    uint32_t back_width = 0, back_height = 0;
    for (uint32_t i = 0; i < bytes; i++)
        rgb[i] = pixel_of(kind, i / 3 % width, i / 3 / width, i);
    CHECK_OK(png_encode(&(wn_image){ width, height, rgb }, NULL, 0, &file, &err), err);
    CHECK_OK(png_decode("file", file.data, file.size, &back_width, &back_height, &back, &err), err);
    CHECK_INT(back_width, width);
    CHECK_INT(back_height, height);
    CHECK(back && memcmp(back, rgb, bytes) == 0);
    free(back);
    free(rgb);
    buffer_free(&file);
}

static void pictures_come_back(void)
{
    for (int kind = 0; kind < 5; kind++) {
        picture_comes_back(kind, 1, 1);
        picture_comes_back(kind, 1, 9);
        picture_comes_back(kind, 67, 31);
        picture_comes_back(kind, 256, 128);
    }
}

/* ---- kinds of PNG: what libpng writes is read back as RGB ---- */

static void write_kind(const char *path, int type, int depth, int interlace, png_const_bytep row)
{
    FILE *file = fopen(path, "wb");
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_color palette[2] = { { 10, 20, 30 }, { 200, 100, 50 } };
    png_byte half[2] = { 255, 128 };
    png_init_io(png, file);
    png_set_IHDR(png, info, 2, 2, depth, type, interlace, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (type == PNG_COLOR_TYPE_PALETTE) {
        png_set_PLTE(png, info, palette, 2);
        png_set_tRNS(png, info, half, 2, NULL);
    }
    png_write_info(png, info);
    for (int pass = png_set_interlace_handling(png); pass > 0; pass--)
        for (int y = 0; y < 2; y++)
            png_write_row(png, row);
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
    fclose(file);
}

static void kind_is(int type, int depth, int interlace, const char *row, const char *want)
{
    char path[128];
    wn_image image = { 0, 0, NULL };
    snprintf(path, sizeof path, "%s/kind.jpg", scratch); /* the name lies; the content decides */
    write_kind(path, type, depth, interlace, (png_const_bytep)row);
    CHECK_OK(image_read(path, &image, &err), err);
    CHECK_INT(image.width_px, 2);
    CHECK_INT(image.height_px, 2);
    CHECK(image.rgb && memcmp(image.rgb, want, 6) == 0 && memcmp(image.rgb + 6, want, 6) == 0);
    image_free(&image);
}

static void every_kind_becomes_rgb(void)
{
    for (int interlace = 0; interlace < 2; interlace++) {
        kind_is(PNG_COLOR_TYPE_RGB, 8, interlace, "abcdef", "abcdef");
        kind_is(PNG_COLOR_TYPE_RGB, 16, interlace, "a\377b\0c\177d\0e\0f\0", "abcdef");
        kind_is(PNG_COLOR_TYPE_RGBA, 8, interlace, "abc\200def\0", "abcdef"); /* alpha is dropped, not blended */
        kind_is(PNG_COLOR_TYPE_GRAY, 8, interlace, "aq", "aaaqqq");
        kind_is(PNG_COLOR_TYPE_GRAY, 1, interlace, "\100", "\0\0\0\377\377\377");
        kind_is(PNG_COLOR_TYPE_GRAY, 16, interlace, "a\200q\0", "aaaqqq");
        kind_is(PNG_COLOR_TYPE_GRAY_ALPHA, 8, interlace, "a\0q\377", "aaaqqq");
        kind_is(PNG_COLOR_TYPE_PALETTE, 1, interlace, "\100", "\12\24\36\310\144\62");
    }
}

/* ---- broken files ---- */

static wn_status read_bytes(const void *data, uint64_t bytes)
{
    char path[128];
    wn_image image = { 0, 0, NULL };
    snprintf(path, sizeof path, "%s/broken.png", scratch);
    FILE *file = fopen(path, "wb");
    fwrite(data, 1, (size_t)bytes, file);
    fclose(file);
    wn_status status = image_read(path, &image, &err);
    image_free(&image);
    return status;
}

static void ignore_text(void *arg, const char *key, const char *value)
{
    (void)arg, (void)key, (void)value;
}

static void broken_files_are_refused(void)
{
    uint8_t rgb[16 * 16 * 3];
    wn_image image = { 16, 16, rgb };
    struct png_text text = { "winnow", "{\"format\":1}", true };
    struct buffer file = BUFFER_INIT(1 << 20);
    paint(rgb, 16, 16);
    CHECK_OK(png_encode(&image, &text, 1, &file, &err), err);
    for (uint64_t n = 0; n + 12 < file.size; n++) /* cut before the end chunk, whose absence is forgiven */
        CHECK(read_bytes(file.data, n) == WN_E_FORMAT);
    for (uint64_t n = 0; n < file.size; n++) { /* any damaged byte: refused or harmless, never a crash */
        file.data[n] = (char)(file.data[n] ^ 0x55);
        read_bytes(file.data, file.size);
        png_read_texts("file", file.data, file.size, ignore_text, NULL, &err);
        file.data[n] = (char)(file.data[n] ^ 0x55);
    }
    memcpy(file.data + 16, "\0\0\x40\x01", 4); /* 16385 wide; the checksum is wrong too */
    CHECK_INT(read_bytes(file.data, file.size), WN_E_FORMAT);
    CHECK_INT(read_bytes("GIF89a", 6), WN_E_FORMAT);
    CHECK_CONTAINS(err.message, "no PNG, JPEG or WebP");
    CHECK_INT(read_bytes("\xff\xd8\xff\xe0 nothing more", 17), WN_E_FORMAT);
    CHECK_CONTAINS(err.message, "not a JPEG");
    CHECK_INT(image_read("/nowhere/x.png", &image, &err), WN_E_MISSING);
    image = (wn_image){ 0, 16, rgb };
    buffer_clear(&file);
    CHECK_INT(png_encode(&image, NULL, 0, &file, &err), WN_E_FORMAT);
    buffer_free(&file);
}

/* 9 x 7 px of one colour (200, 30, 60), written by libjpeg. */
static void jpeg_is_read(void)
{
    static const char path_format[] = "%s/tests/ledger/red.jpg";
    char path[512];
    wn_image image = { 0, 0, NULL };
    snprintf(path, sizeof path, path_format, WINNOW_SOURCE_DIR);
    CHECK_OK(image_read(path, &image, &err), err);
    CHECK_INT(image.width_px, 9);
    CHECK_INT(image.height_px, 7);
    for (int i = 0; image.rgb && i < 9 * 7 * 3; i += 3) {
        CHECK_NEAR(image.rgb[i], 200, 3);
        CHECK_NEAR(image.rgb[i + 1], 30, 3);
        CHECK_NEAR(image.rgb[i + 2], 60, 3);
    }
    image_free(&image);
}

/* ---- the recipe ---- */

struct extra {
    double guidance;
    int64_t max_length;
};

struct options {
    const char *model;
};

static const wn_option canvas_options[] = { WN_NUMBER(struct extra, guidance, "3.5", 0, 100, "g"),
                                            WN_INT(struct extra, max_length, "32", 1, 512, "l"), WN_OPTIONS_END };
static const wn_option options[] = { WN_PATH(struct options, model, NULL, "m"), WN_OPTIONS_END };
static const wn_sampler sampler = { .struct_size = sizeof sampler, .canvas_options = canvas_options };
static const wn_plugin plugin = { .name = "flux", .options = options, .vtable = &sampler };
static struct extra extra = { 3.5, 32 };
static struct options values = { "pebble, small" };

/* Until the next call. */
static const char *recipe_of(void (*write)(const struct recipe *, struct buffer *), int noise, uint64_t seed,
                             const char *lineage)
{
    static char said[2048];
    const struct spec spec = { .seed = seed,
                               .noise = noise,
                               .solver = SPEC_SOLVER_EULER,
                               .canvas = { .width_px = 128, .height_px = 64, .steps = 10, .extra = &extra },
                               .sampler = { .plugin = &plugin, .options = &values },
                               .hash = "abc" };
    const wn_prompt prompt = { "a \"red\" circle", "p0001", "", "{}" };
    const struct ledger_candidate candidate = { .id = "0f", .lineage = lineage, .nfe = 10 };
    const struct recipe recipe = { &spec, &prompt, "key", &candidate };
    struct buffer text = BUFFER_INIT(sizeof said);
    write(&recipe, &text);
    snprintf(said, sizeof said, "%s", buffer_string(&text));
    buffer_free(&text);
    return said;
}

static void recipe_says_how(void)
{
    CHECK_STR(recipe_of(recipe_parameters, SPEC_NOISE_PHILOX, UINT64_MAX, "{\"stream\":2}"),
              "a \"red\" circle\nSteps: 10, Sampler: Euler, CFG scale: 3.5, "
              "Seed: 18446744073709551615, Size: 128x64, Model: pebble_ small, Version: winnow 0.1.0");
    /* other tools call seed + stream the seed */
    CHECK_CONTAINS(recipe_of(recipe_parameters, SPEC_NOISE_TORCH_CPU, 1,
                             "{\"noise\":\"00\",\"seed\":40,\"stream\":2,\"moves\":[{\"advance\":10}]}"),
                   "Seed: 42,");
    CHECK_CONTAINS(recipe_of(recipe_parameters, SPEC_NOISE_TORCH_CPU, 1,
                             "{\"noise\":\"00\",\"moves\":[{\"renoise\":3,\"stream\":9}]}"),
                   "Seed: 1,");
    CHECK_STR(recipe_of(recipe_json, SPEC_NOISE_PHILOX, UINT64_MAX, "{\"stream\":2}"),
              "{\"format\":1,\"winnow\":\"0.1.0\",\"spec\":\"abc\",\"prompt_id\":\"p0001\","
              "\"prompt\":\"a \\\"red\\\" circle\",\"trial\":0,\"candidate\":\"0f\",\"parent\":null,"
              "\"lineage\":{\"stream\":2},\"nfe\":10,\"seed\":18446744073709551615,\"noise\":\"philox\","
              "\"sampler\":\"flux\",\"model\":\"key\",\"canvas\":{\"width\":128,\"height\":64,\"steps\":10,"
              "\"solver\":\"euler\",\"guidance\":3.5,\"max_length\":32}}");
}

int main(void)
{
    scratch_make(scratch);
    texts_come_back();
    pictures_come_back();
    every_kind_becomes_rgb();
    broken_files_are_refused();
    jpeg_is_read();
    recipe_says_how();
    scratch_remove(scratch);
    return CHECK_DONE();
}
