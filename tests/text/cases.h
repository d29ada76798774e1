/* cases.h - lines of golden tokens: the ids, "|", and the text with its bytes other than letters as %XX. */
#ifndef WINNOW_TESTS_TEXT_CASES_H
#define WINNOW_TESTS_TEXT_CASES_H

#include "check.h"

#include <stdint.h>

/* Turns %XX back into bytes, in place. */
static void case_unquote(char *s)
{
    char *to = s;
    for (; *s; s++)
        if (*s == '%') {
            const char hex[3] = { s[1], s[2], 0 };
            *to++ = (char)strtol(hex, NULL, 16);
            s += 2;
        } else
            *to++ = *s;
    *to = '\0';
}

/* Takes a line apart: returns the text, the ids go to ids [capacity]. */
static char *case_parse(char *line, int32_t *ids, uint32_t capacity, uint32_t *count)
{
    line[strcspn(line, "\n")] = '\0';
    char *text = strchr(line, '|') + 1, *at = line;
    for (*count = 0; at < text - 1 && *count < capacity; (*count)++)
        ids[*count] = (int32_t)strtol(at, &at, 10);
    case_unquote(text);
    return text;
}

#endif
