/* compare_paths.c - what a prompt's search had after every candidate, and what that had cost in each currency. Seconds
 * are those that a budget of seconds counts: sampling, decoding and the guide's, never a judge's.
 */
#include "report/comparison.h"

#include "base/arena.h"

#include <math.h>
#include <string.h>

/* ---- paths ----------------------------------------------------------------------------------------------------- */

static wn_status make_path(struct compare *c, const struct compare_run *r, const struct data_trial *t,
                           struct compare_path *path, wn_error *err)
{
    const struct data_candidate *best = NULL;
    path->trial = t;
    path->steps = arena_array(c->memory, t->candidate_count + 1, sizeof *path->steps);
    if (!path->steps)
        return compare_no_memory(err);
    for (uint64_t i = 0; i < t->candidate_count; i++) {
        const struct data_candidate *k = &t->candidates[i];
        path->spent[COMPARE_SECONDS] = k->seconds;
        path->spent[COMPARE_CALLS] = (double)k->ordinal; /* also where the guide failed */
        if (!k->finished)
            continue;
        if (!best || data_prefers(r->data, k, best))
            best = k;
        path->steps[path->count++] =
            (struct compare_step){ { (double)k->nfe_total, path->spent[COMPARE_SECONDS], path->spent[COMPARE_CALLS] },
                                   best };
    }
    path->is_told[COMPARE_NFE] = path->is_told[COMPARE_SECONDS] = true;
    path->is_told[COMPARE_CALLS] = t->candidate_count == t->verifier_calls;
    path->spent[COMPARE_NFE] = (double)t->nfe;
    path->spent[COMPARE_CALLS] = (double)t->verifier_calls;
    return WN_OK;
}

wn_status compare_make_paths(struct compare *c, struct compare_run *r, wn_error *err)
{
    uint64_t prompt = 0;
    r->paths = arena_array(c->memory, c->prompt_count + 1, sizeof *r->paths);
    if (!r->paths)
        return compare_no_memory(err);
    for (uint64_t i = 0; i < r->data->trial_count; i++) {
        const struct data_trial *t = &r->data->trials[i];
        uint64_t tried = 0; /* prompts of runs of one spec come in one order: the next is nearly always the next */
        while (tried < c->prompt_count &&
               strcmp(c->prompts[(prompt + tried) % c->prompt_count]->prompt_id, t->prompt_id) != 0)
            tried++;
        if (tried < c->prompt_count) {
            const uint64_t found = (prompt + tried) % c->prompt_count;
            WN_TRY(make_path(c, r, t, &r->paths[found], err));
            prompt = found + 1;
        }
    }
    return WN_OK;
}

/* ---- values ---------------------------------------------------------------------------------------------------- */

static double metric_of(const struct compare_run *r, const struct data_candidate *k, uint64_t metric)
{
    return k ? k->values[r->metric_of[metric]] : (double)NAN;
}

double compare_first(const struct compare *c, const struct compare_run *r, uint64_t prompt, uint64_t metric)
{
    if (data_first_is_plain(r->paths[prompt].trial))
        return metric_of(r, r->paths[prompt].trial->first, metric);
    for (uint64_t i = 0; i < c->run_count; i++) {
        const struct compare_run *other = &c->runs[i];
        if (strcmp(other->ground, r->ground) == 0 && data_first_is_plain(other->paths[prompt].trial))
            return metric_of(other, other->paths[prompt].trial->first, metric);
    }
    return (double)NAN;
}

double compare_final(const struct compare_run *r, uint64_t prompt, uint64_t metric)
{
    return metric_of(r, r->paths[prompt].trial->winner, metric);
}

double compare_within(const struct compare *c, const struct compare_run *r, uint64_t prompt, uint64_t metric,
                      int currency, double x)
{
    const struct compare_path *path = &r->paths[prompt];
    uint64_t low = 0, high = path->count;
    while (low < high) {
        const uint64_t middle = (low + high) / 2;
        if (path->steps[middle].spent[currency] <= x)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? metric_of(r, path->steps[low - 1].best, metric) : compare_first(c, r, prompt, metric);
}
