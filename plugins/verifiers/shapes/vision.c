/* vision.c - finds coloured shapes on a plain ground, also where a decoder has blurred, bled or speckled them.
 *
 *   shrink    to a shorter side of 64..127 px, so that every length below means the same in every picture; smooth a
 * little paint     each pixel is ground or one of seven paints: by hue where it has colour, by distance from the ground
 * else patches   connected pixels of one paint. A first pass measures how strong each patch's paint is at its core; the
 *             second keeps what is covered by at least half of that, which puts contours where a sharp drawing has them
 *   shape     the circle, square and triangle of the patch's own moments (centroid and variances) are laid over it; the
 *             best overlap names the shape. Moments hardly feel ragged contours, a bounding box does
 */
#include "vision.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    SIDE = 64,     /* the lengths and areas below are for a picture with this shorter side */
    COLOURED = 60, /* max - min of the channels from which on a pixel has a hue */
    APART = 45,    /* distance from the ground, in RGB, below which a pixel is ground */
    DARK = 80,     /* the same for a pixel without hue: soft shadows are not things */
    SPECK = 12,    /* px: smaller patches are dust */
    FRAGMENT = 60  /* px: smaller ones have no shape, but are there */
};
static const double least_fit = 0.74;
static const double most_aspect = 1.5;

struct patch {
    int first; /* in work.order */
    int count;
    int paint;
};

struct work {
    int width, height;
    double unit; /* area of a pixel of a SIDE x SIDE picture, in ours */
    double ground[3];
    float *rgb;            /* [height][width][3] smoothed */
    float *scratch;        /* [height][width][3] */
    unsigned char *paint;  /* [height][width] enum shapes_colour, 0 = ground */
    unsigned char *seen;   /* [height][width] */
    int *order;            /* [height * width] pixel indices, patch after patch */
    struct patch *patches; /* [height * width] */
    int patch_count;
};

static float *pixel(const struct work *w, int i)
{
    return w->rgb + 3 * (size_t)i;
}

/* ---- preparation ---- */

static void work_free(struct work *w)
{
    free(w->rgb);
    free(w->scratch);
    free(w->paint);
    free(w->seen);
    free(w->order);
    free(w->patches);
}

static wn_status work_create(const wn_image *image, struct work *w, uint32_t *factor, wn_error *err)
{
    uint32_t shorter = image->width_px < image->height_px ? image->width_px : image->height_px;
    size_t n;

    memset(w, 0, sizeof *w);
    *factor = shorter / SIDE > 1 ? shorter / SIDE : 1;
    w->width = (int)(image->width_px / *factor);
    w->height = (int)(image->height_px / *factor);
    w->unit = (double)(shorter / *factor) / SIDE;
    w->unit *= w->unit;
    n = (size_t)w->width * (size_t)w->height;
    w->rgb = calloc(n * 3, sizeof *w->rgb);
    w->scratch = calloc(n * 3, sizeof *w->scratch);
    w->paint = calloc(n, 1);
    w->seen = calloc(n, 1);
    w->order = calloc(n, sizeof *w->order);
    w->patches = calloc(n, sizeof *w->patches);
    if (!w->rgb || !w->scratch || !w->paint || !w->seen || !w->order || !w->patches)
        return wn_fail(err, WN_E_MEMORY, "no memory to look at an image of %ux%u px", image->width_px,
                       image->height_px);
    return WN_OK;
}

static void shrink(const wn_image *image, uint32_t factor, struct work *w)
{
    float scale = 1.0f / (float)(factor * factor);

    for (int y = 0; y < w->height; y++)
        for (uint32_t dy = 0; dy < factor; dy++) {
            const uint8_t *row = image->rgb + ((size_t)y * factor + dy) * image->width_px * 3;
            for (uint32_t x = 0; x < (uint32_t)w->width * factor; x++)
                for (uint32_t c = 0; c < 3; c++)
                    w->rgb[((size_t)y * (size_t)w->width + x / factor) * 3 + c] += scale * row[3 * x + c];
        }
}

/* One axis of a 1-2-1 blur: step is the distance between neighbours, in floats. */
static void smooth_line(const float *src, float *dst, int count, size_t step)
{
    for (int i = 0; i < count; i++) {
        const float *at = src + (size_t)i * step;
        float before = i > 0 ? at[-(ptrdiff_t)step] : *at;
        float after = i < count - 1 ? at[step] : *at;
        dst[(size_t)i * step] = 0.25f * before + 0.5f * *at + 0.25f * after;
    }
}

static void smooth(struct work *w)
{
    size_t row = (size_t)w->width * 3;

    for (int y = 0; y < w->height; y++)
        for (size_t c = 0; c < 3; c++)
            smooth_line(w->rgb + (size_t)y * row + c, w->scratch + (size_t)y * row + c, w->width, 3);
    for (size_t x = 0; x < row; x++)
        smooth_line(w->scratch + x, w->rgb + x, w->height, row);
}

