/* compare_forest.c - every pair's difference as a dot with whiskers: what does not touch the line of 0 is no chance. */
#include "report/comparison.h"

#include "report/html.h"
#include "report/show.h"
#include "report/svg.h"

#include <math.h>
#include <string.h>

enum { WIDTH = 600, LEFT = 290, RIGHT = 20, TOP = 8, ROW = 24, BOTTOM = 30, NAME_BYTES = 44 };

struct scale {
    double low, high, step;
};

static struct scale scale_of(const struct compare *c, uint64_t metric)
{
    struct scale s = { 0, 0, 1 };
    for (uint64_t i = 0; i < c->pair_count; i++) {
        const struct stats_interval *d = &compare_difference_of(c, &c->pairs[i], metric, COMPARE_AT_END)->mean;
        s.low = fmin(s.low, fmin(d->mean, d->low)); /* fmin passes NaN over */
        s.high = fmax(s.high, fmax(d->mean, d->high));
    }
    if (!(s.high > s.low)) {
        s.low = -1;
        s.high = 1;
    }
    s.step = svg_nice_step(s.low, s.high, 5);
    s.low = floor(s.low / s.step + 1e-9) * s.step;
    s.high = ceil(s.high / s.step - 1e-9) * s.step;
    return s;
}

static double across(const struct scale *s, double x)
{
    return LEFT + (x - s->low) / (s->high - s->low) * (WIDTH - LEFT - RIGHT);
}

/* With digits for the step, whatever those of the values are. */
static void show_tick(const struct data_metric *m, double x, double step, char text[SHOW_SIZE])
{
    const double scale = m->is_yes_or_no ? 100 : 1;
    const int decimals = (int)fmax(0, ceil(-log10(scale * step) - 1e-9));
    snprintf(text, SHOW_SIZE, fabs(x) < 1e-9 * step ? "0" : "%+.*f", decimals, scale * x);
}

static void write_axis(const struct compare *c, const struct scale *s, uint64_t metric, int bottom, struct buffer *out)
{
    for (int i = 0; s->low + i * s->step <= s->high + 1e-9 * s->step; i++) {
        const double x = s->low + i * s->step;
        char text[SHOW_SIZE];
        show_tick(&c->metrics[metric], x, s->step, text);
        buffer_printf(out, "<line class=\"%s\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>",
                      fabs(x) < 1e-9 * s->step ? "zero" : "grid", across(s, x), across(s, x), TOP, bottom);
        buffer_printf(out, "<text class=\"tick\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>", across(s, x),
                      bottom + 18, text);
    }
}

/* A name that does not fit is cut between characters; the title has all of it. */
static void write_name(const char *name, int y, struct buffer *out)
{
    char cut[NAME_BYTES + 8];
    uint64_t length = strlen(name), kept = length < NAME_BYTES ? length : NAME_BYTES;
    while (kept < length && ((unsigned char)name[kept] & 0xc0) == 0x80)
        kept--;
    snprintf(cut, sizeof cut, "%.*s%s", (int)kept, name, kept < length ? "..." : "");
    buffer_printf(out, "<text class=\"tick\" x=\"%d\" y=\"%d\" text-anchor=\"end\">", LEFT - 12, y + 4);
    html_text(out, cut);
    buffer_text(out, "</text>");
}

static void write_row(const struct compare *c, const struct scale *s, const struct compare_pair *p, uint64_t metric,
                      int y, struct buffer *out)
{
    const struct stats_interval *d = &compare_difference_of(c, p, metric, COMPARE_AT_END)->mean;
    char name[2 * SHOW_LONG_SIZE], text[SHOW_LONG_SIZE];
    snprintf(name, sizeof name, "%.240s less %.240s", c->algorithms[p->right].name, c->algorithms[p->left].name);
    write_name(name, y, out);
    if (isnan(d->mean))
        return;
    buffer_printf(out, "<g class=\"s%u\"><title>", (unsigned)(p->right % 8));
    html_text(out, name);
    show_gain_interval(&c->metrics[metric], d, text);
    buffer_printf(out, ": %s</title>", text);
    if (!isnan(d->low))
        buffer_printf(out, "<line class=\"whisker\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>", across(s, d->low),
                      across(s, d->high), y, y);
    buffer_printf(out, "<circle class=\"dot s%u\" cx=\"%.1f\" cy=\"%d\" r=\"4.5\"/></g>", (unsigned)(p->right % 8),
                  across(s, d->mean), y);
}

void compare_forest(const struct compare *c, uint64_t metric, struct buffer *out)
{
    const struct scale s = scale_of(c, metric);
    const int bottom = TOP + (int)c->pair_count * ROW;
    buffer_printf(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\">", WIDTH, bottom + BOTTOM);
    write_axis(c, &s, metric, bottom, out);
    for (uint64_t i = 0; i < c->pair_count; i++)
        write_row(c, &s, &c->pairs[i], metric, TOP + (int)i * ROW + ROW / 2, out);
    buffer_text(out, "</svg>");
}
