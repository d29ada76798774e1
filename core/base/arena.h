/* arena.h - memory that is freed all at once: parsed specs, tables, whatever lives and dies together.
 *
 * Not for several threads at once.
 */
#ifndef WINNOW_BASE_ARENA_H
#define WINNOW_BASE_ARENA_H

#include <winnow/plugin.h>

struct arena;

struct arena *arena_create(void); /* NULL when memory ran out */
void arena_destroy(struct arena *a); /* NULL is fine */

/* Zeroed, aligned to 16 bytes; NULL when memory ran out or count * size overflows. */
void *arena_alloc(struct arena *a, uint64_t bytes);
void *arena_array(struct arena *a, uint64_t count, uint64_t size);

/* Copies that end with a NUL; NULL when memory ran out. */
char *arena_copy(struct arena *a, const char *text, uint64_t bytes);
char *arena_string(struct arena *a, const char *text);
WN_PRINTF(2, 3) char *arena_printf(struct arena *a, const char *format, ...);

#endif
