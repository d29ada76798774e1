/* One database file, written by one thread. WAL lets readers in while a run writes. synchronous=FULL makes SQLite sync
 * the log at every commit: WAL's default (NORMAL) survives a killed process but may lose the last commits with the
 * power, and then a run would have lost what it had called recorded. One sync for a group of rows is cheap.
 *
 * The rows are keyed by what they are about, so writing one again is harmless; a resumed run does that. */
#include "ledger/store.h"

#include "base/build.h"

#include <errno.h>
#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

enum { SCHEMA = 1 };

static const char schema_sql[] =
    "CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS trials(id INTEGER PRIMARY KEY, prompt_id TEXT, prompt TEXT, category TEXT, json TEXT,"
    " state TEXT, ended TEXT, nfe INTEGER, verifier_calls INTEGER, seconds REAL);"
    "CREATE TABLE IF NOT EXISTS candidates(trial INTEGER, id TEXT, ordinal INTEGER, point INTEGER, finished INTEGER,"
    " parent TEXT, lineage TEXT, nfe INTEGER, nfe_total INTEGER, image TEXT, sample_seconds REAL, decode_seconds REAL,"
    " PRIMARY KEY(trial, id)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS scores(trial INTEGER, candidate TEXT, verifier TEXT, metric TEXT, value REAL,"
    " seconds REAL, PRIMARY KEY(trial, candidate, verifier, metric)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS offers(trial INTEGER, ordinal INTEGER, candidate TEXT,"
    " PRIMARY KEY(trial, ordinal)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS events(time TEXT, kind TEXT, text TEXT);";

enum statement { ADD_TRIAL, ADD_CANDIDATE, ADD_SCORE, ADD_OFFER, ADD_EVENT, STATEMENTS };

static const char *const statement_sql[STATEMENTS] = {
    /* A start that finds a trial done goes through it again, but takes nothing back. */
    [ADD_TRIAL] = ("INSERT INTO trials VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10) ON CONFLICT(id) DO UPDATE SET"
                   " state=?6, ended=?7, nfe=?8, verifier_calls=?9, seconds=?10"
                   " WHERE state<>'done' OR ?6<>'open'"),
    /* Recorded again, a candidate stays as it was, but may gain the image that it did not have. */
    [ADD_CANDIDATE] = ("INSERT INTO candidates VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)"
                       " ON CONFLICT(trial, id) DO UPDATE SET image=coalesce(image, ?10)"),
    [ADD_SCORE] = "INSERT OR IGNORE INTO scores VALUES(?1,?2,?3,?4,?5,?6)",
    [ADD_OFFER] = "INSERT OR REPLACE INTO offers VALUES(?1,?2,?3)",
    [ADD_EVENT] = "INSERT INTO events VALUES(?1,?2,?3)",
};

struct store {
    sqlite3 *db;
    char *path;
    sqlite3_stmt *statements[STATEMENTS];
};

/* SQLite's own text of a full or broken disk says little: the system's reason stands beside it, or SQLite's code. */
static void explain(const struct store *s, int code, char reason[128])
{
    int system = sqlite3_system_errno(s->db), kind = code & 0xff;
    reason[0] = 0;
    if (kind != SQLITE_IOERR && kind != SQLITE_FULL && kind != SQLITE_CANTOPEN)
        return;
    if (kind == SQLITE_FULL)
        system = ENOSPC; /* which SQLite does not keep */
    if (system)
        snprintf(reason, 128, " (%s)", strerror(system));
    else
        snprintf(reason, 128, " (SQLite code %d)", code);
}

static wn_status fail(const struct store *s, const char *what, wn_error *err)
{
    char reason[128];
    int code = sqlite3_extended_errcode(s->db), kind = code & 0xff;
    if (kind == SQLITE_NOTADB || kind == SQLITE_CORRUPT)
        return wn_fail(err, WN_E_FORMAT, "%s is damaged or not a ledger (%s); move it away or choose another output",
                       s->path, sqlite3_errmsg(s->db));
    explain(s, code, reason);
    return wn_fail(err, kind == SQLITE_NOMEM ? WN_E_MEMORY : WN_E_IO, "cannot %s %s: %s%s", what, s->path,
                   sqlite3_errmsg(s->db), reason);
}

static wn_status execute(const struct store *s, const char *sql, const char *what, wn_error *err)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? WN_OK : fail(s, what, err);
}

/* ---- opening ---- */

