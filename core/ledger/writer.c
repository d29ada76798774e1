/* A commit costs a sync, whether of one row or of a thousand. So rows gather for GATHER_MS after the first (less when
 * the queue fills, or somebody waits) and are committed together; with a disk that syncs in under 60 ms a row is
 * durable within 100 ms. Images come first (see placing.h), then the rows.
 *
 * A failed write is final: the group is undone, what waits is dropped, and every later call returns the first error. */
#include "ledger/writer.h"

#include "ledger/placing.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { GATHER_MS = 40, MAX_OPS = 8192, MAX_BYTES = 64 << 20 };

struct writer {
    struct store *store;
    struct placing placing;
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t arrived; /* ops, or a wish to hurry */
    pthread_cond_t drained; /* room in the queue, a commit, a failure */
    struct op *first;
    struct op **last;
    uint64_t ops, bytes;      /* queued */
    uint64_t pushed, settled; /* ops ever taken in; ops committed or dropped */
    uint64_t committed;       /* candidates that this process made durable */
    uint32_t waiting;         /* flushes under way: hurry */
    bool is_closing;
    wn_error failure; /* code WN_OK while healthy; set once */
};

/* ---- one group, without the lock ---- */

static void free_ops(struct op *op)
{
    while (op) {
        struct op *next = op->next;
        free(op);
        op = next;
    }
}

static wn_status apply_group(const struct writer *w, const struct op *group, wn_error *err)
{
    WN_TRY(placing_do(&w->placing, group, err));
    WN_TRY(store_begin(w->store, err));
    for (const struct op *op = group; op; op = op->next)
        WN_TRY(store_apply(w->store, op, err));
    return store_commit(w->store, err);
}

static uint64_t count_candidates(const struct op *group)
{
    uint64_t n = 0;
    for (; group; group = group->next)
        n += group->kind == OP_CANDIDATE;
    return n;
}

/* ---- the thread ---- */

static void wait_until_due(struct writer *w)
{
    struct timespec due;
    while (!w->first && !w->is_closing)
        pthread_cond_wait(&w->arrived, &w->lock);
    clock_gettime(CLOCK_MONOTONIC, &due);
    due.tv_nsec += GATHER_MS * 1000000L;
    if (due.tv_nsec >= 1000000000L) {
        due.tv_nsec -= 1000000000L;
        due.tv_sec++;
    }
    while (!w->is_closing && !w->waiting && w->ops < MAX_OPS / 2 && w->bytes < MAX_BYTES / 2)
        if (pthread_cond_timedwait(&w->arrived, &w->lock, &due) != 0)
            break;
}

static struct op *take(struct writer *w, uint64_t *ops)
{
    struct op *group = w->first;
    *ops = w->ops;
    w->first = NULL;
    w->last = &w->first;
    w->ops = w->bytes = 0;
    pthread_cond_broadcast(&w->drained);
    return group;
}

static void fail_for_good(struct writer *w, const wn_error *err)
{
    wn_fail(&w->failure, err->code,
            "%.600s; the %llu candidates recorded before this are safe: "
            "free space or mend the disk, then run the same command again to continue",
            err->message, (unsigned long long)w->committed);
}

static void settle(struct writer *w, const struct op *group, uint64_t ops, wn_status status, const wn_error *err)
{
    if (status == WN_OK)
        w->committed += count_candidates(group);
    else
        fail_for_good(w, err);
    w->settled += ops;
    pthread_cond_broadcast(&w->drained);
}

static void *write_loop(void *arg)
{
    struct writer *w = arg;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        wn_error err = { 0 };
        uint64_t ops;
        wait_until_due(w);
        struct op *group = take(w, &ops);
        if (!group)
            break; /* closing, and nothing is left */
        bool is_healthy = w->failure.code == WN_OK;
        pthread_mutex_unlock(&w->lock);
        wn_status status = is_healthy ? apply_group(w, group, &err) : WN_OK;
        if (status != WN_OK)
            store_undo(w->store);
        pthread_mutex_lock(&w->lock);
        settle(w, is_healthy ? group : NULL, ops, status, &err);
        free_ops(group);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* ---- for the others ---- */

static wn_status health(const struct writer *w, wn_error *err)
{
    if (w->failure.code != WN_OK)
        *err = w->failure;
    return w->failure.code;
}

wn_status writer_push(struct writer *w, struct op *op, wn_error *err)
{
    if (!op)
        return wn_fail(err, WN_E_MEMORY, "no memory for a row of the ledger");
    pthread_mutex_lock(&w->lock);
    while (w->failure.code == WN_OK && w->ops > 0 && (w->ops >= MAX_OPS || w->bytes + op->bytes > MAX_BYTES))
        pthread_cond_wait(&w->drained, &w->lock);
    wn_status status = health(w, err);
    if (status == WN_OK) {
        *w->last = op;
        w->last = &op->next;
        w->ops++;
        w->bytes += op->bytes;
        w->pushed++;
        if (w->ops == 1 || w->ops == MAX_OPS / 2 || w->bytes >= MAX_BYTES / 2)
            pthread_cond_signal(&w->arrived);
    }
    pthread_mutex_unlock(&w->lock);
    if (status != WN_OK)
        free(op);
    return status;
}

wn_status writer_flush(struct writer *w, wn_error *err)
{
    pthread_mutex_lock(&w->lock);
    uint64_t target = w->pushed;
    w->waiting++;
    pthread_cond_signal(&w->arrived);
    while (w->settled < target)
        pthread_cond_wait(&w->drained, &w->lock);
    w->waiting--;
    wn_status status = health(w, err);
    pthread_mutex_unlock(&w->lock);
    return status;
}

wn_status writer_health(struct writer *w, wn_error *err)
{
    pthread_mutex_lock(&w->lock);
    wn_status status = health(w, err);
    pthread_mutex_unlock(&w->lock);
    return status;
}

static void init_locks(struct writer *w)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->arrived, &monotonic);
    pthread_cond_init(&w->drained, NULL);
    pthread_condattr_destroy(&monotonic);
}

static void finish(struct writer *w)
{
    placing_close(&w->placing);
    pthread_cond_destroy(&w->drained);
    pthread_cond_destroy(&w->arrived);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

wn_status writer_create(struct store *store, const char *run_dir, struct writer **out, wn_error *err)
{
    struct writer *w = calloc(1, sizeof *w);
    if (!w)
        return wn_fail(err, WN_E_MEMORY, "no memory for the ledger's writer");
    w->store = store;
    w->placing = placing_open(run_dir);
    w->last = &w->first;
    init_locks(w);
    int code = pthread_create(&w->thread, NULL, write_loop, w);
    if (code != 0) {
        finish(w);
        return wn_fail(err, WN_E_MEMORY, "cannot start the ledger's writer thread: %s", strerror(code));
    }
    *out = w;
    return WN_OK;
}

wn_status writer_destroy(struct writer *w, wn_error *err)
{
    if (!w)
        return WN_OK;
    pthread_mutex_lock(&w->lock);
    w->is_closing = true;
    pthread_cond_signal(&w->arrived);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    wn_status status = health(w, err);
    finish(w);
    return status;
}
