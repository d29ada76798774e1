/* page_checks.c - the page's doubts: guide against judges, previews, ties, diversity. Plots tell guide and judge apart
 * without colour: the judge's line is broken. */
#include "report/html.h"
#include "report/page.h"
#include "report/show.h"
#include "report/svg.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

/* "0.42 [0.31, 0.53]" with the same digits everywhere; a lone mean where there is no interval. */
static void show_plain(const struct stats_interval *i, int decimals, char text[SHOW_LONG_SIZE])
{
    if (isnan(i->mean))
        snprintf(text, SHOW_LONG_SIZE, "-");
    else if (isnan(i->low))
        snprintf(text, SHOW_LONG_SIZE, "%.*f", decimals, i->mean);
    else
        snprintf(text, SHOW_LONG_SIZE, "%.*f [%.*f, %.*f]", decimals, i->mean, decimals, i->low, decimals, i->high);
}

static void show_share(const struct stats_interval *i, char text[SHOW_LONG_SIZE])
{
    if (isnan(i->mean))
        snprintf(text, SHOW_LONG_SIZE, "-");
    else if (isnan(i->low))
        snprintf(text, SHOW_LONG_SIZE, "%.0f %%", 100 * i->mean);
    else
        snprintf(text, SHOW_LONG_SIZE, "%.0f %% [%.0f %%, %.0f %%]", 100 * i->mean, 100 * i->low, 100 * i->high);
}

/* ---- guide against judge ---- */

static const struct data_metric *judge_of(const struct data *d, const struct numbers *n, const struct gap *g)
{
    return &d->metrics[n->curves[g->curve].metric];
}

void page_warnings(const struct data *d, const struct numbers *n, const struct checks *k, struct buffer *out)
{
    for (uint64_t i = 0; i < k->gap_count; i++) {
        const struct gap *g = &k->gaps[i];
        if (g->verdict == GAP_NONE)
            continue;
        buffer_text(out, "<p class=\"bad\">");
        if (g->verdict == GAP_HACKED_LATE)
            buffer_printf(out, "From %llu %s on, ", (unsigned long long)g->points[g->late].x,
                          g->is_exact ? "candidates" : "evaluations a prompt");
        html_text(out, judge_of(d, n, g)->title);
        buffer_text(out, " gets worse while the guide improves: the search exploits its guide.</p>");
    }
}

static void describe_guide(const void *arg, double y, char *text)
{
    (void)arg;
    snprintf(text, 64, "guide %+.2f", y);
}

static void describe_judge(const void *arg, double y, char *text)
{
    (void)arg;
    snprintf(text, 64, "judge %+.2f", y);
}

static void write_gap_plot(const struct gap *g, struct buffer *out)
{
    struct svg_point *p = calloc(2 * g->count, sizeof *p);
    const char *label = g->is_exact ? "candidates" : "evaluations (NFE) for each prompt";
    const struct svg_plot plots[] = {
        { label, "guide", p, g->count, !g->is_exact, false, describe_guide, NULL },
        { label, "judge apart", p + g->count, g->count, !g->is_exact, false, describe_judge, NULL },
    };

    if (!p) {
        out->failed = WN_E_MEMORY;
        return;
    }
    for (uint64_t i = 0; i < g->count; i++) {
        const struct gap_point *at = &g->points[i];
        p[i] = (struct svg_point){ (double)at->x, at->guide.mean, at->guide.low, at->guide.high };
        p[g->count + i] = (struct svg_point){ (double)at->x, at->judge.mean, at->judge.low, at->judge.high };
    }
    svg_write_several(out, plots, 2);
    free(p);
}

/* "rises by 2.08 spreads (95 % interval 1.49 to 2.70)"; a fall is told as a positive number. */
static void write_spreads(const char *before, const struct stats_interval *i, bool is_fall, const char *unit,
                          struct buffer *out)
{
    const double sign = is_fall ? -1 : 1, low = is_fall ? -i->high : i->low, high = is_fall ? -i->low : i->high;

    buffer_printf(out, "%s %.2f%s", before, sign * i->mean, unit);
    if (!isnan(i->low))
        buffer_printf(out, " (95 %% interval %.2f to %.2f)", low, high);
}

/* One plain sentence on what the plot shows. */
static void write_verdict(const struct gap *g, struct buffer *out)
{
    const struct gap_point *end = &g->points[g->count - 1];
    const bool is_late = g->verdict == GAP_HACKED_LATE, is_hacked = g->verdict != GAP_NONE;

    buffer_printf(out, "<p%s>", is_hacked ? " class=\"bad\"" : "");
    if (is_late)
        buffer_printf(out, "From %llu on, the guide", (unsigned long long)g->points[g->late].x);
    else
        buffer_text(out, "The guide");
    write_spreads(is_hacked ? " rises by" : " gains", is_late ? &g->late_guide : &end->guide, false, " spreads", out);
    write_spreads(is_hacked ? " while the judge falls by" : ", the judge", is_late ? &g->late_judge : &end->judge,
                  is_hacked, "", out);
    if (is_hacked)
        buffer_text(out, ": the search exploits its guide.");
    else if (end->judge.low > 0)
        buffer_printf(out, ": what the guide finds is better for the judge too%s.",
                      end->gap.low > 0 ? ", though by less" : "");
    else
        buffer_text(out, isnan(end->judge.low) ? ": so few prompts have no interval."
                                               : ": whether the judge gains or loses is open.");
    write_spreads("</p><p class=\"soft\">Gap at the end:", &end->gap, false, "", out);
    buffer_text(out, ".</p>");
}

