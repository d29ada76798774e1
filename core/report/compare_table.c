/* compare_table.c - the comparison in a terminal: a row for each algorithm, then the differences that matter. */
#include "report/comparison.h"

#include "base/plain.h"
#include "report/show.h"

#include <math.h>
#include <string.h>

enum { COLUMN = 26, NAME_MOST = 44, TITLE_SIZE = 512, MOST_PAIRS = 6 };

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

/* Where algorithms begin with the same noises it is the same picture, so the first one that knows it stands for all. */
static void write_baseline(const struct compare *c, int width, struct buffer *out)
{
    char text[SHOW_SIZE];
    write_left("(no search)", width, out);
    write_right("", 8, out);
    write_right("", 8, out);
    for (uint64_t m = 0; m < c->metric_count; m++) {
        uint64_t i = 0;
        while (i + 1 < c->algorithm_count && isnan(c->algorithms[i].first[m].mean))
            i++;
        show_interval(&c->metrics[m], &c->algorithms[i].first[m], text);
        write_right(text, COLUMN, out);
    }
    buffer_byte(out, '\n');
}

static const int places[] = { COMPARE_AT_END, COMPARE_NFE, COMPARE_SECONDS };
enum { SHOWN_PLACES = 3, DIFFERENCE = 36 };

static void write_difference(const struct compare *c, const struct compare_pair *p, uint64_t metric, int place,
                             bool colour, struct buffer *out)
{
    const struct compare_difference *d = compare_difference_of(c, p, metric, place);
    char gain[SHOW_SIZE], low[SHOW_SIZE], high[SHOW_SIZE], text[4 * SHOW_SIZE];
    show_gain(&c->metrics[metric], d->mean.mean, gain);
    show_bound(&c->metrics[metric], d->mean.low, low);
    show_bound(&c->metrics[metric], d->mean.high, high);
    if (isnan(d->mean.mean))
        snprintf(text, sizeof text, "-");
    else if (isnan(d->mean.low))
        snprintf(text, sizeof text, "%s p %.2g", gain, d->p_holm);
    else
        snprintf(text, sizeof text, "%s [%s, %s] p %.2g", gain, low, high, d->p_holm);
    buffer_text(out, colour && d->p_holm < 0.05 ? "\033[1m" : "");
    write_right(text, DIFFERENCE, out);
    buffer_text(out, colour && d->p_holm < 0.05 ? "\033[0m" : "");
}

static void pair_name(const struct compare *c, const struct compare_pair *p, char name[TITLE_SIZE])
{
    snprintf(name, TITLE_SIZE, "%.200s less %.200s", c->algorithms[p->right].name, c->algorithms[p->left].name);
}

/* With many algorithms, those against the first. */
static bool is_shown(const struct compare *c, const struct compare_pair *p)
{
    return c->pair_count <= MOST_PAIRS || p->left == 0;
}

static int pair_width(const struct compare *c)
{
    char name[TITLE_SIZE];
    int width = 10;
    for (uint64_t i = 0; i < c->pair_count; i++) {
        pair_name(c, &c->pairs[i], name);
        if (is_shown(c, &c->pairs[i]) && characters(name) > width)
            width = characters(name);
    }
    return width;
}

static void write_pairs(const struct compare *c, uint64_t metric, bool colour, struct buffer *out)
{
    char name[TITLE_SIZE];
    const int width = pair_width(c);
    buffer_text(out, colour ? "\n\033[1m" : "\n");
    write_left(c->metrics[metric].title, width, out);
    write_right("at the end", DIFFERENCE, out);
    write_right("at equal NFE", DIFFERENCE, out);
    write_right("at equal seconds", DIFFERENCE, out);
    buffer_text(out, colour ? "\033[0m\n" : "\n");
    for (uint64_t i = 0; i < c->pair_count; i++) {
        if (!is_shown(c, &c->pairs[i]))
            continue;
        pair_name(c, &c->pairs[i], name);
        write_left(name, width, out);
        for (int k = 0; k < SHOWN_PLACES; k++)
            write_difference(c, &c->pairs[i], metric, places[k], colour, out);
        buffer_byte(out, '\n');
    }
}

static void write_differences(const struct compare *c, bool colour, struct buffer *out)
{
    if (!c->pair_count)
        return;
    buffer_text(
        out,
        "Paired differences with 95 % intervals; p of a sign-flip test, made larger for the number of pairs (Holm)\n");
    for (uint64_t m = 0; m < c->metric_count; m++)
        write_pairs(c, m, colour, out);
    if (c->pair_count > MOST_PAIRS)
        buffer_printf(out, "(against the first; all %llu pairs stand on the page)\n",
                      (unsigned long long)c->pair_count);
}

void compare_table(const struct compare *c, bool use_colour, struct buffer *out)
{
    const int width = name_width(c);
    char title[TITLE_SIZE];
    buffer_printf(out,
                  "%llu run%s, %llu algorithm%s, %llu prompts done in all of %llu; means for each prompt with 95 %% "
                  "intervals\n\n",
                  (unsigned long long)c->run_count, c->run_count == 1 ? "" : "s",
                  (unsigned long long)c->algorithm_count, c->algorithm_count == 1 ? "" : "s",
                  (unsigned long long)c->prompt_count, (unsigned long long)c->most_prompts);
    write_head(c, use_colour, width, out);
    write_baseline(c, width, out);
    for (uint64_t i = 0; i < c->algorithm_count; i++)
        write_algorithm(c, &c->algorithms[i], width, out);
    buffer_byte(out, '\n');
    write_differences(c, use_colour, out);
    for (uint64_t i = 0; i < c->left_out_count; i++)
        buffer_printf(out, "%s%s%s",
                      i ? ", " : "\nnot in all runs, or not the same verifier there: ", plain(c->left_out[i], title),
                      i + 1 < c->left_out_count ? "" : "\n");
    if (c->skipped_points)
        buffer_printf(out, "\n%llu point%s of the sweep %s no results yet\n", (unsigned long long)c->skipped_points,
                      c->skipped_points == 1 ? "" : "s", c->skipped_points == 1 ? "has" : "have");
}
