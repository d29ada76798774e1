/* pool.c - the thread pool's promises: every index once, several callers at once, nested calls, and its latency
 * (--bench). */
#include "base/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "check.h"

struct counts {
    struct pool *pool;
    uint64_t n;
    atomic_uint seen[257];
};

static void count_one(void *arg, uint64_t i)
{
    atomic_fetch_add(&((struct counts *)arg)->seen[i], 1);
}

static void check_all_once(struct counts *c, unsigned times)
{
    for (uint64_t i = 0; i < 257; i++)
        CHECK_INT(atomic_load(&c->seen[i]), i < c->n ? times : 0);
}

static void test_every_index(struct pool *pool)
{
    static const uint64_t sizes[] = { 0, 1, 2, 3, 64, 257 };
    for (int k = 0; k < 6; k++) {
        struct counts c = { .pool = pool, .n = sizes[k] };
        pool_parallel_for(pool, c.n, count_one, &c);
        check_all_once(&c, 1);
    }
}

static void nest(void *arg, uint64_t i)
{
    struct counts *c = arg;
    (void)i;
    pool_parallel_for(c->pool, c->n, count_one, c);
}

static void *call_often(void *arg)
{
    struct pool *pool = arg;
    for (int round = 0; round < 200; round++) {
        struct counts c = { .pool = pool, .n = 33 };
        pool_parallel_for(pool, 5, nest, &c);
        check_all_once(&c, 5);
    }
    return NULL;
}

static void test_many_callers(struct pool *pool)
{
    pthread_t callers[4];
    for (int i = 0; i < 4; i++)
        CHECK_INT(pthread_create(&callers[i], NULL, call_often, pool), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(callers[i], NULL);
}

static void nothing(void *arg, uint64_t i)
{
    (void)arg, (void)i;
}

static void bench(struct pool *pool)
{
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (int i = 0; i < 100000; i++)
        pool_parallel_for(pool, 8, nothing, NULL);
    clock_gettime(CLOCK_MONOTONIC, &b);
    printf("%.2f us for a loop of 8 empty tasks on %u threads\n",
           ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / 1e8, pool_threads(pool));
}

int main(int argc, char **argv)
{
    static const uint32_t threads[] = { 1, 2, 5, 0 };
    for (int i = 0; i < 4; i++) {
        struct pool *pool = pool_create(threads[i]);
        if (!pool)
            CHECK_SKIP("no pool of %u threads", threads[i]);
        CHECK(threads[i] == 0 || pool_threads(pool) == threads[i]);
        test_every_index(pool);
        test_many_callers(pool);
        if (argc > 1 && strcmp(argv[1], "--bench") == 0)
            bench(pool);
        pool_destroy(pool);
    }
    pool_destroy(NULL);
    return CHECK_DONE();
}
