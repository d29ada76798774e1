/* json_text.c - the one place that knows how JSON is written; every --json output and every file of a run uses it. */
#include "base/json_text.h"

#include "base/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 63 };

struct json_text json_begin(struct buffer *out, uint32_t indent)
{
    return (struct json_text){ .out = out, .indent = indent, .is_first = true };
}

static void new_line(struct json_text *j)
{
    if (j->indent && j->depth)
        buffer_printf(j->out, "\n%*s", (int)(j->indent * j->depth), "");
}

/* What stands before a key, or before a value that no key precedes. */
static void separate(struct json_text *j)
{
    if (!j->is_first)
        buffer_byte(j->out, ',');
    new_line(j);
    j->is_first = false;
}

static void before_value(struct json_text *j)
{
    if (!j->follows_key && j->depth)
        separate(j);
    j->follows_key = false;
}

static void open_level(struct json_text *j, bool is_array)
{
    before_value(j);
    buffer_byte(j->out, is_array ? '[' : '{');
    if (j->depth == MAX_DEPTH) {
        j->out->failed = WN_E_ARG;
        return;
    }
    j->depth++;
    j->is_array = is_array ? j->is_array | (uint64_t)1 << j->depth : j->is_array & ~((uint64_t)1 << j->depth);
    j->is_first = true;
}

void json_object(struct json_text *j)
{
    open_level(j, false);
}

void json_array(struct json_text *j)
{
    open_level(j, true);
}

void json_end(struct json_text *j)
{
    bool is_array = j->is_array >> j->depth & 1, was_empty = j->is_first;
    j->depth--;
    if (!was_empty && j->indent)
        buffer_printf(j->out, "\n%*s", (int)(j->indent * j->depth), "");
    buffer_byte(j->out, is_array ? ']' : '}');
    j->is_first = false;
}

void json_key(struct json_text *j, const char *key)
{
    separate(j);
    json_append_string(j->out, key, strlen(key));
    buffer_text(j->out, j->indent ? ": " : ":");
    j->follows_key = true;
}

void json_string(struct json_text *j, const char *text)
{
    if (!text) {
        json_null(j);
        return;
    }
    before_value(j);
    json_append_string(j->out, text, strlen(text));
}

void json_u64(struct json_text *j, uint64_t value)
{
    before_value(j);
    buffer_printf(j->out, "%" PRIu64, value);
}

void json_i64(struct json_text *j, int64_t value)
{
    before_value(j);
    buffer_printf(j->out, "%" PRId64, value);
}

void json_number(struct json_text *j, double value)
{
    char text[32];
    json_format_number(text, value);
    json_raw(j, text);
}

void json_bool(struct json_text *j, bool value)
{
    json_raw(j, value ? "true" : "false");
}

void json_null(struct json_text *j)
{
    json_raw(j, "null");
}

void json_raw(struct json_text *j, const char *json)
{
    before_value(j);
    buffer_text(j->out, json);
}

void json_key_string(struct json_text *j, const char *key, const char *text)
{
    json_key(j, key), json_string(j, text);
}

void json_key_u64(struct json_text *j, const char *key, uint64_t value)
{
    json_key(j, key), json_u64(j, value);
}

void json_key_number(struct json_text *j, const char *key, double value)
{
    json_key(j, key), json_number(j, value);
}

static void append_escape(struct buffer *out, unsigned char c)
{
    static const char names[] = "btn\0fr"; /* for bytes 8 to 13; 11 has none */
    if (c == '"' || c == '\\')
        buffer_printf(out, "\\%c", c);
    else if (c >= 8 && c <= 13 && names[c - 8])
        buffer_printf(out, "\\%c", names[c - 8]);
    else
        buffer_printf(out, "\\u%04x", c);
}

void json_append_string(struct buffer *out, const char *text, uint64_t bytes)
{
    buffer_byte(out, '"');
    for (uint64_t i = 0, step; i < bytes; i += step) {
        unsigned char c = (unsigned char)text[i];
        uint64_t length = utf8_length(text + i, bytes - i);
        step = length ? length : 1;
        if (!length)
            buffer_text(out, "\xef\xbf\xbd");
        else if (c == '"' || c == '\\' || c < 0x20 || c == 0x7f)
            append_escape(out, c);
        else
            buffer_append(out, text + i, length);
    }
    buffer_byte(out, '"');
}

void json_format_number(char *number, double value)
{
    if (!isfinite(value)) {
        snprintf(number, 32, "null");
        return;
    }
    /* %g drops trailing zeros, so if 15 digits read back, no shorter text than this one does. */
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(number, 32, "%.*g", digits, value);
        if (strtod(number, NULL) == value)
            return;
    }
}
