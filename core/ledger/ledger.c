/* The ledger's front: it owns the lock, the index that answers ledger_find, and the writer. Threads that record copy
 * their row into the writer's queue and put it in the index at once: what a search has been told is not sampled again
 * in this process, and what a crash loses is sampled again by the next. */
#include "ledger/ledger.h"

#include "base/files.h"
#include "ledger/index.h"
#include "ledger/lock.h"
#include "ledger/store.h"
#include "ledger/writer.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

struct ledger {
    char *run_dir;
    int lock;
    struct store *store;
    struct writer *writer; /* NULL: only read */
    pthread_rwlock_t index_lock;
    struct index *index;
};

/* ---- opening and closing ---- */

static wn_status make_directories(const char *run_dir, wn_error *err)
{
    char path[FILE_PATH_SIZE];
    WN_TRY(path_join(path, run_dir, "images", err));
    WN_TRY(dir_make(path, err));
    WN_TRY(dir_sync(run_dir, err));
    path_directory(path, run_dir);
    return dir_sync(path, err);
}

static wn_status open_parts(struct ledger *l, const char *spec_hash, wn_error *err)
{
    char path[FILE_PATH_SIZE];
    WN_TRY(dir_make(l->run_dir, err));
    WN_TRY(lock_take(l->run_dir, &l->lock, err));
    WN_TRY(make_directories(l->run_dir, err));
    WN_TRY(path_join(path, l->run_dir, "ledger.db", err));
    WN_TRY(store_open(path, spec_hash, &l->store, err));
    WN_TRY(store_load(l->store, l->index, err));
    return writer_create(l->store, l->run_dir, &l->writer, err);
}

/* Closes what is open; the first failure is kept. */
static wn_status close_parts(struct ledger *l, wn_error *err)
{
    wn_error second;
    wn_status status = writer_destroy(l->writer, err);
    wn_status closed = store_close(l->store, status == WN_OK ? err : &second);
    lock_release(l->lock);
    pthread_rwlock_destroy(&l->index_lock);
    index_destroy(l->index);
    free(l->run_dir);
    free(l);
    return status == WN_OK ? closed : status;
}

static wn_status open_to_read(struct ledger *l, wn_error *err)
{
    WN_TRY(store_open_reading(l->run_dir, &l->store, err));
    return store_load(l->store, l->index, err);
}

/* spec_hash: NULL to read only. */
static wn_status open_ledger(const char *run_dir, const char *spec_hash, struct ledger **out, wn_error *err)
{
    struct ledger *l = calloc(1, sizeof *l);
    if (!l)
        return wn_fail(err, WN_E_MEMORY, "no memory for a ledger");
    l->lock = -1;
    l->run_dir = strdup(run_dir);
    l->index = index_create();
    pthread_rwlock_init(&l->index_lock, NULL);
    wn_status status = WN_OK;
    if (!l->run_dir || !l->index)
        status = wn_fail(err, WN_E_MEMORY, "no memory for a ledger");
    else
        status = spec_hash ? open_parts(l, spec_hash, err) : open_to_read(l, err);
    if (status == WN_OK) {
        *out = l;
        return WN_OK;
    }
    wn_error ignored;
    close_parts(l, &ignored);
    return status;
}

wn_status ledger_open(const char *run_dir, const char *spec_hash, struct ledger **out, wn_error *err)
{
    return open_ledger(run_dir, spec_hash, out, err);
}

wn_status ledger_open_reading(const char *run_dir, struct ledger **out, wn_error *err)
{
    return open_ledger(run_dir, NULL, out, err);
}

wn_status ledger_close(struct ledger *l, wn_error *err)
{
    return l ? close_parts(l, err) : WN_OK;
}

/* ---- recording ---- */

/* Names become paths, so they are checked even though the spec has checked them. */
static bool is_name(const char *name, const char *allowed, size_t max)
{
    size_t length = strlen(name);
    return length > 0 && length <= max && name[0] != '.' && strspn(name, allowed) == length;
}

static wn_status check_names(const char *prompt_id, const struct ledger_candidate *c, wn_error *err)
{
    if (!is_name(c->id, "0123456789abcdef", 32))
        return wn_fail(err, WN_E_INTERNAL, "candidate id \"%s\" is not 1..32 hex digits", c->id);
    if (!is_name(prompt_id, "abcdefghijklmnopqrstuvwxyz0123456789._-", 64))
        return wn_fail(err, WN_E_ARG, "prompt id \"%.80s\" is not [a-z0-9._-]{1,64}", prompt_id);
    return WN_OK;
}

wn_status ledger_trial(struct ledger *l, const struct ledger_trial *t, wn_error *err)
{
    if (!l->writer)
        return WN_OK;
    if (strcmp(t->state, "open") != 0) {
        pthread_rwlock_wrlock(&l->index_lock);
        index_forget(l->index, t->id);
        pthread_rwlock_unlock(&l->index_lock);
    }
    return writer_push(l->writer, op_trial(t), err);
}

