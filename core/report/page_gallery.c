/* page_gallery.c - one card for each prompt: the first picture, the winner, and what changed.
 */
#include "base/files.h"
#include "report/html.h"
#include "report/page.h"
#include "report/show.h"

#include <math.h>
#include <string.h>

enum { MOST_CARDS = 120, SMALL_PX = 160 };

static void write_picture(const struct data *d, const struct data_candidate *c, const char *caption, struct buffer *out)
{
    struct buffer uri = BUFFER_INIT(64 << 20);
    struct html_picture picture;
    char path[FILE_PATH_SIZE];
    wn_error err;
    bool shown = c->image[0] && path_join_inside(path, d->directory, c->image, &err) == WN_OK &&
                 html_picture(&uri, path, &picture, &err) == WN_OK;

    buffer_text(out, "<figure>");
    if (shown) {
        buffer_text(out, "<a href=\"./");
        html_text(out, c->image);
        buffer_printf(out, "\"><img alt=\"\"%s src=\"%s\"></a>", picture.width_px <= SMALL_PX ? " class=\"small\"" : "",
                      buffer_string(&uri));
    } else {
        buffer_printf(out, "<div class=\"empty\">%s</div>", c->image[0] ? "not readable" : "not saved");
    }
    buffer_printf(out, "<figcaption>%s</figcaption></figure>", caption);
    buffer_free(&uri);
}

/* Yes and no where the metric knows nothing else. */
static void show_score(const struct data_metric *m, double value, char *text)
{
    if (m->is_yes_or_no && !isnan(value))
        memcpy(text, value != 0 ? "yes" : "no", value != 0 ? 4 : 3);
    else
        show_value(m, value, text);
}

static const char *change_of(const struct data_metric *m, double from, double to)
{
    if (isnan(from) || isnan(to) || from == to)
        return "";
    return (to > from) == m->higher_is_better ? " up" : " down";
}

static void write_scores(const struct data *d, const struct data_trial *t, struct buffer *out)
{
    buffer_text(out, "<table>");
    for (uint64_t i = 0; i < d->metric_count; i++) {
        const struct data_metric *m = &d->metrics[i];
        double from = t->first->values[i], to = t->winner->values[i];
        char a[SHOW_SIZE], b[SHOW_SIZE];
        show_score(m, from, a);
        show_score(m, to, b);
        buffer_text(out, "<tr><td>");
        html_text(out, m->title);
        buffer_printf(out, "</td><td class=\"n\">%s</td><td class=\"n%s\">%s</td></tr>", a, change_of(m, from, to), b);
    }
    buffer_text(out, "</table>");
}

static const struct data_candidate *parent_of(const struct data_trial *t, const struct data_candidate *c)
{
    for (uint64_t i = 0; c->parent[0] && i < t->candidate_count; i++)
        if (strcmp(t->candidates[i].id, c->parent) == 0 && t->candidates[i].ordinal < c->ordinal)
            return &t->candidates[i];
    return NULL;
}

/* From the winner back to the noise it began with. Parents have smaller ordinals, so this ends. */
static void write_lineage(const struct data_trial *t, struct buffer *out)
{
    buffer_text(out, "<details><summary>lineage</summary>");
    for (const struct data_candidate *c = t->winner; c; c = parent_of(t, c)) {
        buffer_printf(out, "<p>%s%llu: <code>", c == t->winner ? "candidate " : "from ",
                      (unsigned long long)c->ordinal);
        html_text(out, c->id);
        buffer_byte(out, ' ');
        html_text(out, c->lineage);
        buffer_text(out, "</code></p>");
    }
    buffer_text(out, "</details>");
}

static void write_result(const struct data *d, const struct data_trial *t, struct buffer *out)
{
    char caption[SHOW_SIZE];

    snprintf(caption, sizeof caption, t->winner == t->first ? "winner: the first one" : "winner: %llu of %llu",
             (unsigned long long)t->winner->ordinal, (unsigned long long)t->candidate_count);
    buffer_text(out, "<div class=\"pair\">");
    write_picture(d, t->first, data_first_is_plain(t) ? "without search" : "first finished", out);
    write_picture(d, t->winner, caption, out);
    buffer_text(out, "</div>");
    write_scores(d, t, out);
    write_lineage(t, out);
}

static void write_card(const struct data *d, const struct data_trial *t, struct buffer *out)
{
    buffer_text(out, "<article class=\"card\"><div><h3><bdi>");
    html_text(out, t->prompt);
    buffer_text(out, "</bdi></h3><p class=\"meta\">");
    html_text(out, t->prompt_id);
    if (t->category[0]) {
        buffer_text(out, " &middot; ");
        html_text(out, t->category);
    }
    buffer_text(out, "</p>");
    if (strcmp(t->state, "done") != 0) {
        buffer_text(out, "<p class=\"meta bad\">");
        html_text(out, t->state);
        buffer_text(out, t->ended[0] ? ": " : "");
        html_text(out, t->ended);
        buffer_text(out, "</p>");
    }
    buffer_text(out, "</div>");
    if (t->first)
        write_result(d, t, out);
    buffer_text(out, "</article>");
}

void page_gallery(const struct data *d, struct buffer *out)
{
    buffer_text(out, "<section><h2>Prompts</h2><p class=\"soft\">Left, the first picture: what there would be without "
                     "search, unless it was chosen on its way; right, the guide's pick.");
    if (d->trial_count > MOST_CARDS)
        buffer_printf(out, " The first %d of %llu prompts.", MOST_CARDS, (unsigned long long)d->trial_count);
    buffer_text(out, "</p><div class=\"cards\">");
    for (uint64_t i = 0; i < d->trial_count && i < MOST_CARDS; i++)
        write_card(d, &d->trials[i], out);
    buffer_text(out, "</div></section>");
}
