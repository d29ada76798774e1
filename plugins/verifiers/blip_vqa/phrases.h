/* phrases.h - the noun phrases that a prompt's questions are made of. No parser of English is here: they come from the
 * prompt's own record or from a table, made once with the parser of one's choice.
 */
#ifndef BLIP_VQA_PHRASES_H
#define BLIP_VQA_PHRASES_H

#include <winnow/plugin.h>

enum { MAX_PHRASES = 8 }; /* of a prompt, as in T2I-CompBench */

/* Phrases of one prompt; the strings are owned. All zero = none. */
struct phrases {
    char *text[MAX_PHRASES];
    uint32_t count;
};

/* A table: JSON lines {"prompt": "...", "noun_phrases": ["...", ...]}. */
struct phrase_table {
    struct phrase_row {
        char *prompt;
        struct phrases phrases;
    } * row;
    uint64_t count;
};

wn_status phrases_open(const char *path, struct phrase_table *out, wn_error *err);
void phrases_close(struct phrase_table *t); /* all zero is fine */

/* The prompt's phrases: of its record's "noun_phrases" when it has some, else of the table; none is no error. Left out
 * are those that T2I-CompBench leaves out: "top", "the side", "the left", "the right" (they name places, not things);
 * beyond MAX_PHRASES they are cut. */
wn_status phrases_of(const wn_prompt *prompt, const struct phrase_table *table, struct phrases *out, wn_error *err);
void phrases_finish(struct phrases *p);

#endif
