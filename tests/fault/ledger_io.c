/* Every call by which the ledger touches the disk fails once, in turn, and from then on: full disk, broken disk, short
 * writes. With pictures that come one by one, and with some in each group, which are synced together. Nothing may
 * crash; what was reported durable must be there when the run is opened again; the second try must complete. The calls
 * are caught by defining them here, in front of the C library, for this program and for SQLite. */
#include "base/buffer.h"
#include "ledger/ledger.h"

#include "ledger/scratch.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>

/* ---- faults ---- */

static atomic_long calls;     /* since arming */
static atomic_long fail_from; /* 0 = disarmed */
static bool is_sticky, is_short;
static int fail_errno;

static bool strikes(void)
{
    long from = atomic_load(&fail_from);
    if (from == 0)
        return false;
    long n = atomic_fetch_add(&calls, 1) + 1;
    return is_sticky ? n >= from : n == from;
}

static int refuse(void)
{
    errno = fail_errno;
    return -1;
}

/* Syncs of what lies on one disk. */
static dev_t watched_disk;
static atomic_long syncs;

static void note_sync(int fd)
{
    struct stat st;
    if (fstat(fd, &st) == 0 && st.st_dev == watched_disk)
        atomic_fetch_add(&syncs, 1);
}

#define CAUGHT __attribute__((visibility("default")))
#define REAL(result, name, ...)                                                                                        \
    static result (*real)(__VA_ARGS__);                                                                                \
    if (!real) {                                                                                                       \
        void *symbol = dlsym(RTLD_NEXT, name);                                                                         \
        memcpy(&real, &symbol, sizeof real);                                                                           \
    }

CAUGHT int open(const char *path, int flags, ...)
{
    REAL(int, "open", const char *, int, ...)
    va_list args;
    va_start(args, flags);
    int mode = flags & O_CREAT ? va_arg(args, int) : 0;
    va_end(args);
    return strikes() ? refuse() : real(path, flags, mode);
}

CAUGHT int open64(const char *path, int flags, ...)
{
    REAL(int, "open64", const char *, int, ...)
    va_list args;
    va_start(args, flags);
    int mode = flags & O_CREAT ? va_arg(args, int) : 0;
    va_end(args);
    return strikes() ? refuse() : real(path, flags, mode);
}

CAUGHT ssize_t write(int fd, const void *data, size_t bytes)
{
    REAL(ssize_t, "write", int, const void *, size_t)
    if (!strikes())
        return real(fd, data, bytes);
    return is_short && bytes > 1 ? real(fd, data, bytes / 2) : refuse();
}

CAUGHT ssize_t pwrite64(int fd, const void *data, size_t bytes, off64_t at)
{
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t)
    if (!strikes())
        return real(fd, data, bytes, at);
    return is_short && bytes > 1 ? real(fd, data, bytes / 2, at) : refuse();
}

CAUGHT int fsync(int fd)
{
    REAL(int, "fsync", int)
    note_sync(fd);
    return strikes() && !is_short ? refuse() : real(fd);
}

CAUGHT int fdatasync(int fd)
{
    REAL(int, "fdatasync", int)
    return strikes() && !is_short ? refuse() : real(fd);
}

CAUGHT int syncfs(int fd)
{
    REAL(int, "syncfs", int)
    note_sync(fd);
    return strikes() && !is_short ? refuse() : real(fd);
}

CAUGHT int ftruncate64(int fd, off64_t bytes)
{
    REAL(int, "ftruncate64", int, off64_t)
    return strikes() && !is_short ? refuse() : real(fd, bytes);
}

CAUGHT int rename(const char *from, const char *to)
{
    REAL(int, "rename", const char *, const char *)
    return strikes() && !is_short ? refuse() : real(from, to);
}

CAUGHT int mkdir(const char *path, mode_t mode)
{
    REAL(int, "mkdir", const char *, mode_t)
    return strikes() && !is_short ? refuse() : real(path, mode);
}

/* ---- a small run ---- */

enum { CANDIDATES = 4 };

static uint64_t group = 1; /* candidates between two flushes */

static wn_error err;
static char run_dir[160];

static struct ledger_candidate candidate(uint64_t n)
{
    struct ledger_candidate c = { .trial = 0, .ordinal = n, .point = 2, .finished = true, .lineage = "{}", .nfe = 2 };
    snprintf(c.id, sizeof c.id, "%032llx", (unsigned long long)n);
    return c;
}

