#include "engine/budget.h"

#include <math.h>

static double left(double limit, double spent)
{
    return limit > spent ? limit - spent : 0;
}

double budget_left(const struct budget *b, int32_t currency)
{
    switch (currency) {
    case WN_CURRENCY_NFE:
        return left(b->limit.nfe, (double)b->nfe);
    case WN_CURRENCY_SECONDS:
        return left(b->limit.seconds, b->seconds);
    case WN_CURRENCY_VERIFIER_CALLS:
        return left(b->limit.verifier_calls, (double)b->verifier_calls);
    case WN_CURRENCY_CANDIDATES:
        return left(b->limit.candidates, (double)b->candidates);
    default:
        return INFINITY;
    }
}

static wn_status check(const char *what, double limit, uint64_t spent, uint64_t more, wn_error *err)
{
    if ((double)spent + (double)more <= limit)
        return WN_OK;
    return wn_fail(err, WN_E_BUDGET, "%llu %s and %llu more would pass the budget of %g", (unsigned long long)spent,
                   what, (unsigned long long)more, limit);
}

wn_status budget_take(struct budget *b, struct charge charge, wn_error *err)
{
    const bool is_free = charge.nfe == 0 && charge.verifier_calls == 0 && charge.candidates == 0;
    if (!is_free && b->seconds >= b->limit.seconds)
        return wn_fail(err, WN_E_BUDGET, "%.3f seconds are spent of a budget of %g", b->seconds, b->limit.seconds);
    WN_TRY(check("evaluations", b->limit.nfe, b->nfe, charge.nfe, err));
    WN_TRY(check("verifier calls", b->limit.verifier_calls, b->verifier_calls, charge.verifier_calls, err));
    WN_TRY(check("candidates", b->limit.candidates, b->candidates, charge.candidates, err));
    b->nfe += charge.nfe;
    b->verifier_calls += charge.verifier_calls;
    b->candidates += charge.candidates;
    return WN_OK;
}
