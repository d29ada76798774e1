#include "report/look.h"

#include <math.h>
#include <string.h>

enum { SIDE = 32, CELL = 8, CELLS = SIDE / CELL, DIRECTIONS = 4 };

struct small {
    float rgb[SIDE][SIDE][3];
};

/* Where block i of SIDE begins among `size` pixels; a block has at least one, also in pictures smaller than SIDE. */
static uint32_t from(uint32_t i, uint32_t size)
{
    return (uint32_t)((uint64_t)i * size / SIDE);
}

static uint32_t to(uint32_t i, uint32_t size)
{
    const uint32_t end = from(i + 1, size);
    return end > from(i, size) ? end : from(i, size) + 1;
}

static void mean_block(const wn_image *image, uint32_t x, uint32_t y, float *mean)
{
    const uint32_t x0 = from(x, image->width_px), x1 = to(x, image->width_px);
    const uint32_t y0 = from(y, image->height_px), y1 = to(y, image->height_px);
    uint64_t sum[3] = { 0, 0, 0 };

    for (uint32_t v = y0; v < y1; v++)
        for (uint32_t u = x0; u < x1; u++)
            for (int c = 0; c < 3; c++)
                sum[c] += image->rgb[((size_t)v * image->width_px + u) * 3 + (size_t)c];
    for (int c = 0; c < 3; c++)
        mean[c] = (float)((double)sum[c] / (255.0 * (x1 - x0) * (y1 - y0)));
}

static float gray(const struct small *s, int x, int y)
{
    const float *p = s->rgb[y < 0 ? 0 : y >= SIDE ? SIDE - 1 : y][x < 0 ? 0 : x >= SIDE ? SIDE - 1 : x];

    return 0.299f * p[0] + 0.587f * p[1] + 0.114f * p[2];
}

/* An edge through the cell touches two pixels of each of its lines by half a step: a mean of 1 / CELL, scaled to 1. */
static void add_edge(const struct small *s, int x, int y, float *cell)
{
    const float dx = (gray(s, x + 1, y) - gray(s, x - 1, y)) / 2, dy = (gray(s, x, y + 1) - gray(s, x, y - 1)) / 2;
    const double turn = atan2(dy, dx) / 3.14159265358979323846 * DIRECTIONS; /* -4 .. 4; opposite directions are one */
    const int direction = ((int)floor(turn + 0.5) + 2 * DIRECTIONS) % DIRECTIONS;

    cell[direction] += hypotf(dx, dy) / CELL;
}

void look_at(const wn_image *image, struct look *out)
{
    const float colour_scale = sqrtf(0.5f / LOOK_COLOURS), edge_scale = sqrtf(0.5f / LOOK_EDGES);
    struct small s;

    memset(out, 0, sizeof *out);
    for (uint32_t y = 0; y < SIDE; y++)
        for (uint32_t x = 0; x < SIDE; x++)
            mean_block(image, x, y, s.rgb[y][x]);
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            const int cell = y / CELL * CELLS + x / CELL;
            for (int c = 0; c < 3; c++)
                out->numbers[cell * 3 + c] += s.rgb[y][x][c] / (CELL * CELL);
            add_edge(&s, x, y, out->numbers + LOOK_COLOURS + cell * DIRECTIONS);
        }
    for (int i = 0; i < LOOK_NUMBERS; i++)
        out->numbers[i] *= i < LOOK_COLOURS ? colour_scale : edge_scale;
}

double look_distance(const struct look *a, const struct look *b)
{
    double sum = 0;

    for (int i = 0; i < LOOK_NUMBERS; i++) {
        const double difference = (double)a->numbers[i] - (double)b->numbers[i];
        sum += difference * difference;
    }
    return sqrt(sum);
}

double look_likeness(const struct look *a, const struct look *b)
{
    const double distance = look_distance(a, b) / LOOK_WIDTH;

    return exp(-distance * distance / 2);
}
