/* show.c - rounding and wording of the report's numbers. */
#include "report/show.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int decimals_of(const struct data_metric *m)
{
    double digits = m->largest > 0 ? 2 - floor(log10(m->largest)) : 0;

    return digits < 0 ? 0 : digits > 6 ? 6 : (int)digits;
}

void show_value(const struct data_metric *m, double value, char *text)
{
    if (isnan(value))
        snprintf(text, SHOW_SIZE, "-");
    else if (m->is_yes_or_no)
        snprintf(text, SHOW_SIZE, "%.0f %%", 100 * value);
    else
        snprintf(text, SHOW_SIZE, "%.*f", decimals_of(m), value);
}

void show_gain(const struct data_metric *m, double gain, char *text)
{
    if (isnan(gain))
        snprintf(text, SHOW_SIZE, "-");
    else if (m->is_yes_or_no)
        snprintf(text, SHOW_SIZE, "%+.0f points", 100 * gain);
    else
        snprintf(text, SHOW_SIZE, "%+.*f", decimals_of(m), gain);
}

void show_interval(const struct data_metric *m, const struct stats_interval *i, char *text)
{
    char mean[SHOW_SIZE], low[SHOW_SIZE], high[SHOW_SIZE];

    show_value(m, i->mean, mean);
    show_value(m, i->low, low);
    show_value(m, i->high, high);
    if (isnan(i->low))
        snprintf(text, SHOW_SIZE, "%s", mean);
    else
        snprintf(text, SHOW_SIZE, "%.16s [%.16s, %.16s]", mean, low, high);
}

void show_count(uint64_t count, char *text)
{
    char digits[SHOW_SIZE];
    int n = snprintf(digits, sizeof digits, "%llu", (unsigned long long)count), at = 0;

    for (int i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0)
            text[at++] = ',';
        text[at++] = digits[i];
    }
    text[at] = '\0';
}

bool show_is_certain(const struct stats_interval *gain)
{
    return gain->low > 0 || gain->high < 0;
}

static const char *verb_of(const struct data_metric *m, const struct stats_interval *gain)
{
    if (!show_is_certain(gain))
        return "leaves";
    return (gain->mean > 0) == m->higher_is_better ? "improves" : "worsens";
}

void show_verdict(const struct data *d, const struct numbers_curve *c, char *text)
{
    const struct data_metric *m = &d->metrics[c->metric];
    char from[SHOW_SIZE], to[SHOW_SIZE], gain[SHOW_SIZE], low[SHOW_SIZE], high[SHOW_SIZE];
    int n;

    show_value(m, c->from.mean, from);
    show_value(m, c->to.mean, to);
    show_gain(m, c->gain.mean, gain);
    show_gain(m, c->gain.low, low);
    show_gain(m, c->gain.high, high);
    if (c->prompts == 0)
        n = snprintf(text, SHOW_SIZE, "%.40s has no values yet.", m->title);
    else if (show_is_certain(&c->gain))
        n = snprintf(text, (size_t)SHOW_SIZE * 8, "The search %s %s from %s to %s: %s", verb_of(m, &c->gain), m->title, from, to, gain);
    else
        n = snprintf(text, (size_t)SHOW_SIZE * 8, "The search moves %s from %s to %s: %s", m->title, from, to, gain);
    if (c->prompts < 2 || n < 0 || n >= SHOW_SIZE * 7)
        return;
    snprintf(text + n, (size_t)(SHOW_SIZE * 8 - n), " (95 %% interval %.20s to %.20s%s)", low, high,
             show_is_certain(&c->gain) ? "" : ": chance may explain it");
}
