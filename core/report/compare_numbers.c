/* compare_numbers.c - from what every prompt's search had after every candidate to means, differences and curves.
 *
 * A row is a prompt, averaged over the seeds of the algorithm (for a difference: over the seeds that both have, each
 * difference taken within a seed). Resampling rows is resampling prompts each with all of its seeds: seeds are fresh
 * noises for every prompt, so their spread is in the rows already, and drawing seeds anew within a drawn prompt would
 * count it twice. Where there is only one prompt, rows are its seeds.
 */
#include "report/comparison.h"

#include "base/arena.h"
#include "ledger/ledger.h"
#include "report/paired.h"

#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

enum { CURVE_POINTS = 48 }; /* more than a plot shows */

const char *const compare_currency_names[COMPARE_CURRENCIES] = { "nfe", "seconds", "verifier_calls" };

wn_status compare_no_memory(wn_error *err)
{
    return wn_fail(err, WN_E_MEMORY, "no memory for a comparison");
}

/* ---- paths ----------------------------------------------------------------------------------------------------- */

/* What each candidate of a run took, in the order of data.trials[].candidates. */
struct costs {
    double *seconds; /* [sum of candidate_count] */
    double *calls;   /* 1 where the guide scored it */
};

static const char costs_sql[] =
    "SELECT trial, id, ifnull(sample_seconds, 0) + ifnull(decode_seconds, 0) + (SELECT total(seconds) FROM scores s WHERE"
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

static wn_status make_paths(struct compare *c, struct compare_run *r, wn_error *err)
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
        while (tried < c->prompt_count && strcmp(c->prompts[(prompt + tried) % c->prompt_count]->prompt_id, t->prompt_id) != 0)
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

static double first_of(const struct compare_run *r, uint64_t prompt, uint64_t metric)
{
    return metric_of(r, r->paths[prompt].trial->first, metric);
}

static double final_of(const struct compare_run *r, uint64_t prompt, uint64_t metric)
{
    return metric_of(r, r->paths[prompt].trial->winner, metric);
}

/* The pick within x; what was finished first where nothing is yet, which is what there would be without search. */
static double value_within(const struct compare_run *r, uint64_t prompt, uint64_t metric, int currency, double x)
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

static double end_of(const struct compare_run *r, uint64_t prompt, int currency)
{
    const struct compare_path *path = &r->paths[prompt];
    return path->count ? path->steps[path->count - 1].spent[currency] : 0;
}

/* ---- rows ------------------------------------------------------------------------------------------------------ */

/* Values of all columns of one prompt and run; false when it has none. */
typedef bool row_maker(const struct compare *c, const struct compare_run *r, uint64_t prompt, const void *arg, double *row);

struct rows {
    uint64_t count, columns;
    double *values; /* [count][columns] */
};

static bool is_whole(uint64_t columns, const double *row)
{
    for (uint64_t i = 0; i < columns; i++)
        if (isnan(row[i]))
            return false;
    return true;
}

/* Adds row to the mean at rows->values[at], where `members` rows are in it. */
static void mix_in(struct rows *rows, uint64_t members, const double *row)
{
    double *mean = rows->values + rows->count * rows->columns;
    for (uint64_t i = 0; i < rows->columns; i++)
        mean[i] = members ? mean[i] + (row[i] - mean[i]) / (double)(members + 1) : row[i];
}

static bool rows_begin(struct rows *rows, uint64_t capacity, uint64_t columns, double **row)
{
    *rows = (struct rows){ 0, columns, calloc(capacity * columns + 1, sizeof(double)) };
    *row = calloc(columns + 1, sizeof **row);
    return rows->values && *row;
}

static uint64_t most_rows(const struct compare *c)
{
    return c->prompt_count > c->run_count ? c->prompt_count : c->run_count;
}

static wn_status rows_make(const struct compare *c, const struct compare_algorithm *a, uint64_t columns, row_maker *make,
                           const void *arg, struct rows *rows, wn_error *err)
{
    const bool over_seeds = c->prompt_count == 1;
    double *row;
    if (!rows_begin(rows, most_rows(c), columns, &row)) {
        free(row);
        return compare_no_memory(err);
    }
    for (uint64_t p = 0; p < c->prompt_count; p++) {
        uint64_t members = 0;
        for (uint64_t i = 0; i < a->run_count; i++) {
            if (!make(c, &c->runs[a->runs[i]], p, arg, row) || !is_whole(columns, row))
                continue;
            mix_in(rows, members++, row);
            if (over_seeds) {
                rows->count++;
                members = 0;
            }
        }
        rows->count += members > 0;
    }
    free(row);
    return WN_OK;
}

static void rows_free(struct rows *rows)
{
    free(rows->values);
}

/* ---- algorithms ------------------------------------------------------------------------------------------------ */

static bool ends_row(const struct compare *c, const struct compare_run *r, uint64_t prompt, const void *arg, double *row)
{
    (void)c;
    row[0] = first_of(r, prompt, *(const uint64_t *)arg);
    row[1] = final_of(r, prompt, *(const uint64_t *)arg);
    return true;
}

