/* recall.c - see recall.h. */
#include "ledger/recall.h"

#include <sqlite3.h>
#include <string.h>

#define COLUMNS                                                                                                        \
    "SELECT c.trial, c.id, c.ordinal, c.point, c.finished, c.parent, c.lineage, c.nfe, c.nfe_total, c.image,"          \
    " t.prompt_id, t.prompt, t.category, t.json, t.state='done'"                                                       \
    " FROM candidates c JOIN trials t ON t.id=c.trial WHERE "

struct reading {
    const char *run_dir;
    struct sqlite3 *db;
    struct arena *arena;
    bool is_short; /* of memory */
};

static wn_status fail(const struct reading *r, wn_error *err)
{
    return wn_fail(err, WN_E_FORMAT, "cannot read %s/ledger.db: %s", r->run_dir, sqlite3_errmsg(r->db));
}

static const char *text_at(struct reading *r, sqlite3_stmt *q, int column)
{
    const unsigned char *text = sqlite3_column_text(q, column);
    const char *copy = text ? arena_string(r->arena, (const char *)text) : "";
    r->is_short |= !copy;
    return copy ? copy : "";
}

static uint64_t number_at(sqlite3_stmt *q, int column)
{
    return (uint64_t)sqlite3_column_int64(q, column);
}

static struct recalled read_row(struct reading *r, sqlite3_stmt *q)
{
    struct recalled row = {
        .candidate = { .trial = number_at(q, 0),
                       .ordinal = number_at(q, 2),
                       .point = number_at(q, 3),
                       .finished = sqlite3_column_int(q, 4) != 0,
                       .lineage = text_at(r, q, 6),
                       .nfe = number_at(q, 7),
                       .nfe_total = number_at(q, 8) },
        .prompt = { text_at(r, q, 11), text_at(r, q, 10), text_at(r, q, 12), text_at(r, q, 13) },
        .image = sqlite3_column_type(q, 9) == SQLITE_NULL ? NULL : text_at(r, q, 9),
        .is_done = sqlite3_column_int(q, 14) != 0,
    };
    snprintf(row.candidate.id, sizeof row.candidate.id, "%s", text_at(r, q, 1));
    snprintf(row.candidate.parent, sizeof row.candidate.parent, "%s", text_at(r, q, 5));
    return row;
}

static wn_status read_rows(struct reading *r, sqlite3_stmt *q, struct recall *out, wn_error *err)
{
    uint64_t capacity = 0;
    while (sqlite3_step(q) == SQLITE_ROW) {
        if (out->count == capacity) {
            capacity = capacity ? 2 * capacity : 64;
            struct recalled *grown = arena_array(r->arena, capacity, sizeof *grown);
            if (!grown)
                return wn_fail(err, WN_E_MEMORY, "no memory for %llu candidates", (unsigned long long)capacity);
            if (out->count > 0)
                memcpy(grown, out->all, out->count * sizeof *grown);
            out->all = grown;
        }
        out->all[out->count++] = read_row(r, q);
        if (r->is_short)
            return wn_fail(err, WN_E_MEMORY, "no memory for the candidates of %s", r->run_dir);
    }
    return WN_OK;
}

static wn_status query(struct reading *r, const char *sql, const char *parameter, struct recall *out, wn_error *err)
{
    sqlite3_stmt *q;
    if (sqlite3_prepare_v2(r->db, sql, -1, &q, NULL) != SQLITE_OK)
        return fail(r, err);
    sqlite3_bind_text(q, 1, parameter, -1, SQLITE_STATIC);
    wn_status status = read_rows(r, q, out, err);
    if (sqlite3_finalize(q) != SQLITE_OK && status == WN_OK)
        status = fail(r, err);
    return status;
}

static wn_status read_hash(struct reading *r, struct recall *out, wn_error *err)
{
    sqlite3_stmt *q;
    if (sqlite3_prepare_v2(r->db, "SELECT value FROM meta WHERE key='spec_hash'", -1, &q, NULL) != SQLITE_OK)
        return fail(r, err);
    if (sqlite3_step(q) == SQLITE_ROW)
        snprintf(out->spec_hash, sizeof out->spec_hash, "%s", text_at(r, q, 0));
    return sqlite3_finalize(q) == SQLITE_OK ? WN_OK : fail(r, err);
}

static wn_status read_run(const char *run_dir, const char *sql, const char *parameter, struct arena *arena,
                          struct recall *out, wn_error *err)
{
    struct reading r = { .run_dir = run_dir, .arena = arena };
    *out = (struct recall){ 0 };
    WN_TRY(ledger_read(run_dir, &r.db, err));
    wn_status status = read_hash(&r, out, err);
    if (status == WN_OK)
        status = query(&r, sql, parameter, out, err);
    sqlite3_close(r.db);
    return status;
}

wn_status recall_finished(const char *run_dir, struct arena *arena, struct recall *out, wn_error *err)
{
    return read_run(run_dir, COLUMNS "c.finished=?1 ORDER BY c.trial, c.ordinal", "1", arena, out, err);
}

wn_status recall_candidate(const char *run_dir, const char *id, struct arena *arena, struct recall *out, wn_error *err)
{
    const size_t length = strlen(id);
    if (length == 0 || length > 32 || strspn(id, "0123456789abcdef") != length)
        return wn_fail(err, WN_E_ARG, "%.80s is no candidate's id: those are 1 to 32 digits 0..9a..f", id);
    WN_TRY(read_run(run_dir, COLUMNS "c.id GLOB ?1||'*' ORDER BY c.id, c.trial LIMIT 64", id, arena, out, err));
    if (out->count == 0)
        return wn_fail(err, WN_E_ARG, "%s has no candidate %s; %s/results.jsonl lists them", run_dir, id, run_dir);
    for (uint64_t i = 1; i < out->count; i++) /* of two prompts with equal texts a candidate may be the same */
        if (strcmp(out->all[i].candidate.id, out->all[0].candidate.id) != 0)
            return wn_fail(err, WN_E_ARG,
                           "%s has several candidates that begin with %s, such as %s and %s; give more of "
                           "the id",
                           run_dir, id, out->all[0].candidate.id, out->all[i].candidate.id);
    out->count = 1;
    return WN_OK;
}

wn_status recall_spent(const char *run_dir, uint64_t count, struct spec_budget *spent, wn_error *err)
{
    static const char sql[] =
        "SELECT id, nfe, seconds, verifier_calls,"
        " (SELECT count(*) FROM candidates WHERE trial=t.id AND finished) FROM trials t WHERE id<?1";
    struct reading r = { .run_dir = run_dir };
    sqlite3_stmt *q = NULL;
    WN_TRY(ledger_read(run_dir, &r.db, err));
    wn_status status = sqlite3_prepare_v2(r.db, sql, -1, &q, NULL) == SQLITE_OK ? WN_OK : fail(&r, err);
    sqlite3_bind_int64(q, 1, (sqlite3_int64)count);
    while (status == WN_OK && sqlite3_step(q) == SQLITE_ROW)
        if (number_at(q, 0) < count)
            spent[number_at(q, 0)] = (struct spec_budget){ .nfe = (double)number_at(q, 1),
                                                           .seconds = sqlite3_column_double(q, 2),
                                                           .verifier_calls = (double)number_at(q, 3),
                                                           .candidates = (double)number_at(q, 4) };
    if (sqlite3_finalize(q) != SQLITE_OK && status == WN_OK)
        status = fail(&r, err);
    sqlite3_close(r.db);
    return status;
}
