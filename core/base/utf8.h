/* utf8.h - one question: which bytes form the next character. */
#ifndef WINNOW_BASE_UTF8_H
#define WINNOW_BASE_UTF8_H

#include <stdint.h>

/* Length in bytes (1..4) of the well-formed character at text, 0 when there is none: overlong forms, surrogates, values
 * above U+10FFFF and truncated ones are refused (Unicode 15, table 3-7). NUL has length 1. */
uint64_t utf8_length(const char *text, uint64_t bytes);

#endif