static bool spent_row(const struct compare *c, const struct compare_run *r, uint64_t prompt, const void *arg, double *row)
{
    (void)c;
    (void)arg;
    for (int i = 0; i < COMPARE_CURRENCIES; i++)
        row[i] = end_of(r, prompt, i);
    row[COMPARE_NFE] = (double)r->paths[prompt].trial->nfe; /* also what was spent on no candidate */
    return true;
}

static wn_status sum_up(const struct compare *c, struct compare_algorithm *a, uint64_t metric, wn_error *err)
{
    struct stats_interval y[2];
    struct rows rows;
    WN_TRY(rows_make(c, a, 2, ends_row, &metric, &rows, err));
    wn_status status = stats_means(rows.count, 2, rows.values, y, err);
    a->first[metric] = y[0];
    a->final[metric] = y[1];
    rows_free(&rows);
    return status;
}

static wn_status sum_costs(const struct compare *c, struct compare_algorithm *a, wn_error *err)
{
    struct stats_interval y[COMPARE_CURRENCIES];
    struct rows rows;
    WN_TRY(rows_make(c, a, COMPARE_CURRENCIES, spent_row, NULL, &rows, err));
    wn_status status = stats_means(rows.count, COMPARE_CURRENCIES, rows.values, y, err);
    for (int i = 0; i < COMPARE_CURRENCIES; i++)
        a->spent[i] = y[i].mean;
    rows_free(&rows);
    return status;
}

static wn_status compute_algorithms(struct compare *c, wn_error *err)
{
    for (uint64_t i = 0; i < c->algorithm_count; i++) {
        struct compare_algorithm *a = &c->algorithms[i];
        a->first = arena_array(c->memory, c->metric_count, sizeof *a->first);
        a->final = arena_array(c->memory, c->metric_count, sizeof *a->final);
        if (!a->first || !a->final)
            return compare_no_memory(err);
        for (uint64_t m = 0; m < c->metric_count; m++)
            WN_TRY(sum_up(c, a, m, err));
        WN_TRY(sum_costs(c, a, err));
    }
    return WN_OK;
}

/* ---- curves ---------------------------------------------------------------------------------------------------- */

struct grid {
    uint64_t metric;
    int currency;
    uint64_t count;
    double x[CURVE_POINTS];
};

static bool curve_row(const struct compare *c, const struct compare_run *r, uint64_t prompt, const void *arg, double *row)
{
    const struct grid *g = arg;
    (void)c;
    for (uint64_t i = 0; i < g->count; i++)
        row[i] = value_within(r, prompt, g->metric, g->currency, g->x[i]);
    return r->paths[prompt].count > 0;
}

