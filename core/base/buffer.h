/* buffer.h - growable bytes with a maximum.
 *
 * The first append that would pass the maximum, or that finds no memory, changes nothing and marks the buffer as
 * failed; later appends do nothing. So a writer appends freely and asks once at the end (buffer_status).
 */
#ifndef WINNOW_BASE_BUFFER_H
#define WINNOW_BASE_BUFFER_H

#include <winnow/plugin.h>

struct buffer {
    char *data; /* always NUL-terminated once something was appended; NULL before */
    uint64_t size;
    uint64_t capacity;
    uint64_t maximum;
    wn_status failed; /* WN_OK, WN_E_MEMORY, or WN_E_ARG when `maximum` was passed */
};

#define BUFFER_INIT(maximum_bytes) { NULL, 0, 0, (maximum_bytes), WN_OK }

void buffer_init(struct buffer *b, uint64_t maximum);
void buffer_free(struct buffer *b); /* leaves an empty buffer of the same maximum */
void buffer_clear(struct buffer *b); /* keeps the memory, forgets content and failure */

void buffer_append(struct buffer *b, const void *bytes, uint64_t count);
void buffer_text(struct buffer *b, const char *text);
void buffer_byte(struct buffer *b, char byte);
WN_PRINTF(2, 3) void buffer_printf(struct buffer *b, const char *format, ...);

const char *buffer_string(const struct buffer *b); /* "" when empty; valid until the next change */
char *buffer_take(struct buffer *b);               /* the caller frees it with free(); NULL when the buffer failed */

/* The failure as an error that names `what`. */
wn_status buffer_status(const struct buffer *b, const char *what, wn_error *err);

/* Appends a whole file, "-" being standard input. A file larger than the maximum is WN_E_FORMAT; the others are
 * WN_E_MISSING and WN_E_IO. */
wn_status buffer_read_file(struct buffer *b, const char *path, wn_error *err);

#endif
