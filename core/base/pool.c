/* pool.c - many short parallel loops, started by several threads.
 *
 * A small model's step is hundreds of loops of 10 to 100 microseconds, so the price of waking a sleeping thread (tens
 * of microseconds) matters more than anything else here. Workers therefore watch a counter for a while before they
 * sleep. A loop ("job") lives on its caller's stack, in a list under the mutex; indices are handed out by one atomic
 * addition each. The caller works too and leaves when every worker that joined has left.
 */
#include "base/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#define SPIN_NS 50000

struct job {
    void (*fn)(void *arg, uint64_t i);
    void *arg;
    uint64_t n;
    atomic_uint_least64_t next;   /* the first index nobody has taken */
    atomic_uint_least32_t guests; /* workers inside; written under the mutex, watched outside it */
    struct job *after;
};

struct pool {
    pthread_mutex_t mutex;
    pthread_cond_t posted;      /* a job came, or the pool ends */
    pthread_cond_t left;        /* the last guest left some job */
    struct job *jobs;           /* the newest first; under the mutex */
    uint32_t sleepers;          /* under the mutex */
    atomic_uint_least32_t news; /* counts posts, for those who watch */
    atomic_int is_ending;
    uint32_t worker_count;
    pthread_t workers[];
};

static _Thread_local int is_inside; /* this thread is running some fn */

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#else
    sched_yield();
#endif
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void work(struct job *job)
{
    is_inside = 1;
    for (uint64_t i; (i = atomic_fetch_add(&job->next, 1)) < job->n;)
        job->fn(job->arg, i);
    is_inside = 0;
}

/* ---- workers ------------------------------------------------------------------------------------------------ */

/* Under the mutex: a job with something left, or NULL. */
static struct job *find_job(struct pool *pool)
{
    for (struct job *job = pool->jobs; job; job = job->after) {
        if (atomic_load(&job->next) < job->n)
            return job;
    }
    return NULL;
}

/* Watches for a post after the one counted `seen`; 0 when nothing came. */
static int watch(struct pool *pool, uint32_t seen)
{
    for (uint64_t end = now_ns() + SPIN_NS; now_ns() < end;) {
        for (int i = 0; i < 32; i++) {
            if (atomic_load_explicit(&pool->news, memory_order_relaxed) != seen)
                return 1;
            relax();
        }
    }
    return 0;
}

/* Under the mutex: joins job, works without the mutex, leaves. */
static void visit(struct pool *pool, struct job *job)
{
    atomic_fetch_add(&job->guests, 1);
    pthread_mutex_unlock(&pool->mutex);
    work(job);
    pthread_mutex_lock(&pool->mutex);
    if (atomic_fetch_sub(&job->guests, 1) == 1)
        pthread_cond_broadcast(&pool->left);
}

static void *worker_main(void *arg)
{
    struct pool *pool = arg;
    pthread_mutex_lock(&pool->mutex);
    while (!atomic_load(&pool->is_ending)) {
        struct job *job = find_job(pool);
        if (job) {
            visit(pool, job);
            continue;
        }
        uint32_t seen = atomic_load(&pool->news);
        pthread_mutex_unlock(&pool->mutex);
        int is_news = watch(pool, seen);
        pthread_mutex_lock(&pool->mutex);
        if (!is_news && atomic_load(&pool->news) == seen && !atomic_load(&pool->is_ending)) {
            pool->sleepers++;
            pthread_cond_wait(&pool->posted, &pool->mutex);
            pool->sleepers--;
        }
    }
    pthread_mutex_unlock(&pool->mutex);
    return NULL;
}

/* ---- callers ------------------------------------------------------------------------------------------------ */

static void post(struct pool *pool, struct job *job)
{
    pthread_mutex_lock(&pool->mutex);
    job->after = pool->jobs;
    pool->jobs = job;
    atomic_fetch_add(&pool->news, 1);
    if (pool->sleepers)
        pthread_cond_broadcast(&pool->posted);
    pthread_mutex_unlock(&pool->mutex);
}

/* Takes job off the list, so that nobody joins any more, and waits for those who did. */
static void withdraw(struct pool *pool, struct job *job)
{
    pthread_mutex_lock(&pool->mutex);
    struct job **link = &pool->jobs;
    while (*link != job)
        link = &(*link)->after;
    *link = job->after;
    pthread_mutex_unlock(&pool->mutex);
    for (uint64_t end = now_ns() + SPIN_NS; atomic_load(&job->guests) && now_ns() < end;)
        relax();
    pthread_mutex_lock(&pool->mutex); /* also lets the last guest out of its critical section */
    while (atomic_load(&job->guests))
        pthread_cond_wait(&pool->left, &pool->mutex);
    pthread_mutex_unlock(&pool->mutex);
}

void pool_parallel_for(struct pool *pool, uint64_t n, void (*fn)(void *arg, uint64_t i), void *arg)
{
    if (n < 2 || is_inside || pool->worker_count == 0) {
        for (uint64_t i = 0; i < n; i++)
            fn(arg, i);
        return;
    }
    struct job job = { .fn = fn, .arg = arg, .n = n };
    post(pool, &job);
    work(&job);
    withdraw(pool, &job);
}

/* ---- life --------------------------------------------------------------------------------------------------- */

static uint32_t processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    return (uint32_t)CPU_COUNT(&set);
}

static struct pool *pool_alloc(uint32_t workers)
{
    struct pool *pool = calloc(1, sizeof *pool + workers * sizeof pool->workers[0]);
    if (!pool)
        return NULL;
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->posted, NULL);
    pthread_cond_init(&pool->left, NULL);
    return pool;
}

struct pool *pool_create(uint32_t threads)
{
    uint32_t wanted = (threads ? threads : processors()) - 1;
    struct pool *pool = pool_alloc(wanted);
    while (pool && pool->worker_count < wanted) {
        if (pthread_create(&pool->workers[pool->worker_count], NULL, worker_main, pool) != 0) {
            pool_destroy(pool);
            return NULL;
        }
        pool->worker_count++;
    }
    return pool;
}

void pool_destroy(struct pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->mutex);
    atomic_store(&pool->is_ending, 1);
    atomic_fetch_add(&pool->news, 1);
    pthread_cond_broadcast(&pool->posted);
    pthread_mutex_unlock(&pool->mutex);
    for (uint32_t i = 0; i < pool->worker_count; i++)
        pthread_join(pool->workers[i], NULL);
    pthread_cond_destroy(&pool->left);
    pthread_cond_destroy(&pool->posted);
    pthread_mutex_destroy(&pool->mutex);
    free(pool);
}

uint32_t pool_threads(const struct pool *pool)
{
    return pool->worker_count + 1;
}
