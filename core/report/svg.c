/* svg.c - a plot is a frame of nice ticks, a band, a line and dots that say their numbers when pointed at.
 *
 * The drawing is 420 x 270 units and scales with the page. Everything is positioned in code and coloured in CSS, so
 * that light and dark pages, and print, need one drawing.
 */
#include "report/svg.h"

#include <math.h>

enum {
    WIDTH = 420,
    HEIGHT = 270,
    LEFT = 52,
    RIGHT = 18,
    RIGHT_NAMES = 92,
    TOP = 22,
    BOTTOM = 42,
    MOST_X_TICKS = 9,
    MOST_DOTS = 40,
    LEAST_TICK = 44,
    NEAR_END = 56
};

struct frame {
    double x_low, x_high; /* log2 */
    double y_low, y_high, y_step;
    int right; /* what the frame leaves free */
};

double svg_nice_step(double low, double high, int most)
{
    double rough = (high - low) / most;
    double power = rough > 0 ? pow(10, floor(log10(rough))) : 1;
    static const double steps[] = { 1, 2, 5 };

    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        if (steps[i] * power >= rough * (1 - 1e-9))
            return steps[i] * power;
    return 10 * power;
}

static void widen(struct frame *f, const struct svg_plot *p)
{
    for (uint64_t i = 0; i < p->count; i++) {
        f->y_low = fmin(f->y_low, fmin(p->points[i].y, p->points[i].low)); /* fmin passes NaN over */
        f->y_high = fmax(f->y_high, fmax(p->points[i].y, p->points[i].high));
    }
}

static struct frame frame_of(const struct svg_plot *plots, uint64_t count)
{
    struct frame f = { 0, 1, INFINITY, -INFINITY, 1, count > 1 ? RIGHT_NAMES : RIGHT };
    const struct svg_plot *p = plots;

    for (uint64_t i = 0; i < count; i++)
        widen(&f, &plots[i]);
    if (!(f.y_high > f.y_low)) {
        double pad = f.y_low != 0 ? 0.1 * fabs(f.y_low) : 1;
        f.y_low = p->is_percent ? 0 : f.y_low - pad;
        f.y_high = p->is_percent ? 1 : f.y_high + pad;
    }
    f.y_step = svg_nice_step(f.y_low, f.y_high, 5);
    f.y_low = floor(f.y_low / f.y_step + 1e-9) * f.y_step;
    f.y_high = ceil(f.y_high / f.y_step - 1e-9) * f.y_step;
    f.x_low = log2(p->points[0].x);
    f.x_high = log2(p->points[p->count - 1].x);
    if (!(f.x_high > f.x_low)) {
        f.x_low -= 1;
        f.x_high += 1;
    }
    return f;
}

static double across(const struct frame *f, double x)
{
    return LEFT + (log2(x) - f->x_low) / (f->x_high - f->x_low) * (WIDTH - LEFT - f->right);
}

static double down(const struct frame *f, double y)
{
    return HEIGHT - BOTTOM - (y - f->y_low) / (f->y_high - f->y_low) * (HEIGHT - TOP - BOTTOM);
}

static void write_y_axis(struct buffer *out, const struct svg_plot *p, const struct frame *f)
{
    double step = p->is_percent ? 100 * f->y_step : f->y_step;
    int decimals = step < 1 ? (int)ceil(-log10(step) - 1e-9) : 0;

    for (int i = 0; f->y_low + i * f->y_step <= f->y_high + 1e-9 * f->y_step; i++) {
        double y = f->y_low + i * f->y_step, at = down(f, y), shown = p->is_percent ? 100 * y : y;
        buffer_printf(out, "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>", LEFT, WIDTH - f->right,
                      at, at);
        buffer_printf(out, "<text class=\"tick\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.*f%s</text>", LEFT - 8,
                      at + 4, decimals, fabs(shown) < 1e-9 * step ? 0 : shown, p->is_percent ? " %" : "");
    }
}

/* A place on the x axis: candidates and evaluations are whole, seconds may be few. */
static void format_x(char text[32], double x)
{
    if (x >= 100 || x == floor(x))
        snprintf(text, 32, "%.0f", x);
    else
        snprintf(text, 32, "%.*f", x < 0.1 ? 3 : x < 1 ? 2 : 1, x);
}