/* The value of a meta key; "" when there is none. */
static wn_status meta_get(const struct store *s, const char *key, char *value, size_t size, wn_error *err)
{
    sqlite3_stmt *q;
    value[0] = 0;
    if (sqlite3_prepare_v2(s->db, "SELECT value FROM meta WHERE key=?1", -1, &q, NULL) != SQLITE_OK)
        return fail(s, "read", err);
    sqlite3_bind_text(q, 1, key, -1, SQLITE_STATIC);
    if (sqlite3_step(q) == SQLITE_ROW && sqlite3_column_text(q, 0))
        snprintf(value, size, "%s", (const char *)sqlite3_column_text(q, 0));
    return sqlite3_finalize(q) == SQLITE_OK ? WN_OK : fail(s, "read", err);
}

static wn_status meta_set(const struct store *s, const char *key, const char *value, wn_error *err)
{
    sqlite3_stmt *q;
    if (sqlite3_prepare_v2(s->db, "INSERT OR IGNORE INTO meta VALUES(?1,?2)", -1, &q, NULL) != SQLITE_OK)
        return fail(s, "write", err);
    sqlite3_bind_text(q, 1, key, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 2, value, -1, SQLITE_STATIC);
    sqlite3_step(q);
    return sqlite3_finalize(q) == SQLITE_OK ? WN_OK : fail(s, "write", err);
}

static wn_status use_wal(const struct store *s, wn_error *err)
{
    sqlite3_stmt *q;
    if (sqlite3_prepare_v2(s->db, "PRAGMA journal_mode=WAL", -1, &q, NULL) != SQLITE_OK)
        return fail(s, "open", err);
    bool is_wal = sqlite3_step(q) == SQLITE_ROW && strcmp((const char *)sqlite3_column_text(q, 0), "wal") == 0;
    if (sqlite3_finalize(q) != SQLITE_OK)
        return fail(s, "open", err);
    if (!is_wal)
        return wn_fail(err, WN_E_UNSUPPORTED,
                       "%s: this file system has no shared memory for a write-ahead log; "
                       "choose an output on a local disk",
                       s->path);
    /* Ids are hashes, so rows land all over their tables: 64 MiB of pages stay in memory, and go back 32 MiB at a time.
     */
    return execute(s,
                   "PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-8192;"
                   "PRAGMA wal_autocheckpoint=8192",
                   "open", err);
}

static wn_status check_meta(const struct store *s, const char *spec_hash, wn_error *err)
{
    char schema[32], hash[128], writer[64];
    WN_TRY(meta_get(s, "schema", schema, sizeof schema, err));
    WN_TRY(meta_get(s, "spec_hash", hash, sizeof hash, err));
    WN_TRY(meta_get(s, "winnow", writer, sizeof writer, err));
    if (atol(schema) != SCHEMA)
        return wn_fail(err, WN_E_UNSUPPORTED,
                       "%s has ledger schema %s, this winnow (%s) writes %d; continue it with winnow %s", s->path,
                       schema, build_version(), SCHEMA, writer);
    if (strcmp(hash, spec_hash) != 0)
        return wn_fail(err, WN_E_ARG,
                       "%s belongs to spec %.16s, this is spec %.16s: results would mix; "
                       "choose another output, or delete that run",
                       s->path, hash, spec_hash);
    return WN_OK;
}

static wn_status set_up(struct store *s, const char *spec_hash, wn_error *err)
{
    char schema[16];
    snprintf(schema, sizeof schema, "%d", SCHEMA);
    sqlite3_busy_timeout(s->db, 10000); /* a reader that recovers the log after a crash */
    WN_TRY(use_wal(s, err));
    WN_TRY(store_begin(s, err));
    WN_TRY(execute(s, schema_sql, "write", err));
    WN_TRY(meta_set(s, "schema", schema, err));
    /* A run that failed before its first trial belongs to nobody: its spec is being corrected. */
    WN_TRY(execute(s,
                   "DELETE FROM meta WHERE key='spec_hash' AND NOT EXISTS (SELECT 1 FROM trials)"
                   " AND NOT EXISTS (SELECT 1 FROM candidates)",
                   "write", err));
    WN_TRY(meta_set(s, "spec_hash", spec_hash, err));
    WN_TRY(meta_set(s, "winnow", build_version(), err));
    WN_TRY(check_meta(s, spec_hash, err));
    WN_TRY(store_commit(s, err));
    for (int i = 0; i < STATEMENTS; i++)
        if (sqlite3_prepare_v3(s->db, statement_sql[i], -1, SQLITE_PREPARE_PERSISTENT, &s->statements[i], NULL))
            return fail(s, "prepare", err);
    return WN_OK;
}

