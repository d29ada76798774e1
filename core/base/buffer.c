/* buffer.c - text of unknown length, built piece by piece, without a check behind each piece.
 *
 * Failure is sticky (see buffer.h). Capacity doubles, and never passes the maximum by more than the ending NUL.
 */
#include "base/buffer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void buffer_init(struct buffer *b, uint64_t maximum)
{
    *b = (struct buffer)BUFFER_INIT(maximum);
}

void buffer_free(struct buffer *b)
{
    free(b->data);
    buffer_init(b, b->maximum);
}

void buffer_clear(struct buffer *b)
{
    b->size = 0;
    b->failed = WN_OK;
    if (b->data)
        b->data[0] = '\0';
}

/* Makes room for count more bytes and a NUL. */
static int reserve(struct buffer *b, uint64_t count)
{
    if (b->failed)
        return 0;
    if (count > b->maximum - b->size || b->maximum == UINT64_MAX) {
        b->failed = WN_E_ARG;
        return 0;
    }
    uint64_t needed = b->size + count + 1;
    if (needed <= b->capacity)
        return 1;
    uint64_t capacity = b->capacity < 128 ? 256 : b->capacity * 2;
    if (capacity < needed)
        capacity = needed;
    char *data = realloc(b->data, capacity);
    if (!data) {
        b->failed = WN_E_MEMORY;
        return 0;
    }
    b->data = data;
    b->capacity = capacity;
    return 1;
}

void buffer_append(struct buffer *b, const void *bytes, uint64_t count)
{
    if (!reserve(b, count))
        return;
    if (count)
        memcpy(b->data + b->size, bytes, count);
    b->size += count;
    b->data[b->size] = '\0';
}

void buffer_text(struct buffer *b, const char *text)
{
    buffer_append(b, text, strlen(text));
}

void buffer_byte(struct buffer *b, char byte)
{
    buffer_append(b, &byte, 1);
}

void buffer_printf(struct buffer *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    if (length >= 0 && reserve(b, (uint64_t)length)) {
        vsnprintf(b->data + b->size, (size_t)length + 1, format, again);
        b->size += (uint64_t)length;
    }
    va_end(again);
    va_end(args);
}

const char *buffer_string(const struct buffer *b)
{
    return b->data ? b->data : "";
}

char *buffer_take(struct buffer *b)
{
    buffer_append(b, "", 0); /* an empty text is a string too */
    char *data = b->failed ? NULL : b->data;
    if (data)
        buffer_init(b, b->maximum);
    else
        buffer_free(b);
    return data;
}

wn_status buffer_status(const struct buffer *b, const char *what, wn_error *err)
{
    if (b->failed == WN_E_MEMORY)
        return wn_fail(err, WN_E_MEMORY, "%s: no memory beyond %llu bytes", what, (unsigned long long)b->size);
    if (b->failed)
        return wn_fail(err, WN_E_ARG, "%s: longer than %llu bytes", what, (unsigned long long)b->maximum);
    return WN_OK;
}

static wn_status read_stream(struct buffer *b, FILE *file, const char *path, wn_error *err)
{
    char chunk[16384];
    size_t count;
    errno = 0;
    while (!b->failed && (count = fread(chunk, 1, sizeof chunk, file)) > 0)
        buffer_append(b, chunk, count);
    if (ferror(file))
        return wn_fail(err, WN_E_IO, "%s: cannot read: %s", path, strerror(errno));
    if (b->failed == WN_E_ARG)
        return wn_fail(err, WN_E_FORMAT, "%s: larger than the limit of %llu bytes", path,
                       (unsigned long long)b->maximum);
    return buffer_status(b, path, err);
}

wn_status buffer_read_file(struct buffer *b, const char *path, wn_error *err)
{
    if (strcmp(path, "-") == 0)
        return read_stream(b, stdin, "standard input", err);
    FILE *file = fopen(path, "rbe");
    if (!file)
        return wn_fail(err, errno == ENOENT || errno == ENOTDIR ? WN_E_MISSING : WN_E_IO, "%s: cannot open: %s", path,
                       strerror(errno));
    wn_status status = read_stream(b, file, path, err);
    fclose(file);
    return status;
}
