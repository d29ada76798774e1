/* drift_page.c - drift.html: what was made twice, how far apart it is, what would have been chosen, the worst pair. */
#include "report/drift.h"

#include "base/png.h"
#include "report/html.h"
#include "report/page.h"
#include "report/show.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BINS = 24, MOST_CHANGES = 60, WIDTH = 300, HEIGHT = 96, FOOT = 22, SMALL_PX = 160, PNG_MAX = 64 << 20 };

static const char head[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta http-equiv=\"Content-Security-Policy\" "
    "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">"
    "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><meta name=\"referrer\" "
    "content=\"no-referrer\"><title>drift - winnow</title><style>";

static const char style[] =
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem .9rem;margin:.8rem "
    "0}dt{font-weight:650}dd{margin:0}"
    ".bars{display:grid;grid-template-columns:repeat(auto-fill,minmax(16rem,1fr));gap:1.4rem 1.6rem;margin-top:1rem}"
    "svg rect.bar{fill:var(--guide)}svg rect.bar.judge{fill:var(--judge)}svg rect.bar.plain{fill:var(--soft)}"
    "svg text{font-size:12px}figure figcaption{font-weight:600;margin-bottom:.3rem}"
    ".wide table.flat:not(.narrow) tbody tr:last-child td{border-top:0;font-weight:inherit}"
    ".three{display:grid;grid-template-columns:repeat(3,minmax(0,22rem));gap:1rem;margin-top:1rem}"
    ".three img{display:block;width:100%;border-radius:2px}.three img.small{image-rendering:pixelated}"
    ".three figcaption{font-weight:400;color:var(--soft);font-size:.9rem;margin:.3rem 0 0}";

/* ---- top ------------------------------------------------------------------------------------------------------- */

static void number(const struct drift_spread *s, double value, char text[SHOW_SIZE])
{
    if (isnan(value))
        snprintf(text, SHOW_SIZE, "-");
    else if (isinf(value))
        snprintf(text, SHOW_SIZE, "equal");
    else
        snprintf(text, SHOW_SIZE, s->is_psnr ? "%.2f" : "%.3g", value);
}

static uint64_t changed_by_guide(const struct drift *d)
{
    return d->metric_count ? d->choices[0].changed : 0;
}

static void write_sentence(const struct drift *d, struct buffer *out)
{
    const struct drift_spread *psnr = &d->spreads[DRIFT_PSNR];
    char worst[SHOW_SIZE], median[SHOW_SIZE];
    number(psnr, psnr->worst, worst);
    number(psnr, psnr->median, median);
    buffer_text(out, "<p class=\"lead\">");
    if (psnr->equal == psnr->count)
        buffer_text(out, "All pictures are equal, bit for bit.");
    else if (isinf(psnr->median))
        buffer_printf(out, "%llu of %llu pictures are equal; the worst has a PSNR of %s dB.",
                      (unsigned long long)psnr->equal, (unsigned long long)psnr->count, worst);
    else
        buffer_printf(out, "Half of the pictures have a PSNR above %s dB, the worst has %s dB.", median, worst);
    if (d->metric_count && d->metrics[0].role == DATA_GUIDE) {
        buffer_text(out, " Guided by ");
        html_text(out, d->metrics[0].title);
        if (changed_by_guide(d))
            buffer_printf(out, ", %llu of %llu prompts would have another winner.",
                          (unsigned long long)changed_by_guide(d), (unsigned long long)d->choices[0].prompts);
        else
            buffer_text(out, ", every prompt keeps its winner.");
    }
    buffer_text(out, "</p>");
}

static void write_top(const struct drift *d, struct buffer *out)
{
    buffer_printf(out, "%s%s%s%s</style></head><body><header><p class=\"soft\">winnow drift</p><h1><bdi>", head,
                  page_style, page_style_figures, style);
    html_text(out, d->name);
    buffer_text(out, "</bdi></h1><dl>");
    for (int side = 0; side < 2; side++) {
        buffer_printf(out, "<dt>%c</dt><dd>", 'A' + side);
        html_text(out, d->side[side].name);
        buffer_text(out, " <span class=\"role\">");
        html_text(out, d->side[side].machines);
        buffer_text(out, "</span></dd>");
    }
    buffer_printf(out, "</dl><p class=\"facts\">%llu candidates of %llu prompts, each made on both from the same noise",
                  (unsigned long long)d->pair_count, (unsigned long long)d->prompt_count);
    buffer_text(out, " by the same moves.</p>");
    write_sentence(d, out);
    if (d->left_out) {
        buffer_printf(
            out, "<p class=\"facts bad\">%llu candidates are left out. The first: ", (unsigned long long)d->left_out);
        html_text(out, d->why);
        buffer_text(out, "</p>");
    }
    for (uint64_t i = 0; i < d->silent_count; i++) {
        buffer_text(out, "<p class=\"facts bad\">Not asked: ");
        html_text(out, d->silent[i]);
        buffer_text(out, "</p>");
    }
    buffer_text(out, "</header>");
}

/* ---- differences ----------------------------------------------------------------------------------------------- */

static const char *tone_of(const struct drift *d, uint64_t row)
{
    if (row < DRIFT_SCORES)
        return "plain";
    return d->metrics[row - DRIFT_SCORES].role == DATA_GUIDE ? "guide" : "judge";
}

static void write_row(const struct drift *d, uint64_t row, struct buffer *out)
{
    const struct drift_spread *s = &d->spreads[row];
    const double cells[] = { s->mean, s->median, s->p95, s->worst };
    char text[SHOW_SIZE];
    buffer_text(out, "<tr><td>");
    html_text(out, s->title);
    buffer_printf(out, " <span class=\"role\">%s</span></td>", row < DRIFT_SCORES ? s->unit : tone_of(d, row));
    for (int i = 0; i < 4; i++) {
        number(s, cells[i], text);
        buffer_printf(out, "<td class=\"n\">%s</td>", text);
    }
    buffer_printf(out, "<td class=\"n\">%llu of %llu</td><td class=\"n\">", (unsigned long long)s->equal,
                  (unsigned long long)s->count);
    if (isnan(s->bias))
        buffer_text(out, "</td></tr>");
    else
        buffer_printf(out, "%+.3g</td></tr>", s->bias);
}

/* Differences spread over powers of ten, so theirs is a logarithmic axis; PSNR is a logarithm already. Equal ones have
 * no place on either: the caption counts them. Rising, so the equal ones stand first, or last. */
static uint64_t unequal_count(const struct drift_spread *s)
{
    return s->count - s->equal;
}

static const double *unequal(const struct drift_spread *s)
{
    return s->values + (s->is_psnr ? 0 : s->equal);
}

static double place_of(const struct drift_spread *s, double value)
{
    return s->is_psnr ? value : log10(value);
}

static void fill_bins(const struct drift_spread *s, uint64_t bins[BINS])
{
    const uint64_t count = unequal_count(s);
    const double low = place_of(s, unequal(s)[0]), high = place_of(s, unequal(s)[count - 1]);
    for (uint64_t i = 0; i < count; i++) {
        const double at = high > low ? (place_of(s, unequal(s)[i]) - low) / (high - low) * BINS : 0;
        bins[at < BINS - 1 ? (int)at : BINS - 1]++;
    }
}

static void write_bars(const uint64_t bins[BINS], const char *tone, struct buffer *out)
{
    const double width = (double)WIDTH / BINS;
    uint64_t most = 1;
    for (int i = 0; i < BINS; i++)
        most = bins[i] > most ? bins[i] : most;
    for (int i = 0; i < BINS; i++) {
        const double height = (double)bins[i] / (double)most * (HEIGHT - FOOT - 2);
        if (bins[i])
            buffer_printf(out,
                          "<rect class=\"bar %s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"><title>%llu"
                          "</title></rect>",
                          tone, i * width + 0.5, HEIGHT - FOOT - height, width - 1, height,
                          (unsigned long long)bins[i]);
    }
}

static void write_histogram(const struct drift *d, uint64_t row, struct buffer *out)
{
    const struct drift_spread *s = &d->spreads[row];
    const uint64_t count = unequal_count(s);
    char from[SHOW_SIZE], to[SHOW_SIZE];
    uint64_t bins[BINS] = { 0 };
    if (!count)
        return;
    fill_bins(s, bins);
    number(s, unequal(s)[0], from);
    number(s, unequal(s)[count - 1], to);
    buffer_text(out, "<figure><figcaption>");
    html_text(out, s->title);
    if (s->equal)
        buffer_printf(out, " <span class=\"role\">%llu equal</span>", (unsigned long long)s->equal);
    buffer_printf(out, "</figcaption><svg viewBox=\"0 0 %d %d\" role=\"img\">", WIDTH, HEIGHT);
    write_bars(bins, tone_of(d, row), out);
    buffer_printf(out,
                  "<line class=\"axis\" x1=\"0\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/><text x=\"0\" y=\"%d\">%s</text>"
                  "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s %s</text></svg></figure>",
                  WIDTH, HEIGHT - FOOT, HEIGHT - FOOT, HEIGHT - 6, from, WIDTH, HEIGHT - 6, to, s->unit);
}

static void write_differences(const struct drift *d, struct buffer *out)
{
    buffer_text(
        out,
        "<section><h2>Differences</h2><p class=\"soft\">Of each candidate on B from the same one on A. 95 % "
        "are no worse than the third number. The mean PSNR is that of the mean squared error. The shift is "
        "the mean of B less A, with its sign. Below, how the unequal ones are spread: differences on logarithmic axes."
        "</p><div class=\"wide\"><table class=\"flat\"><thead><tr>"
        "<th></th><th class=\"n\">mean</th><th class=\"n\">median</th><th class=\"n\">95 %</th>"
        "<th class=\"n\">worst</th><th class=\"n\">equal</th><th class=\"n\">shift</th></tr></thead><tbody>");
    for (uint64_t row = 0; row < DRIFT_SCORES + d->metric_count; row++)
        write_row(d, row, out);
    buffer_text(out, "</tbody></table></div><div class=\"bars\">");
    for (uint64_t row = 0; row < DRIFT_SCORES + d->metric_count; row++)
        write_histogram(d, row, out);
    buffer_text(out, "</div></section>");
}

/* ---- winners --------------------------------------------------------------------------------------------------- */

static void write_choice(const struct drift *d, uint64_t metric, struct buffer *out)
{
    const struct drift_choice *c = &d->choices[metric];
    char cost[SHOW_SIZE];
    show_value(&d->metrics[metric], c->cost, cost);
    buffer_text(out, "<tr><td>");
    html_text(out, d->metrics[metric].title);
    buffer_printf(out, " <span class=\"role\">%s</span></td><td class=\"n\">%llu</td><td class=\"n%s\">%llu</td>",
                  tone_of(d, DRIFT_SCORES + metric), (unsigned long long)c->prompts, c->changed ? " down" : "",
                  (unsigned long long)c->changed);
    buffer_printf(out, "<td class=\"n\">%s</td></tr>", c->changed ? cost : "");
}

static void write_change(const struct drift *d, uint64_t prompt, uint64_t metric, struct buffer *out)
{
    buffer_text(out, "<tr><td>");
    html_text(out, d->prompts[prompt].text);
    buffer_text(out, " <span class=\"role\">");
    html_text(out, d->metrics[metric].title);
    buffer_text(out, "</span></td>");
    for (int side = 0; side < 2; side++) {
        const struct drift_pair *p = &d->pairs[drift_chosen(d, prompt, metric, side)];
        buffer_printf(out,
                      "<td class=\"n group\"><code>%.8s</code></td><td class=\"n\">%.6g</td><td class=\"n\">%.6g</td>",
                      p->id, p->scores[0][metric], p->scores[1][metric]);
    }
    buffer_text(out, "</tr>");
}

static void write_changes(const struct drift *d, struct buffer *out)
{
    uint64_t shown = 0, all = 0;
    for (uint64_t m = 0; m < d->metric_count; m++)
        all += d->choices[m].changed;
    if (!all)
        return;
    buffer_text(out,
                "<div class=\"wide\"><table class=\"flat\"><thead><tr><th>prompt</th><th class=\"n group\">A's "
                "winner</th><th class=\"n\">on A</th><th class=\"n\">on B</th><th class=\"n group\">B's winner</th>"
                "<th class=\"n\">on A</th><th class=\"n\">on B</th></tr></thead><tbody>");
    for (uint64_t m = 0; m < d->metric_count; m++)
        for (uint64_t p = 0; p < d->prompt_count && shown < MOST_CHANGES; p++)
            if (drift_is_changed(d, p, m)) {
                write_change(d, p, m, out);
                shown++;
            }
    buffer_text(out, "</tbody></table></div>");
    if (shown < all)
        buffer_printf(out, "<p class=\"soft\">The first %llu of %llu; <code>drift.json</code> has all.</p>",
                      (unsigned long long)shown, (unsigned long long)all);
}

static void write_winners(const struct drift *d, struct buffer *out)
{
    if (!d->metric_count)
        return;
    buffer_text(out,
                "<section><h2>Winners</h2><p class=\"soft\">What each metric would have chosen among a prompt's "
                "candidates, on A and on B. The cost is how much worse A's choice is than B's, by B's scores, where "
                "they differ.</p><div class=\"wide\"><table class=\"flat narrow\"><thead><tr><th></th>"
                "<th class=\"n\">prompts</th><th class=\"n\">another winner</th><th class=\"n\">cost</th></tr>"
                "</thead><tbody>");
    for (uint64_t m = 0; m < d->metric_count; m++)
        write_choice(d, m, out);
    buffer_text(out, "</tbody></table></div>");
    write_changes(d, out);
    buffer_text(out, "</section>");
}

/* ---- the worst pair -------------------------------------------------------------------------------------------- */

static wn_status write_picture(const wn_image *image, const char *caption, struct buffer *out, wn_error *err)
{
    struct buffer png = BUFFER_INIT(PNG_MAX);
    const wn_status status = png_encode(image, NULL, 0, &png, err);
    if (status == WN_OK) {
        buffer_printf(out, "<figure><img alt=\"\"%s src=\"data:image/png;base64,",
                      image->width_px <= SMALL_PX ? " class=\"small\"" : "");
        html_base64(out, png.data, png.size);
        buffer_printf(out, "\"><figcaption>%s</figcaption></figure>", caption);
    }
    buffer_free(&png);
    return status;
}

/* |b - a|, made visible: the largest one is white. */
static wn_status write_difference(const struct drift *d, struct buffer *out, wn_error *err)
{
    const wn_image *a = &d->worst_side[0], *b = &d->worst_side[1];
    const size_t values = (size_t)a->width_px * a->height_px * 3;
    const int most = (int)d->pairs[d->worst].pixel_most;
    char caption[80];
    uint8_t *rgb = malloc(values);
    if (!rgb)
        return wn_fail(err, WN_E_MEMORY, "no memory for a picture of %u x %u px", a->width_px, a->height_px);
    for (size_t i = 0; i < values; i++)
        rgb[i] = (uint8_t)(most ? abs(b->rgb[i] - a->rgb[i]) * 255 / most : 0);
    if (most)
        snprintf(caption, sizeof caption, "difference, %.3g times", 255.0 / most);
    else
        snprintf(caption, sizeof caption, "no difference");
    const wn_image image = { a->width_px, a->height_px, rgb };
    const wn_status status = write_picture(&image, caption, out, err);
    free(rgb);
    return status;
}

static wn_status write_worst(const struct drift *d, struct buffer *out, wn_error *err)
{
    const struct drift_pair *p = &d->pairs[d->worst];
    buffer_text(out, "<section><h2>The pair furthest apart</h2><p class=\"soft\">");
    html_text(out, d->prompts[p->prompt].text);
    buffer_printf(out, " &middot; candidate <code>%s</code>", p->id);
    if (p->square > 0)
        buffer_printf(out, " &middot; PSNR %.2f dB", drift_psnr(p->square));
    buffer_text(out, "</p><div class=\"three\">");
    WN_TRY(write_picture(&d->worst_side[0], "A", out, err));
    WN_TRY(write_picture(&d->worst_side[1], "B", out, err));
    WN_TRY(write_difference(d, out, err));
    buffer_text(out, "</div></section>");
    return WN_OK;
}

wn_status drift_page(const struct drift *d, struct buffer *out, wn_error *err)
{
    write_top(d, out);
    write_winners(d, out);
    write_differences(d, out);
    WN_TRY(write_worst(d, out, err));
    buffer_text(out, "<p class=\"soft\">The numbers of this page, and those of every candidate, stand in "
                     "<code>drift.json</code>.</p></body></html>\n");
    return buffer_status(out, "drift.html", err);
}
