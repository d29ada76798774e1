/* page.c - the page from top to bottom: what was run, what came of it, the curves, the doubts, the pictures, the small
 * print.
 */
#include "report/page.h"

#include "report/html.h"
#include "report/show.h"

#include <math.h>

static const char head[] = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                           "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; "
                           "style-src 'unsafe-inline'; "
                           "base-uri 'none'; form-action 'none'\">"
                           "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><meta "
                           "name=\"referrer\" content=\"no-referrer\"><title>";

static const char *tone_of(const struct data_metric *m)
{
    return m->role == DATA_GUIDE ? "guide" : "judge";
}

static void write_facts(const struct data *d, const struct numbers *n, struct buffer *out)
{
    char prompts[SHOW_SIZE], candidates[SHOW_SIZE], nfe[SHOW_SIZE];

    show_count(n->prompts, prompts);
    show_count(n->candidates, candidates);
    show_count(n->nfe, nfe);
    buffer_text(out, "<p class=\"facts\">Search <b>");
    html_text(out, d->search);
    buffer_text(out, "</b>, guided by <b>");
    html_text(out, d->metrics[0].title);
    buffer_printf(out, "</b>: %s prompts, %s candidates, %s evaluations of the model.</p>", prompts, candidates, nfe);
    if (n->done < n->prompts)
        buffer_printf(out,
                      "<p class=\"facts bad\">%llu of %llu prompts are done%s; curves and tables are of those.</p>",
                      (unsigned long long)n->done, (unsigned long long)n->prompts, n->failed ? ", some failed" : "");
}

static void write_tile(const struct data *d, const struct numbers_curve *c, struct buffer *out)
{
    const struct data_metric *m = &d->metrics[c->metric];
    char from[SHOW_SIZE], to[SHOW_SIZE], gain[SHOW_LONG_SIZE];

    show_value(m, c->from.mean, from);
    show_value(m, c->to.mean, to);
    show_gain_interval(m, &c->gain, gain);
    buffer_printf(out, "<div class=\"tile %s\"><div class=\"name\">", tone_of(m));
    html_text(out, m->title);
    buffer_printf(
        out, "</div><div class=\"soft\">%s</div><div class=\"big\">%s <span>&rarr;</span> %s</div><p>%s</p></div>",
        m->role == DATA_GUIDE ? "guide: what the search climbs" : "judge: the search never sees it", from, to, gain);
}

void page_tiles(const struct data *d, const struct numbers *n, struct buffer *out)
{
    buffer_text(out, "<div class=\"tiles\">");
    for (uint64_t i = 0; i < n->curve_count; i++)
        write_tile(d, &n->curves[i], out);
    buffer_text(out, "</div>");
}

/* The curve to put into one sentence: a judge's, one of yes and no if there is; else the guide's. */
static const struct numbers_curve *headline(const struct data *d, const struct numbers *n)
{
    const struct numbers_curve *best = &n->curves[0];

    for (uint64_t i = n->curve_count; i-- > 1;)
        if (best == &n->curves[0] || d->metrics[n->curves[i].metric].is_yes_or_no)
            best = &n->curves[i];
    return best;
}

static void write_sentence(const struct data *d, const struct numbers *n, struct buffer *out)
{
    const struct numbers_curve *c = headline(d, n);
    const struct data_metric *m = &d->metrics[c->metric];
    const struct numbers_point *points = c->best_of_count > 0 ? c->best_of : c->against_nfe;
    uint64_t count = c->best_of_count > 0 ? c->best_of_count : c->against_nfe_count;
    char from[SHOW_SIZE], to[SHOW_SIZE], gain[SHOW_LONG_SIZE], effort[SHOW_SIZE];

    if (count == 0)
        return;
    show_value(m, c->from.mean, from);
    show_value(m, c->to.mean, to);
    show_gain_interval(m, &c->gain, gain);
    show_count(points[count - 1].x, effort);
    buffer_printf(out, "<p class=\"lead\">%s %s %s, ", c->best_of_count > 0 ? "Choosing among" : "Searching with",
                  effort, c->best_of_count > 0 ? "candidates" : "evaluations a prompt");
    html_text(out, d->metrics[0].title);
    buffer_text(out, " takes ");
    html_text(out, m->title);
    buffer_printf(out, " from %s to %s: %s.</p>", from, to, gain);
}

static void write_top(const struct data *d, const struct numbers *n, const struct checks *k, struct buffer *out)
{
    buffer_text(out, head);
    html_text(out, d->name);
    buffer_printf(
        out, " - winnow</title><style>%s%s</style></head><body><header><p class=\"soft\">winnow report</p><h1><bdi>",
        page_style, page_style_figures);
    html_text(out, d->name);
    buffer_text(out, "</bdi></h1>");
    write_facts(d, n, out);
    write_sentence(d, n, out);
    page_warnings(d, n, k, out);
    page_tiles(d, n, out);
    buffer_text(out, "</header>");
}

