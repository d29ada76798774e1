/* drift.c - the arithmetic of drift.h. */
#include "report/drift.h"
#include "report/stats.h"

#include <math.h>
#include <stdlib.h>

double drift_psnr(double square)
{
    return square > 0 ? 10 * log10(255.0 * 255.0 / square) : (double)INFINITY;
}

/* ---- spreads --------------------------------------------------------------------------------------------------- */

static double value_of(const struct drift_pair *p, uint64_t row)
{
    switch (row) {
    case DRIFT_LATENT_SHARE:
        return p->latent_share;
    case DRIFT_LATENT_MOST:
        return p->latent_most;
    case DRIFT_PSNR:
        return drift_psnr(p->square);
    case DRIFT_PIXEL_MOST:
        return p->pixel_most;
    default:
        return fabs(p->scores[1][row - DRIFT_SCORES] - p->scores[0][row - DRIFT_SCORES]);
    }
}

/* The value that a share of them does not exceed: of n, the ceil(share n)-th. */
static double quantile(const struct drift_spread *s, double share)
{
    const uint64_t rank = (uint64_t)ceil(share * (double)s->count);
    return s->values[rank > 0 ? rank - 1 : 0];
}

static double median(const struct drift_spread *s)
{
    const double upper = s->values[s->count / 2], lower = s->values[(s->count - 1) / 2];
    return upper == lower ? upper : (upper + lower) / 2; /* two infinite ones have no sum to halve */
}

static double mean(const struct drift *d, const struct drift_spread *s)
{
    double sum = 0;
    for (uint64_t i = 0; s->is_psnr && i < d->pair_count; i++)
        sum += d->pairs[i].square;
    if (s->is_psnr)
        return drift_psnr(sum / (double)d->pair_count);
    for (uint64_t i = 0; i < s->count; i++)
        sum += s->values[i];
    return sum / (double)s->count;
}

static double bias(const struct drift *d, uint64_t row)
{
    double sum = 0;
    uint64_t count = 0;
    for (uint64_t i = 0; row >= DRIFT_SCORES && i < d->pair_count; i++) {
        const double change = d->pairs[i].scores[1][row - DRIFT_SCORES] - d->pairs[i].scores[0][row - DRIFT_SCORES];
        sum += isnan(change) ? 0 : change;
        count += isnan(change) ? 0u : 1u;
    }
    return count ? sum / (double)count : (double)NAN;
}

static wn_status spread(const struct drift *d, uint64_t row, struct arena *arena, wn_error *err)
{
    struct drift_spread *s = &d->spreads[row];
    s->is_psnr = row == DRIFT_PSNR;
    s->values = arena_array(arena, d->pair_count, sizeof *s->values);
    if (!s->values)
        return wn_fail(err, WN_E_MEMORY, "no memory to count %llu pairs", (unsigned long long)d->pair_count);
    for (uint64_t i = 0; i < d->pair_count; i++) {
        const double value = value_of(&d->pairs[i], row);
        if (isnan(value))
            continue;
        s->values[s->count++] = value;
        s->equal += (s->is_psnr ? isinf(value) != 0 : value == 0) ? 1u : 0u;
    }
    s->mean = s->median = s->p95 = s->worst = (double)NAN;
    s->bias = bias(d, row);
    if (!s->count)
        return WN_OK;
    qsort(s->values, s->count, sizeof *s->values, stats_ascending);
    s->mean = mean(d, s);
    s->median = median(s);
    s->p95 = s->is_psnr ? s->values[s->count - (uint64_t)ceil(0.95 * (double)s->count)] : quantile(s, 0.95);
    s->worst = s->values[s->is_psnr ? 0 : s->count - 1];
    return WN_OK;
}

/* ---- choices --------------------------------------------------------------------------------------------------- */

static bool is_better(const struct data_metric *m, double a, double b)
{
    return !isnan(a) && (isnan(b) || (m->higher_is_better ? a > b : a < b));
}

/* The first of equals, as a search that keeps its best until something better comes. */
static uint64_t choose(const struct drift *d, const struct drift_prompt *p, uint64_t metric, int side)
{
    uint64_t best = UINT64_MAX;
    for (uint64_t i = p->first; i < p->first + p->count; i++)
        if (is_better(&d->metrics[metric], d->pairs[i].scores[side][metric],
                      best == UINT64_MAX ? (double)NAN : d->pairs[best].scores[side][metric]))
            best = i;
    return best;
}

uint64_t drift_chosen(const struct drift *d, uint64_t prompt, uint64_t metric, int side)
{
    return d->chosen[side][prompt * d->metric_count + metric];
}

/* Of equals on B none is preferred. */
bool drift_is_changed(const struct drift *d, uint64_t prompt, uint64_t metric)
{
    const uint64_t a = drift_chosen(d, prompt, metric, 0), b = drift_chosen(d, prompt, metric, 1);
    return a != UINT64_MAX && b != UINT64_MAX &&
           is_better(&d->metrics[metric], d->pairs[b].scores[1][metric], d->pairs[a].scores[1][metric]);
}

static void count_choices(struct drift *d, uint64_t metric)
{
    struct drift_choice *c = &d->choices[metric];
    double cost = 0, known = 0;
    for (uint64_t p = 0; p < d->prompt_count; p++) {
        for (int side = 0; side < 2; side++)
            d->chosen[side][p * d->metric_count + metric] = choose(d, &d->prompts[p], metric, side);
        const uint64_t a = drift_chosen(d, p, metric, 0), b = drift_chosen(d, p, metric, 1);
        c->prompts += a != UINT64_MAX && b != UINT64_MAX;
        if (!drift_is_changed(d, p, metric))
            continue;
        const double more = fabs(d->pairs[b].scores[1][metric] - d->pairs[a].scores[1][metric]);
        c->changed++;
        cost += isnan(more) ? 0 : more;
        known += isnan(more) ? 0 : 1;
    }
    c->cost = known > 0 ? cost / known : (double)NAN;
}

wn_status drift_count(struct drift *d, struct arena *arena, wn_error *err)
{
    static const struct {
        const char *title, *unit;
    } rows[DRIFT_SCORES] = {
        [DRIFT_LATENT_SHARE] = { "latent, difference / size", "" },
        [DRIFT_LATENT_MOST] = { "latent, largest difference", "" },
        [DRIFT_PSNR] = { "pixels, PSNR", "dB" },
        [DRIFT_PIXEL_MOST] = { "pixels, largest difference", "of 255" },
    };
    const uint64_t row_count = DRIFT_SCORES + d->metric_count, choices = d->prompt_count * d->metric_count;
    d->spreads = arena_array(arena, row_count, sizeof *d->spreads);
    d->choices = arena_array(arena, d->metric_count + 1, sizeof *d->choices);
    d->chosen[0] = arena_array(arena, choices + 1, sizeof *d->chosen[0]);
    d->chosen[1] = arena_array(arena, choices + 1, sizeof *d->chosen[1]);
    if (!d->spreads || !d->choices || !d->chosen[0] || !d->chosen[1])
        return wn_fail(err, WN_E_MEMORY, "no memory to count %llu pairs", (unsigned long long)d->pair_count);
    for (uint64_t row = 0; row < row_count; row++) {
        d->spreads[row].title = row < DRIFT_SCORES ? rows[row].title : d->metrics[row - DRIFT_SCORES].title;
        d->spreads[row].unit = row < DRIFT_SCORES ? rows[row].unit : "";
        WN_TRY(spread(d, row, arena, err));
    }
    for (uint64_t m = 0; m < d->metric_count; m++)
        count_choices(d, m);
    return WN_OK;
}
