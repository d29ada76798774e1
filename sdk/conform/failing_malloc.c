/* failing_malloc.c - an allocator in which the n-th call fails, and which knows how much is in use, loaded before libc
 * for the conformance kit's checks of what a plugin does without memory and of what it gives back. */
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t alignment, size_t n);
void __libc_free(void *p);

EXPORT void conform_fail_at(int64_t n);
EXPORT int64_t conform_failed(void);
EXPORT int64_t conform_in_use(void);
EXPORT void conform_watch(const void *base);
EXPORT void *malloc(size_t n);
EXPORT void *calloc(size_t n, size_t size);
EXPORT void *realloc(void *p, size_t n);
EXPORT void *aligned_alloc(size_t alignment, size_t n);
EXPORT int posix_memalign(void **p, size_t alignment, size_t n);
EXPORT char *strdup(const char *text);
EXPORT void free(void *p);

static atomic_int_fast64_t left = -1; /* calls until the one that fails; negative: none does */
static atomic_int_fast64_t failures;
static atomic_int_fast64_t in_use; /* bytes */

void conform_fail_at(int64_t n)
{
    atomic_store(&left, n);
}

int64_t conform_failed(void)
{
    return atomic_load(&failures);
}

int64_t conform_in_use(void)
{
    return atomic_load(&in_use);
}

static void *counted(void *p)
{
    if (p)
        atomic_fetch_add_explicit(&in_use, (int64_t)malloc_usable_size(p), memory_order_relaxed);
    return p;
}

void free(void *p)
{
    if (p)
        atomic_fetch_sub_explicit(&in_use, (int64_t)malloc_usable_size(p), memory_order_relaxed);
    __libc_free(p);
}

enum { WATCHED = 8 };
static const void *watched[WATCHED]; /* where watched objects were loaded */

void conform_watch(const void *base)
{
    for (int i = 0; i < WATCHED; i++)
        if (!watched[i] || watched[i] == base) {
            watched[i] = base;
            return;
        }
}

static int is_watched(const void *caller)
{
    Dl_info info;
    if (!dladdr(caller, &info))
        return 0;
    for (int i = 0; i < WATCHED; i++)
        if (watched[i] && watched[i] == info.dli_fbase)
            return 1;
    return 0;
}

static int fails(const void *caller)
{
    if (atomic_load_explicit(&left, memory_order_relaxed) < 0 || !is_watched(caller))
        return 0;
    if (atomic_fetch_sub(&left, 1) != 1)
        return 0;
    atomic_fetch_add(&failures, 1);
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t n)
{
    return fails(__builtin_return_address(0)) ? NULL : counted(__libc_malloc(n));
}

void *calloc(size_t n, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : counted(__libc_calloc(n, size));
}

void *realloc(void *p, size_t n)
{
    if (fails(__builtin_return_address(0)))
        return NULL;
    const int64_t before = p ? (int64_t)malloc_usable_size(p) : 0;
    void *got = __libc_realloc(p, n);
    if (got || n == 0)
        atomic_fetch_sub_explicit(&in_use, before, memory_order_relaxed);
    return counted(got);
}

void *aligned_alloc(size_t alignment, size_t n)
{
    return fails(__builtin_return_address(0)) ? NULL : counted(__libc_memalign(alignment, n));
}

int posix_memalign(void **p, size_t alignment, size_t n)
{
    void *got = fails(__builtin_return_address(0)) ? NULL : counted(__libc_memalign(alignment, n));
    if (got)
        *p = got;
    return got ? 0 : ENOMEM;
}

char *strdup(const char *text)
{
    const size_t n = strlen(text) + 1;
    char *copy = fails(__builtin_return_address(0)) ? NULL : counted(__libc_malloc(n));
    return copy ? memcpy(copy, text, n) : NULL;
}
