/* compare_table.c - the comparison in a terminal: a row for each algorithm, then the differences that matter. */
#include "report/comparison.h"

#include "base/plain.h"
#include "report/show.h"

#include <math.h>
#include <string.h>

enum { COLUMN = 26, NAME_MOST = 44, TITLE_SIZE = 512, MOST_PAIRS = 15 };

/* Names come from specs and manifests, which may be a stranger's. */
static const char *plain(const char *text, char title[TITLE_SIZE])
{
    plain_copy(title, TITLE_SIZE, text, 0);
    return title;
}

static int characters(const char *text)
{
    int n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static void write_left(const char *text, int width, struct buffer *out)
{
    char title[TITLE_SIZE];
    plain(text, title);
    buffer_printf(out, "%s%*s", title, width > characters(title) ? width - characters(title) : 0, "");
}

static void write_right(const char *text, int width, struct buffer *out)
{
    buffer_printf(out, "  %*s%s", width > characters(text) ? width - characters(text) : 0, "", text);
}

static int name_width(const struct compare *c)
{
    char title[TITLE_SIZE];
    int width = 10;
    for (uint64_t i = 0; i < c->algorithm_count; i++) {
        const int n = characters(plain(c->algorithms[i].name, title));
        width = n > width ? n : width;
    }
    return width < NAME_MOST ? width : NAME_MOST;
}

static void write_head(const struct compare *c, bool colour, int width, struct buffer *out)
{
    char title[TITLE_SIZE];
    buffer_text(out, colour ? "\033[1m" : "");
    write_left("", width, out);
    write_right("NFE", 8, out);
    write_right("seconds", 8, out);
    for (uint64_t m = 0; m < c->metric_count; m++)
        write_right(plain(c->metrics[m].title, title), COLUMN, out);
    buffer_printf(out, "%s\n", colour ? "\033[0m" : "");
}

static void write_algorithm(const struct compare *c, const struct compare_algorithm *a, int width, struct buffer *out)
{
    char text[SHOW_SIZE];
    write_left(a->name, width, out);
    snprintf(text, sizeof text, "%.0f", a->spent[COMPARE_NFE]);
    write_right(text, 8, out);
    snprintf(text, sizeof text, "%.3g", a->spent[COMPARE_SECONDS]);
    write_right(text, 8, out);
    for (uint64_t m = 0; m < c->metric_count; m++) {
        show_interval(&c->metrics[m], &a->final[m], text);
        write_right(text, COLUMN, out);
    }
    buffer_byte(out, '\n');
}

/* Each algorithm's first picture: with common seeds it is the same one, so the first algorithm's stands for all. */
static void write_baseline(const struct compare *c, int width, struct buffer *out)
{
    char text[SHOW_SIZE];
    write_left("(no search)", width, out);
    write_right("", 8, out);
    write_right("", 8, out);
    for (uint64_t m = 0; m < c->metric_count; m++) {
        show_interval(&c->metrics[m], &c->algorithms[0].first[m], text);
        write_right(text, COLUMN, out);
    }
    buffer_byte(out, '\n');
}

static void write_difference(const struct compare *c, const struct compare_pair *p, uint64_t metric, bool colour,
                             struct buffer *out)
{
    static const char *const places[COMPARE_PLACES] = { "equal NFE", "equal seconds", "equal calls", "end" };
    static const int shown[] = { COMPARE_AT_END, COMPARE_NFE, COMPARE_SECONDS };
    for (uint32_t i = 0; i < sizeof shown / sizeof *shown; i++) {
        const struct compare_difference *d = compare_difference_of(c, p, metric, shown[i]);
        char gain[SHOW_SIZE], low[SHOW_SIZE], high[SHOW_SIZE];
        const bool bold = colour && d->p_holm < 0.05;
        show_gain(&c->metrics[metric], d->mean.mean, gain);
        show_gain(&c->metrics[metric], d->mean.low, low);
        show_gain(&c->metrics[metric], d->mean.high, high);
        buffer_printf(out, "    %-14s%s%12s%s  [%s, %s]  p = %.2g (Holm %.2g)\n", places[shown[i]], bold ? "\033[1m" : "", gain,
                      bold ? "\033[0m" : "", low, high, d->p, d->p_holm);
    }
}

static void write_pairs(const struct compare *c, bool colour, struct buffer *out)
{
    char left[TITLE_SIZE], right[TITLE_SIZE], metric[TITLE_SIZE];
    uint64_t written = 0;
    for (uint64_t i = 0; i < c->pair_count; i++) {
        const struct compare_pair *p = &c->pairs[i];
        if (c->pair_count > MOST_PAIRS && p->left != 0)
            continue;
        for (uint64_t m = 0; m < c->metric_count; m++) {
            buffer_printf(out, "%s less %s, %s\n", plain(c->algorithms[p->right].name, right),
                          plain(c->algorithms[p->left].name, left), plain(c->metrics[m].title, metric));
            write_difference(c, p, m, colour, out);
        }
        written++;
    }
    if (written < c->pair_count)
        buffer_printf(out, "(against the first only; all %llu pairs stand on the page)\n", (unsigned long long)c->pair_count);
}

void compare_table(const struct compare *c, bool use_colour, struct buffer *out)
{
    const int width = name_width(c);
    buffer_printf(out, "%llu runs, %llu algorithm%s, %llu prompts done in all of %llu; means for each prompt with 95 %% intervals\n\n",
                  (unsigned long long)c->run_count, (unsigned long long)c->algorithm_count,
                  c->algorithm_count == 1 ? "" : "s", (unsigned long long)c->prompt_count,
                  (unsigned long long)c->most_prompts);
    write_head(c, use_colour, width, out);
    write_baseline(c, width, out);
    for (uint64_t i = 0; i < c->algorithm_count; i++)
        write_algorithm(c, &c->algorithms[i], width, out);
    buffer_byte(out, '\n');
    write_pairs(c, use_colour, out);
    for (uint64_t i = 0; i < c->left_out_count; i++)
        buffer_printf(out, "%s%s%s", i ? ", " : "not in all runs, or not the same verifier there: ", c->left_out[i],
                      i + 1 < c->left_out_count ? "" : "\n");
    if (c->skipped_points)
        buffer_printf(out, "%llu points of the sweep have not begun\n", (unsigned long long)c->skipped_points);
}
