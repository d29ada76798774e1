/* compare_page.c - compare.html: what was compared, what came of it, the curves, the differences, the paper's table. */
#include "report/comparison.h"

#include "report/html.h"
#include "report/page.h"
#include "report/show.h"

#include <math.h>
#include <string.h>

enum { MOST_WHISKERS = 28 }; /* pairs of eight algorithms */

static const char head[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta http-equiv=\"Content-Security-Policy\" "
    "content=\"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\"><meta "
    "name=\"viewport\" "
    "content=\"width=device-width,initial-scale=1\"><meta name=\"referrer\" content=\"no-referrer\">"
    "<title>comparison - winnow</title><style>";

/* Eight tones that differ in lightness too, for eyes that do not tell red from green. */
static const char style[] =
    ":root{--s0:#2762a8;--s1:#c05a12;--s2:#22794a;--s3:#8a3f9e;--s4:#a98400;--s5:#0f8b9c;--s6:#b3304f;--s7:#5c5f66}"
    "@media(prefers-color-scheme:dark){:root{--s0:#7fb2ee;--s1:#f0a062;--s2:#7cc98b;--s3:#cf9be0;--s4:#e0c35a;--s5:#"
    "6fd0de;"
    "--s6:#f08ba2;--s7:#b4b8bf}}"
    ".s0{--tone:var(--s0)}.s1{--tone:var(--s1)}.s2{--tone:var(--s2)}.s3{--tone:var(--s3)}.s4{--tone:var(--s4)}"
    ".s5{--tone:var(--s5)}.s6{--tone:var(--s6)}.s7{--tone:var(--s7)}"
    "svg .line.dashed{stroke-dasharray:7 4}svg [class*=\"line s\"]{stroke:var(--tone)}"
    "svg [class*=\"band s\"]{fill:var(--tone);opacity:.13}svg [class*=\"dot s\"]{fill:var(--tone)}"
    "svg .whisker{stroke:var(--tone);stroke-width:2.5}svg .zero{stroke:var(--ink);stroke-width:1.5}"
    ".legend{display:flex;flex-wrap:wrap;gap:.3rem 1.4rem;margin:.6rem 0 0;padding:0;list-style:none}"
    ".key{display:inline-block;width:1.6rem;height:0;border-top:4px solid "
    "var(--tone);vertical-align:middle;margin-right:.5rem}"
    ".key.dashed{border-top-style:dashed}.plots{grid-template-columns:repeat(auto-fit,minmax(25rem,1fr))}"
    ".wide table.flat:not(.narrow) tbody tr:last-child td{border-top:0;font-weight:inherit}"
    ".wide tbody tr.none td{color:var(--soft)}"
    ".wide table.flat:not(.narrow) tbody tr td.best{font-weight:700}"
    ".wide table.flat:not(.narrow) tbody tr td.sure{font-weight:650}"
    "th.group,td.group{padding-left:2.2rem}"
    "h3{margin-top:1.6rem}"
    "th.mid{padding-left:2.2rem}"
    ".pairs{font-size:.82rem}"
    ".pairs td:first-child{min-width:14rem}"
    ".pairs td.n,.pairs th.n{padding-left:.7rem}";

/* ---- top ------------------------------------------------------------------------------------------------------- */

static void write_key(uint64_t algorithm, struct buffer *out)
{
    buffer_printf(out, "<span class=\"key s%u%s\"></span>", (unsigned)(algorithm % 8), algorithm >= 8 ? " dashed" : "");
}

static void write_legend(const struct compare *c, struct buffer *out)
{
    buffer_text(out, "<ul class=\"legend\">");
    for (uint64_t i = 0; i < c->algorithm_count; i++) {
        buffer_text(out, "<li>");
        write_key(i, out);
        html_text(out, c->algorithms[i].name);
        buffer_text(out, "</li>");
    }
    buffer_text(out, "</ul>");
}

static void write_notes(const struct compare *c, struct buffer *out)
{
    if (c->prompt_count < c->most_prompts)
        buffer_printf(
            out, "<p class=\"facts bad\">%llu of %llu prompts are done in all runs; everything here is of those.</p>",
            (unsigned long long)c->prompt_count, (unsigned long long)c->most_prompts);
    if (c->skipped_points)
        buffer_printf(out, "<p class=\"facts bad\">%llu point%s of the sweep %s no results yet.</p>",
                      (unsigned long long)c->skipped_points, c->skipped_points == 1 ? "" : "s",
                      c->skipped_points == 1 ? "has" : "have");
    for (uint64_t i = 0; i < c->left_out_count; i++) {
        buffer_text(out, i ? ", "
                           : "<p class=\"facts\">Left out, because not all runs have them or their verifiers differ: ");
        html_text(out, c->left_out[i]);
        buffer_text(out, i + 1 < c->left_out_count ? "" : ".</p>");
    }
}

/* The metric to put into one sentence: a judge's, one of yes and no if there is; else a guide's. */
static uint64_t headline(const struct compare *c)
{
    uint64_t best = 0;
    for (uint64_t i = c->metric_count; i-- > 0;)
        if (c->metrics[best].role == DATA_GUIDE || (c->metrics[i].role == DATA_JUDGE && c->metrics[i].is_yes_or_no))
            best = c->metrics[i].role == DATA_JUDGE ? i : best;
    return best;
}

/* Any value is better than none. */
static bool is_better(const struct data_metric *m, double a, double b)
{
    return (m->higher_is_better ? a > b : a < b) || (isnan(b) && !isnan(a));
}

static uint64_t best_of(const struct compare *c, uint64_t metric, uint64_t except)
{
    uint64_t best = UINT64_MAX;
    for (uint64_t i = 0; i < c->algorithm_count; i++)
        if (i != except && (best == UINT64_MAX || is_better(&c->metrics[metric], c->algorithms[i].final[metric].mean,
                                                            c->algorithms[best].final[metric].mean)))
            best = i;
    return best;
}

static const struct compare_pair *pair_of(const struct compare *c, uint64_t a, uint64_t b)
{
    for (uint64_t i = 0; i < c->pair_count; i++)
        if ((c->pairs[i].left == a && c->pairs[i].right == b) || (c->pairs[i].left == b && c->pairs[i].right == a))
            return &c->pairs[i];
    return NULL;
}

static void write_sentence(const struct compare *c, struct buffer *out)
{
    const uint64_t m = headline(c), first = best_of(c, m, UINT64_MAX), second = best_of(c, m, first);
    const struct compare_pair *p = second < c->algorithm_count ? pair_of(c, first, second) : NULL;
    char value[SHOW_SIZE], gain[SHOW_LONG_SIZE];
    if (!p || isnan(c->algorithms[first].final[m].mean))
        return;
    struct stats_interval d = compare_difference_of(c, p, m, COMPARE_AT_END)->mean;
    if (p->left == first)
        d = (struct stats_interval){ -d.mean, -d.high, -d.low };
    show_value(&c->metrics[m], c->algorithms[first].final[m].mean, value);
    show_gain_interval(&c->metrics[m], &d, gain);
    buffer_text(out, "<p class=\"lead\">Of all, ");
    html_text(out, c->algorithms[first].name);
    buffer_text(out, " ends best on ");
    html_text(out, c->metrics[m].title);
    buffer_printf(out, ": %s. Against ", value);
    html_text(out, c->algorithms[second].name);
    buffer_printf(out, ", which comes next, on the same prompts: %s.</p>", gain);
}

static void write_top(const struct compare *c, struct buffer *out)
{
    buffer_printf(out, "%s%s%s%s</style></head><body><header><p class=\"soft\">winnow compare</p><h1>", head,
                  page_style, page_style_figures, style);
    for (uint64_t i = 0; i < c->algorithm_count && i < 3; i++) {
        buffer_text(out, i ? " &middot; " : "");
        html_text(out, c->algorithms[i].name);
    }
    if (c->algorithm_count > 3)
        buffer_printf(out, " and %llu more", (unsigned long long)c->algorithm_count - 3);
    buffer_printf(
        out,
        "</h1><p class=\"facts\">%llu run%s, %llu algorithm%s, %llu prompts; runs that differ in nothing but the "
        "seed are one algorithm.</p>",
        (unsigned long long)c->run_count, c->run_count == 1 ? "" : "s", (unsigned long long)c->algorithm_count,
        c->algorithm_count == 1 ? "" : "s", (unsigned long long)c->prompt_count);
    write_notes(c, out);
    write_sentence(c, out);
    buffer_text(out, "</header>");
}

/* ---- algorithms ------------------------------------------------------------------------------------------------ */

/* The means of one algorithm, all prompts' or a category's. */
static double cell(const struct compare *c, const struct compare_category *category, const struct compare_algorithm *a,
                   uint64_t metric, bool is_final)
{
    const uint64_t at = (uint64_t)(a - c->algorithms) * c->metric_count + metric;
    if (category)
        return is_final ? category->final[at] : category->first[at];
    return is_final ? a->final[metric].mean : a->first[metric].mean;
}

static bool is_best_cell(const struct compare *c, const struct compare_category *category,
                         const struct compare_algorithm *a, uint64_t metric)
{
    for (uint64_t i = 0; i < c->algorithm_count; i++)
        if (is_better(&c->metrics[metric], cell(c, category, &c->algorithms[i], metric, true),
                      cell(c, category, a, metric, true)))
            return false;
    return c->algorithm_count > 1 && !isnan(cell(c, category, a, metric, true));
}

static void write_algorithm(const struct compare *c, uint64_t index, struct buffer *out)
{
    const struct compare_algorithm *a = &c->algorithms[index];
    char first[SHOW_SIZE], final[SHOW_SIZE], nfe[SHOW_SIZE];
    show_count((uint64_t)llround(a->spent[COMPARE_NFE]), nfe);
    buffer_text(out, "<tr><td>");
    write_key(index, out);
    html_text(out, a->name);
    buffer_printf(
        out, "</td><td class=\"n\">%llu</td><td class=\"n\">%s</td><td class=\"n\">%.3g</td><td class=\"n\">%.0f</td>",
        (unsigned long long)a->run_count, nfe, a->spent[COMPARE_SECONDS], a->spent[COMPARE_CALLS]);
    for (uint64_t m = 0; m < c->metric_count; m++) {
        show_value(&c->metrics[m], a->first[m].mean, first);
        show_interval(&c->metrics[m], &a->final[m], final);
        buffer_printf(out, "<td class=\"n group\">%s</td><td class=\"n%s\">%s</td>", first,
                      is_best_cell(c, NULL, a, m) ? " best" : "", final);
    }
    buffer_text(out, "</tr>");
}

static void write_algorithms(const struct compare *c, struct buffer *out)
{
    buffer_text(
        out,
        "<section><h2>Where each ends</h2><p class=\"soft\">Means for each prompt with 95 % intervals; the best of a "
        "column is bold. What was spent: evaluations of the model, seconds of sampling, decoding and guide, "
        "verifier calls of the guide. No search: a prompt's first picture, where no score came before it, or that "
        "of a run here which began with the same noises.</p><div class=\"wide\"><table "
        "class=\"flat\"><thead><tr><th>algorithm</th>"
        "<th class=\"n\">seeds</th><th class=\"n\">NFE</th><th class=\"n\">seconds</th><th class=\"n\">calls</th>");
    for (uint64_t m = 0; m < c->metric_count; m++) {
        buffer_text(out, "<th class=\"n group\">no search</th><th class=\"n\">");
        html_text(out, c->metrics[m].title);
        buffer_text(out, "</th>");
    }
    buffer_text(out, "</tr></thead><tbody>");
    for (uint64_t i = 0; i < c->algorithm_count; i++)
        write_algorithm(c, i, out);
    buffer_text(out, "</tbody></table></div></section>");
}

/* ---- curves ---------------------------------------------------------------------------------------------------- */

/* A metric may guide some algorithms and judge others. */
static const char *role_of(const struct compare *c, uint64_t metric)
{
    uint64_t guided = 0;
    for (uint64_t i = 0; i < c->algorithm_count; i++) {
        const struct compare_run *r = &c->runs[c->algorithms[i].runs[0]];
        guided += r->metric_of[metric] == 0;
    }
    return guided == 0 ? "judge" : guided == c->algorithm_count ? "guide" : "guide of some, judge of others";
}

static void write_curves(const struct compare *c, int currency, struct buffer *out)
{
    static const char *const titles[] = { "Against evaluations", "Against seconds", "Against verifier calls" };
    buffer_printf(out, "<section><h2>%s</h2>", titles[currency]);
    if (currency == COMPARE_NFE)
        buffer_text(
            out,
            "<p class=\"soft\">What the guide prefers of all that a prompt's search had finished by then, with 95 % "
            "intervals. A search that ends keeps its last value to where the last of its prompts ends.</p>");
    if (currency == COMPARE_SECONDS)
        buffer_text(
            out,
            "<p class=\"soft\">Seconds of the device and of the guide as the ledger has them. Runs on other machines, "
            "or in other batches, have other seconds.</p>");
    if (currency == COMPARE_CALLS)
        buffer_text(out, "<p class=\"soft\">A guide that compares is asked again about pictures it has seen, and the "
                         "ledger does not tell when: such searches have no curve here.</p>");
    write_legend(c, out);
    buffer_text(out, "<div class=\"plots\">");
    for (uint64_t m = 0; m < c->metric_count; m++) {
        buffer_text(out, "<figure class=\"plot\"><figcaption>");
        html_text(out, c->metrics[m].title);
        buffer_printf(out, " <span class=\"role\">%s</span></figcaption>", role_of(c, m));
        compare_plot(c, currency, m, out);
        buffer_text(out, "</figure>");
    }
    buffer_text(out, "</div></section>");
}

/* ---- differences ----------------------------------------------------------------------------------------------- */

static void write_p(double p, struct buffer *out)
{
    if (isnan(p))
        buffer_text(out, "-");
    else
        buffer_printf(out, p < 0.001 ? "%.1e" : "%.3f", p);
}

static void write_difference(const struct data_metric *m, const struct compare_difference *d, struct buffer *out)
{
    char gain[SHOW_SIZE], low[SHOW_SIZE], high[SHOW_SIZE];
    const bool sure = d->p_holm < 0.05;
    const bool up = (d->mean.mean > 0) == m->higher_is_better;
    show_gain(m, d->mean.mean, gain);
    show_bound(m, d->mean.low, low);
    show_bound(m, d->mean.high, high);
    buffer_printf(out, "<td class=\"n group%s%s\">%s", sure ? " sure" : "", sure ? up ? " up" : " down" : "", gain);
    if (!isnan(d->mean.low))
        buffer_printf(out, " [%s, %s]", low, high);
    buffer_text(out, "</td><td class=\"n\">");
    write_p(d->p_holm, out);
    buffer_text(out, "</td>");
}

static void write_pairs(const struct compare *c, uint64_t metric, struct buffer *out)
{
    static const int order[COMPARE_PLACES] = { COMPARE_AT_END, COMPARE_NFE, COMPARE_SECONDS, COMPARE_CALLS };
    buffer_text(out, "<h3>");
    html_text(out, c->metrics[metric].title);
    buffer_text(
        out,
        "</h3><div class=\"wide pairs\"><table class=\"flat\"><thead><tr><th>pair</th><th class=\"n\">at the "
        "end</th><th "
        "class=\"n\">p</th>"
        "<th class=\"n\">at equal evaluations</th><th class=\"n\">p</th><th class=\"n\">at equal seconds</th>"
        "<th class=\"n\">p</th><th class=\"n\">at equal verifier calls</th><th class=\"n\">p</th></tr></thead><tbody>");
    for (uint64_t i = 0; i < c->pair_count; i++) {
        const struct compare_pair *p = &c->pairs[i];
        buffer_text(out, "<tr><td>");
        html_text(out, c->algorithms[p->right].name);
        buffer_text(out, " <span class=\"role\">less</span> ");
        html_text(out, c->algorithms[p->left].name);
        buffer_text(out, "</td>");
        for (int k = 0; k < COMPARE_PLACES; k++)
            write_difference(&c->metrics[metric], compare_difference_of(c, p, metric, order[k]), out);
        buffer_text(out, "</tr>");
    }
    buffer_text(out, "</tbody></table></div>");
}

static void write_forests(const struct compare *c, struct buffer *out)
{
    buffer_text(out, "<div class=\"plots\">");
    for (uint64_t m = 0; c->pair_count <= MOST_WHISKERS && m < c->metric_count; m++) {
        buffer_text(out, "<figure class=\"plot\"><figcaption>");
        html_text(out, c->metrics[m].title);
        buffer_text(out, " <span class=\"role\">at the end</span></figcaption>");
        compare_forest(c, m, out);
        buffer_text(out, "</figure>");
    }
    buffer_text(out, "</div>");
}

static void write_differences(const struct compare *c, struct buffer *out)
{
    if (!c->pair_count)
        return;
    buffer_text(
        out, "<section><h2>Paired differences</h2><p class=\"soft\">Differences are taken within each prompt, and "
             "within each "
             "seed that both have, before they are averaged; intervals are 95 % bootstrap intervals over prompts. p is "
             "that of a two-sided sign-flip permutation test, made larger for the number of pairs (Holm); coloured "
             "where it is below 0.05. At equal cost, both count with what they had within what the thriftier of the "
             "two spent on that prompt.</p>");
    write_forests(c, out);
    for (uint64_t m = 0; m < c->metric_count; m++)
        write_pairs(c, m, out);
    buffer_text(out, "</section>");
}

/* ---- the paper's table ----------------------------------------------------------------------------------------- */

static bool is_first_guide(const struct compare *c, uint64_t index)
{
    for (uint64_t i = 0; i < index; i++)
        if (strcmp(c->algorithms[i].guide, c->algorithms[index].guide) == 0)
            return false;
    return true;
}

static bool is_first_column(const struct compare *c, uint64_t index)
{
    for (uint64_t i = 0; i < index; i++)
        if (strcmp(c->algorithms[i].column, c->algorithms[index].column) == 0)
            return false;
    return true;
}

static void write_cells(const struct compare *c, const struct compare_category *category,
                        const struct compare_algorithm *a, bool is_final, struct buffer *out)
{
    char text[SHOW_SIZE];
    for (uint64_t m = 0; m < c->metric_count; m++) {
        show_value(&c->metrics[m], a ? cell(c, category, a, m, is_final) : (double)NAN, text);
        buffer_printf(out, "<td class=\"n%s%s\">%s</td>", m ? "" : " group",
                      a && is_final && is_best_cell(c, category, a, m) ? " best" : "", text);
    }
}

/* Any algorithm of a column that knows them has its pictures without search. */
static const struct compare_algorithm *any_of(const struct compare *c, const char *column)
{
    const struct compare_algorithm *any = NULL;
    for (uint64_t i = 0; i < c->algorithm_count; i++)
        if (strcmp(c->algorithms[i].column, column) == 0 && (!any || isnan(any->first[0].mean)))
            any = &c->algorithms[i];
    return any;
}

static void write_head_rows(const struct compare *c, struct buffer *out)
{
    buffer_text(out, "<div class=\"wide\"><table class=\"flat\"><thead><tr><th></th>");
    for (uint64_t i = 0; i < c->algorithm_count; i++)
        if (is_first_column(c, i)) {
            buffer_printf(out, "<th class=\"mid\" colspan=\"%llu\">", (unsigned long long)c->metric_count);
            html_text(out, c->algorithms[i].column);
            buffer_text(out, "</th>");
        }
    buffer_text(out, "</tr><tr><th>verifier</th>");
    for (uint64_t i = 0; i < c->algorithm_count; i++)
        for (uint64_t m = 0; is_first_column(c, i) && m < c->metric_count; m++) {
            buffer_printf(out, "<th class=\"n%s\">", m ? "" : " group");
            html_text(out, c->metrics[m].title);
            buffer_text(out, "</th>");
        }
    buffer_text(out, "</tr></thead><tbody>");
}

static void write_layout(const struct compare *c, const struct compare_category *category, struct buffer *out)
{
    write_head_rows(c, out);
    buffer_text(out, "<tr class=\"none\"><td>(no search)</td>");
    for (uint64_t i = 0; i < c->algorithm_count; i++)
        if (is_first_column(c, i))
            write_cells(c, category, any_of(c, c->algorithms[i].column), false, out);
    buffer_text(out, "</tr>");
    for (uint64_t g = 0; g < c->algorithm_count; g++) {
        if (!is_first_guide(c, g))
            continue;
        buffer_text(out, "<tr><td>");
        html_text(out, c->algorithms[g].guide);
        buffer_text(out, "</td>");
        for (uint64_t i = 0; i < c->algorithm_count; i++)
            if (is_first_column(c, i))
                write_cells(c, category, compare_at(c, c->algorithms[g].guide, c->algorithms[i].column), true, out);
        buffer_text(out, "</tr>");
    }
    buffer_text(out, "</tbody></table></div>");
}

static void write_categories(const struct compare *c, struct buffer *out)
{
    buffer_printf(
        out,
        "<section><h2>By verifier and algorithm</h2><p class=\"soft\">Rows are the verifiers that guided, columns the "
        "algorithms, cells the means of all metrics; the best of each metric is bold.</p><h3>all %llu prompts</h3>",
        (unsigned long long)c->prompt_count);
    write_layout(c, NULL, out);
    for (uint64_t i = 0; c->category_count > 1 && i < c->category_count; i++) {
        buffer_text(out, "<h3>");
        html_text(out, c->categories[i].name[0] ? c->categories[i].name : "(no category)");
        buffer_printf(out, " <span class=\"role\">%llu prompt%s</span></h3>",
                      (unsigned long long)c->categories[i].prompts, c->categories[i].prompts == 1 ? "" : "s");
        write_layout(c, &c->categories[i], out);
    }
    buffer_text(out, "</section>");
}

/* ---- bottom ---------------------------------------------------------------------------------------------------- */

static void write_runs(const struct compare *c, struct buffer *out)
{
    buffer_text(out, "<section><h2>Which runs</h2><div class=\"wide\"><table "
                     "class=\"flat\"><thead><tr><th>algorithm</th><th>seed</th><th>run</th>"
                     "</tr></thead><tbody>");
    for (uint64_t a = 0; a < c->algorithm_count; a++)
        for (uint64_t i = 0; i < c->algorithms[a].run_count; i++) {
            const struct compare_run *r = &c->runs[c->algorithms[a].runs[i]];
            buffer_text(out, "<tr><td>");
            html_text(out, c->algorithms[a].name);
            buffer_text(out, "</td><td>");
            html_text(out, r->seed);
            buffer_text(out, "</td><td><code>");
            html_text(out, r->directory);
            buffer_text(out, "</code></td></tr>");
        }
    buffer_text(
        out,
        "</tbody></table></div><p class=\"soft\">Rows that are resampled are prompts, each with all of its seeds. The "
        "numbers of this page stand in <code>compare.json</code>; every run's own report lies in its folder.</p>"
        "</section></body></html>\n");
}

void compare_page(const struct compare *c, struct buffer *out)
{
    write_top(c, out);
    write_algorithms(c, out);
    for (int currency = 0; currency < COMPARE_CURRENCIES; currency++)
        write_curves(c, currency, out);
    write_differences(c, out);
    write_categories(c, out);
    write_runs(c, out);
}