/* ---- categories ---- */

static void write_gain(const struct data_metric *m, const struct stats_interval *gain, struct buffer *out)
{
    char mean[SHOW_SIZE], low[SHOW_SIZE], high[SHOW_SIZE];

    show_gain(m, gain->mean, mean);
    show_bound(m, gain->low, low);
    show_bound(m, gain->high, high);
    buffer_printf(out, "<td class=\"n gain\">%s", mean);
    if (!isnan(gain->low))
        buffer_printf(out, "<br><small>%s to %s</small>", low, high);
    buffer_text(out, "</td>");
}

static void write_cells(const struct data *d, const struct numbers *n, const struct numbers_category *c,
                        struct buffer *out)
{
    for (uint64_t i = 0; i < n->curve_count; i++) {
        const struct data_metric *m = &d->metrics[n->curves[i].metric];
        char a[SHOW_SIZE], b[SHOW_SIZE];
        show_value(m, c->from[i], a);
        show_value(m, c->to[i], b);
        buffer_printf(out, "<td class=\"n group\">%s</td><td class=\"n\">%s</td>", a, b);
        write_gain(m, &c->gain[i], out);
    }
    buffer_text(out, "</tr>");
}

static void write_all_row(const struct data *d, const struct numbers *n, struct buffer *out)
{
    buffer_printf(out, "<tr><td>all</td><td class=\"n\">%llu</td>", (unsigned long long)n->done);
    for (uint64_t i = 0; i < n->curve_count; i++) {
        const struct numbers_curve *c = &n->curves[i];
        char a[SHOW_SIZE], b[SHOW_SIZE];
        show_value(&d->metrics[c->metric], c->from.mean, a);
        show_value(&d->metrics[c->metric], c->to.mean, b);
        buffer_printf(out, "<td class=\"n group\">%s</td><td class=\"n\">%s</td>", a, b);
        write_gain(&d->metrics[c->metric], &c->gain, out);
    }
    buffer_text(out, "</tr>");
}

static void write_categories(const struct data *d, const struct numbers *n, struct buffer *out)
{
    buffer_text(out, "<section><h2>By category</h2><p class=\"soft\">The first picture, the guide's pick, and the gain "
                     "with its 95 % interval; means over prompts."
                     "</p>"
                     "<div class=\"wide\"><table><thead><tr><th>category</th><th class=\"n\">prompts</th>");
    for (uint64_t i = 0; i < n->curve_count; i++) {
        buffer_text(out, "<th class=\"n\" colspan=\"3\">");
        html_text(out, d->metrics[n->curves[i].metric].title);
        buffer_printf(out, " <span class=\"role\">%s</span></th>", tone_of(&d->metrics[n->curves[i].metric]));
    }
    buffer_text(out, "</tr></thead><tbody>");
    for (uint64_t i = 0; i < n->category_count; i++) {
        buffer_text(out, "<tr><td>");
        html_text(out, n->categories[i].name[0] ? n->categories[i].name : "(none)");
        buffer_printf(out, "</td><td class=\"n\">%llu</td>", (unsigned long long)n->categories[i].prompts);
        write_cells(d, n, &n->categories[i], out);
    }
    write_all_row(d, n, out);
    buffer_text(out, "</tbody></table></div></section>");
}

static void write_text(const char *title, const char *text, struct buffer *out)
{
    if (!text[0])
        return;
    buffer_printf(out, "<details><summary>%s</summary><pre>", title);
    html_text(out, text);
    buffer_text(out, "</pre></details>");
}

wn_status page_write(const struct data *d, const struct numbers *n, const struct checks *k, struct buffer *out,
                     wn_error *err)
{
    write_top(d, n, k, out);
    page_curves(d, n, out);
    page_checks(d, n, k, out);
    page_tree(d, out);
    page_gallery(d, out);
    write_categories(d, n, out);
    buffer_text(out, "<section><h2>How it was made</h2>");
    write_text("The experiment, with every default written", d->spec, out);
    write_text("Versions, hashes, machine", d->manifest, out);
    buffer_text(
        out, "<p class=\"soft\">Intervals are 95 % bootstrap intervals over prompts. The numbers of this page stand in "
             "<code>summary.json</code> and <code>times.json</code>, every candidate in "
             "<code>results.jsonl</code>.</p></section></body></html>\n");
    return buffer_status(out, "report.html", err);
}
