/* suggest.h - "did you mean": the nearest of some known names. */
#ifndef WINNOW_BASE_SUGGEST_H
#define WINNOW_BASE_SUGGEST_H

#include <stdint.h>

/* Edits (insert, delete, change, swap neighbours; letter case is free) from a to b; large when either is longer
 * than 63. */
uint32_t suggest_distance(const char *a, const char *b);

/* Keeps the nearest of the names it is shown; `best` stays NULL when none is near enough to be meant. */
struct suggest {
    const char *word;
    const char *best;
    uint32_t distance;
};

struct suggest suggest_begin(const char *word);
void suggest_try(struct suggest *s, const char *name);
void suggest_try_choices(struct suggest *s, const char *choices); /* separated by '|' */

/* "; did you mean "NAME"?" or "" into text. A choice ends at '|'. */
const char *suggest_text(const struct suggest *s, char text[128]);

#endif