static wn_status record(struct ledger *l, uint64_t n)
{
    struct ledger_candidate c = candidate(n);
    struct ledger_score s = { "clip", "cosine", (double)n, 0 };
    return ledger_record(l, n % 2 ? "p0001" : "p0002", &c, "picture", 7, 1, &s, &err);
}

/* Returns how many candidates were said to be durable; *status is the first failure. */
static uint64_t run(wn_status *status)
{
    wn_prompt prompt = { "a red circle", "p0001", "", "{}" };
    struct ledger_trial t = { .prompt = &prompt, .state = "open", .ended = "" };
    struct ledger *l = NULL;
    uint64_t durable = 0;
    *status = ledger_open(run_dir, "hash", &l, &err);
    if (*status == WN_OK)
        *status = ledger_trial(l, &t, &err);
    for (uint64_t n = 1; *status == WN_OK && n <= CANDIDATES; n++) {
        *status = record(l, n);
        if (*status == WN_OK && n % group == 0 && (*status = ledger_flush(l, &err)) == WN_OK)
            durable = n;
    }
    wn_error closing;
    wn_status closed = ledger_close(l, &closing);
    if (*status != WN_OK && l)
        CHECK(closed == *status); /* the first failure stays */
    return durable;
}

static void check_image(uint64_t n)
{
    char path[320];
    struct buffer file = BUFFER_INIT(100);
    snprintf(path, sizeof path, "%s/images/p000%d/%s.png", run_dir, n % 2 ? 1 : 2, candidate(n).id);
    CHECK_OK(buffer_read_file(&file, path, &err), err);
    CHECK_STR(buffer_string(&file), "picture");
    buffer_free(&file);
}

static void check_kept(uint64_t durable)
{
    struct ledger *l = NULL;
    CHECK_OK(ledger_open(run_dir, "hash", &l, &err), err);
    for (uint64_t n = 1; l && n <= durable; n++) {
        struct ledger_score s = { "clip", "cosine", 0, 0 };
        CHECK(ledger_find(l, 0, candidate(n).id, 1, &s, NULL));
        CHECK_NEAR(s.value, (double)n, 0);
        check_image(n);
    }
    CHECK_OK(ledger_close(l, &err), err);
}

static void check_sound(void)
{
    struct sqlite3 *db = NULL;
    sqlite3_stmt *q = NULL;
    CHECK_OK(ledger_read(run_dir, &db, &err), err);
    sqlite3_prepare_v2(db,
                       "SELECT (SELECT count(*) FROM candidates), (SELECT count(*) FROM scores), integrity_check"
                       " FROM pragma_integrity_check",
                       -1, &q, NULL);
    CHECK_INT(sqlite3_step(q), SQLITE_ROW);
    CHECK_INT(sqlite3_column_int(q, 0), CANDIDATES);
    CHECK_INT(sqlite3_column_int(q, 1), CANDIDATES);
    CHECK_STR((const char *)sqlite3_column_text(q, 2), "ok");
    sqlite3_finalize(q);
    sqlite3_close(db);
}

/* One run with a fault, one without. Returns whether the fault was reached. */
static bool strike_at(long n)
{
    wn_status status;
    atomic_store(&calls, 0);
    atomic_store(&fail_from, n);
    uint64_t durable = run(&status);
    atomic_store(&fail_from, 0);
    bool was_reached = atomic_load(&calls) >= n;
    if (status != WN_OK)
        CHECK(err.message[0] != 0);
    check_kept(durable);
    CHECK_INT(run(&status), CANDIDATES);
    CHECK_OK(status, err);
    check_sound();
    scratch_remove(run_dir);
    return was_reached;
}

static long strike_everywhere(void)
{
    long n = 1;
    while (n < 2000 && strike_at(n))
        n++;
    return n - 1;
}

/* ---- what the user reads ---- */

