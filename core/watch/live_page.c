#include "watch/live_page.h"

#include "report/html.h"
#include "report/page.h"
#include "report/show.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_CARDS = 48 };

/* ---- look-up ---- */

static int compare_trial_id(const void *key, const void *trial)
{
    const uint64_t a = *(const uint64_t *)key, b = ((const struct data_trial *)trial)->id;
    return a < b ? -1 : a > b;
}

const struct data_trial *live_trial(const struct data *d, uint64_t id)
{
    return d->trial_count ? bsearch(&id, d->trials, d->trial_count, sizeof *d->trials, compare_trial_id) : NULL;
}

const struct data_candidate *live_candidate(const struct data_trial *t, const char *id)
{
    for (uint64_t i = 0; i < t->candidate_count; i++)
        if (strcmp(t->candidates[i].id, id) == 0)
            return &t->candidates[i];
    return NULL;
}

/* ---- pictures ---- */

void live_address(const char *epoch, uint64_t trial, const char *id, struct buffer *out)
{
    buffer_printf(out, "/picture/%s/%llu/%s.png", epoch, (unsigned long long)trial, id);
}

static void write_picture(const char *epoch, const struct data_trial *t, const struct data_candidate *c,
                          struct buffer *out)
{
    struct buffer address = BUFFER_INIT(256);
    if (!c->image[0]) {
        buffer_text(out, "<div class=\"empty\">not saved</div>");
        return;
    }
    live_address(epoch, t->id, c->id, &address);
    buffer_text(out, "<a href=\"");
    html_text(out, buffer_string(&address));
    buffer_text(out, "\"><img alt=\"\" src=\"");
    html_text(out, buffer_string(&address));
    buffer_text(out, "\"></a>");
    buffer_free(&address);
}

static void write_guide(const struct data *d, const struct data_candidate *c, struct buffer *out)
{
    char text[SHOW_SIZE];
    show_value(&d->metrics[0], c->values[0], text);
    buffer_text(out, text);
}

/* ---- the newest ---- */

static void write_newest_one(const struct data *d, const char *epoch, const struct live_key *key, struct buffer *out)
{
    const struct data_trial *t = live_trial(d, key->trial);
    const struct data_candidate *c = t ? live_candidate(t, key->id) : NULL;
    if (!c)
        return;
    buffer_text(out, "<figure>");
    write_picture(epoch, t, c, out);
    buffer_text(out, "<figcaption>");
    write_guide(d, c, out);
    buffer_printf(out, "<br>%llu of ", (unsigned long long)c->ordinal);
    html_text(out, t->prompt_id);
    buffer_text(out, "</figcaption></figure>");
}

static void write_newest(const struct data *d, const char *epoch, uint64_t count, const struct live_key *newest,
                         struct buffer *out)
{
    if (count == 0)
        return;
    buffer_text(out, "<section><h2>Newest pictures</h2><p class=\"soft\">With the guide's score.</p>"
                     "<div class=\"strip\" id=\"newest\">");
    for (uint64_t i = 0; i < count; i++)
        write_newest_one(d, epoch, &newest[i], out);
    buffer_text(out, "</div></section>");
}

/* ---- the best ---- */

static void write_pair(const struct data *d, const struct data_trial *t, const char *epoch, struct buffer *out)
{
    buffer_text(out, "<div class=\"pair\"><figure>");
    write_picture(epoch, t, t->first, out);
    buffer_text(out, "<figcaption>first: ");
    write_guide(d, t->first, out);
    buffer_text(out, "</figcaption></figure><figure>");
    write_picture(epoch, t, t->winner, out);
    buffer_printf(out, "<figcaption>best, %llu of %llu: ", (unsigned long long)t->winner->ordinal,
                  (unsigned long long)t->candidate_count);
    write_guide(d, t->winner, out);
    buffer_text(out, "</figcaption></figure></div>");
}

static void write_card(const struct data *d, const struct data_trial *t, const char *epoch, struct buffer *out)
{
    buffer_text(out, "<article class=\"card\"><div><h3><bdi>");
    html_text(out, t->prompt);
    buffer_text(out, "</bdi></h3><p class=\"meta\">");
    html_text(out, t->prompt_id);
    buffer_printf(out, "</p><p class=\"meta%s\">", strcmp(t->state, "failed") == 0 ? " bad" : "");
    html_text(out, t->state);
    buffer_text(out, t->ended[0] ? ": " : "");
    html_text(out, t->ended);
    buffer_text(out, "</p></div>");
    if (t->first)
        write_pair(d, t, epoch, out);
    buffer_text(out, "</article>");
}

/* Those at work first, then from the last prompt back. */
static void write_best(const struct data *d, const char *epoch, struct buffer *out)
{
    uint64_t cards = 0;
    buffer_text(out, "<section><h2>Best so far</h2><p class=\"soft\">Prompts at work, then those that ended last.");
    if (d->trial_count > MOST_CARDS)
        buffer_printf(out, " %d of %llu.", MOST_CARDS, (unsigned long long)d->trial_count);
    buffer_text(out, "</p><div class=\"cards\">");
    for (int open = 1; open >= 0; open--)
        for (uint64_t i = d->trial_count; i-- > 0 && cards < MOST_CARDS;)
            if ((strcmp(d->trials[i].state, "open") == 0) == (open == 1)) {
                write_card(d, &d->trials[i], epoch, out);
                cards++;
            }
    buffer_text(out, "</div></section>");
}

/* ---- all ---- */

void live_parts(const struct data *d, const struct numbers *n, const char *epoch, uint64_t newest_count,
                const struct live_key *newest, struct buffer *out)
{
    write_newest(d, epoch, newest_count, newest, out);
    if (n->done > 0) {
        page_tiles(d, n, out);
        page_curves(d, n, out);
    } else {
        buffer_text(out, "<p class=\"soft\">Curves come with the first prompt that is done.</p>");
    }
    write_best(d, epoch, out);
}

static void write_bar(const struct progress *p, struct buffer *out)
{
    const double share = progress_share(p);
    buffer_text(out, "<progress id=\"bar\" max=\"1\"");
    if (share >= 0) /* known */
        buffer_printf(out, " value=\"%.4f\"", share);
    buffer_text(out, "></progress>");
}

void live_page(const struct snapshot *s, struct buffer *out)
{
    buffer_text(out, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
                     "content=\"width=device-width,initial-scale=1\"><title>");
    html_text(out, buffer_string(&s->title));
    buffer_text(out, " - winnow watch</title><link rel=\"icon\" href=\"/icon.svg\"><link rel=\"stylesheet\" "
                     "href=\"/style.css\"><script src=\"/watch.js\" defer></script></head><body><header>"
                     "<p class=\"soft\">winnow watch <span id=\"link\"></span></p><h1><bdi id=\"name\">");
    html_text(out, buffer_string(&s->title));
    buffer_printf(out, "</bdi></h1><p class=\"facts\"><b id=\"state\" class=\"%s\">%s</b> <span id=\"text\">",
                  progress_state_name(s->progress.state), progress_state_name(s->progress.state));
    html_text(out, buffer_string(&s->line));
    buffer_text(out, "</span></p>");
    write_bar(&s->progress, out);
    buffer_printf(out,
                  "<noscript><p class=\"soft\">Without JavaScript this page stays as it is until it is loaded "
                  "anew.</p></noscript></header><main id=\"parts\" data-version=\"%llu\">",
                  (unsigned long long)s->version);
    buffer_append(out, s->parts.data, s->parts.size);
    buffer_text(out, "</main></body></html>\n");
}
