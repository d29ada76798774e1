/* The ledger's promises, one function each: rows come back after closing, recording again adds, NaN is "no opinion", a
 * second writer and another spec are refused, names cannot leave the run directory. */
#include "base/buffer.h"
#include "base/files.h"
#include "ledger/ledger.h"

#include "scratch.h"

#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>

#define HASH_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HASH_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static wn_error err;
static char scratch[64], run_dir[128];

static struct ledger *open_run(void)
{
    struct ledger *l = NULL;
    CHECK_OK(ledger_open(run_dir, HASH_A, &l, &err), err);
    if (!l)
        exit(1);
    return l;
}

static struct ledger_candidate candidate(uint64_t trial, uint64_t n)
{
    struct ledger_candidate c = { .trial = trial,
                                  .ordinal = n,
                                  .point = 10,
                                  .finished = true,
                                  .lineage = "{\"stream\":3}",
                                  .nfe = 10,
                                  .nfe_total = 10 * n,
                                  .sample_seconds = 0.5,
                                  .decode_seconds = 0.25 };
    snprintf(c.id, sizeof c.id, "%032llx", (unsigned long long)(trial << 32 | n));
    return c;
}

static void record(struct ledger *l, uint64_t trial, uint64_t n, double value)
{
    struct ledger_candidate c = candidate(trial, n);
    struct ledger_score s = { "clip", "cosine", value, 0.125 };
    CHECK_OK(ledger_record(l, "p0001", &c, NULL, 0, 1, &s, &err), err);
}

static long long count(const char *sql)
{
    struct sqlite3 *db = NULL;
    sqlite3_stmt *q = NULL;
    CHECK_OK(ledger_read(run_dir, &db, &err), err);
    long long value = -1;
    if (sqlite3_prepare_v2(db, sql, -1, &q, NULL) == SQLITE_OK && sqlite3_step(q) == SQLITE_ROW)
        value = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    sqlite3_close(db);
    return value;
}

static void rows_come_back(void)
{
    struct ledger *l = open_run();
    wn_prompt prompt = { "a red circle", "p0001", "colour", "{}" };
    struct ledger_trial t = { .id = 0, .prompt = &prompt, .state = "open", .ended = "" };
    CHECK_OK(ledger_trial(l, &t, &err), err);
    for (uint64_t n = 1; n <= 3000; n++)
        record(l, n % 7, n, (double)n / 8);
    t.state = "done", t.ended = "finished", t.nfe = 160;
    CHECK_OK(ledger_trial(l, &t, &err), err);
    CHECK_OK(ledger_offer(l, 0, 1, "00", &err), err);
    CHECK_OK(ledger_event(l, "start", "a test", &err), err);
    CHECK_OK(ledger_close(l, &err), err);

    CHECK_INT(count("SELECT count(*) FROM candidates"), 3000);
    CHECK_INT(count("SELECT nfe FROM trials WHERE state='done' AND prompt='a red circle'"), 160);
    CHECK_INT(count("SELECT count(*) FROM offers"), 1);
    CHECK_INT(count("SELECT count(*) FROM events WHERE time LIKE '20__-__-__T__:__:__.___Z'"), 1);

    char log[256];
    snprintf(log, sizeof log, "%s/ledger.db-wal", run_dir);
    CHECK(!file_exists(log)); /* the last one tidies up, reader or writer */

    l = open_run();
    for (uint64_t n = 1; n <= 3000; n++) {
        struct ledger_candidate want = candidate(n % 7, n), found = { 0 };
        struct ledger_score s = { "clip", "cosine", 0, 0 };
        CHECK(ledger_find(l, want.trial, want.id, 1, &s, &found));
        CHECK_NEAR(s.value, (double)n / 8, 0);
        CHECK_NEAR(s.seconds, 0.125, 0);
        CHECK_INT(found.nfe_total, want.nfe_total);
        CHECK_NEAR(found.sample_seconds, 0.5, 0);
        CHECK(found.finished);
        CHECK_STR(found.lineage, want.lineage);
        CHECK_STR(found.parent, "");
    }
    t.state = "open", t.ended = "", t.nfe = 0;
    CHECK_OK(ledger_trial(l, &t, &err), err); /* as the next start does: what is done stays done */
    t.id = 1;
    CHECK_OK(ledger_trial(l, &t, &err), err);
    CHECK_OK(ledger_close(l, &err), err);
    CHECK_INT(count("SELECT nfe FROM trials WHERE state='done' AND ended='finished'"), 160);
    CHECK_INT(count("SELECT count(*) FROM trials WHERE state='open'"), 1);
}

