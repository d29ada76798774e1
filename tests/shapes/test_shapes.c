/* test_shapes.c - the judge against captions, against renders whose truth is known, and against damaged ones. */
#include "caption.h"
#include "check.h"
#include "draw.h"
#include "judge.h"
#include "vision.h"

#include <winnow/verifier.h>

#include <cjson/cJSON.h>
#include <dlfcn.h>
#include <png.h>

static const char *const colour_words[] = { "", "red", "orange", "yellow", "green", "blue", "purple" };
static const char *const shape_words[] = { "", "circle", "square", "triangle" };
static const char *const number_words[] = { "", "", "two", "three", "four" };

/* ---- captions ---- */

static const char *const inside[] = {
    "a red circle",
    "an orange square",
    "three yellow triangles",
    "Two red circles and a blue square.",
    "a red circle, a blue square and a green circle",
    "a red circle, a blue square, and a green circle",
    "a red circle to the left of a blue square",
    "a red circle  above\ta blue square ",
    "one red circle",
};
static const char *const outside[] = {
    "",
    " ",
    ".",
    "a",
    "red circle",
    "a red",
    "a red dog",
    "a red circle and",
    "a red circle a blue square",
    "a red circle to the left a blue square",
    "a red circle above",
    "a red circle above a blue square and a dog",
    "a red circle, , a blue square",
    "a photo of a red circle",
    "a red circle and a red circle",
    "zero red circles",
    "a red circle above a red circle",
    "a red circle\xff",
    "a redcircle",
    "a astonishinglyredcoloured circle",
};

static void test_captions(void)
{
    struct caption c;

    for (size_t i = 0; i < sizeof inside / sizeof inside[0]; i++)
        if (!caption_parse(inside[i], &c))
            CHECK_FAIL("\"%s\" is not read", inside[i]);
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++)
        if (caption_parse(outside[i], &c))
            CHECK_FAIL("\"%s\" is read", outside[i]);
    CHECK(caption_parse("two red circles to the right of a blue square", &c));
    CHECK_INT(c.group_count, 2);
    CHECK_INT(c.groups[0].count, 2);
    CHECK_INT(c.groups[0].colour, SHAPES_RED);
    CHECK_INT(c.groups[1].shape, SHAPES_SQUARE);
    CHECK_INT(c.relation, CAPTION_RIGHT);
}

/* ---- the golden sheet ---- */

static char *read_text(const char *path)
{
    static char text[1 << 17];
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;

    if (f)
        fclose(f);
    text[n] = '\0';
    return text;
}

static struct verdict look(const char *text, const wn_image *image)
{
    struct shapes_thing things[VISION_THINGS];
    struct caption caption;
    wn_error err;
    int count;

    CHECK_OK(vision_find(image, things, &count, &err), err);
    if (!caption_parse(text, &caption)) {
        CHECK_FAIL("\"%s\" is not read", text);
        return (struct verdict){ 0, 0 };
    }
    return judge(&caption, things, count);
}

static int item_is_wrong(const cJSON *item, const png_image *png, const uint8_t *sheet, int x0, int y0, int tile)
{
    static uint8_t rgb[DRAW_SIDE_MAX * DRAW_SIDE_MAX * 3];
    const char *text = cJSON_GetArrayItem(item, 0)->valuestring;
    struct verdict v;

    for (int y = 0; y < tile; y++)
        memcpy(rgb + 3 * y * tile, sheet + 3 * ((size_t)(y0 + y) * png->width + (size_t)x0), (size_t)tile * 3);
    v = look(text, &(wn_image){ (uint32_t)tile, (uint32_t)tile, rgb });
    return v.hold != cJSON_GetArrayItem(item, 1)->valueint || v.claims != cJSON_GetArrayItem(item, 2)->valueint;
}