wn_status store_open(const char *path, const char *spec_hash, struct store **out, wn_error *err)
{
    struct store *s = calloc(1, sizeof *s);
    if (!s || !(s->path = strdup(path))) {
        free(s);
        return wn_fail(err, WN_E_MEMORY, "no memory to open %s", path);
    }
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    wn_status status =
        sqlite3_open_v2(path, &s->db, flags, NULL) == SQLITE_OK ? set_up(s, spec_hash, err) : fail(s, "open", err);
    if (status == WN_OK) {
        *out = s;
        return WN_OK;
    }
    wn_error ignored;
    store_close(s, &ignored);
    return status;
}

wn_status store_open_reading(const char *run_dir, struct store **out, wn_error *err)
{
    struct store *s = calloc(1, sizeof *s);
    if (!s || !(s->path = strdup(run_dir))) {
        free(s);
        return wn_fail(err, WN_E_MEMORY, "no memory to open the ledger of %s", run_dir);
    }
    if (ledger_read(run_dir, &s->db, err) == WN_OK) {
        *out = s;
        return WN_OK;
    }
    wn_error ignored;
    store_close(s, &ignored);
    return err->code;
}

wn_status store_close(struct store *s, wn_error *err)
{
    wn_status status = WN_OK;
    if (!s)
        return WN_OK;
    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(s->statements[i]);
    if (sqlite3_close(s->db) != SQLITE_OK) /* the last connection checkpoints and removes the log */
        status = fail(s, "close", err);
    free(s->path);
    free(s);
    return status;
}

/* ---- reading at open ---- */

static const char *text(sqlite3_stmt *q, int column)
{
    const unsigned char *value = sqlite3_column_text(q, column);
    return value ? (const char *)value : "";
}

static bool load_candidate(sqlite3_stmt *q, struct index *index)
{
    struct ledger_candidate c = {
        .trial = (uint64_t)sqlite3_column_int64(q, 0),
        .ordinal = (uint64_t)sqlite3_column_int64(q, 2),
        .point = (uint64_t)sqlite3_column_int64(q, 3),
        .finished = sqlite3_column_int(q, 4) != 0,
        .lineage = text(q, 6),
        .nfe = (uint64_t)sqlite3_column_int64(q, 7),
        .nfe_total = (uint64_t)sqlite3_column_int64(q, 8),
        .sample_seconds = sqlite3_column_double(q, 10),
        .decode_seconds = sqlite3_column_double(q, 11),
    };
    snprintf(c.id, sizeof c.id, "%s", text(q, 1));
    snprintf(c.parent, sizeof c.parent, "%s", text(q, 5));
    return index_candidate(index, &c);
}

static bool load_score(sqlite3_stmt *q, struct index *index)
{
    bool is_null = sqlite3_column_type(q, 4) == SQLITE_NULL;
    struct ledger_score score = {
        .verifier = text(q, 2),
        .metric = text(q, 3),
        .value = is_null ? (double)NAN : sqlite3_column_double(q, 4),
        .seconds = sqlite3_column_double(q, 5),
    };
    return index_score(index, (uint64_t)sqlite3_column_int64(q, 0), text(q, 1), &score);
}

static wn_status load(const struct store *s, const char *sql, bool (*row)(sqlite3_stmt *q, struct index *index),
                      struct index *index, wn_error *err)
{
    sqlite3_stmt *q;
    bool ok = true;
    if (sqlite3_prepare_v2(s->db, sql, -1, &q, NULL) != SQLITE_OK)
        return fail(s, "read", err);
    while (ok && sqlite3_step(q) == SQLITE_ROW)
        ok = row(q, index);
    int code = sqlite3_finalize(q);
    if (!ok)
        return wn_fail(err, WN_E_MEMORY, "no memory for the %llu candidates of %s",
                       (unsigned long long)index_count(index), s->path);
    return code == SQLITE_OK ? WN_OK : fail(s, "read", err);
}

wn_status store_load(struct store *s, struct index *index, wn_error *err)
{
    WN_TRY(load(s, "SELECT * FROM candidates", load_candidate, index, err));
    return load(s, "SELECT * FROM scores", load_score, index, err);
}

/* ---- writing ---- */

wn_status store_begin(struct store *s, wn_error *err)
{
    return execute(s, "BEGIN IMMEDIATE", "write", err);
}

