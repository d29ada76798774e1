/* data.c - reads a run. Everything lives in one arena; the database is read in one transaction, so that a report on a
 * run that is still going is a report on one moment of it.
 */
#include "report/data.h"

#include "base/arena.h"
#include "base/buffer.h"
#include "base/files.h"
#include "ledger/ledger.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <sqlite3.h>
#include <string.h>

enum { TEXT_MAX = 16 << 20 }; /* bytes of a manifest or spec */

static wn_status no_memory(const struct data *d, wn_error *err)
{
    return wn_fail(err, WN_E_MEMORY, "no memory to read the run in %s", d->directory);
}

/* ---- manifest ---- */

static wn_status bad_manifest(const struct data *d, const char *pointer, wn_error *err)
{
    return wn_fail(err, WN_E_FORMAT,
                   "%s/manifest.json: %s is not what winnow writes; run the spec again to write it anew", d->directory,
                   pointer);
}

static int role_from(const char *name)
{
    if (strcmp(name, "guide") == 0)
        return DATA_GUIDE;
    return strcmp(name, "judge") == 0 ? DATA_JUDGE : DATA_OTHER;
}

static const char *string_in(struct data *d, const cJSON *object, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));

    return text ? arena_string(d->memory, text) : NULL;
}

static wn_status read_metric(struct data *d, const cJSON *item, struct data_metric *m, wn_error *err)
{
    const char *role = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "role"));

    m->verifier = string_in(d, item, "verifier");
    m->name = string_in(d, item, "metric");
    if (!m->verifier || !m->name || !role)
        return bad_manifest(d, "/report/metrics", err);
    m->title = arena_printf(d->memory, "%s.%s", m->verifier, m->name);
    if (!m->title)
        return no_memory(d, err);
    m->role = role_from(role);
    m->higher_is_better = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(item, "higher_is_better"));
    m->is_yes_or_no = true; /* until a value says otherwise */
    return WN_OK;
}

static wn_status read_facts(struct data *d, const cJSON *facts, wn_error *err)
{
    const cJSON *metrics = cJSON_GetObjectItemCaseSensitive(facts, "metrics"), *item;
    struct data_metric *m;

    d->name = string_in(d, facts, "name");
    d->search = string_in(d, facts, "search");
    d->pool_is_iid = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(facts, "pool_is_iid"));
    d->guide_compares = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(facts, "guide_compares"));
    d->metric_count = (uint64_t)cJSON_GetArraySize(metrics);
    if (!d->name || !d->search || d->metric_count == 0)
        return bad_manifest(d, "/report", err);
    d->metrics = m = arena_array(d->memory, d->metric_count, sizeof *m);
    if (!m)
        return no_memory(d, err);
    cJSON_ArrayForEach(item, metrics) WN_TRY(read_metric(d, item, m++, err));
    return d->metrics[0].role == DATA_GUIDE ? WN_OK : bad_manifest(d, "/report/metrics/0", err);
}

/* *text = the file's content in the arena; NULL when there is no such file. */
static wn_status read_text(struct data *d, const char *name, const char **text, wn_error *err)
{
    char path[FILE_PATH_SIZE];
    struct buffer content = BUFFER_INIT(TEXT_MAX);
    wn_status status;

    *text = NULL;
    WN_TRY(path_join(path, d->directory, name, err));
    if (!file_exists(path))
        return WN_OK;
    status = buffer_read_file(&content, path, err);
    if (status == WN_OK && !(*text = arena_string(d->memory, buffer_string(&content))))
        status = no_memory(d, err);
    buffer_free(&content);
    return status;
}

static wn_status read_files(struct data *d, wn_error *err)
{
    cJSON *manifest;
    wn_status status;

    WN_TRY(read_text(d, "spec.resolved.json", &d->spec, err));
    d->spec = d->spec ? d->spec : "";
    WN_TRY(read_text(d, "manifest.json", &d->manifest, err));
    if (!d->manifest)
        return wn_fail(err, WN_E_MISSING, "%s/manifest.json is not there: %s is not a run", d->directory, d->directory);
    manifest = cJSON_Parse(d->manifest);
    status = read_facts(d, cJSON_GetObjectItemCaseSensitive(manifest, "report"), err);
    cJSON_Delete(manifest);
    return status;
}