/* Renders that another program made, half of them not what their caption says: at least 99 % right in every claim. */
static void test_golden(void)
{
    cJSON *golden = cJSON_Parse(read_text(WINNOW_SOURCE_DIR "/tests/shapes/golden.json"));
    const cJSON *items = cJSON_GetObjectItem(golden, "items");
    int tile = cJSON_GetObjectItem(golden, "tile_px")->valueint;
    int columns = cJSON_GetObjectItem(golden, "columns")->valueint;
    int count = cJSON_GetArraySize(items), wrong = 0;
    png_image png = { .version = PNG_IMAGE_VERSION };
    uint8_t *sheet;

    CHECK(png_image_begin_read_from_file(&png, WINNOW_SOURCE_DIR "/tests/shapes/golden.png"));
    png.format = PNG_FORMAT_RGB;
    sheet = malloc(PNG_IMAGE_SIZE(png));
    CHECK(png_image_finish_read(&png, NULL, sheet, 0, NULL));
    for (int i = 0; i < count; i++)
        wrong += item_is_wrong(cJSON_GetArrayItem(items, i), &png, sheet, i % columns * tile, i / columns * tile, tile);
    printf("golden: %d of %d wrong\n", wrong, count);
    CHECK_INT(count, 480);
    CHECK(wrong * 100 <= count);
    free(sheet);
    cJSON_Delete(golden);
}

/* ---- own renders: sizes, grounds, damage ---- */

/* The caption that says exactly what is drawn, or, with a colour that is not in the picture, one that does not. */
static void describe(const struct draw_scene *s, int wrong_colour, char *text, size_t size)
{
    size_t at = 0;

    text[0] = '\0';
    for (int i = 0, n = 0; i < s->count; i++, n = 0) {
        const struct draw_thing *t = &s->things[i];
        int first = i;
        for (int k = 0; k < s->count; k++)
            if (s->things[k].colour == t->colour && s->things[k].shape == t->shape) {
                n++;
                first = k < first ? k : first;
            }
        if (first == i)
            at += (size_t)snprintf(
                text + at, size - at, "%s%s %s %s%s", at ? " and " : "", n > 1 ? number_words[n] : "a",
                colour_words[wrong_colour && !i ? wrong_colour : t->colour], shape_words[t->shape], n > 1 ? "s" : "");
    }
}

static int absent_colour(const struct draw_scene *s)
{
    for (int c = 1;; c++) {
        int used = 0;
        for (int i = 0; i < s->count; i++)
            used += s->things[i].colour == c;
        if (!used)
            return c;
    }
}

struct damage {
    const char *name;
    int blur, halve;
    double noise;
    int wrong_per_mille; /* allowed */
};

static int scene_is_wrong(const struct draw_scene *s, const struct damage *d, int side, uint64_t *state)
{
    static uint8_t rgb[DRAW_SIDE_MAX * DRAW_SIDE_MAX * 3];
    wn_image image = { (uint32_t)side, (uint32_t)side, rgb };
    struct verdict v;
    char text[256];
    int wrong;

    draw_scene(s, side, rgb);
    draw_blur(rgb, side, d->blur * (side / 64) * (side / 64));
    if (d->halve)
        draw_halve_chroma(rgb, side);
    if (d->noise > 0)
        draw_noise(rgb, side, d->noise, state);
    describe(s, 0, text, sizeof text);
    v = look(text, &image);
    wrong = v.hold != v.claims;
    describe(s, absent_colour(s), text, sizeof text);
    v = look(text, &image);
    return wrong || v.hold != v.claims - 2; /* the group is not there, and something else is */
}

static void test_renders(const struct damage *d, int side, uint8_t red, uint8_t green, uint8_t blue, int count)
{
    struct draw_scene s = { .ground = { red, green, blue } };
    uint64_t state = (uint64_t)side;
    int wrong = 0;

    for (int i = 0; i < count; i++) {
        draw_place(&state, 1 + i % DRAW_THINGS, &s);
        wrong += scene_is_wrong(&s, d, side, &state);
    }
    printf("%s, %d px, ground %d %d %d: %d of %d wrong\n", d->name, side, red, green, blue, wrong, count);
    if (wrong * 1000 > d->wrong_per_mille * count)
        CHECK_FAIL("%s at %d px: %d of %d wrong, allowed %d per mille", d->name, side, wrong, count,
                   d->wrong_per_mille);
}

