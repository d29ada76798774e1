/* page_curves.c - the page's plots, one for each metric: exact best of n, and best so far against evaluations. */
#include "report/html.h"
#include "report/page.h"
#include "report/show.h"
#include "report/svg.h"

#include <stdlib.h>

static void describe(const void *arg, double y, char *text)
{
    show_value(arg, y, text);
}

static void write_plot(const struct data_metric *m, const char *x_label, bool is_step, uint64_t count,
                       const struct numbers_point *points, struct buffer *out)
{
    struct svg_point *p = calloc(count + 1, sizeof *p);
    struct svg_plot plot = {
        x_label, m->role == DATA_GUIDE ? "guide" : "judge", p, count, is_step, m->is_yes_or_no, describe, m
    };

    if (!p) {
        out->failed = WN_E_MEMORY;
        return;
    }
    for (uint64_t i = 0; i < count; i++)
        p[i] = (struct svg_point){ (double)points[i].x, points[i].y.mean, points[i].y.low, points[i].y.high };
    buffer_text(out, "<figure class=\"plot\"><figcaption>");
    html_text(out, m->title);
    buffer_printf(out, " <span class=\"role\">%s</span></figcaption>", m->role == DATA_GUIDE ? "guide" : "judge");
    svg_write(out, &plot);
    buffer_text(out, "</figure>");
    free(p);
}

static void write_best_of(const struct data *d, const struct numbers *n, struct buffer *out)
{
    buffer_text(
        out,
        "<section><h2>Best of n</h2><p class=\"soft\">What the guide's pick among n candidates is worth: the exact "
        "mean "
        "over all sets of n from each prompt's pool, and its 95 % interval over prompts.</p><div class=\"plots\">");
    for (uint64_t i = 0; i < n->curve_count; i++)
        if (n->curves[i].best_of_count > 0)
            write_plot(&d->metrics[n->curves[i].metric], "candidates", false, n->curves[i].best_of_count,
                       n->curves[i].best_of, out);
    buffer_text(out, "</div></section>");
}

void page_curves(const struct data *d, const struct numbers *n, struct buffer *out)
{
    if (n->curve_count > 0 && n->curves[0].best_of_count > 0)
        write_best_of(d, n, out);
    if (n->done == 0)
        return;
    buffer_text(out, "<section><h2>Best so far against compute</h2><p class=\"soft\">What the guide prefers of all "
                     "that was finished "
                     "within so many evaluations of the model for each prompt, in the order in which the search "
                     "went.</p><div class=\"plots\">");
    for (uint64_t i = 0; i < n->curve_count; i++)
        if (n->curves[i].against_nfe_count > 0)
            write_plot(&d->metrics[n->curves[i].metric], "evaluations (NFE) for each prompt", true,
                       n->curves[i].against_nfe_count, n->curves[i].against_nfe, out);
    buffer_text(out, "</div></section>");
}
