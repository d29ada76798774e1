/* compare_pairs.c - every algorithm against every other, on the same prompts and seeds. */
#include "report/comparison.h"

#include "base/arena.h"
#include "report/paired.h"

#include <math.h>
#include <string.h>

/* ---- pairs ----------------------------------------------------------------------------------------------------- */

static const struct compare_run *run_of_seed(const struct compare *c, const struct compare_algorithm *a,
                                             const char *seed)
{
    for (uint64_t i = 0; i < a->run_count; i++)
        if (strcmp(c->runs[a->runs[i]].seed, seed) == 0)
            return &c->runs[a->runs[i]];
    return NULL;
}

/* Both within what the thriftier one spent; NaN where it is not told when. */
static double run_difference(const struct compare *c, const struct compare_run *left, const struct compare_run *right,
                             uint64_t prompt, uint64_t metric, int place)
{
    if (place == COMPARE_AT_END)
        return compare_final(right, prompt, metric) - compare_final(left, prompt, metric);
    if (!left->paths[prompt].is_told[place] || !right->paths[prompt].is_told[place])
        return (double)NAN;
    const double x = fmin(left->paths[prompt].spent[place], right->paths[prompt].spent[place]);
    return compare_within(c, right, prompt, metric, place, x) - compare_within(c, left, prompt, metric, place, x);
}

/* Where no seed is in both, every run of one side meets every run of the other. */
static double prompt_difference(const struct compare *c, const struct compare_pair *p, uint64_t prompt, uint64_t metric,
                                int place)
{
    const struct compare_algorithm *left = &c->algorithms[p->left], *right = &c->algorithms[p->right];
    double sum = 0;
    uint64_t count = 0;
    for (uint64_t i = 0; i < left->run_count; i++)
        for (uint64_t k = 0; k < right->run_count; k++) {
            const struct compare_run *a = &c->runs[left->runs[i]], *b = &c->runs[right->runs[k]];
            const double d = p->seeds && strcmp(a->seed, b->seed) != 0 ? (double)NAN
                                                                       : run_difference(c, a, b, prompt, metric, place);
            sum += isnan(d) ? 0 : d;
            count += (uint64_t)!isnan(d);
        }
    return count ? sum / (double)count : (double)NAN;
}

/* rows[most_rows]; returns how many. */
static uint64_t difference_rows(const struct compare *c, const struct compare_pair *p, uint64_t metric, int place,
                                double *rows)
{
    const struct compare_algorithm *left = &c->algorithms[p->left], *right = &c->algorithms[p->right];
    uint64_t count = 0;
    for (uint64_t i = 0; c->prompt_count == 1 && p->seeds && i < left->run_count; i++) {
        const struct compare_run *a = &c->runs[left->runs[i]], *b = run_of_seed(c, right, a->seed);
        rows[count] = b ? run_difference(c, a, b, 0, metric, place) : (double)NAN;
        count += (uint64_t)!isnan(rows[count]);
    }
    for (uint64_t i = 0; !(c->prompt_count == 1 && p->seeds) && i < c->prompt_count; i++) {
        rows[count] = prompt_difference(c, p, i, metric, place);
        count += (uint64_t)!isnan(rows[count]);
    }
    return count;
}

static wn_status compute_pair(struct compare *c, struct compare_pair *p, double *rows, wn_error *err)
{
    const struct compare_algorithm *left = &c->algorithms[p->left];
    for (uint64_t i = 0; i < left->run_count; i++)
        p->seeds += run_of_seed(c, &c->algorithms[p->right], c->runs[left->runs[i]].seed) != NULL;
    p->differences = arena_array(c->memory, c->metric_count * (uint64_t)COMPARE_PLACES, sizeof *p->differences);
    if (!p->differences)
        return compare_no_memory(err);
    for (uint64_t m = 0; m < c->metric_count; m++)
        for (int place = 0; place < COMPARE_PLACES; place++) {
            struct compare_difference *d = &p->differences[m * (uint64_t)COMPARE_PLACES + (uint64_t)place];
            d->rows = difference_rows(c, p, m, place, rows);
            d->p = paired_p(d->rows, rows);
            WN_TRY(stats_means(d->rows, 1, rows, &d->mean, err));
        }
    return WN_OK;
}

static void adjust(struct compare *c, double *p, double *adjusted)
{
    for (uint64_t at = 0; at < c->metric_count * (uint64_t)COMPARE_PLACES; at++) {
        for (uint64_t i = 0; i < c->pair_count; i++)
            p[i] = c->pairs[i].differences[at].p;
        paired_holm(c->pair_count, p, adjusted);
        for (uint64_t i = 0; i < c->pair_count; i++)
            c->pairs[i].differences[at].p_holm = adjusted[i];
    }
}

wn_status compare_compute_pairs(struct compare *c, wn_error *err)
{
    const uint64_t most = c->algorithm_count * (c->algorithm_count - 1) / 2,
                   scratch = compare_most_rows(c) + 2 * most + 1;
    double *rows = arena_array(c->memory, scratch, sizeof *rows);
    c->pairs = arena_array(c->memory, most + 1, sizeof *c->pairs);
    if (!rows || !c->pairs)
        return compare_no_memory(err);
    for (uint64_t right = 1; right < c->algorithm_count; right++)
        for (uint64_t left = 0; left < right; left++) {
            c->pairs[c->pair_count] = (struct compare_pair){ .left = left, .right = right };
            WN_TRY(compute_pair(c, &c->pairs[c->pair_count++], rows, err));
        }
    adjust(c, rows, rows + most);
    return WN_OK;
}

const struct compare_difference *compare_difference_of(const struct compare *c, const struct compare_pair *p,
                                                       uint64_t metric, int place)
{
    (void)c;
    return &p->differences[metric * (uint64_t)COMPARE_PLACES + (uint64_t)place];
}
