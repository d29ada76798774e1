/* index.h - the recorded candidates and their scores in memory, for ledger_find. [serial] */
#ifndef WINNOW_LEDGER_INDEX_H
#define WINNOW_LEDGER_INDEX_H

#include "ledger/ledger.h"

struct index;

struct index *index_create(void);    /* NULL when memory ran out */
void index_destroy(struct index *x); /* NULL is fine */
uint64_t index_count(const struct index *x); /* of candidates ever added */

/* Adds a candidate, or scores that it did not have. False when memory ran out. */
bool index_candidate(struct index *x, const struct ledger_candidate *c);
bool index_score(struct index *x, uint64_t trial, const char *candidate, const struct ledger_score *score);

/* Lets a trial's candidates go. */
void index_forget(struct index *x, uint64_t trial);

/* Whether the candidate is there with all of the scores; fills what is asked. *found's lineage is owned by the index.
 */
bool index_find(const struct index *x, uint64_t trial, const char *candidate, uint64_t count,
                struct ledger_score *scores, struct ledger_candidate *found);

#endif
