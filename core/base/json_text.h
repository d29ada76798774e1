/* json_text.h - writes JSON into a buffer: commas, indentation, escapes, exact numbers.
 *
 *     struct json_text j = json_begin(&out, 2);
 *     json_object(&j);
 *     json_key(&j, "seed"), json_u64(&j, seed);
 *     json_end(&j);
 *
 * Integers are exact up to 64 bits; doubles are the shortest text that reads back to the same bits; NaN and infinities,
 * which JSON has not, are null. Strings must be UTF-8; a byte that is not becomes U+FFFD. Failure stays in the buffer.
 */
#ifndef WINNOW_BASE_JSON_TEXT_H
#define WINNOW_BASE_JSON_TEXT_H

#include "base/buffer.h"

#include <stdbool.h>

struct json_text {
    struct buffer *out;
    uint32_t indent; /* spaces for each level; 0 = all on one line, no blanks */
    uint32_t depth;
    uint64_t is_array;  /* bit for each level, 63 levels at most */
    bool is_first;      /* nothing was written in this object or array yet */
    bool follows_key;
};

struct json_text json_begin(struct buffer *out, uint32_t indent);

void json_object(struct json_text *j);
void json_array(struct json_text *j);
void json_end(struct json_text *j); /* of the innermost object or array */
void json_key(struct json_text *j, const char *key);

void json_string(struct json_text *j, const char *text); /* NULL writes null */
void json_u64(struct json_text *j, uint64_t value);
void json_i64(struct json_text *j, int64_t value);
void json_number(struct json_text *j, double value);
void json_bool(struct json_text *j, bool value);
void json_null(struct json_text *j);
void json_raw(struct json_text *j, const char *json); /* one complete value, copied as it is */

/* A key and its value. */
void json_key_string(struct json_text *j, const char *key, const char *text);
void json_key_u64(struct json_text *j, const char *key, uint64_t value);
void json_key_number(struct json_text *j, const char *key, double value);

/* The pieces alone. number must hold 32 bytes. */
void json_append_string(struct buffer *out, const char *text, uint64_t bytes);
void json_format_number(char *number, double value);

#endif