static int by_number(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* From where every prompt has a picture to the last candidate of all: where something changes, thinned to equal ratios. */
static wn_status make_grid(const struct compare *c, const struct compare_algorithm *a, struct grid *g, wn_error *err)
{
    double start = 0, *all, ratio;
    uint64_t count = 0, capacity = 1;
    for (uint64_t i = 0; i < a->run_count; i++)
        for (uint64_t p = 0; p < c->prompt_count; p++) {
            const struct compare_path *path = &c->runs[a->runs[i]].paths[p];
            capacity += path->count;
            if (path->count)
                start = fmax(start, path->steps[0].spent[g->currency]);
        }
    if (!(all = calloc(capacity, sizeof *all)))
        return compare_no_memory(err);
    for (uint64_t i = 0; i < a->run_count; i++)
        for (uint64_t p = 0; p < c->prompt_count; p++) {
            const struct compare_path *path = &c->runs[a->runs[i]].paths[p];
            for (uint64_t k = 0; k < path->count; k++)
                if (path->steps[k].spent[g->currency] >= start && path->steps[k].spent[g->currency] > 0)
                    all[count++] = path->steps[k].spent[g->currency];
        }
    qsort(all, count, sizeof *all, by_number);
    ratio = count ? pow(all[count - 1] / all[0], 1.0 / (CURVE_POINTS - 2)) : 1;
    for (uint64_t i = 0; i < count; i++)
        if (g->count == 0 || (i + 1 == count && all[i] > g->x[g->count - 1]) ||
            (all[i] > g->x[g->count - 1] && all[i] >= ratio * g->x[g->count - 1]))
            g->x[g->count++] = all[i];
    free(all);
    return WN_OK;
}

static wn_status compute_curve(struct compare *c, const struct compare_algorithm *a, struct grid *g,
                               struct compare_curve *curve, wn_error *err)
{
    struct stats_interval y[CURVE_POINTS];
    struct rows rows;
    WN_TRY(rows_make(c, a, g->count, curve_row, g, &rows, err));
    wn_status status = stats_means(rows.count, g->count, rows.values, y, err);
    curve->points = arena_array(c->memory, g->count + 1, sizeof *curve->points);
    if (status == WN_OK && !curve->points)
        status = compare_no_memory(err);
    for (uint64_t i = 0; status == WN_OK && i < g->count; i++)
        curve->points[i] = (struct compare_point){ g->x[i], y[i] };
    curve->count = status == WN_OK && rows.count ? g->count : 0;
    rows_free(&rows);
    return status;
}

static wn_status compute_curves(struct compare *c, wn_error *err)
{
    c->curves = arena_array(c->memory, COMPARE_CURRENCIES * c->algorithm_count * c->metric_count, sizeof *c->curves);
    if (!c->curves)
        return compare_no_memory(err);
    struct compare_curve *curve = c->curves;
    for (int currency = 0; currency < COMPARE_CURRENCIES; currency++)
        for (uint64_t a = 0; a < c->algorithm_count; a++) {
            struct grid g = { .currency = currency };
            WN_TRY(make_grid(c, &c->algorithms[a], &g, err));
            for (g.metric = 0; g.metric < c->metric_count; g.metric++)
                WN_TRY(compute_curve(c, &c->algorithms[a], &g, curve++, err));
        }
    return WN_OK;
}

const struct compare_curve *compare_curve_of(const struct compare *c, int currency, uint64_t algorithm, uint64_t metric)
{
    return &c->curves[((uint64_t)currency * c->algorithm_count + algorithm) * c->metric_count + metric];
}

/* ---- pairs ----------------------------------------------------------------------------------------------------- */

static const struct compare_run *run_of_seed(const struct compare *c, const struct compare_algorithm *a, const char *seed)
{
    for (uint64_t i = 0; i < a->run_count; i++)
        if (strcmp(c->runs[a->runs[i]].seed, seed) == 0)
            return &c->runs[a->runs[i]];
    return NULL;
}

static double value_at(const struct compare_run *r, uint64_t prompt, uint64_t metric, int place, double x)
{
    return place == COMPARE_AT_END ? final_of(r, prompt, metric) : value_within(r, prompt, metric, place, x);
}

/* Both within what the thriftier one spent. */
static double run_difference(const struct compare_run *left, const struct compare_run *right, uint64_t prompt,
                             uint64_t metric, int place)
{
    const double x = place == COMPARE_AT_END ? 0 : fmin(end_of(left, prompt, place), end_of(right, prompt, place));
    return value_at(right, prompt, metric, place, x) - value_at(left, prompt, metric, place, x);
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
                                                                       : run_difference(a, b, prompt, metric, place);
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
        rows[count] = b ? run_difference(a, b, 0, metric, place) : (double)NAN;
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

static wn_status compute_pairs(struct compare *c, wn_error *err)
{
    const uint64_t most = c->algorithm_count * (c->algorithm_count - 1) / 2, scratch = most_rows(c) + 2 * most + 1;
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

/* ---- categories ------------------------------------------------------------------------------------------------ */

static double category_mean(const struct compare *c, const struct compare_algorithm *a, const char *category,
                            uint64_t metric, bool is_final)
{
    double sum = 0;
    uint64_t count = 0;
    for (uint64_t p = 0; p < c->prompt_count; p++)
        for (uint64_t i = 0; strcmp(c->prompts[p]->category, category) == 0 && i < a->run_count; i++) {
            const struct compare_run *r = &c->runs[a->runs[i]];
            const double value = is_final ? final_of(r, p, metric) : first_of(r, p, metric);
            sum += isnan(value) ? 0 : value;
            count += (uint64_t)!isnan(value);
        }
    return count ? sum / (double)count : (double)NAN;
}

static wn_status fill_category(struct compare *c, struct compare_category *category, wn_error *err)
{
    const uint64_t cells = c->algorithm_count * c->metric_count;
    category->first = arena_array(c->memory, cells, sizeof *category->first);
    category->final = arena_array(c->memory, cells, sizeof *category->final);
    if (!category->first || !category->final)
        return compare_no_memory(err);
    for (uint64_t i = 0; i < cells; i++) {
        const struct compare_algorithm *a = &c->algorithms[i / c->metric_count];
        category->first[i] = category_mean(c, a, category->name, i % c->metric_count, false);
        category->final[i] = category_mean(c, a, category->name, i % c->metric_count, true);
    }
    return WN_OK;
}

static wn_status compute_categories(struct compare *c, wn_error *err)
{
    c->categories = arena_array(c->memory, c->prompt_count + 1, sizeof *c->categories);
    if (!c->categories)
        return compare_no_memory(err);
    for (uint64_t p = 0; p < c->prompt_count; p++) {
        uint64_t i = 0;
        while (i < c->category_count && strcmp(c->categories[i].name, c->prompts[p]->category) != 0)
            i++;
        c->category_count += i == c->category_count;
        c->categories[i].name = c->prompts[p]->category;
        c->categories[i].prompts++;
    }
    for (uint64_t i = 0; i < c->category_count; i++)
        WN_TRY(fill_category(c, &c->categories[i], err));
    return WN_OK;
}

wn_status compare_compute(struct compare *c, wn_error *err)
{
    for (uint64_t i = 0; i < c->run_count; i++)
        WN_TRY(make_paths(c, &c->runs[i], err));
    WN_TRY(compute_algorithms(c, err));
    WN_TRY(compute_curves(c, err));
    WN_TRY(compute_pairs(c, err));
    return compute_categories(c, err);
}