/* Trials end in any order; each takes its own candidates with it and leaves the others' to be found. */
static void who_has_ended_is_let_go(void)
{
    static const uint64_t order[] = { 3, 0, 6, 1, 5, 2, 4 };
    struct ledger *l = open_run();
    wn_prompt prompt = { "a red circle", "p0001", "colour", "{}" };
    bool has_ended[7] = { false };
    for (uint64_t n = 1; n <= 1400; n++)
        record(l, n % 7, n, 1);
    for (int i = 0; i < 7; i++) {
        struct ledger_trial t = { .id = order[i], .prompt = &prompt, .state = i % 2 ? "done" : "failed", .ended = "" };
        CHECK_OK(ledger_trial(l, &t, &err), err);
        has_ended[order[i]] = true;
        for (uint64_t n = 1; n <= 1400; n++)
            CHECK_INT(ledger_find(l, n % 7, candidate(n % 7, n).id, 0, NULL, NULL), !has_ended[n % 7]);
        CHECK_INT(ledger_candidates(l), 1400);
    }
    CHECK_OK(ledger_close(l, &err), err);
    CHECK_INT(count("SELECT count(*) FROM candidates"), 1400);
}

static void recording_again_adds(void)
{
    struct ledger *l = open_run();
    struct ledger_candidate c = candidate(1, 1), found;
    struct ledger_score wanted[2] = { { "clip", "cosine", 0, 0 }, { "says", "share", 0, 0 } };
    CHECK(!ledger_find(l, 1, c.id, 1, wanted, &found));
    record(l, 1, 1, 0.5);
    CHECK(ledger_find(l, 1, c.id, 1, wanted, &found)); /* at once, in the same process */
    CHECK(!ledger_find(l, 1, c.id, 2, wanted, &found));
    CHECK(!ledger_find(l, 2, c.id, 1, wanted, &found));

    struct ledger_score more[2] = { { "clip", "cosine", 99, 0 }, { "says", "share", NAN, 0 } };
    CHECK_OK(ledger_record(l, "p0001", &c, "png", 3, 2, more, &err), err);
    CHECK_OK(ledger_close(l, &err), err);

    l = open_run();
    CHECK(ledger_find(l, 1, c.id, 2, wanted, &found));
    CHECK_NEAR(wanted[0].value, 0.5, 0); /* the first score of a metric stays */
    CHECK(isnan(wanted[1].value));
    CHECK_INT(count("SELECT count(*) FROM scores WHERE value IS NULL"), 1);
    CHECK_INT(count("SELECT count(*) FROM candidates WHERE image IS NOT NULL"), 1);
    CHECK_OK(ledger_close(l, &err), err);
}

static void images_come_before_rows(void)
{
    struct ledger *l = open_run();
    struct ledger_candidate c = candidate(3, 9);
    char path[512];
    struct buffer file = BUFFER_INIT(100);
    CHECK_OK(ledger_record(l, "p0001", &c, "an image", 8, 0, NULL, &err), err);
    CHECK_OK(ledger_flush(l, &err), err);
    snprintf(path, sizeof path, "%s/images/p0001/%s.png", run_dir, c.id);
    CHECK_OK(buffer_read_file(&file, path, &err), err);
    CHECK_STR(buffer_string(&file), "an image");
    buffer_free(&file);
    CHECK_INT(count("SELECT count(*) FROM candidates WHERE image LIKE 'images/p0001/%.png'"), 1); /* while open */
    CHECK_OK(ledger_close(l, &err), err);
}

static void others_are_refused(void)
{
    struct ledger *l = open_run(), *second = NULL;
    char pid[32];
    snprintf(pid, sizeof pid, "pid %ld on ", (long)getpid());
    CHECK_INT(ledger_open(run_dir, HASH_A, &second, &err), WN_E_ARG);
    CHECK_CONTAINS(err.message, pid);
    CHECK_CONTAINS(err.message, "another winnow writes this run");
    CHECK_OK(ledger_close(l, &err), err);

    CHECK_OK(ledger_open(run_dir, HASH_B, &l, &err), err); /* nothing is recorded: the spec may still change */
    CHECK_OK(ledger_close(l, &err), err);
    l = open_run();
    record(l, 0, 1, 1.0);
    CHECK_OK(ledger_close(l, &err), err);

    CHECK_INT(ledger_open(run_dir, HASH_B, &second, &err), WN_E_ARG);
    CHECK_CONTAINS(err.message, "aaaaaaaaaaaaaaaa");
    CHECK_CONTAINS(err.message, "bbbbbbbbbbbbbbbb");
    CHECK_CONTAINS(err.message, "choose another output");
    CHECK_OK(ledger_close(open_run(), &err), err); /* the refusal left nothing behind */
}

