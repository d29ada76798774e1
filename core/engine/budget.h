/* budget.h - what one prompt's search may still spend. */
#ifndef WINNOW_ENGINE_BUDGET_H
#define WINNOW_ENGINE_BUDGET_H

#include "spec/spec.h"

struct budget {
    struct spec_budget limit;
    uint64_t nfe;
    uint64_t verifier_calls;
    uint64_t candidates;
    double seconds; /* the device's and the guide's time for this prompt's candidates, recorded ones included: a peek's
                     * counts with the score that follows it, so that a resumed search stops where the first did */
};

struct charge {
    uint64_t nfe;
    uint64_t verifier_calls;
    uint64_t candidates;
};

/* What is left in a WN_CURRENCY_...; +infinity where there is no limit, never below 0. */
double budget_left(const struct budget *b, int32_t currency);

/* Takes all of the charge, or nothing and WN_E_BUDGET when one of its parts would pass its limit. Seconds are known
 * only afterwards: once they are used up, everything that costs is refused. */
wn_status budget_take(struct budget *b, struct charge charge, wn_error *err);

#endif
