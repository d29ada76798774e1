/* What would move the cursor, change colours or turn the reading direction is replaced; all else is shown as it is. */
#include "base/plain.h"

#include "base/utf8.h"

#include <stdbool.h>
#include <string.h>

/* C1 controls (U+0080..9F), U+200E/F, U+202A..E, U+2066..9. */
static bool is_steering(const char *c, uint64_t length)
{
    const unsigned char *u = (const unsigned char *)c;
    if (length == 2)
        return u[0] == 0xc2 && u[1] < 0xa0;
    if (length != 3 || u[0] != 0xe2)
        return false;
    return (u[1] == 0x80 && (u[2] == 0x8e || u[2] == 0x8f || (u[2] >= 0xaa && u[2] <= 0xae))) ||
           (u[1] == 0x81 && u[2] >= 0xa6 && u[2] <= 0xa9);
}

void plain_text(struct buffer *out, const char *text, int keep_lines)
{
    uint64_t bytes = strlen(text);
    for (uint64_t i = 0; i < bytes;) {
        uint64_t length = utf8_length(text + i, bytes - i);
        bool is_control =
            length == 1 && ((unsigned char)text[i] < 32 || text[i] == 127) && !(keep_lines && text[i] == '\n');
        if (length == 0 || is_control || is_steering(text + i, length))
            buffer_byte(out, '?');
        else
            buffer_append(out, text + i, length);
        i += length ? length : 1;
    }
}

void plain_copy(char *dst, uint64_t size, const char *text, int keep_lines)
{
    struct buffer b = BUFFER_INIT(1 << 24);
    plain_text(&b, text, keep_lines);
    snprintf(dst, size, "%s", buffer_string(&b));
    buffer_free(&b);
}

void plain_bytes(struct buffer *out, uint64_t bytes)
{
    static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
    double value = (double)bytes;
    int unit = 0;
    for (; value >= 999.5 && unit < 6; unit++)
        value /= 1000;
    buffer_printf(out, unit && value < 9.95 ? "%.1f %s" : "%.0f %s", value, units[unit]);
}