/* ---- ledger ---- */

static wn_status sql_failed(struct sqlite3 *db, const struct data *d, wn_error *err)
{
    return wn_fail(err, WN_E_FORMAT, "cannot read %s/ledger.db: %s", d->directory, sqlite3_errmsg(db));
}

static wn_status prepare(struct sqlite3 *db, const struct data *d, const char *sql, sqlite3_stmt **s, wn_error *err)
{
    return sqlite3_prepare_v2(db, sql, -1, s, NULL) == SQLITE_OK ? WN_OK : sql_failed(db, d, err);
}

static uint64_t number_at(sqlite3_stmt *s, int column)
{
    return (uint64_t)sqlite3_column_int64(s, column);
}

/* "" for NULL; NULL when memory ran out, which the caller asks of the last one it reads. */
static const char *text_at(struct data *d, sqlite3_stmt *s, int column)
{
    const unsigned char *text = sqlite3_column_text(s, column);

    return text ? arena_string(d->memory, (const char *)text) : "";
}

/* More rows than were counted: not the plain tables that winnow writes. */
static wn_status too_many(const struct data *d, uint64_t capacity, wn_error *err)
{
    return wn_fail(err, WN_E_FORMAT, "%s/ledger.db is damaged: it counts %llu rows where there are more", d->directory,
                   (unsigned long long)capacity);
}

/* Steps through a statement, one call of `row` for each row, and leaves it ready for the next time. */
static wn_status each_row(struct sqlite3 *db, struct data *d, sqlite3_stmt *s, void *arg,
                          wn_status (*row)(struct data *d, sqlite3_stmt *s, void *arg, wn_error *err), wn_error *err)
{
    int code = SQLITE_DONE;
    wn_status status = WN_OK;

    while (status == WN_OK && (code = sqlite3_step(s)) == SQLITE_ROW)
        status = row(d, s, arg, err);
    if (status == WN_OK && code != SQLITE_DONE)
        status = sql_failed(db, d, err);
    sqlite3_reset(s);
    return status;
}

static wn_status trial_row(struct data *d, sqlite3_stmt *s, void *arg, wn_error *err)
{
    struct data_trial *t = &d->trials[d->trial_count];

    (void)arg;
    if (d->trial_count++ == d->trial_capacity)
        return too_many(d, d->trial_capacity, err);
    t->id = number_at(s, 0);
    t->prompt_id = text_at(d, s, 1);
    t->prompt = text_at(d, s, 2);
    t->category = text_at(d, s, 3);
    t->state = text_at(d, s, 4);
    t->ended = text_at(d, s, 5);
    t->nfe = number_at(s, 6);
    t->verifier_calls = number_at(s, 7);
    t->seconds = sqlite3_column_double(s, 8);
    t->candidate_capacity = number_at(s, 9);
    t->candidates = arena_array(d->memory, t->candidate_capacity + 1, sizeof *t->candidates);
    return t->prompt_id && t->prompt && t->category && t->state && t->ended && t->candidates ? WN_OK
                                                                                             : no_memory(d, err);
}

