/* table.c - the report in a terminal: a row for each doubling of compute, a column for each metric. */
#include "base/plain.h"
#include "report/report.h"
#include "report/show.h"

#include <stdbool.h>

enum { WIDTH = 26, TITLE_SIZE = 256 };

/* Rows stand where x has doubled since the last one, and at the end. */
static bool is_shown(const struct numbers_point *points, uint64_t count, uint64_t i, uint64_t last_x)
{
    return i == 0 || i + 1 == count || points[i].x >= 2 * last_x;
}

static const struct numbers_point *points_of(const struct numbers_curve *c, bool exact, uint64_t *count)
{
    *count = exact ? c->best_of_count : c->against_nfe_count;
    return exact ? c->best_of : c->against_nfe;
}

/* Titles come from the manifest, and that may be a stranger's. */
static const char *title_of(const struct data_metric *m, char title[TITLE_SIZE])
{
    plain_copy(title, TITLE_SIZE, m->title, 0);
    return title;
}

static void print_head(const struct data *d, const struct numbers *n, const char *x, FILE *out, bool colour)
{
    char title[TITLE_SIZE];
    fprintf(out, "%s%10s", colour ? "\033[1m" : "", x);
    for (uint64_t i = 0; i < n->curve_count; i++)
        fprintf(out, "  %*s", WIDTH, title_of(&d->metrics[n->curves[i].metric], title));
    fprintf(out, "%s\n%10s", colour ? "\033[0m\033[2m" : "", "");
    for (uint64_t i = 0; i < n->curve_count; i++)
        fprintf(out, "  %*s", WIDTH, d->metrics[n->curves[i].metric].role == DATA_GUIDE ? "guide" : "judge");
    fprintf(out, "%s\n", colour ? "\033[0m" : "");
}

static void print_row(const struct data *d, const struct numbers *n, bool exact, uint64_t row, FILE *out)
{
    for (uint64_t i = 0; i < n->curve_count; i++) {
        uint64_t count;
        const struct numbers_point *points = points_of(&n->curves[i], exact, &count);
        char text[SHOW_SIZE] = "-";
        if (row < count)
            show_interval(&d->metrics[n->curves[i].metric], &points[row].y, text);
        fprintf(out, "  %*s", WIDTH, text);
    }
    fputc('\n', out);
}

static void print_gains(const struct data *d, const struct numbers *n, FILE *out, bool colour)
{
    for (uint64_t i = 0; i < n->curve_count; i++) {
        const struct numbers_curve *c = &n->curves[i];
        const struct data_metric *m = &d->metrics[c->metric];
        char from[SHOW_SIZE], to[SHOW_SIZE], gain[SHOW_LONG_SIZE], title[TITLE_SIZE];
        bool bold = colour && show_is_certain(&c->gain);
        show_value(m, c->from.mean, from);
        show_value(m, c->to.mean, to);
        show_gain_interval(m, &c->gain, gain);
        fprintf(out, "%s: %s -> %s, %s%s%s\n", title_of(m, title), from, to, bold ? "\033[1m" : "", gain, bold ? "\033[0m" : "");
    }
}

static void print_table(const struct data *d, const struct numbers *n, FILE *out, bool colour)
{
    bool exact = n->curves[0].best_of_count > 0;
    uint64_t count, last_x = 0;
    const struct numbers_point *points = points_of(&n->curves[0], exact, &count);

    fprintf(out,
            "%llu of %llu prompts done, %llu candidates, %llu evaluations; means over prompts with 95 %% intervals\n\n",
            (unsigned long long)n->done, (unsigned long long)n->prompts, (unsigned long long)n->candidates,
            (unsigned long long)n->nfe);
    print_head(d, n, exact ? "best of" : "NFE", out, colour);
    for (uint64_t i = 0; i < count; i++)
        if (is_shown(points, count, i, last_x)) {
            last_x = points[i].x;
            fprintf(out, "%10llu", (unsigned long long)points[i].x);
            print_row(d, n, exact, i, out);
        }
    fputc('\n', out);
    print_gains(d, n, out, colour);
}

wn_status report_table(const char *run_dir, FILE *out, int use_colour, wn_error *err)
{
    struct data *d = NULL;
    struct numbers *n = NULL;
    wn_status status = data_load(run_dir, &d, err);

    if (status == WN_OK)
        status = numbers_compute(d, &n, err);
    if (status == WN_OK)
        print_table(d, n, out, use_colour != 0);
    if (status == WN_OK && ferror(out))
        status = wn_fail(err, WN_E_IO, "cannot print the table");
    numbers_free(n);
    data_free(d);
    return status;
}
