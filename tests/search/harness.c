#include "search/harness.h"

#include "base/buffer.h"
#include "base/files.h"
#include "base/pool.h"
#include "base/sha256.h"
#include "engine/timeline.h"
#include "ledger/ledger.h"
#include "plugin/registry.h"

#include <math.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SET_MAX = 16 };

/* ---- running --------------------------------------------------------------------------------------------------- */

struct canceller {
    struct process *process;
    double after_ms;
    atomic_bool is_over;
};

static void *cancel(void *arg)
{
    struct canceller *c = arg;
    const struct timespec tick = { 0, 200000 };
    for (double ms = 0; ms < c->after_ms && !atomic_load(&c->is_over); ms += 0.2)
        nanosleep(&tick, NULL);
    atomic_store(&c->process->cancelled, 1);
    return NULL;
}

static wn_status run_with_cancel(struct harness_run *run, const struct spec *spec, struct instances *instances,
                                 struct process *process)
{
    struct canceller canceller = { .process = process, .after_ms = run->cancel_after_ms };
    pthread_t thread;
    const bool has_thread = run->cancel_after_ms > 0 && pthread_create(&thread, NULL, cancel, &canceller) == 0;
    struct ledger *ledger;
    wn_error close_err;
    wn_status status = ledger_open(spec->output, spec->hash, &ledger, &run->err);
    if (status == WN_OK) {
        status = experiment_run(spec, instances, process, ledger, NULL, NULL, &run->result, &run->err);
        timeline_destroy(run->result.timeline);
        run->result.timeline = NULL;
        if (ledger_close(ledger, &close_err) != WN_OK && status == WN_OK)
            status = (run->err = close_err).code;
    }
    atomic_store(&canceller.is_over, true);
    if (has_thread)
        pthread_join(thread, NULL);
    return status;
}

static wn_status run_spec(struct harness_run *run, struct process *process, const struct spec *spec)
{
    struct instances *instances = NULL;
    const wn_search *search = spec->search.plugin->vtable;
    run->plan = (wn_search_plan){ .struct_size = sizeof run->plan };
    search->plan(spec->search.options, spec->canvas.steps, 1, &run->plan);
    process->pool = pool_create(spec->engine.threads);
    if (!process->pool)
        return wn_fail(&run->err, WN_E_MEMORY, "no pool");
    const uint32_t all = INSTANCES_SAMPLER | INSTANCES_SEARCH | INSTANCES_VERIFIERS;
    wn_status status = instances_create(spec, process, all, &instances, &run->err);
    if (status == WN_OK)
        status = run_with_cancel(run, spec, instances, process);
    instances_destroy(instances);
    pool_destroy(process->pool);
    return status;
}

static wn_status load(struct harness_run *run, struct registry *registry, struct spec **spec)
{
    char path[FILE_PATH_SIZE];
    char *report = NULL;
    WN_TRY(dir_make(run->directory, &run->err));
    WN_TRY(path_join(path, run->directory, "given.json", &run->err));
    WN_TRY(file_write(path, run->spec, strlen(run->spec), &run->err));
    uint32_t count = 0;
    while (run->set && run->set[count] && count < SET_MAX)
        count++;
    const struct spec_request request = { .path = path, .set = run->set, .set_count = count, .output = run->directory };
    const wn_status status = spec_load(&request, registry, spec, &report, &run->err);
    if (report)
        fprintf(stderr, "%s\n", report);
    free(report);
    return status;
}

wn_status harness_execute(struct harness_run *run)
{
    struct process process = { 0 };
    struct spec *spec = NULL;
    memset(&run->err, 0, sizeof run->err);
    memset(&run->result, 0, sizeof run->result);
    wn_status status = registry_create(WINNOW_BUILD_DIR "/lib/winnow:" WINNOW_BUILD_DIR "/tests/plugins",
                                       &process.registry, &run->err);
    if (status == WN_OK)
        status = load(run, process.registry, &spec);
    if (status == WN_OK)
        status = run_spec(run, &process, spec);
    spec_free(spec);
    registry_destroy(process.registry);
    return status;
}

/* ---- directories ----------------------------------------------------------------------------------------------- */

