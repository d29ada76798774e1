#include "report/timeline.h"

#include "base/buffer.h"
#include "base/files.h"
#include "report/html.h"
#include "report/svg.h"

#include <math.h>

enum { LEFT = 130, ROW_WIDTH = 640, RIGHT = 215, ROW = 26, TOP = 44, BOTTOM = 34, MOST_TICKS = 8, MAX_SVG = 1 << 22 };

/* Without CSS variables, which few viewers but browsers know. */
static const char style[] =
    "<style>text{font:12px system-ui,sans-serif;fill:#1d1f21}.soft{fill:#63676c}.paper{fill:#fff}.bar{fill:#2b6cb0;"
    "shape-rendering:crispEdges}"
    ".rule{stroke:#e4e4df}@media(prefers-color-scheme:dark){text{fill:#e8e6e1}.soft{fill:#a0a4a8}.paper{fill:#17181a}"
    ".bar{fill:#7fb2e5}.rule{stroke:#34373b}}</style>\n";

static double length_of(const struct timeline *t)
{
    return fmax(t->end - t->start, t->bin_seconds);
}

static void write_bars(struct buffer *out, const struct timeline *t, const struct timeline_lane *lane, int y)
{
    const double scale = ROW_WIDTH / length_of(t);
    for (uint32_t i = 0; i < TIMELINE_BINS; i++) {
        const double share = fmin(lane->busy[i] / t->bin_seconds, 1);
        const double from = i * t->bin_seconds * scale, to = fmin((i + 1) * t->bin_seconds * scale, ROW_WIDTH);
        if (share >= 0.005 && to > from)
            buffer_printf(out,
                          "<rect class=\"bar\" x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"%d\" opacity=\"%.2f\"/>",
                          LEFT + from, y + 3, to - from, ROW - 8, share);
    }
}

static void write_lane(struct buffer *out, const struct timeline *t, const struct timeline_lane *lane, int y)
{
    buffer_printf(out, "<line class=\"rule\" x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/>", LEFT, y + ROW - 3,
                  LEFT + ROW_WIDTH, y + ROW - 3);
    buffer_printf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">", LEFT - 10, y + 17);
    html_text(out, lane->name);
    buffer_text(out, "</text>");
    write_bars(out, t, lane, y);
    buffer_printf(out, "<text class=\"soft\" x=\"%d\" y=\"%d\">%.0f %% busy, %.3g s, %llu items</text>\n",
                  LEFT + ROW_WIDTH + 10, y + 17, 100 * lane->seconds / length_of(t), lane->seconds,
                  (unsigned long long)lane->items);
}

static void write_axis(struct buffer *out, const struct timeline *t, int y)
{
    const double length = length_of(t), step = svg_nice_step(0, length, MOST_TICKS);
    for (double s = 0; s <= length * (1 + 1e-9); s += step)
        buffer_printf(out, "<text class=\"soft\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%g s</text>",
                      LEFT + s / length * ROW_WIDTH, y + 18, s);
    buffer_byte(out, '\n');
}

wn_status timeline_write(const char *run_dir, const struct timeline *t, wn_error *err)
{
    char path[FILE_PATH_SIZE];
    struct buffer out = BUFFER_INIT(MAX_SVG);
    const int width = LEFT + ROW_WIDTH + RIGHT, height = TOP + (int)t->lane_count * ROW + BOTTOM;
    buffer_printf(&out,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\">\n%s",
                  width, height, width, height, style);
    buffer_printf(&out, "<rect class=\"paper\" width=\"%d\" height=\"%d\"/>", width, height);
    buffer_printf(&out, "<text x=\"%d\" y=\"24\">Who was busy when, in the last start of this run</text>\n", LEFT);
    for (uint32_t i = 0; i < t->lane_count; i++)
        write_lane(&out, t, &t->lanes[i], TOP + (int)i * ROW);
    write_axis(&out, t, TOP + (int)t->lane_count * ROW);
    buffer_text(&out, "</svg>\n");
    wn_status status = path_join(path, run_dir, "timeline.svg", err);
    if (status == WN_OK)
        status = buffer_status(&out, "timeline.svg", err);
    if (status == WN_OK)
        status = file_write(path, out.data, out.size, err);
    buffer_free(&out);
    return status;
}
