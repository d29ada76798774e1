/* page_curves.c - the page's plots, one for each metric: exact best of n, and best so far against what it cost. */
#include "report/html.h"
#include "report/page.h"
#include "report/rows.h"
#include "report/show.h"
#include "report/svg.h"

#include <stdbool.h>
#include <stdlib.h>

static void describe(const void *arg, double y, char *text)
{
    show_value(arg, y, text);
}

/* unit: of x, in which the axis counts */
static void write_plot(const struct data_metric *m, const char *x_label, double unit, bool is_step, uint64_t count,
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
        p[i] = (struct svg_point){ (double)points[i].x / unit, points[i].y.mean, points[i].y.low, points[i].y.high };
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
            write_plot(&d->metrics[n->curves[i].metric], "candidates", 1, false, n->curves[i].best_of_count,
                       n->curves[i].best_of, out);
    buffer_text(out, "</div></section>");
}

static void write_currency(const struct data *d, const struct numbers *n, enum currency currency, struct buffer *out)
{
    static const char *const titles[] = {
        [CURRENCY_NFE] = "Evaluations of the model", [CURRENCY_CALLS] = "Verifier calls", [CURRENCY_SECONDS] = "Seconds"
    };
    static const char *const labels[] = { [CURRENCY_NFE] = "evaluations (NFE) for each prompt",
                                          [CURRENCY_CALLS] = "calls of the guide for each prompt",
                                          [CURRENCY_SECONDS] = "seconds for each prompt" };

    buffer_printf(out, "<h3 class=\"kind\">%s</h3><div class=\"plots\">", titles[currency]);
    for (uint64_t i = 0; i < n->curve_count; i++) {
        const struct numbers_curve *c = &n->curves[i];
        const struct numbers_point *points[] = { c->against_nfe, c->against_calls, c->against_seconds };
        const uint64_t counts[] = { c->against_nfe_count, c->against_calls_count, c->against_seconds_count };
        if (counts[currency] == 0)
            continue;
        const bool is_quick = currency == CURRENCY_SECONDS && points[currency][counts[currency] - 1].x < 1000000;
        write_plot(&d->metrics[c->metric], is_quick ? "milliseconds for each prompt" : labels[currency],
                   currency == CURRENCY_SECONDS ? is_quick ? 1e3 : 1e6 : 1, true, counts[currency], points[currency],
                   out);
    }
    buffer_text(out, "</div>");
}

void page_curves(const struct data *d, const struct numbers *n, struct buffer *out)
{
    if (n->curve_count > 0 && n->curves[0].best_of_count > 0)
        write_best_of(d, n, out);
    if (n->done == 0 || n->curves[0].against_nfe_count == 0)
        return;
    buffer_text(out, "<section><h2>Best so far against compute</h2><p class=\"soft\">What the guide prefers of all "
                     "that was finished for so much compute for each prompt, in the order in which the search went. "
                     "Seconds are those of model, decoder and guide, and differ from run to run.");
    if (n->curves[0].against_calls_count == 0)
        buffer_text(out, " Calls are not told one by one: this guide compares, and was asked again about candidates "
                         "that it had seen.");
    buffer_text(out, "</p>");
    write_currency(d, n, CURRENCY_NFE, out);
    if (n->curves[0].against_calls_count > 0)
        write_currency(d, n, CURRENCY_CALLS, out);
    if (n->curves[0].against_seconds_count > 0)
        write_currency(d, n, CURRENCY_SECONDS, out);
    buffer_text(out, "</section>");
}
