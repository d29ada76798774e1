/* A search is a whole: its candidates, evaluations and calls end together, when the first of them is used up. */
#include "spec/bounds.h"

#include <math.h>

static double amount(uint64_t planned)
{
    return planned == UINT64_MAX ? (double)INFINITY : (double)planned;
}

/* The part of the plan that a budget pays for; a plan without an end has no parts. */
static double share(double planned, double budget)
{
    return planned > budget && isfinite(planned) ? budget / planned : 1;
}

static double cut(double planned, double share_of_all, double budget)
{
    return fmin(isfinite(planned) ? floor(planned * share_of_all * (1 + 1e-12)) : planned, budget);
}

struct spec_bounds spec_bounds(const struct spec *spec, uint64_t evals_per_velocity)
{
    const wn_search *search = spec->search.plugin->vtable;
    wn_search_plan plan = { .struct_size = sizeof plan };
    search->plan(spec->search.options, spec->canvas.steps, evals_per_velocity, &plan);
    const double candidates = amount(plan.candidates), nfe = amount(plan.nfe), calls = amount(plan.verifier_calls);
    const double least = fmin(share(candidates, spec->budget.candidates),
                              fmin(share(nfe, spec->budget.nfe), share(calls, spec->budget.verifier_calls)));
    return (struct spec_bounds){ cut(candidates, least, spec->budget.candidates), cut(nfe, least, spec->budget.nfe),
                                 cut(calls, least, spec->budget.verifier_calls) };
}
