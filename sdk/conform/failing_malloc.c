/* failing_malloc.c - an allocator in which the n-th call fails, loaded before libc for the conformance kit's check of what a
 * plugin does without memory. Until it is told a number it counts nothing and passes everything on. */
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t alignment, size_t n);

EXPORT void conform_fail_at(int64_t n);
EXPORT int64_t conform_failed(void);
EXPORT void *malloc(size_t n);
EXPORT void *calloc(size_t n, size_t size);
EXPORT void *realloc(void *p, size_t n);
EXPORT void *aligned_alloc(size_t alignment, size_t n);
EXPORT int posix_memalign(void **p, size_t alignment, size_t n);

static atomic_int_fast64_t left = -1; /* calls until the one that fails; negative: none does */
static atomic_int_fast64_t failures;

void conform_fail_at(int64_t n)
{
    atomic_store(&left, n);
}

int64_t conform_failed(void)
{
    return atomic_load(&failures);
}

static int fails(void)
{
    if (atomic_load_explicit(&left, memory_order_relaxed) < 0)
        return 0;
    if (atomic_fetch_sub(&left, 1) != 1)
        return 0;
    atomic_fetch_add(&failures, 1);
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t n)
{
    return fails() ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    return fails() ? NULL : __libc_realloc(p, n);
}

void *aligned_alloc(size_t alignment, size_t n)
{
    return fails() ? NULL : __libc_memalign(alignment, n);
}

int posix_memalign(void **p, size_t alignment, size_t n)
{
    void *got = fails() ? NULL : __libc_memalign(alignment, n);
    if (got)
        *p = got;
    return got ? 0 : ENOMEM;
}
