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

/* A loss too small for the digits is none: "-0.00" reads like one. */
static void drop_minus(char *text)
{
    if (*text == '-' && strchr(text, '0') && !strpbrk(text, "123456789"))
        *text = '+';
}

void show_gain(const struct data_metric *m, double gain, char *text)
{
    if (isnan(gain))
        snprintf(text, SHOW_SIZE, "-");
    else if (m->is_yes_or_no)
        snprintf(text, SHOW_SIZE, "%+.0f point%s", 100 * gain, fabs(nearbyint(100 * gain)) == 1 ? "" : "s");
    else
        snprintf(text, SHOW_SIZE, "%+.*f", decimals_of(m), gain);
    drop_minus(text);
}

/* Which keeps its sign: it says on which side of 0 an interval ends. */
void show_bound(const struct data_metric *m, double bound, char *text)
{
    if (isnan(bound))
        snprintf(text, SHOW_SIZE, "-");
    else
        snprintf(text, SHOW_SIZE, "%+.*f", m->is_yes_or_no ? 0 : decimals_of(m), m->is_yes_or_no ? 100 * bound : bound);
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

void show_gain_interval(const struct data_metric *m, const struct stats_interval *gain, char *text)
{
    char mean[SHOW_SIZE], low[SHOW_SIZE], high[SHOW_SIZE];

    show_gain(m, gain->mean, mean);
    show_bound(m, gain->low, low);
    show_bound(m, gain->high, high);
    if (gain->low == 0 && gain->high == 0)
        snprintf(text, SHOW_LONG_SIZE, "no change");
    else if (isnan(gain->low))
        snprintf(text, SHOW_LONG_SIZE, "%s", mean);
    else
        snprintf(text, SHOW_LONG_SIZE, "%s (95 %% interval %s to %s)%s", mean, low, high,
                 show_is_certain(gain) ? "" : ", which may be chance");
}