static void test_sizes_and_grounds(void)
{
    static const struct damage clean = { "clean", 0, 0, 0, 10 };

    test_renders(&clean, 64, 245, 245, 245, 160);
    test_renders(&clean, 80, 228, 240, 228, 80);
    test_renders(&clean, 128, 244, 236, 220, 40);
    test_renders(&clean, 200, 225, 232, 242, 20);
    test_renders(&clean, 256, 255, 255, 255, 20);
    test_renders(&clean, 64, 128, 128, 128, 80);
    test_renders(&clean, 64, 16, 16, 24, 80);
    test_renders(&clean, 64, 170, 205, 235, 80);
}

static void test_damage(void)
{
    static const struct damage blurred = { "blurred", 2, 0, 0, 20 };
    static const struct damage bled = { "bled", 1, 1, 0, 20 };
    static const struct damage noisy = { "noisy", 0, 0, 24, 20 };
    static const struct damage all = { "blurred, bled, noisy", 1, 1, 16, 30 };

    test_renders(&blurred, 64, 240, 228, 236, 160);
    test_renders(&blurred, 128, 245, 245, 245, 40);
    test_renders(&bled, 64, 244, 236, 220, 160);
    test_renders(&noisy, 64, 245, 245, 245, 160);
    test_renders(&noisy, 128, 225, 232, 242, 40);
    test_renders(&all, 64, 228, 240, 228, 160);
}

static void test_nothing(void)
{
    static uint8_t rgb[300 * 3];
    struct shapes_thing things[VISION_THINGS];
    wn_error err;
    int count = -1;

    CHECK_OK(vision_find(&(wn_image){ 0, 0, rgb }, things, &count, &err), err);
    CHECK_INT(count, 0);
    CHECK_OK(vision_find(&(wn_image){ 1, 1, rgb }, things, &count, &err), err);
    CHECK_INT(count, 0);
    CHECK_OK(vision_find(&(wn_image){ 300, 1, rgb }, things, &count, &err), err);
    CHECK_INT(count, 0);
    CHECK_INT(look("a red circle", &(wn_image){ 10, 10, rgb }).hold, 1); /* nothing else is there */
}

/* ---- the plugin as the host sees it ---- */

static void test_plugin(void)
{
    void *library = dlopen(WINNOW_BUILD_DIR "/lib/winnow/shapes.so", RTLD_NOW | RTLD_LOCAL);
    const wn_module *module = library ? dlsym(library, "wn_module_v0") : NULL;
    const wn_verifier *verifier;
    static uint8_t rgb[64 * 64 * 3];
    struct draw_scene s = { { 245, 245, 245 }, { { SHAPES_RED, SHAPES_CIRCLE, 20, 30, 20 } }, 1 };
    wn_image image = { 64, 64, rgb }, images[] = { image, image, image };
    wn_prompt prompts[] = { { "a red circle", "a", "", "{}" },
                            { "a dog", "b", "", "{}" },
                            { "a blue circle", "c", "", "{}" } };
    const wn_prompt *asked[] = { &prompts[0], &prompts[1], &prompts[2] };
    double scores[] = { NAN, NAN, NAN, NAN, NAN, NAN };
    wn_score_request request = { sizeof request, 3, asked, images, NULL, scores };
    wn_error err;

    if (!module) {
        CHECK_FAIL("shapes.so: %s", dlerror());
        return;
    }
    draw_scene(&s, 64, rgb);
    verifier = module->plugins[0]->vtable;
    CHECK_OK(verifier->score(NULL, &request, &err), err);
    CHECK_NEAR(scores[0], 1, 0);
    CHECK_NEAR(scores[1], 1, 0);
    CHECK(isnan(scores[2]) && isnan(scores[3]));
    CHECK_NEAR(scores[4], 0, 0);
    CHECK_NEAR(scores[5], 0, 0);
    dlclose(library);
}

int main(void)
{
    test_captions();
    test_golden();
    test_sizes_and_grounds();
    test_damage();
    test_nothing();
    test_plugin();
    return CHECK_DONE();
}