static bool index_all(struct ledger *l, const struct ledger_candidate *c, uint64_t count,
                      const struct ledger_score *scores)
{
    pthread_rwlock_wrlock(&l->index_lock);
    bool ok = index_candidate(l->index, c);
    for (uint64_t i = 0; ok && i < count; i++)
        ok = index_score(l->index, c->trial, c->id, &scores[i]);
    pthread_rwlock_unlock(&l->index_lock);
    return ok;
}

wn_status ledger_record(struct ledger *l, const char *prompt_id, const struct ledger_candidate *c, const void *png,
                        uint64_t png_bytes, uint64_t score_count, const struct ledger_score *scores, wn_error *err)
{
    char image[160];
    if (!l->writer)
        return WN_OK;
    WN_TRY(check_names(prompt_id, c, err));
    snprintf(image, sizeof image, "images/%s/%s.png", prompt_id, c->id);
    WN_TRY(writer_push(l->writer, op_candidate(png ? image : NULL, c, png, png_bytes, score_count, scores), err));
    if (!index_all(l, c, score_count, scores))
        return wn_fail(err, WN_E_MEMORY, "no memory for the ledger's index");
    return WN_OK;
}

wn_status ledger_offer(struct ledger *l, uint64_t trial, uint64_t ordinal, const char *candidate, wn_error *err)
{
    return l->writer ? writer_push(l->writer, op_offer(trial, ordinal, candidate), err) : WN_OK;
}

wn_status ledger_event(struct ledger *l, const char *kind, const char *text, wn_error *err)
{
    return l->writer ? writer_push(l->writer, op_event(kind, text), err) : WN_OK;
}

bool ledger_find(struct ledger *l, uint64_t trial, const char *candidate, uint64_t count, struct ledger_score *scores,
                 struct ledger_candidate *found)
{
    pthread_rwlock_rdlock(&l->index_lock);
    bool is_there = index_find(l->index, trial, candidate, count, scores, found);
    pthread_rwlock_unlock(&l->index_lock);
    return is_there;
}

uint64_t ledger_candidates(struct ledger *l)
{
    pthread_rwlock_rdlock(&l->index_lock);
    const uint64_t count = index_count(l->index);
    pthread_rwlock_unlock(&l->index_lock);
    return count;
}

wn_status ledger_flush(struct ledger *l, wn_error *err)
{
    return l->writer ? writer_flush(l->writer, err) : WN_OK;
}

wn_status ledger_health(struct ledger *l, wn_error *err)
{
    return l->writer ? writer_health(l->writer, err) : WN_OK;
}

/* ---- reading ---- */

/* A URI in which the path's special characters are escaped. */
static void make_uri(char *uri, size_t size, const char *path, const char *query)
{
    size_t n = (size_t)snprintf(uri, size, "file:");
    for (; *path && n + 4 < size; path++)
        if (strchr("%?#", *path))
            n += (size_t)snprintf(uri + n, size - n, "%%%02X", (unsigned)*path);
        else
            uri[n++] = *path;
    snprintf(uri + n, size - n, "%s", query);
}

static bool try_open(const char *path, const char *query, struct sqlite3 **db)
{
    char uri[3 * FILE_PATH_SIZE];
    make_uri(uri, sizeof uri, path, query);
    if (sqlite3_open_v2(uri, db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_URI, NULL) == SQLITE_OK) {
        sqlite3_busy_timeout(*db, 10000);
        if (sqlite3_exec(*db, "PRAGMA query_only=1; SELECT value FROM meta", NULL, NULL, NULL) == SQLITE_OK)
            return true;
    }
    return false;
}

wn_status ledger_read(const char *run_dir, struct sqlite3 **db, wn_error *err)
{
    char path[FILE_PATH_SIZE], wal[FILE_PATH_SIZE];
    WN_TRY(path_join(path, run_dir, "ledger.db", err));
    WN_TRY(path_join(wal, run_dir, "ledger.db-wal", err));
    if (!file_exists(path))
        return wn_fail(err, WN_E_MISSING, "%s is not there: %s is not a run", path, run_dir);
    /* Opened for writing, though nothing is written: only then does the last reader tidy away the log. */
    if (try_open(path, "?mode=rw", db))
        return WN_OK;
    sqlite3_close(*db);
    /* On a medium that cannot be written there is no room for a log's shared memory; without a log none is needed. */
    if (!file_exists(wal) && try_open(path, "?mode=ro&immutable=1", db))
        return WN_OK;
    wn_fail(err, WN_E_FORMAT, "cannot read %s: %s", path, sqlite3_errmsg(*db));
    sqlite3_close(*db);
    *db = NULL;
    return WN_E_FORMAT;
}