static void names_stay_inside(void)
{
    struct ledger *l = open_run();
    struct ledger_candidate c = candidate(0, 1);
    CHECK_INT(ledger_record(l, "../x", &c, "p", 1, 0, NULL, &err), WN_E_ARG);
    CHECK_INT(ledger_record(l, "..", &c, "p", 1, 0, NULL, &err), WN_E_ARG);
    snprintf(c.id, sizeof c.id, "../../evil");
    CHECK_INT(ledger_record(l, "p1", &c, "p", 1, 0, NULL, &err), WN_E_INTERNAL);
    CHECK_OK(ledger_close(l, &err), err);
}

static void damage_is_named(void)
{
    char path[256];
    struct ledger *l = NULL;
    struct sqlite3 *db = NULL;
    CHECK_INT(ledger_read(run_dir, &db, &err), WN_E_MISSING);
    CHECK_CONTAINS(err.message, "is not a run");
    snprintf(path, sizeof path, "%s/ledger.db", run_dir);
    CHECK_OK(dir_make(run_dir, &err), err);
    CHECK_OK(file_write(path, "this is no database, only some text that is long enough", 55, &err), err);
    CHECK_INT(ledger_open(run_dir, HASH_A, &l, &err), WN_E_FORMAT);
    CHECK_CONTAINS(err.message, "not a ledger");
    unlink(path);
}

static void newer_schema_is_refused(void)
{
    struct ledger *l = NULL;
    struct sqlite3 *db = NULL;
    char path[256];
    CHECK_OK(ledger_close(open_run(), &err), err);
    snprintf(path, sizeof path, "%s/ledger.db", run_dir);
    CHECK_INT(sqlite3_open(path, &db), SQLITE_OK);
    CHECK_INT(sqlite3_exec(db, "UPDATE meta SET value='7' WHERE key='schema'", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    CHECK_INT(ledger_open(run_dir, HASH_A, &l, &err), WN_E_UNSUPPORTED);
    CHECK_CONTAINS(err.message, "schema 7");
}

/* ---- many threads, and a process that dies ---- */

struct crew {
    struct ledger *ledger;
    uint64_t trial;
};

static void *work(void *arg)
{
    struct crew *crew = arg;
    for (uint64_t n = 1; n <= 2500; n++)
        record(crew->ledger, crew->trial, n, (double)n);
    return NULL;
}

static void threads_share_it(void)
{
    struct ledger *l = open_run();
    pthread_t threads[8];
    struct crew crew[8];
    for (uint64_t i = 0; i < 8; i++) {
        crew[i] = (struct crew){ l, i };
        pthread_create(&threads[i], NULL, work, &crew[i]);
    }
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    CHECK_OK(ledger_close(l, &err), err);
    CHECK_INT(count("SELECT count(*) FROM scores"), 8 * 2500);
}

/* Records until it is killed, saying after each flush how far it has come. */
static void record_until_killed(int pipe_fd)
{
    struct ledger *l = open_run();
    for (uint64_t n = 1;; n++) {
        struct ledger_candidate c = candidate(0, n);
        if (ledger_record(l, "p0001", &c, "image", 5, 0, NULL, &err) != WN_OK || ledger_flush(l, &err) != WN_OK)
            _exit(1);
        if (write(pipe_fd, &n, sizeof n) != sizeof n)
            _exit(1);
    }
}

static void killed_keeps_what_was_flushed(void)
{
    for (int round = 0; round < 8; round++) {
        int ends[2];
        uint64_t n, last = 0;
        if (pipe(ends) != 0)
            CHECK_SKIP("no pipe");
        pid_t child = fork();
        if (child == 0)
            record_until_killed(ends[1]);
        close(ends[1]);
        while (last < 3 + (uint64_t)round && read(ends[0], &n, sizeof n) == sizeof n)
            last = n;
        kill(child, SIGKILL);
        while (read(ends[0], &n, sizeof n) == sizeof n)
            last = n;
        waitpid(child, NULL, 0);
        close(ends[0]);
        CHECK_OK(ledger_close(open_run(), &err), err);
        CHECK(count("SELECT count(*) FROM candidates") >= (long long)last);
        CHECK_INT(count("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check='ok'"), 1);
    }
}

int main(void)
{
    void (*const tests[])(void) = { rows_come_back,          recording_again_adds, images_come_before_rows,
                                    others_are_refused,      names_stay_inside,    damage_is_named,
                                    newer_schema_is_refused, threads_share_it,     killed_keeps_what_was_flushed,
                                    who_has_ended_is_let_go };
    scratch_make(scratch);
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        snprintf(run_dir, sizeof run_dir, "%s/runs/%zu", scratch, i);
        tests[i]();
    }
    scratch_remove(scratch);
    return CHECK_DONE();
}
