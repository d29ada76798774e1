/* problems.h - all mistakes of a spec in one go: `file:line:col: /pointer: what; remedy`, one line for each. */
#ifndef WINNOW_SPEC_PROBLEMS_H
#define WINNOW_SPEC_PROBLEMS_H

#include "spec/tree.h"

enum { PROBLEMS_MAX = 50 };

struct problems {
    struct buffer lines;
    uint32_t count;
    wn_error first; /* its code decides the exit code */
};

void problems_init(struct problems *p);
void problems_free(struct problems *p);

/* A mistake at `at` (at its member `key` when not NULL). Lines beyond PROBLEMS_MAX are counted only. */
WN_PRINTF(5, 6)
void problems_add(struct problems *p, wn_status code, const struct tree_node *at, const char *key, const char *format,
                  ...);
/* A mistake without a place in a tree, or with its place in the text already. */
WN_PRINTF(3, 4) void problems_add_line(struct problems *p, wn_status code, const char *format, ...);

#endif
