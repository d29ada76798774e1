/* recall.h - looks things up in a run that is there, whoever writes it: one candidate by the beginning of its id, and
 * all finished candidates. What is found lives in the caller's arena. [serial] */
#ifndef WINNOW_LEDGER_RECALL_H
#define WINNOW_LEDGER_RECALL_H

#include "base/arena.h"
#include "ledger/ledger.h"
#include "spec/spec.h"

struct recalled {
    struct ledger_candidate candidate;
    wn_prompt prompt;
    const char *image; /* relative path; NULL: none was kept */
    bool is_done;      /* its prompt's search has ended */
};

struct recall {
    char spec_hash[65];
    uint64_t count;
    struct recalled *all; // [count]: by trial, then in the order in which the search scored them
};

/* What the ledger was made from, and each finished candidate. WN_E_MISSING: no run there. */
wn_status recall_finished(const char *run_dir, struct arena *arena, struct recall *out, wn_error *err);

/* What the searches on prompts 0 .. count-1 of the run spent; nothing where they have not begun. */
wn_status recall_spent(const char *run_dir, uint64_t count, struct spec_budget *spent, wn_error *err);

/* The candidate whose id begins with `id`, finished or not: recall->count is 1. WN_E_ARG: no hexadecimal digits, none
 * such, or several. */
wn_status recall_candidate(const char *run_dir, const char *id, struct arena *arena, struct recall *out, wn_error *err);

#endif