static wn_status candidate_row(struct data *d, sqlite3_stmt *s, void *arg, wn_error *err)
{
    struct data_trial *t = arg;
    struct data_candidate *c = &t->candidates[t->candidate_count];

    if (t->candidate_count++ == t->candidate_capacity)
        return too_many(d, t->candidate_capacity, err);
    c->id = text_at(d, s, 0);
    c->ordinal = number_at(s, 1);
    c->point = number_at(s, 2);
    c->finished = number_at(s, 3) != 0;
    c->parent = text_at(d, s, 4);
    c->lineage = text_at(d, s, 5);
    c->nfe = number_at(s, 6);
    c->nfe_total = number_at(s, 7);
    c->image = text_at(d, s, 8);
    c->offer = number_at(s, 9);
    c->last_offer = number_at(s, 10);
    c->seconds = sqlite3_column_double(s, 11);
    c->values = arena_array(d->memory, d->metric_count, sizeof *c->values);
    for (uint64_t i = 0; c->values && i < d->metric_count; i++)
        c->values[i] = NAN;
    return c->id && c->parent && c->lineage && c->image && c->values ? WN_OK : no_memory(d, err);
}

static wn_status score_row(struct data *d, sqlite3_stmt *s, void *arg, wn_error *err)
{
    struct data_candidate *c = arg;
    const char *verifier = (const char *)sqlite3_column_text(s, 0), *metric = (const char *)sqlite3_column_text(s, 1);

    (void)err;
    if (verifier && strcmp(verifier, d->metrics[0].verifier) == 0)
        c->seconds += sqlite3_column_double(s, 3);
    for (uint64_t i = 0; verifier && metric && i < d->metric_count; i++) {
        struct data_metric *m = &d->metrics[i];
        if (strcmp(m->verifier, verifier) != 0 || strcmp(m->name, metric) != 0)
            continue;
        if (sqlite3_column_type(s, 2) == SQLITE_NULL)
            return WN_OK;
        c->values[i] = sqlite3_column_double(s, 2);
        m->largest = fmax(m->largest, fabs(c->values[i]));
        m->is_yes_or_no &= c->values[i] == 0 || c->values[i] == 1;
    }
    return WN_OK;
}

static const char trials_sql[] = "SELECT id, prompt_id, prompt, category, state, ended, nfe, verifier_calls, seconds,"
                                 " (SELECT count(*) FROM candidates WHERE trial=t.id) FROM trials t ORDER BY id";
static const char candidates_sql[] =
    "SELECT id, ordinal, point, finished, parent, lineage, nfe, nfe_total, image, (SELECT min(ordinal) FROM offers"
    " WHERE offers.trial=c.trial AND offers.candidate=c.id), (SELECT max(ordinal) FROM offers WHERE"
    " offers.trial=c.trial AND offers.candidate=c.id), ifnull(sample_seconds, 0) + ifnull(decode_seconds, 0)"
    " FROM candidates c WHERE trial=?1 ORDER BY ordinal, id";
static const char scores_sql[] = "SELECT verifier, metric, value, seconds FROM scores WHERE trial=?1 AND candidate=?2";

/* Prepared once for all trials, and for all candidates. */
struct queries {
    struct sqlite3 *db;
    sqlite3_stmt *trials;
    sqlite3_stmt *candidates; /* of a trial */
    sqlite3_stmt *scores;     /* of a trial's candidate */
};

static wn_status read_scores(const struct queries *q, struct data *d, const struct data_trial *t, wn_error *err)
{
    sqlite3_bind_int64(q->scores, 1, (sqlite3_int64)t->id);
    for (uint64_t i = 0; i < t->candidate_count; i++) {
        sqlite3_bind_text(q->scores, 2, t->candidates[i].id, -1, SQLITE_STATIC);
        WN_TRY(each_row(q->db, d, q->scores, &t->candidates[i], score_row, err));
        t->candidates[i].seconds += i > 0 ? t->candidates[i - 1].seconds : 0;
    }
    return WN_OK;
}

