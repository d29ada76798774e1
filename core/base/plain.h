/* plain.h - text of strangers on a terminal: prompts and tensor names can hold escape sequences. */
#ifndef WINNOW_BASE_PLAIN_H
#define WINNOW_BASE_PLAIN_H

#include "base/buffer.h"

/* Appends text with control characters, bidirectional overrides and bytes that are not UTF-8 each shown as "?"; line
 * ends stay when keep_lines. */
void plain_text(struct buffer *out, const char *text, int keep_lines);

/* The same into dst[size], cut where it does not fit. */
void plain_copy(char *dst, uint64_t size, const char *text, int keep_lines);

/* 1234567 -> "1.2 MB". */
void plain_bytes(struct buffer *out, uint64_t bytes);

#endif
