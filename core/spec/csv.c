/* csv.c - reads a character at a time, so that every mistake has a line and a column. */
#include "spec/csv.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <string.h>

void csv_begin(struct csv *c, const char *text, uint64_t bytes)
{
    const bool is_marked = bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0;
    *c = (struct csv){ .at = text + (is_marked ? 3 : 0), .end = text + bytes, .line = 1, .column = 1 };
}

WN_PRINTF(4, 5) static bool fail(struct csv *c, uint32_t line, uint32_t column, const char *format, ...)
{
    va_list args;
    c->fault.line = line;
    c->fault.column = column;
    va_start(args, format);
    vsnprintf(c->fault.what, sizeof c->fault.what, format, args);
    va_end(args);
    return false;
}

/* Bytes of the line break at c->at: LF or CR LF; 0 when there is none. */
static uint32_t break_length(const struct csv *c)
{
    if (c->at < c->end && *c->at == '\n')
        return 1;
    return c->end - c->at >= 2 && c->at[0] == '\r' && c->at[1] == '\n' ? 2 : 0;
}

static void skip_break(struct csv *c)
{
    c->at += break_length(c);
    c->line++;
    c->column = 1;
}

/* One character of a field. */
static bool take(struct csv *c, struct buffer *field)
{
    const uint64_t length = utf8_length(c->at, (uint64_t)(c->end - c->at));
    const unsigned byte = (unsigned char)*c->at;
    if (!length)
        return fail(c, c->line, c->column, "byte 0x%02x is not UTF-8", byte);
    if (byte < 0x20 && byte != '\t')
        return fail(c, c->line, c->column, "control character 0x%02x", byte);
    if (field->size >= CSV_MAX_RECORD_BYTES)
        return fail(c, c->line, c->column, "a field of more than %d bytes", CSV_MAX_RECORD_BYTES);
    buffer_append(field, c->at, length);
    c->at += length;
    c->column++;
    return true;
}

static bool read_quoted(struct csv *c, struct buffer *field)
{
    const uint32_t line = c->line, column = c->column;
    for (c->at++, c->column++;;) {
        const uint32_t broken = break_length(c);
        if (c->at == c->end)
            return fail(c, line, column, "a quote that is never closed");
        if (broken) {
            buffer_byte(field, '\n');
            skip_break(c);
        } else if (*c->at != '"') {
            if (!take(c, field))
                return false;
        } else {
            c->at++;
            c->column++;
            if (c->at == c->end || *c->at != '"')
                break;
            if (!take(c, field))
                return false;
        }
    }
    if (c->at < c->end && *c->at != ',' && !break_length(c))
        return fail(c, c->line, c->column, "text after a closing quote; a quote within a field is written twice");
    return true;
}

static bool read_plain(struct csv *c, struct buffer *field)
{
    while (c->at < c->end && *c->at != ',' && !break_length(c)) {
        if (*c->at == '"')
            return fail(c, c->line, c->column, "a quote in a field that does not begin with one");
        if (!take(c, field))
            return false;
    }
    return true;
}

static bool read_fields(struct csv *c, struct arena *a, struct buffer *field, struct csv_record *record)
{
    for (;; c->at++, c->column++) {
        buffer_clear(field);
        if (record->count == CSV_MAX_FIELDS)
            return fail(c, c->line, c->column, "more than %d fields", CSV_MAX_FIELDS);
        if (!(c->at < c->end && *c->at == '"' ? read_quoted : read_plain)(c, field))
            return false;
        record->fields[record->count] = field->failed ? NULL : arena_string(a, buffer_string(field));
        if (!record->fields[record->count++])
            return fail(c, c->line, c->column, "no memory");
        if (c->at == c->end)
            return true;
        if (*c->at != ',')
            break;
    }
    skip_break(c);
    return true;
}

bool csv_next(struct csv *c, struct arena *a, struct csv_record *record)
{
    struct buffer field = BUFFER_INIT(CSV_MAX_RECORD_BYTES + 8);
    while (break_length(c))
        skip_break(c);
    record->count = 0;
    record->line = c->line;
    if (c->at == c->end)
        return false;
    const bool is_read = read_fields(c, a, &field, record);
    buffer_free(&field);
    return is_read;
}