static void write_x_tick(struct buffer *out, const struct frame *f, double x)
{
    char text[32];

    format_x(text, x);
    buffer_printf(out, "<text class=\"tick\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>", across(f, x),
                  HEIGHT - BOTTOM + 18, text);
}

/* Ticks double from the first point on: 1, 2, 4, ... candidates, or as many evaluations as those take; the last point
 * has one where there is room. */
static void write_x_axis(struct buffer *out, const struct svg_plot *p, const struct frame *f)
{
    double first = p->points[0].x, last = p->points[p->count - 1].x;
    int doublings = (int)floor(log2(last / first) + 1e-9), skip = doublings / MOST_X_TICKS + 1;

    for (int i = 0; i <= doublings; i += skip)
        write_x_tick(out, f, first * exp2(i));
    if (across(f, last) - across(f, first * exp2(doublings / skip * skip)) > LEAST_TICK)
        write_x_tick(out, f, last);
    buffer_printf(out, "<line class=\"axis\" x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/>", LEFT, WIDTH - f->right,
                  HEIGHT - BOTTOM, HEIGHT - BOTTOM);
    buffer_printf(out, "<text class=\"label\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>",
                  (LEFT + WIDTH - f->right) / 2, HEIGHT - 6, p->x_label);
}

static double edge_of(const struct svg_point *point, int edge)
{
    return edge < 0 ? point->low : edge > 0 ? point->high : point->y;
}

/* One vertex, and for a staircase the corner between it and the one before in drawing order. */
static void write_vertex(struct buffer *out, const struct svg_plot *p, const struct frame *f, uint64_t i, int edge,
                         bool backwards, char command)
{
    double x = across(f, p->points[i].x), y = down(f, edge_of(&p->points[i], edge));

    if (p->is_step && command == 'L' && !backwards)
        buffer_printf(out, "L%.1f %.1f", x, down(f, edge_of(&p->points[i - 1], edge)));
    if (p->is_step && command == 'L' && backwards && i + 1 < p->count)
        buffer_printf(out, "L%.1f %.1f", across(f, p->points[i + 1].x), y);
    buffer_printf(out, "%c%.1f %.1f", command, x, y);
}

static void write_band(struct buffer *out, const struct svg_plot *p, const struct frame *f)
{
    for (uint64_t i = 0; i < p->count; i++)
        if (isnan(p->points[i].low) || isnan(p->points[i].high))
            return;
    buffer_printf(out, "<path class=\"band %s\" d=\"", p->tone);
    for (uint64_t i = 0; i < p->count; i++)
        write_vertex(out, p, f, i, 1, false, i ? 'L' : 'M');
    for (uint64_t i = p->count; i-- > 0;)
        write_vertex(out, p, f, i, -1, true, 'L');
    buffer_text(out, "Z\"/>");
}

static void write_line(struct buffer *out, const struct svg_plot *p, const struct frame *f)
{
    buffer_printf(out, "<path class=\"line %s\" d=\"", p->tone);
    for (uint64_t i = 0; i < p->count; i++)
        write_vertex(out, p, f, i, 0, false, i ? 'L' : 'M');
    buffer_text(out, "\"/>");
}

static void write_dot(struct buffer *out, const struct svg_plot *p, const struct frame *f,
                      const struct svg_point *point)
{
    char x[32], y[64], low[64], high[64];

    format_x(x, point->x);
    p->describe(p->arg, point->y, y);
    p->describe(p->arg, point->low, low);
    p->describe(p->arg, point->high, high);
    buffer_printf(out, "<circle class=\"dot%s %s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%s\"><title>%s: %s",
                  p->count > MOST_DOTS ? " fine" : "", p->tone, across(f, point->x), down(f, point->y),
                  p->count > MOST_DOTS ? "2" : "3.5", x, y);
    if (!isnan(point->low))
        buffer_printf(out, " (95 %% interval %s to %s)", low, high);
    buffer_text(out, "</title></circle>");
}