/* The ground's colour is the median, channel by channel, of the picture's rim. */
static void find_ground(struct work *w)
{
    for (int c = 0; c < 3; c++) {
        int histogram[256] = { 0 };
        int rim = 0, below = 0, level = 0;
        for (int y = 0; y < w->height; y++)
            for (int x = 0; x < w->width; x++)
                if (x < 2 || y < 2 || x >= w->width - 2 || y >= w->height - 2) {
                    histogram[(int)pixel(w, y * w->width + x)[c]]++;
                    rim++;
                }
        while (2 * (below += histogram[level]) < rim)
            level++;
        w->ground[c] = level;
    }
}

/* ---- paint ---- */

/* Hue in degrees of a colour with max > min, as in HSV. */
static double hue_of(const float *p, double high, double chroma)
{
    double h;

    if (p[0] >= high)
        h = (p[1] - p[2]) / chroma;
    else if (p[1] >= high)
        h = 2 + (p[2] - p[0]) / chroma;
    else
        h = 4 + (p[0] - p[1]) / chroma;
    return 60 * (h < 0 ? h + 6 : h);
}

/* Borders lie where people change the word; the six paints of the world stand well inside. */
static int colour_of_hue(double degrees)
{
    static const struct {
        double below;
        int colour;
    } wheel[] = { { 14, SHAPES_RED },    { 40, SHAPES_ORANGE }, { 75, SHAPES_YELLOW },
                  { 178, SHAPES_GREEN }, { 256, SHAPES_BLUE },  { 326, SHAPES_PURPLE } };

    for (size_t i = 0; i < sizeof wheel / sizeof wheel[0]; i++)
        if (degrees < wheel[i].below)
            return wheel[i].colour;
    return SHAPES_RED;
}

static double strength(const struct work *w, int i)
{
    const float *p = pixel(w, i);

    return sqrt((p[0] - w->ground[0]) * (p[0] - w->ground[0]) + (p[1] - w->ground[1]) * (p[1] - w->ground[1]) +
                (p[2] - w->ground[2]) * (p[2] - w->ground[2]));
}

static int paint_of(const struct work *w, int i)
{
    const float *p = pixel(w, i);
    double high = fmax(p[0], fmax(p[1], p[2]));
    double chroma = high - fmin(p[0], fmin(p[1], p[2]));
    double apart = strength(w, i);

    if (chroma >= COLOURED)
        return apart >= APART ? colour_of_hue(hue_of(p, high, chroma)) : 0;
    return apart >= DARK ? SHAPES_NO_COLOUR : 0;
}

/* ---- patches ---- */

static void visit(struct work *w, int i, struct patch *p)
{
    if (w->seen[i] || w->paint[i] != p->paint)
        return;
    w->seen[i] = 1;
    w->order[p->first + p->count++] = i;
}

/* Fills a patch from a pixel: order[] is the queue and, in the end, the list of its pixels. */
static int grow(struct work *w, int start, int first)
{
    struct patch *p = &w->patches[w->patch_count++];

    *p = (struct patch){ first, 0, w->paint[start] };
    visit(w, start, p);
    for (int k = 0; k < p->count; k++) {
        int i = w->order[p->first + k];
        int x = i % w->width;
        if (x > 0)
            visit(w, i - 1, p);
        if (x < w->width - 1)
            visit(w, i + 1, p);
        if (i >= w->width)
            visit(w, i - w->width, p);
        if (i < w->width * (w->height - 1))
            visit(w, i + w->width, p);
    }
    return first + p->count;
}

static void find_patches(struct work *w)
{
    int filled = 0;

    memset(w->seen, 0, (size_t)w->width * (size_t)w->height);
    w->patch_count = 0;
    for (int i = 0; i < w->width * w->height; i++)
        if (w->paint[i] && !w->seen[i])
            filled = grow(w, i, filled);
}

/* Scrapes off the rim that its paint covers by less than half. The core's strength is the mean weighted by itself. */
static void trim(struct work *w, const struct patch *p)
{
    double sum = 0, squares = 0;

    for (int k = 0; k < p->count; k++) {
        double s = strength(w, w->order[p->first + k]);
        sum += s;
        squares += s * s;
    }
    for (int k = 0; k < p->count; k++)
        if (strength(w, w->order[p->first + k]) < 0.5 * squares / sum)
            w->paint[w->order[p->first + k]] = 0;
}

/* Whether a 3 x 3 square fits in: rims between two paints, where a third seems to be, are thinner. */
static bool is_thick(const struct work *w, const struct patch *p)
{
    for (int k = 0; k < p->count; k++) {
        int i = w->order[p->first + k], x = i % w->width, y = i / w->width;
        int same = 0;
        if (x < 1 || y < 1 || x > w->width - 2 || y > w->height - 2)
            continue;
        for (int d = 0; d < 9; d++)
            same += w->paint[i + (d / 3 - 1) * w->width + d % 3 - 1] == p->paint;
        if (same == 9)
            return true;
    }
    return false;
}

