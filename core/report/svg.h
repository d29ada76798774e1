/* svg.h - draws one curve with its interval as inline SVG. Colours come from the page's style sheet. */
#ifndef WINNOW_REPORT_SVG_H
#define WINNOW_REPORT_SVG_H

#include "base/buffer.h"

#include <stdbool.h>

struct svg_point {
    double x;            /* > 0: the axis is logarithmic, base 2 */
    double y, low, high; /* low and high NaN: no interval */
};

struct svg_plot {
    const char *x_label;
    const char *tone;               /* class of the curve: "guide" or "judge" */
    const struct svg_point *points; /* by rising x */
    uint64_t count;
    bool is_step;    /* the value holds until the next point */
    bool is_percent; /* y in 0..1, shown as 0..100 % */
    /* y as text, for tooltips and the curve's ends. text has 64 bytes. */
    void (*describe)(const void *arg, double y, char *text);
    const void *arg;
};

/* Several curves in one frame: the first one's axes, each in its own tone. describe names a curve too: its text stands
 * at the curve's end, right of the frame, and is kept from other curves'. All have one first and one last x. */
void svg_write_several(struct buffer *out, const struct svg_plot *plots, uint64_t count);

void svg_write(struct buffer *out, const struct svg_plot *plot);

/* The least step of 1, 2 or 5 times a power of ten that cuts [low, high] into at most `most` parts. */
double svg_nice_step(double low, double high, int most);

#endif
