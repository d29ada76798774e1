/* unicode.h - the little of Unicode that tokenizers need, on code points. Internal to the toolkit. [any] */
#ifndef WINNOW_NN_UNICODE_H
#define WINNOW_NN_UNICODE_H

#include "../nn.h"

#include <stdbool.h>

enum unicode_class { UNICODE_SPACE = 1, UNICODE_LETTER, UNICODE_NUMBER, UNICODE_OTHER };

/* Space is the White_Space property; letters and numbers are the categories L* and N*. */
enum unicode_class unicode_classify(int32_t point);

/* Lower case by Unicode's default mapping, as one or two points in out; returns how many. */
int unicode_lower(int32_t point, int32_t out[2]);

/* Non-spacing marks (Mn); control, format and private characters (Cc, Cf, Co); punctuation (P*). */
bool unicode_is_mark(int32_t point);
bool unicode_is_control(int32_t point);
bool unicode_is_punctuation(int32_t point);

/* UTF-8 of a point; returns how many bytes. */
int unicode_put(int32_t point, char out[4]);

/* The text's points in normal form C (composed) or D (decomposed), as a new array to be freed. Malformed UTF-8 is
 * WN_E_ARG with its byte offset. */
wn_status unicode_decode_nfc(const char *text, int32_t **points, size_t *count, wn_error *err);
wn_status unicode_decode_nfd(const char *text, int32_t **points, size_t *count, wn_error *err);

#endif