wn_status store_commit(struct store *s, wn_error *err)
{
    return execute(s, "COMMIT", "write", err);
}

void store_undo(struct store *s)
{
    if (!sqlite3_get_autocommit(s->db)) /* SQLite undoes some failures on its own */
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
}

static void bind_text(sqlite3_stmt *q, int at, const char *value)
{
    sqlite3_bind_text(q, at, value, -1, SQLITE_STATIC);
}

static void bind_u64(sqlite3_stmt *q, int at, uint64_t value)
{
    sqlite3_bind_int64(q, at, (sqlite3_int64)value);
}

static wn_status run(const struct store *s, sqlite3_stmt *q, wn_error *err)
{
    sqlite3_step(q);
    return sqlite3_reset(q) == SQLITE_OK ? WN_OK : fail(s, "write", err);
}

static wn_status apply_trial(const struct store *s, const struct ledger_trial *t, wn_error *err)
{
    sqlite3_stmt *q = s->statements[ADD_TRIAL];
    bind_u64(q, 1, t->id);
    bind_text(q, 2, t->prompt->id);
    bind_text(q, 3, t->prompt->text);
    bind_text(q, 4, t->prompt->category);
    bind_text(q, 5, t->prompt->json);
    bind_text(q, 6, t->state);
    bind_text(q, 7, t->ended);
    bind_u64(q, 8, t->nfe);
    bind_u64(q, 9, t->verifier_calls);
    sqlite3_bind_double(q, 10, t->seconds);
    return run(s, q, err);
}

static wn_status apply_score(const struct store *s, const struct ledger_candidate *c, const struct ledger_score *score,
                             wn_error *err)
{
    sqlite3_stmt *q = s->statements[ADD_SCORE];
    bind_u64(q, 1, c->trial);
    bind_text(q, 2, c->id);
    bind_text(q, 3, score->verifier);
    bind_text(q, 4, score->metric);
    sqlite3_bind_double(q, 5, score->value); /* NaN becomes NULL */
    sqlite3_bind_double(q, 6, score->seconds);
    return run(s, q, err);
}

static wn_status apply_candidate(const struct store *s, const struct op *op, wn_error *err)
{
    const struct ledger_candidate *c = &op->candidate.row;
    sqlite3_stmt *q = s->statements[ADD_CANDIDATE];
    bind_u64(q, 1, c->trial);
    bind_text(q, 2, c->id);
    bind_u64(q, 3, c->ordinal);
    bind_u64(q, 4, c->point);
    sqlite3_bind_int(q, 5, c->finished);
    bind_text(q, 6, c->parent[0] ? c->parent : NULL);
    bind_text(q, 7, c->lineage);
    bind_u64(q, 8, c->nfe);
    bind_u64(q, 9, c->nfe_total);
    bind_text(q, 10, op->candidate.image);
    sqlite3_bind_double(q, 11, c->sample_seconds);
    sqlite3_bind_double(q, 12, c->decode_seconds);
    WN_TRY(run(s, q, err));
    for (uint64_t i = 0; i < op->candidate.score_count; i++)
        WN_TRY(apply_score(s, c, &op->candidate.scores[i], err));
    return WN_OK;
}

static wn_status apply_offer(const struct store *s, const struct op *op, wn_error *err)
{
    sqlite3_stmt *q = s->statements[ADD_OFFER];
    bind_u64(q, 1, op->offer.trial);
    bind_u64(q, 2, op->offer.ordinal);
    bind_text(q, 3, op->offer.candidate);
    return run(s, q, err);
}

static wn_status apply_event(const struct store *s, const struct op *op, wn_error *err)
{
    sqlite3_stmt *q = s->statements[ADD_EVENT];
    bind_text(q, 1, op->event.time);
    bind_text(q, 2, op->event.kind);
    bind_text(q, 3, op->event.text);
    return run(s, q, err);
}

wn_status store_apply(struct store *s, const struct op *op, wn_error *err)
{
    switch (op->kind) {
    case OP_TRIAL:
        return apply_trial(s, &op->trial.row, err);
    case OP_CANDIDATE:
        return apply_candidate(s, op, err);
    case OP_OFFER:
        return apply_offer(s, op, err);
    case OP_EVENT:
        return apply_event(s, op, err);
    default:
        return wn_fail(err, WN_E_INTERNAL, "the ledger has no write of kind %d", (int)op->kind);
    }
}
