/* draw.c - renders by 4 x 4 samples for each pixel; knows nothing of how the verifier looks at pictures. */
#include "draw.h"

#include "world.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

static const uint8_t paints[][3] = {
    [SHAPES_RED] = { 220, 40, 40 },   [SHAPES_ORANGE] = { 245, 130, 25 }, [SHAPES_YELLOW] = { 240, 210, 30 },
    [SHAPES_GREEN] = { 40, 165, 60 }, [SHAPES_BLUE] = { 45, 85, 215 },    [SHAPES_PURPLE] = { 145, 50, 175 },
};

uint64_t draw_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

double draw_uniform(uint64_t *state, double low, double high)
{
    return low + (high - low) * (double)(draw_random(state) >> 11) * 0x1p-53;
}

static bool is_free(const struct draw_scene *s, const struct draw_thing *t)
{
    for (int i = 0; i < s->count; i++) {
        double apart = fmax(fabs(t->x - s->things[i].x), fabs(t->y - s->things[i].y));
        if (apart <= 0.55 * (t->size + s->things[i].size) + 3)
            return false;
    }
    return true;
}

void draw_place(uint64_t *state, int count, struct draw_scene *scene)
{
    int tries = 0;

    for (scene->count = 0; scene->count < count;) {
        struct draw_thing t = { 1 + (int)(draw_random(state) % 6), 1 + (int)(draw_random(state) % 3), 0, 0, 0 };
        t.size = draw_uniform(state, count > 2 ? 15 : 16, count > 2 ? 20 : 24);
        t.x = draw_uniform(state, 0.56 * t.size + 2, 62 - 0.56 * t.size);
        t.y = draw_uniform(state, 0.56 * t.size + 2, 62 - 0.56 * t.size);
        if (is_free(scene, &t))
            scene->things[scene->count++] = t;
        if (++tries % 200 == 0)
            scene->count = 0; /* painted into a corner: start again */
    }
}

static bool covers(const struct draw_thing *t, double x, double y)
{
    double dx = x - t->x, dy = y - t->y;

    if (t->shape == SHAPES_CIRCLE)
        return dx * dx + dy * dy <= 0.25 * t->size * t->size;
    if (t->shape == SHAPES_SQUARE)
        return fmax(fabs(dx), fabs(dy)) <= 0.45 * t->size;
    return fabs(dy) <= 0.48 * t->size && fabs(dx) <= 0.55 * (dy + 0.48 * t->size) / 0.96;
}

static const uint8_t *colour_at(const struct draw_scene *s, double x, double y)
{
    for (int i = 0; i < s->count; i++)
        if (covers(&s->things[i], x, y))
            return paints[s->things[i].colour];
    return s->ground;
}

void draw_scene(const struct draw_scene *scene, int side_px, uint8_t *rgb)
{
    double scale = 64.0 / side_px;

    for (int i = 0; i < side_px * side_px; i++) {
        int sum[3] = { 8, 8, 8 };
        for (int k = 0; k < 16; k++) {
            const uint8_t *c = colour_at(scene, (i % side_px + 0.125 + 0.25 * (k % 4)) * scale,
                                         (i / side_px + 0.125 + 0.25 * (k / 4)) * scale);
            for (int j = 0; j < 3; j++)
                sum[j] += c[j];
        }
        for (int j = 0; j < 3; j++)
            rgb[3 * i + j] = (uint8_t)(sum[j] / 16);
    }
}

static void blur_line(uint8_t *line, int count, int step)
{
    int before = line[0];

    for (int i = 0; i < count; i++) {
        int here = line[i * step], after = line[(i < count - 1 ? i + 1 : i) * step];
        line[i * step] = (uint8_t)((before + 2 * here + after + 2) / 4);
        before = here;
    }
}

void draw_blur(uint8_t *rgb, int side_px, int passes)
{
    for (; passes > 0; passes--)
        for (int i = 0; i < side_px; i++)
            for (int c = 0; c < 3; c++) {
                blur_line(rgb + 3 * i * side_px + c, side_px, 3);
                blur_line(rgb + 3 * i + c, side_px, 3 * side_px);
            }
}

static uint8_t clamped(double v)
{
    return (uint8_t)fmin(255, fmax(0, v + 0.5));
}

void draw_noise(uint8_t *rgb, int side_px, double sd, uint64_t *state)
{
    for (int i = 0; i < 3 * side_px * side_px; i++) {
        double sum = 0; /* of four uniforms, variance 1/3: near enough to normal */
        for (int k = 0; k < 4; k++)
            sum += draw_uniform(state, -0.5, 0.5);
        rgb[i] = clamped(rgb[i] + sd * sqrt(3) * sum);
    }
}

static void halve_block(uint8_t *rgb, const int at[4])
{
    double grey[4], mean[3] = { 0 }, mean_grey = 0;

    for (int k = 0; k < 4; k++) {
        grey[k] = 0.299 * rgb[at[k]] + 0.587 * rgb[at[k] + 1] + 0.114 * rgb[at[k] + 2];
        mean_grey += grey[k] / 4;
        for (int c = 0; c < 3; c++)
            mean[c] += rgb[at[k] + c] / 4.0;
    }
    for (int k = 0; k < 4; k++)
        for (int c = 0; c < 3; c++)
            rgb[at[k] + c] = clamped(grey[k] + mean[c] - mean_grey);
}

void draw_halve_chroma(uint8_t *rgb, int side_px)
{
    for (int y = 0; y + 1 < side_px; y += 2)
        for (int x = 0; x + 1 < side_px; x += 2) {
            int at = 3 * (y * side_px + x);
            halve_block(rgb, (int[]){ at, at + 3, at + 3 * side_px, at + 3 * side_px + 3 });
        }
}
