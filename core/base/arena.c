/* arena.c - many small allocations with one end.
 *
 * A list of malloc'ed blocks; an allocation is cut from the newest one. Blocks double from 4 KiB to 1 MiB, a larger
 * wish gets a block of its own. Nothing is ever moved, so pointers into the arena stay good until arena_destroy.
 */
#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 16, FIRST_BLOCK = 4096, LARGEST_BLOCK = 1 << 20 };

struct block {
    struct block *older;
    uint64_t used;
    uint64_t size;
    uint64_t reserved; /* keeps the bytes behind the header aligned */
};

struct arena {
    struct block *newest;
    uint64_t next_size;
};

struct arena *arena_create(void)
{
    struct arena *a = calloc(1, sizeof *a);
    if (a)
        a->next_size = FIRST_BLOCK;
    return a;
}

void arena_destroy(struct arena *a)
{
    if (!a)
        return;
    for (struct block *b = a->newest, *older; b; b = older) {
        older = b->older;
        free(b);
    }
    free(a);
}

static struct block *add_block(struct arena *a, uint64_t bytes)
{
    uint64_t size = bytes > a->next_size ? bytes : a->next_size;
    if (size > SIZE_MAX - sizeof(struct block))
        return NULL;
    struct block *b = calloc(1, sizeof *b + size);
    if (!b)
        return NULL;
    b->size = size;
    b->older = a->newest;
    a->newest = b;
    if (a->next_size < LARGEST_BLOCK)
        a->next_size *= 2;
    return b;
}

void *arena_alloc(struct arena *a, uint64_t bytes)
{
    if (bytes > SIZE_MAX / 2)
        return NULL;
    uint64_t rounded = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    struct block *b = a->newest;
    if (!b || b->size - b->used < rounded)
        b = add_block(a, rounded);
    if (!b)
        return NULL;
    void *memory = (char *)(b + 1) + b->used;
    b->used += rounded;
    return memory;
}

void *arena_array(struct arena *a, uint64_t count, uint64_t size)
{
    uint64_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    return arena_alloc(a, bytes);
}

char *arena_copy(struct arena *a, const char *text, uint64_t bytes)
{
    if (bytes == UINT64_MAX)
        return NULL;
    char *copy = arena_alloc(a, bytes + 1);
    if (copy && bytes)
        memcpy(copy, text, bytes);
    return copy;
}

char *arena_string(struct arena *a, const char *text)
{
    return arena_copy(a, text, strlen(text));
}

char *arena_printf(struct arena *a, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    char *text = length < 0 ? NULL : arena_alloc(a, (uint64_t)length + 1);
    if (text)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    va_end(args);
    return text;
}
