/* compare_paths.c - what a prompt's search had after every candidate, and what that had cost in each currency. Seconds
 * are those that a budget of seconds counts: sampling, decoding and the guide's, never a judge's.
 */
#include "report/comparison.h"

#include "base/arena.h"
#include "ledger/ledger.h"

#include <math.h>
#include <sqlite3.h>
#include <string.h>

/* ---- paths ----------------------------------------------------------------------------------------------------- */

/* What each candidate of a run took, in the order of data.trials[].candidates. */
struct costs {
    double *seconds; /* [sum of candidate_count] */
    double *calls;   /* 1 where the guide scored it */
};

static const char costs_sql[] =
    "SELECT trial, id, ifnull(sample_seconds, 0) + ifnull(decode_seconds, 0) + (SELECT total(seconds) FROM scores s "
    "WHERE"
    " s.trial=c.trial AND s.candidate=c.id AND s.verifier=?1), EXISTS(SELECT 1 FROM scores s WHERE s.trial=c.trial AND"
    " s.candidate=c.id AND s.verifier=?1) FROM candidates c ORDER BY trial, ordinal, id";

/* A run that is still going may have more rows by now: those that the data do not have are passed over. */
static void read_rows(sqlite3_stmt *s, const struct data *d, struct costs *costs)
{
    uint64_t trial = 0, k = 0, at = 0;
    while (sqlite3_step(s) == SQLITE_ROW) {
        const uint64_t id = (uint64_t)sqlite3_column_int64(s, 0);
        const char *candidate = (const char *)sqlite3_column_text(s, 1);
        for (; trial < d->trial_count && d->trials[trial].id < id; trial++, k = 0)
            at += d->trials[trial].candidate_count - k;
        if (trial == d->trial_count || d->trials[trial].id != id || k == d->trials[trial].candidate_count ||
            strcmp(d->trials[trial].candidates[k].id, candidate ? candidate : "") != 0)
            continue;
        costs->seconds[at] = sqlite3_column_double(s, 2);
        costs->calls[at++] = sqlite3_column_double(s, 3);
        k++;
    }
}

static wn_status read_costs(struct compare *c, const struct compare_run *r, struct costs *costs, wn_error *err)
{
    struct sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    uint64_t all = 1;
    for (uint64_t i = 0; i < r->data->trial_count; i++)
        all += r->data->trials[i].candidate_count;
    costs->seconds = arena_array(c->memory, all, sizeof *costs->seconds);
    costs->calls = arena_array(c->memory, all, sizeof *costs->calls);
    if (!costs->seconds || !costs->calls)
        return compare_no_memory(err);
    WN_TRY(ledger_read(r->directory, &db, err));
    wn_status status = WN_OK;
    if (sqlite3_prepare_v2(db, costs_sql, -1, &s, NULL) == SQLITE_OK) {
        sqlite3_bind_text(s, 1, r->data->metrics[0].verifier, -1, SQLITE_STATIC);
        read_rows(s, r->data, costs);
    } else {
        status = wn_fail(err, WN_E_FORMAT, "cannot read %s/ledger.db: %s", r->directory, sqlite3_errmsg(db));
    }
    sqlite3_finalize(s);
    sqlite3_close(db);
    return status;
}

static wn_status make_path(struct compare *c, const struct compare_run *r, const struct data_trial *t,
                           const double *seconds, const double *calls, struct compare_path *path, wn_error *err)
{
    double spent = 0, called = 0;
    path->trial = t;
    path->steps = arena_array(c->memory, t->candidate_count + 1, sizeof *path->steps);
    if (!path->steps)
        return compare_no_memory(err);
    const struct data_candidate *best = NULL;
    for (uint64_t i = 0; i < t->candidate_count; i++) {
        const struct data_candidate *k = &t->candidates[i];
        spent += seconds[i];
        called += calls[i];
        if (!k->finished)
            continue;
        if (!best || data_prefers(r->data, k, best))
            best = k;
        path->steps[path->count++] = (struct compare_step){ { (double)k->nfe_total, spent, called }, best };
    }
    return WN_OK;
}

wn_status compare_make_paths(struct compare *c, struct compare_run *r, wn_error *err)
{
    struct costs costs;
    uint64_t at = 0, prompt = 0;
    WN_TRY(read_costs(c, r, &costs, err));
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
            WN_TRY(make_path(c, r, t, costs.seconds + at, costs.calls + at, &r->paths[found], err));
            prompt = found + 1;
        }
        at += t->candidate_count;
    }
    return WN_OK;
}

/* ---- values ---------------------------------------------------------------------------------------------------- */

static double metric_of(const struct compare_run *r, const struct data_candidate *k, uint64_t metric)
{
    return k ? k->values[r->metric_of[metric]] : (double)NAN;
}

double compare_first(const struct compare_run *r, uint64_t prompt, uint64_t metric)
{
    return metric_of(r, r->paths[prompt].trial->first, metric);
}

double compare_final(const struct compare_run *r, uint64_t prompt, uint64_t metric)
{
    return metric_of(r, r->paths[prompt].trial->winner, metric);
}

double compare_within(const struct compare_run *r, uint64_t prompt, uint64_t metric, int currency, double x)
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
    return path->count ? metric_of(r, low ? path->steps[low - 1].best : path->trial->first, metric) : (double)NAN;
}

double compare_end(const struct compare_run *r, uint64_t prompt, int currency)
{
    const struct compare_path *path = &r->paths[prompt];
    return path->count ? path->steps[path->count - 1].spent[currency] : 0;
}
