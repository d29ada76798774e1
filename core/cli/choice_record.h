/* choice_record.h - what a person has answered, in the run's directory: RUN/choices.jsonl, a line for each answer.
 *
 *     {"question":"HASH","prompt":"two","first":"HASH","second":"HASH","answer":"second"}
 *
 * question: SHA-256 of text, prompt and both pictures. A picture's hash is of its size and pixels; the two stand in the
 * order of their hashes, so a question is the same whichever of them is named first. An answer is on disk before the
 * next question. */
#ifndef WINNOW_CLI_CHOICE_RECORD_H
#define WINNOW_CLI_CHOICE_RECORD_H

#include <winnow/choice.h>

#include <stdbool.h>

struct choice_record;

/* Reads what is there. The beginning of a line that a kill cut off is taken away; a line that is something else is
 * WN_E_FORMAT. */
wn_status choice_record_open(const char *directory, struct choice_record **out, wn_error *err);
void choice_record_close(struct choice_record *r); /* NULL is fine */

struct choice_key {
    char question[65], first[65], second[65];
    bool is_swapped; /* first is the question's second picture */
};
struct choice_key choice_key_of(const wn_question *q);

/* The answer to the question as it was put (WN_CHOICE_FIRST is its first picture); 0 = none yet. */
int32_t choice_record_find(const struct choice_record *r, const struct choice_key *key);
wn_status choice_record_add(struct choice_record *r, const struct choice_key *key, const char *prompt, int32_t answer,
                            wn_error *err);

#endif