const char *harness_directory(const char *test, const char *run)
{
    static char directories[16][512];
    static int next;
    char command[600];
    char *directory = directories[next++ % 16];
    snprintf(directory, sizeof directories[0], WINNOW_BUILD_DIR "/tests/runs/%s/%s", test, run);
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    if (system(command) != 0)
        fprintf(stderr, "cannot empty %s\n", directory);
    return directory;
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

static sqlite3 *open_ledger(const char *directory)
{
    sqlite3 *db = NULL;
    wn_error err;
    if (ledger_read(directory, &db, &err) != WN_OK)
        fprintf(stderr, "%s: %s\n", directory, err.message);
    return db;
}

static void append_rows(sqlite3 *db, const char *sql, struct buffer *out)
{
    sqlite3_stmt *query = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &query, NULL) != SQLITE_OK)
        buffer_printf(out, "%s: %s\n", sql, sqlite3_errmsg(db));
    while (query && sqlite3_step(query) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(query); i++) {
            const char *text = (const char *)sqlite3_column_text(query, i);
            buffer_printf(out, "%s|", text ? text : "NULL");
        }
        buffer_byte(out, '\n');
    }
    sqlite3_finalize(query);
}

static void append_pictures(sqlite3 *db, const char *directory, struct buffer *out)
{
    sqlite3_stmt *query = NULL;
    sqlite3_prepare_v2(db, "SELECT image FROM candidates WHERE image IS NOT NULL ORDER BY image", -1, &query, NULL);
    while (query && sqlite3_step(query) == SQLITE_ROW) {
        char path[FILE_PATH_SIZE];
        char hex[65] = "missing";
        wn_error err;
        const char *name = (const char *)sqlite3_column_text(query, 0);
        if (path_join(path, directory, name, &err) != WN_OK || sha256_file(path, hex, NULL, NULL, &err) != WN_OK)
            buffer_printf(out, "%s ", err.message);
        buffer_printf(out, "%s %s\n", name, hex);
    }
    sqlite3_finalize(query);
}

char *harness_digest(const char *directory)
{
    struct buffer out = BUFFER_INIT(64 << 20);
    sqlite3 *db = open_ledger(directory);
    if (db) {
        append_rows(db, "SELECT id, prompt_id, state, ended, nfe, verifier_calls FROM trials ORDER BY id", &out);
        append_rows(db,
                    "SELECT trial, ordinal, id, point, finished, parent, lineage, nfe, nfe_total, image FROM candidates"
                    " ORDER BY trial, ordinal",
                    &out);
        append_rows(db, "SELECT trial, candidate, verifier, metric, value FROM scores ORDER BY 1, 2, 3, 4", &out);
        append_rows(db, "SELECT trial, ordinal, candidate FROM offers ORDER BY 1, 2", &out);
        append_pictures(db, directory, &out);
    }
    sqlite3_close(db);
    return buffer_take(&out);
}

double harness_number(const char *directory, const char *sql)
{
    sqlite3 *db = open_ledger(directory);
    sqlite3_stmt *query = NULL;
    double number = NAN;
    if (db && sqlite3_prepare_v2(db, sql, -1, &query, NULL) == SQLITE_OK && sqlite3_step(query) == SQLITE_ROW &&
        sqlite3_column_type(query, 0) != SQLITE_NULL)
        number = sqlite3_column_double(query, 0);
    else if (db && sqlite3_errcode(db) != SQLITE_ROW)
        fprintf(stderr, "%s: %s\n", sql, sqlite3_errmsg(db));
    sqlite3_finalize(query);
    sqlite3_close(db);
    return number;
}

const char *harness_difference(const char *got, const char *want)
{
    static char text[4096];
    const char *got_line = got, *want_line = want;
    for (; *got == *want; got++, want++) {
        if (!*got)
            return "";
        if (*got == '\n')
            got_line = got + 1, want_line = want + 1;
    }
    snprintf(text, sizeof text, "got\n%.*s\nwant\n%.*s", (int)strcspn(got_line, "\n"), got_line,
             (int)strcspn(want_line, "\n"), want_line);
    return text;
}