static wn_status read_trials(const struct queries *q, struct data *d, wn_error *err)
{
    sqlite3_stmt *s;

    WN_TRY(prepare(q->db, d, "SELECT count(*) FROM trials", &s, err));
    d->trial_capacity = sqlite3_step(s) == SQLITE_ROW ? number_at(s, 0) : 0;
    sqlite3_finalize(s);
    d->trials = arena_array(d->memory, d->trial_capacity + 1, sizeof *d->trials);
    if (!d->trials)
        return no_memory(d, err);
    WN_TRY(each_row(q->db, d, q->trials, NULL, trial_row, err));
    for (uint64_t i = 0; i < d->trial_count; i++) {
        struct data_trial *t = &d->trials[i];
        sqlite3_bind_int64(q->candidates, 1, (sqlite3_int64)t->id);
        WN_TRY(each_row(q->db, d, q->candidates, t, candidate_row, err));
        WN_TRY(read_scores(q, d, t, err));
    }
    return WN_OK;
}

static wn_status read_all(struct queries *q, struct data *d, wn_error *err)
{
    if (sqlite3_exec(q->db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
        return sql_failed(q->db, d, err);
    WN_TRY(prepare(q->db, d, trials_sql, &q->trials, err));
    WN_TRY(prepare(q->db, d, candidates_sql, &q->candidates, err));
    WN_TRY(prepare(q->db, d, scores_sql, &q->scores, err));
    return read_trials(q, d, err);
}

static wn_status read_ledger(struct data *d, wn_error *err)
{
    struct queries q = { 0 };
    wn_status status;

    WN_TRY(ledger_read(d->directory, &q.db, err));
    status = read_all(&q, d, err);
    sqlite3_finalize(q.trials);
    sqlite3_finalize(q.candidates);
    sqlite3_finalize(q.scores);
    sqlite3_close(q.db);
    return status;
}

/* ---- first and winner ---- */

bool data_first_is_plain(const struct data_trial *t)
{
    return t->first && t->first == t->candidates;
}

double data_guide(const struct data *d, const struct data_candidate *c)
{
    return d->metrics[0].higher_is_better ? c->values[0] : -c->values[0];
}

bool data_prefers(const struct data *d, const struct data_candidate *c, const struct data_candidate *than)
{
    double a = data_guide(d, c), b = data_guide(d, than);

    if (d->guide_compares && (c->last_offer || than->last_offer))
        return c->last_offer > than->last_offer;
    return a > b || (isnan(b) && !isnan(a));
}

/* A later candidate takes the place only when it is strictly better. */
static bool is_better(const struct data *d, const struct data_candidate *c, const struct data_candidate *than)
{
    const bool is_equal = !d->guide_compares && data_guide(d, c) == data_guide(d, than);

    return data_prefers(d, c, than) || (is_equal && c->offer < than->offer);
}

static void choose(const struct data *d, struct data_trial *t)
{
    bool has_offers = false;

    for (uint64_t i = 0; i < t->candidate_count; i++)
        has_offers |= t->candidates[i].finished && t->candidates[i].offer > 0;
    for (uint64_t i = 0; i < t->candidate_count; i++) {
        const struct data_candidate *c = &t->candidates[i];
        if (!c->finished)
            continue;
        if (!t->first)
            t->first = c;
        if (has_offers && c->offer == 0)
            continue;
        if (!t->winner || is_better(d, c, t->winner))
            t->winner = c;
    }
}

wn_status data_load(const char *run_dir, struct data **out, wn_error *err)
{
    struct arena *memory = arena_create();
    struct data *d = memory ? arena_alloc(memory, sizeof *d) : NULL;
    wn_status status;

    *out = NULL;
    if (!d) {
        arena_destroy(memory);
        return wn_fail(err, WN_E_MEMORY, "no memory to read the run in %s", run_dir);
    }
    d->memory = memory;
    d->directory = arena_string(memory, run_dir);
    status = d->directory ? read_files(d, err) : wn_fail(err, WN_E_MEMORY, "no memory to read the run in %s", run_dir);
    if (status == WN_OK)
        status = read_ledger(d, err);
    if (status != WN_OK) {
        data_free(d);
        return status;
    }
    for (uint64_t i = 0; i < d->trial_count; i++)
        choose(d, &d->trials[i]);
    *out = d;
    return WN_OK;
}

void data_free(struct data *d)
{
    if (d)
        arena_destroy(d->memory);
}
