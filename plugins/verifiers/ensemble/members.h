/* members.h - who takes part in an ensemble, with which weight, and under which names that is shown. */
#ifndef WINNOW_ENSEMBLE_MEMBERS_H
#define WINNOW_ENSEMBLE_MEMBERS_H

#include "combine.h"

#include <winnow/verifier.h>

struct member {
    const wn_verifier_ref *input;
    char name[65]; /* of its metric: the input's, with _ for - */
    char help[160];
};

struct members {
    uint64_t count;
    struct member *member;   /* [count] */
    struct opinion *opinion; /* [count] */
    wn_metric *metrics;      /* [1 + count]: `ensemble`, then each member's */
};

/* weights: the option's JSON text: null, a list in the order of the inputs, or an object by their names. */
wn_status members_open(const wn_host *host, const struct method *method, const char *weights, struct members *out,
                       wn_error *err);
void members_close(struct members *m); /* one that never opened is fine */

#endif