/* ---- shape ---- */

struct moments {
    double area, x, y;
    double xx, yy; /* variances */
};

static struct moments measure(const struct work *w, const struct patch *p)
{
    struct moments m = { p->count, 0, 0, 1.0 / 12, 1.0 / 12 }; /* a pixel's own variance */

    for (int k = 0; k < p->count; k++) {
        m.x += w->order[p->first + k] % w->width + 0.5;
        m.y += w->order[p->first + k] / w->width + 0.5;
    }
    m.x /= m.area;
    m.y /= m.area;
    for (int k = 0; k < p->count; k++) {
        double dx = w->order[p->first + k] % w->width + 0.5 - m.x;
        double dy = w->order[p->first + k] / w->width + 0.5 - m.y;
        m.xx += dx * dx / m.area;
        m.yy += dy * dy / m.area;
    }
    return m;
}

/* A shape's box is its variance times these, and a root: r^2/4 for a circle's radius, s^2/12 for a square's side,
 * b^2/24 and h^2/18 for a triangle's base and height. cover is its share of the box. The last row is a square on its
 * corner: it has no name here, and would else pass for a circle. */
static const struct ideal {
    int shape;
    double width, height, cover;
} ideals[] = {
    { SHAPES_CIRCLE, 16, 16, 0.78539816339744831 },
    { SHAPES_SQUARE, 12, 12, 1 },
    { SHAPES_TRIANGLE, 24, 18, 0.5 },
    { SHAPES_NO_SHAPE, 24, 24, 0.5 },
};

/* Whether a point is inside, u and v being its offset from the centroid in widths and heights of the box. */
static bool is_inside(int shape, double u, double v)
{
    if (shape == SHAPES_CIRCLE)
        return u * u + v * v <= 0.25;
    if (shape == SHAPES_SQUARE)
        return fabs(u) <= 0.5 && fabs(v) <= 0.5;
    if (shape == SHAPES_NO_SHAPE)
        return fabs(u) + fabs(v) <= 0.5;
    return v <= 1.0 / 3 && 2 * fabs(u) <= v + 2.0 / 3; /* apex up, centroid at two thirds of the height */
}

/* Intersection over union with the ideal shape of the patch's moments; 0 when that is too long or too flat. */
static double overlap(const struct work *w, const struct patch *p, const struct moments *m, const struct ideal *ideal)
{
    double width = sqrt(ideal->width * m->xx), height = sqrt(ideal->height * m->yy);
    double common = 0;

    if (width > most_aspect * height || height > most_aspect * width)
        return 0;
    for (int k = 0; k < p->count; k++) {
        double dx = w->order[p->first + k] % w->width + 0.5 - m->x;
        double dy = w->order[p->first + k] / w->width + 0.5 - m->y;
        common += is_inside(ideal->shape, dx / width, dy / height);
    }
    return common / (m->area + ideal->cover * width * height - common);
}

static struct shapes_thing name_thing(const struct work *w, const struct patch *p)
{
    struct moments m = measure(w, p);
    struct shapes_thing t = { p->paint, SHAPES_NO_SHAPE, m.x, m.y, m.area, 0 };

    for (size_t i = 0; i < sizeof ideals / sizeof ideals[0]; i++) {
        double fit = overlap(w, p, &m, &ideals[i]);
        if (fit > t.fit) {
            t.fit = fit;
            t.shape = ideals[i].shape;
        }
    }
    if (t.fit < least_fit || m.area < FRAGMENT * w->unit)
        t.shape = SHAPES_NO_SHAPE;
    return t;
}

/* A patch without colour is a thing only when it is large: between two paints that touch there is always some grey. */
static bool is_thing(const struct work *w, const struct patch *p)
{
    int least = p->paint == SHAPES_NO_COLOUR ? FRAGMENT : SPECK;

    return p->count >= least * w->unit && is_thick(w, p);
}

wn_status vision_find(const wn_image *image, struct shapes_thing *things, int *count, wn_error *err)
{
    struct work w;
    uint32_t factor;
    wn_status status = work_create(image, &w, &factor, err);

    *count = 0;
    if (status == WN_OK) {
        shrink(image, factor, &w);
        smooth(&w);
        find_ground(&w);
        for (int i = 0; i < w.width * w.height; i++)
            w.paint[i] = (unsigned char)paint_of(&w, i);
        find_patches(&w);
        for (int i = 0; i < w.patch_count; i++)
            trim(&w, &w.patches[i]);
        find_patches(&w);
        for (int i = 0; i < w.patch_count && *count < VISION_THINGS; i++)
            if (is_thing(&w, &w.patches[i]))
                things[(*count)++] = name_thing(&w, &w.patches[i]);
    }
    work_free(&w);
    return status;
}