static void write_gap(const struct data *d, const struct numbers *n, const struct gap *g, struct buffer *out)
{
    char spread[SHOW_SIZE];

    buffer_text(out, "<figure class=\"plot\"><figcaption>");
    html_text(out, judge_of(d, n, g)->title);
    show_value(judge_of(d, n, g), g->judge_spread, spread);
    buffer_printf(out, " <span class=\"role\">judge, spread %s</span></figcaption>", spread);
    write_gap_plot(g, out);
    write_verdict(g, out);
    buffer_text(out, "</figure>");
}

static void write_gaps(const struct data *d, const struct numbers *n, const struct checks *k, struct buffer *out)
{
    bool has_any = false;

    for (uint64_t i = 0; i < k->gap_count; i++)
        has_any |= k->gaps[i].count > 0;
    if (!has_any)
        return;
    buffer_text(out,
                "<section><h2>Guide against judge</h2><p class=\"soft\">What searching gains, in spreads: the standard "
                "deviation among the candidates of one prompt. A guide that rises while a judge falls has been "
                "exploited, not followed.</p><div class=\"plots few\">");
    for (uint64_t i = 0; i < k->gap_count; i++)
        if (k->gaps[i].count > 0)
            write_gap(d, n, &k->gaps[i], out);
    buffer_text(out, "</div></section>");
}

/* ---- previews ---- */

static void write_previews(const struct data *d, const struct checks *k, struct buffer *out)
{
    char rho[SHOW_LONG_SIZE];

    if (k->preview_count == 0)
        return;
    buffer_text(out, "<section><h2>Do previews foretell?</h2><p class=\"soft\">Rank correlation (Spearman) between ");
    html_text(out, d->metrics[0].title);
    buffer_text(out,
                " of unfinished samples and of the finished ones that came of them, within a prompt; mean over "
                "prompts. Only survivors of the search can be told, and among them the correlation is lower "
                "than among all.</p><div class=\"wide\"><table class=\"narrow\"><thead><tr><th>scored at point</th>"
                "<th class=\"n\">previews</th><th class=\"n\">prompts</th><th class=\"n\">rank correlation</th></tr>"
                "</thead><tbody>");
    for (uint64_t i = 0; i < k->preview_count; i++) {
        const struct preview *p = &k->previews[i];
        show_plain(&p->rho, 2, rho);
        buffer_printf(out,
                      "<tr><td>%llu</td><td class=\"n\">%llu</td><td class=\"n\">%llu</td><td class=\"n\">%s</td></tr>",
                      (unsigned long long)p->point, (unsigned long long)p->previews, (unsigned long long)p->prompts,
                      p->prompts ? rho : "no two survived");
    }
    buffer_text(out, "</tbody></table></div></section>");
}

/* ---- ties and diversity ---- */

static void write_ties(const struct data *d, const struct checks *k, struct buffer *out)
{
    char share[SHOW_LONG_SIZE], top[SHOW_LONG_SIZE];

    buffer_text(out,
                "<section><h2>Ties</h2><p class=\"soft\">Pairs of a prompt's finished candidates that a metric "
                "cannot tell apart, and prompts whose best place is shared.</p><div class=\"wide\"><table "
                "class=\"narrow\"><thead><tr><th>metric</th><th class=\"n\">prompts</th><th class=\"n\">pairs that tie"
                "</th><th class=\"n\">shared best</th></tr></thead><tbody>");
    for (uint64_t i = 0; i < k->tie_count; i++) {
        const struct tie *t = &k->ties[i];
        show_share(&t->share, share);
        show_share(&t->top, top);
        buffer_text(out, "<tr><td>");
        html_text(out, d->metrics[t->metric].title);
        buffer_printf(out, "</td><td class=\"n\">%llu</td><td class=\"n\">%s</td><td class=\"n\">%s</td></tr>",
                      (unsigned long long)t->prompts, share, top);
    }
    buffer_text(out, "</tbody></table></div></section>");
}

static void write_diversity_row(const char *name, const struct diversity *v, struct buffer *out)
{
    char distance[SHOW_LONG_SIZE], vendi[SHOW_LONG_SIZE];

    show_plain(&v->distance, 3, distance);
    show_plain(&v->vendi, 2, vendi);
    buffer_printf(out, "<tr><td>%s</td><td class=\"n\">%.*f</td><td class=\"n\">%s</td><td class=\"n\">%s</td></tr>",
                  name, v->candidates == floor(v->candidates) ? 0 : 1, v->candidates, distance, vendi);
}

static void write_diversity(const struct checks *k, struct buffer *out)
{
    if (k->whole.prompts == 0)
        return;
    buffer_printf(
        out,
        "<section><h2>Diversity of the candidates</h2><p class=\"soft\">How different a prompt's finished "
        "candidates look, by layout, colours and edges (what they show is not seen); means over %llu prompts%s. "
        "A Vendi score of 3 is as diverse as three pictures that have nothing in common. A last half below the "
        "first is a search that draws its candidates together.</p>",
        (unsigned long long)k->whole.prompts, k->is_sampled ? ", a sample of the run" : "");
    buffer_text(
        out, "<div class=\"wide\"><table class=\"narrow\"><thead><tr><th>candidates</th><th class=\"n\">of each prompt"
             "</th><th class=\"n\">mean distance, 0 to 1</th><th class=\"n\">Vendi score</th></tr></thead><tbody>");
    write_diversity_row("all", &k->whole, out);
    write_diversity_row("first half", &k->early, out);
    write_diversity_row("last half", &k->late, out);
    buffer_text(out, "</tbody></table></div></section>");
}

void page_checks(const struct data *d, const struct numbers *n, const struct checks *k, struct buffer *out)
{
    write_gaps(d, n, k, out);
    write_previews(d, k, out);
    if (n->done > 0)
        write_ties(d, k, out);
    write_diversity(k, out);
}
