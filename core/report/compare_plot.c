/* compare_plot.c - figures with several algorithms: curves over one logarithmic axis, and differences against 0.
 *
 * An algorithm has one colour everywhere on the page; from the ninth on colours come again, dashed.
 */
#include "report/comparison.h"

#include "report/html.h"
#include "report/show.h"
#include "report/svg.h"

#include <math.h>

enum { WIDTH = 520, HEIGHT = 330, LEFT = 62, RIGHT = 18, TOP = 14, BOTTOM = 46, MOST_X_TICKS = 7 };

struct frame {
    double x_low, x_high; /* log2 */
    double y_low, y_high, y_step;
};

static void widen_x(struct frame *f, const struct compare_curve *curve)
{
    if (!curve->count)
        return;
    f->x_low = fmin(f->x_low, log2(curve->points[0].x));
    f->x_high = fmax(f->x_high, log2(curve->points[curve->count - 1].x));
}

static void widen_y(struct frame *f, const struct stats_interval *y)
{
    f->y_low = fmin(f->y_low, fmin(y->mean, y->low)); /* fmin passes NaN over */
    f->y_high = fmax(f->y_high, fmax(y->mean, y->high));
}

static struct frame frame_of(const struct compare *c, int currency, uint64_t metric)
{
    struct frame f = { INFINITY, -INFINITY, INFINITY, -INFINITY, 1 };
    for (uint64_t a = 0; a < c->algorithm_count; a++) {
        const struct compare_curve *curve = compare_curve_of(c, currency, a, metric);
        widen_x(&f, curve);
        for (uint64_t i = 0; i < curve->count; i++)
            widen_y(&f, &curve->points[i].y);
    }
    if (!(f.x_high > f.x_low)) {
        f.x_low -= 1;
        f.x_high += 1;
    }
    if (!(f.y_high > f.y_low)) {
        const double pad = f.y_low != 0 ? 0.1 * fabs(f.y_low) : 1;
        f.y_low -= pad;
        f.y_high += pad;
    }
    f.y_step = svg_nice_step(f.y_low, f.y_high, 5);
    f.y_low = floor(f.y_low / f.y_step + 1e-9) * f.y_step;
    f.y_high = ceil(f.y_high / f.y_step - 1e-9) * f.y_step;
    return f;
}

static double across(const struct frame *f, double x)
{
    return LEFT + (log2(x) - f->x_low) / (f->x_high - f->x_low) * (WIDTH - LEFT - RIGHT);
}

static double down(const struct frame *f, double y)
{
    return HEIGHT - BOTTOM - (y - f->y_low) / (f->y_high - f->y_low) * (HEIGHT - TOP - BOTTOM);
}

/* ---- axes ------------------------------------------------------------------------------------------------------ */

static void write_y_axis(const struct frame *f, bool is_percent, struct buffer *out)
{
    const double step = is_percent ? 100 * f->y_step : f->y_step;
    const int decimals = step < 1 ? (int)ceil(-log10(step) - 1e-9) : 0;
    for (int i = 0; f->y_low + i * f->y_step <= f->y_high + 1e-9 * f->y_step; i++) {
        const double y = f->y_low + i * f->y_step, at = down(f, y), shown = is_percent ? 100 * y : y;
        buffer_printf(out, "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>", LEFT, WIDTH - RIGHT,
                      at, at);
        buffer_printf(out, "<text class=\"tick\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.*f%s</text>", LEFT - 8,
                      at + 4, decimals, fabs(shown) < 1e-9 * step ? 0 : shown, is_percent ? " %" : "");
    }
}

static void write_tick(const struct frame *f, double x, struct buffer *out)
{
    char text[32];
    snprintf(text, sizeof text, x < 1000 ? "%.3g" : "%.0f", x);
    buffer_printf(out, "<line class=\"axis\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>", across(f, x), across(f, x),
                  HEIGHT - BOTTOM, HEIGHT - BOTTOM + 4);
    buffer_printf(out, "<text class=\"tick\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>", across(f, x),
                  HEIGHT - BOTTOM + 19, text);
}

/* Counts double from the first one on. Seconds stand at powers of ten where the axis is long, also at 2 and 5 times
 * those, and where it is shorter than a power of ten at more: few ticks would make it look linear. */
static void write_x_ticks(const struct frame *f, int currency, struct buffer *out)
{
    static const struct {
        int count;
        double at[7];
    } steps[] = { { 1, { 1 } }, { 3, { 1, 2, 5 } }, { 7, { 1, 2, 3, 4, 5, 6, 8 } } };
    const double octaves = f->x_high - f->x_low, low = exp2(f->x_low), high = exp2(f->x_high) * (1 + 1e-9);
    const int doublings = (int)floor(octaves + 1e-9), skip = doublings / MOST_X_TICKS + 1;
    if (currency != COMPARE_SECONDS) {
        for (int i = 0; i <= doublings; i += skip)
            write_tick(f, low * exp2(i), out);
        return;
    }
    const int which = octaves > 12 ? 0 : octaves > 3.5 ? 1 : 2;
    for (double power = pow(10, floor(log10(low))); power <= high; power *= 10)
        for (int i = 0; i < steps[which].count; i++)
            if (steps[which].at[i] * power >= low * (1 - 1e-9) && steps[which].at[i] * power <= high)
                write_tick(f, steps[which].at[i] * power, out);
}

