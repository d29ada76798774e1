/* pool.h - the one thread pool of the process, behind wn_host.parallel_for. */
#ifndef WINNOW_BASE_POOL_H
#define WINNOW_BASE_POOL_H

#include <stdint.h>

struct pool;

/* threads: workers plus the caller; 0 = the processors this process may run on. NULL when memory or threads ran out. */
struct pool *pool_create(uint32_t threads);
void pool_destroy(struct pool *pool); /* NULL is fine; no call may be under way */
uint32_t pool_threads(const struct pool *pool);

/* Calls fn(arg, i) for all i in [0, n), the caller working too, and returns when all are done. Several threads may call
 * at once; a call from inside fn runs on its caller alone. Workers that find nothing spin for some microseconds, then sleep. */
void pool_parallel_for(struct pool *pool, uint64_t n, void (*fn)(void *arg, uint64_t i), void *arg);

#endif
