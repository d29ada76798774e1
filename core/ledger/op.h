/* op.h - one write on its way to the database; a single allocation that holds its strings. */
#ifndef WINNOW_LEDGER_OP_H
#define WINNOW_LEDGER_OP_H

#include "ledger/ledger.h"

enum op_kind { OP_TRIAL = 1, OP_CANDIDATE, OP_OFFER, OP_EVENT };

struct op {
    struct op *next;
    uint64_t bytes; /* of the allocation: what the queue counts */
    int32_t kind;   /* enum op_kind */
    union {
        struct {
            struct ledger_trial row;
            wn_prompt prompt;
        } trial;
        struct {
            struct ledger_candidate row;
            struct ledger_score *scores; // [score_count]
            uint64_t score_count;
            const char *image; /* relative path, or NULL */
            const void *png;
            uint64_t png_bytes;
        } candidate;
        struct {
            uint64_t trial;
            uint64_t ordinal;
            char candidate[33];
        } offer;
        struct {
            char time[32];
            const char *kind;
            const char *text;
        } event;
    };
};

/* Copies of what the pointers name. NULL when memory ran out; free() ends one. */
struct op *op_trial(const struct ledger_trial *t);
struct op *op_candidate(const char *image, const struct ledger_candidate *c, const void *png, uint64_t png_bytes,
                        uint64_t score_count, const struct ledger_score *scores);
struct op *op_offer(uint64_t trial, uint64_t ordinal, const char *candidate);
struct op *op_event(const char *kind, const char *text);

#endif