static void write_x_axis(const struct frame *f, int currency, struct buffer *out)
{
    static const char *const labels[] = { "evaluations (NFE) for each prompt",
                                          "seconds for each prompt, sampling and guide (logarithmic)",
                                          "pictures scored by the guide for each prompt" };
    write_x_ticks(f, currency, out);
    buffer_printf(out, "<line class=\"axis\" x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/>", LEFT, WIDTH - RIGHT,
                  HEIGHT - BOTTOM, HEIGHT - BOTTOM);
    buffer_printf(out, "<text class=\"label\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>",
                  (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, labels[currency]);
}

/* ---- curves ---------------------------------------------------------------------------------------------------- */

static void write_tone(uint64_t algorithm, struct buffer *out)
{
    buffer_printf(out, "s%u%s", (unsigned)(algorithm % 8), algorithm >= 8 ? " dashed" : "");
}

static double edge(const struct compare_point *p, int which)
{
    return which < 0 ? p->y.low : which > 0 ? p->y.high : p->y.mean;
}

/* A staircase from left to right, or back; the value holds until the next point. */
static void write_stairs(const struct frame *f, const struct compare_curve *k, int which, bool backwards,
                         struct buffer *out)
{
    for (uint64_t n = 0; n < k->count; n++) {
        const uint64_t i = backwards ? k->count - 1 - n : n;
        const double x = across(f, k->points[i].x), y = down(f, edge(&k->points[i], which));
        if (!backwards && i > 0)
            buffer_printf(out, "L%.1f %.1f", x, down(f, edge(&k->points[i - 1], which)));
        if (backwards && i + 1 < k->count)
            buffer_printf(out, "L%.1f %.1f", across(f, k->points[i + 1].x), y);
        buffer_printf(out, "%c%.1f %.1f", n == 0 && !backwards ? 'M' : 'L', x, y);
    }
}

static void write_band(const struct frame *f, uint64_t algorithm, const struct compare_curve *k, struct buffer *out)
{
    for (uint64_t i = 0; i < k->count; i++)
        if (isnan(k->points[i].y.low))
            return;
    if (k->count < 2)
        return;
    buffer_text(out, "<path class=\"band ");
    write_tone(algorithm, out);
    buffer_text(out, "\" d=\"");
    write_stairs(f, k, 1, false, out);
    write_stairs(f, k, -1, true, out);
    buffer_text(out, "Z\"/>");
}

static void write_title(const struct compare *c, uint64_t algorithm, uint64_t metric, const struct compare_point *p,
                        struct buffer *out)
{
    char text[SHOW_SIZE];
    show_interval(&c->metrics[metric], &p->y, text);
    buffer_text(out, "<title>");
    html_text(out, c->algorithms[algorithm].name);
    buffer_printf(out, " at %.4g: %s</title>", p->x, text);
}

static void write_line(const struct compare *c, const struct frame *f, uint64_t algorithm, uint64_t metric,
                       const struct compare_curve *k, struct buffer *out)
{
    if (!k->count)
        return;
    const struct compare_point *last = &k->points[k->count - 1];
    buffer_text(out, "<path class=\"line ");
    write_tone(algorithm, out);
    buffer_text(out, "\" d=\"");
    write_stairs(f, k, 0, false, out);
    buffer_text(out, "\">");
    write_title(c, algorithm, metric, last, out);
    buffer_text(out, "</path><circle class=\"dot ");
    write_tone(algorithm, out);
    buffer_printf(out, "\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\">", across(f, last->x), down(f, last->y.mean));
    write_title(c, algorithm, metric, last, out);
    buffer_text(out, "</circle>");
}

void compare_plot(const struct compare *c, int currency, uint64_t metric, struct buffer *out)
{
    const struct frame f = frame_of(c, currency, metric);
    if (!isfinite(f.x_low) || !isfinite(f.y_low))
        return;
    buffer_printf(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\">", WIDTH, HEIGHT);
    write_y_axis(&f, c->metrics[metric].is_yes_or_no, out);
    write_x_axis(&f, currency, out);
    for (uint64_t a = 0; a < c->algorithm_count; a++)
        write_band(&f, a, compare_curve_of(c, currency, a, metric), out);
    for (uint64_t a = 0; a < c->algorithm_count; a++)
        write_line(c, &f, a, metric, compare_curve_of(c, currency, a, metric), out);
    buffer_text(out, "</svg>");
}