/* How far down from point i the curve is at point k, or where it leaves the neighbourhood of i on the way there. */
static double drop(const struct svg_plot *p, const struct frame *f, uint64_t i, uint64_t k)
{
    const double far = fabs(across(f, p->points[k].x) - across(f, p->points[i].x));
    const double fall = down(f, p->points[k].y) - down(f, p->points[i].y);
    const bool holds =
        p->is_step && k + 1 < p->count && fabs(across(f, p->points[k + 1].x) - across(f, p->points[i].x)) < NEAR_END;

    if (far < NEAR_END || holds)
        return fall;
    return !p->is_step && (k + 1 == i || k == i + 1) ? fall * NEAR_END / far : 0;
}

/* Whether the value at an end of the curve, point i, goes above it: on the side that the curve near it leaves free. */
static bool goes_above(const struct svg_plot *p, const struct frame *f, uint64_t i)
{
    double above = 0, below = 0;

    for (uint64_t k = 0; k < p->count; k++) {
        above = fmax(above, -drop(p, f, i, k));
        below = fmax(below, drop(p, f, i, k));
    }
    return above <= below && down(f, p->points[i].y) - 9 >= 12;
}

/* Room for a value below an end at the frame's foot. */
static void make_room(const struct svg_plot *p, struct frame *f)
{
    for (int end = 0; end < 2; end++) {
        const uint64_t i = end ? p->count - 1 : 0;
        if (!goes_above(p, f, i) && down(f, p->points[i].y) + 22 > HEIGHT - BOTTOM &&
            !(p->is_percent && f->y_low <= 0)) {
            f->y_low -= f->y_step;
            return;
        }
    }
}

static void write_end(struct buffer *out, const struct svg_plot *p, const struct frame *f, uint64_t i,
                      const char *anchor)
{
    const struct svg_point *point = &p->points[i];
    double y = down(f, point->y);
    char text[64];

    p->describe(p->arg, point->y, text);
    buffer_printf(out, "<text class=\"end %s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>", p->tone,
                  across(f, point->x) + (anchor[0] == 's' ? 6 : 0), goes_above(p, f, i) ? y - 9 : y + 18, anchor, text);
}

/* Every curve's end beside the frame, from the highest on, a line of text apart. */
static void write_names(struct buffer *out, const struct svg_plot *plots, uint64_t count, const struct frame *f)
{
    double above = -INFINITY;
    uint64_t named = 0;

    for (uint64_t n = 0; n < count; n++) {
        uint64_t next = count;
        for (uint64_t i = 0; i < count; i++) {
            const double y = plots[i].points[plots[i].count - 1].y;
            if (!(named >> i & 1) && (next == count || y > plots[next].points[plots[next].count - 1].y))
                next = i;
        }
        const struct svg_plot *p = &plots[next];
        const double y = p->points[p->count - 1].y, at = fmax(down(f, y) + 5, above + 17);
        char text[64];
        p->describe(p->arg, y, text);
        buffer_printf(out, "<text class=\"end %s\" x=\"%d\" y=\"%.1f\">%s</text>", p->tone, WIDTH - f->right + 8, at,
                      text);
        named |= 1u << next;
        above = at;
    }
}

static void write_curve(struct buffer *out, const struct svg_plot *p, const struct frame *f)
{
    write_band(out, p, f);
    write_line(out, p, f);
    for (uint64_t i = 0; i < p->count; i++)
        write_dot(out, p, f, &p->points[i]);
}

void svg_write_several(struct buffer *out, const struct svg_plot *plots, uint64_t count)
{
    struct frame f;

    if (count == 0 || plots[0].count == 0)
        return;
    f = frame_of(plots, count);
    buffer_printf(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\">", WIDTH, HEIGHT);
    write_y_axis(out, &plots[0], &f);
    write_x_axis(out, &plots[0], &f);
    for (uint64_t i = 0; i < count; i++)
        write_curve(out, &plots[i], &f);
    write_names(out, plots, count, &f);
    buffer_text(out, "</svg>");
}

void svg_write(struct buffer *out, const struct svg_plot *p)
{
    struct frame f;

    if (p->count == 0)
        return;
    f = frame_of(p, 1);
    make_room(p, &f);
    buffer_printf(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\">", WIDTH, HEIGHT);
    write_y_axis(out, p, &f);
    write_x_axis(out, p, &f);
    write_curve(out, p, &f);
    write_end(out, p, &f, 0, p->count > 1 ? "start" : "middle");
    if (p->count > 1)
        write_end(out, p, &f, p->count - 1, "end");
    buffer_text(out, "</svg>");
}