static void full_disk_says_what_is_safe(void)
{
    struct ledger *l = NULL;
    CHECK_OK(ledger_open(run_dir, "hash", &l, &err), err);
    CHECK_OK(record(l, 1), err);
    CHECK_OK(ledger_flush(l, &err), err);
    is_sticky = true, is_short = false, fail_errno = ENOSPC;
    atomic_store(&calls, 0);
    atomic_store(&fail_from, 1);
    CHECK_OK(record(l, 2), err);
    CHECK_INT(ledger_flush(l, &err), WN_E_IO);
    CHECK_CONTAINS(err.message, "No space left on device");
    CHECK_CONTAINS(err.message, "the 1 candidates recorded before this are safe");
    CHECK_CONTAINS(err.message, "run the same command again");
    CHECK_INT(record(l, 3), WN_E_IO); /* final */
    atomic_store(&fail_from, 0);
    CHECK_INT(ledger_event(l, "stop", "x", &err), WN_E_IO);
    CHECK_INT(ledger_health(l, &err), WN_E_IO);
    CHECK_INT(ledger_close(l, &err), WN_E_IO);
    check_kept(1);
    scratch_remove(run_dir);
}

/* A run's pictures may lie on a larger disk than its ledger: that is the one to be synced. */
static void pictures_on_another_disk(void)
{
    char images[] = WINNOW_BUILD_DIR "/winnow-images-XXXXXX", link[200];
    struct ledger *l = NULL;
    struct stat st;
    CHECK(mkdtemp(images) && stat(images, &st) == 0 && mkdir(run_dir, 0777) == 0);
    snprintf(link, sizeof link, "%s/images", run_dir);
    CHECK(symlink(images, link) == 0);
    watched_disk = st.st_dev;
    CHECK_OK(ledger_open(run_dir, "hash", &l, &err), err);
    atomic_store(&syncs, 0);
    for (uint64_t n = 1; n <= CANDIDATES; n++)
        CHECK_OK(record(l, n), err);
    CHECK_OK(ledger_flush(l, &err), err);
    CHECK(atomic_load(&syncs) > 0);
    CHECK_OK(ledger_close(l, &err), err);
    check_image(CANDIDATES);
    unlink(link);
    scratch_remove(images);
    scratch_remove(run_dir);
}

/* Rows follow the open ledger; pictures would be left behind, in a folder that is made anew at the old place. */
static void moved_run_stops(void)
{
    char elsewhere[200];
    struct ledger *l = NULL;
    snprintf(elsewhere, sizeof elsewhere, "%s-moved", run_dir);
    CHECK_OK(ledger_open(run_dir, "hash", &l, &err), err);
    CHECK_OK(record(l, 1), err);
    CHECK_OK(ledger_flush(l, &err), err);
    CHECK(rename(run_dir, elsewhere) == 0);
    CHECK_OK(record(l, 2), err);
    CHECK_INT(ledger_flush(l, &err), WN_E_IO);
    CHECK_CONTAINS(err.message, "/images is not the folder any more that this run writes its pictures to");
    CHECK_CONTAINS(err.message, "the 1 candidates recorded before this are safe");
    CHECK_INT(ledger_close(l, &err), WN_E_IO);
    CHECK(access(run_dir, F_OK) != 0);
    CHECK(rename(elsewhere, run_dir) == 0);
    wn_status status;
    CHECK_INT(run(&status), CANDIDATES);
    check_kept(CANDIDATES);
    scratch_remove(run_dir);
}

int main(void)
{
    static const struct {
        bool is_sticky, is_short;
        int error;
    } kinds[] = { { false, false, ENOSPC }, { true, false, ENOSPC }, { false, false, EIO }, { true, true, EIO } };
    char scratch[64];
    scratch_make(scratch);
    snprintf(run_dir, sizeof run_dir, "%s/run", scratch);
    full_disk_says_what_is_safe();
    pictures_on_another_disk();
    moved_run_stops();
    for (size_t i = 0; i < 2 * sizeof kinds / sizeof *kinds && check_failures <= 20; i++) {
        is_sticky = kinds[i / 2].is_sticky, is_short = kinds[i / 2].is_short, fail_errno = kinds[i / 2].error;
        group = i % 2 ? CANDIDATES : 1;
        long reached = strike_everywhere();
        printf("%s%s, pictures by %llu: %ld calls failed in turn\n", strerror(fail_errno),
               is_short    ? ", short writes"
               : is_sticky ? ", from there on"
                           : "",
               (unsigned long long)group, reached);
        CHECK(is_sticky || reached > 40);
    }
    scratch_remove(scratch);
    return CHECK_DONE();
}
