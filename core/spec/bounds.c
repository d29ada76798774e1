/* A search is a whole: its candidates, evaluations and calls end together, when the first of them is used up. The
 * smallest it can be is one candidate. */
#include "spec/bounds.h"

#include <math.h>

/* Photographs as PNG take about 60 % of their raw size; drawings less. */
#define PNG_SHARE 0.6
enum {
    PNG_OVERHEAD = 2048,
    LEDGER_BYTES = 600,
    KEPT = 2
}; /* for each image; for each candidate; images of a prompt
    * where not all are kept: the first and the best */

static double amount(uint64_t planned)
{
    return planned == UINT64_MAX ? (double)INFINITY : (double)planned;
}

/* Searches plan a step as one velocity. Heun takes two but for the last: an upper bound also where a search takes
 * stochastic steps, which stay with one. */
static double velocities(const struct spec *spec, double planned)
{
    const double steps = spec->canvas.steps;
    return spec->solver == SPEC_SOLVER_HEUN ? planned * (2 * steps - 1) / steps : planned;
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

static double tighter(double own, double of_run, const struct spec *spec)
{
    return fmin(own, of_run / (spec->prompt_count ? spec->prompt_count : 1));
}

/* Whether the guide compares; a verifier that only its instance can say it of may. */
static bool may_compare(const struct spec *spec)
{
    const wn_verifier *guide = spec->verifiers[spec->guide].plugin->vtable;
    return (guide->flags & WN_VERIFIER_COMPARATIVE) || guide->describe;
}

uint64_t spec_shrinks(const struct spec *spec)
{
    wn_search_plan plan = { .struct_size = sizeof plan };
    if (spec->search.plugin)
        ((const wn_search *)spec->search.plugin->vtable)->plan(spec->search.options, spec->canvas.steps, 1, &plan);
    return plan.shrinks;
}

struct spec_bounds spec_bounds(const struct spec *spec, uint64_t evals_per_velocity)
{
    const wn_search *search = spec->search.plugin->vtable;
    wn_search_plan plan = { .struct_size = sizeof plan };
    search->plan(spec->search.options, spec->canvas.steps, evals_per_velocity, &plan);
    const double seconds = tighter(spec->budget.seconds, spec->run_budget.seconds, spec);
    const double again = may_compare(spec) ? amount(plan.calls_again) : 0;
    const double first = isfinite(seconds) ? 1 : 0; // a sample beside the plan, to learn what it takes
    const double candidates = amount(plan.candidates) + first,
                 nfe = velocities(spec, amount(plan.nfe) + first * spec->canvas.steps * (double)evals_per_velocity),
                 calls = amount(plan.verifier_calls) + again + first * 3; // two looks and the end
    const double most_candidates = tighter(spec->budget.candidates, spec->run_budget.candidates, spec);
    const double most_nfe = tighter(spec->budget.nfe, spec->run_budget.nfe, spec);
    const double most_calls = tighter(spec->budget.verifier_calls, spec->run_budget.verifier_calls, spec);
    const double way = velocities(spec, spec->canvas.steps * (double)evals_per_velocity);
    const bool one_fits = candidates >= 1 && most_candidates >= 1 && most_nfe >= way && most_calls >= 1;
    const double least = fmin(share(candidates, most_candidates), fmin(share(nfe, most_nfe), share(calls, most_calls)));
    return (struct spec_bounds){ fmax(cut(candidates, least, most_candidates), one_fits), cut(nfe, least, most_nfe),
                                 cut(calls, least, most_calls), seconds, spec->shares_budget };
}

struct spec_disk spec_disk(const struct spec *spec, const struct spec_bounds *each)
{
    const double raw = 3.0 * spec->canvas.width_px * spec->canvas.height_px;
    const double images = (double)spec->prompt_count * (spec->engine.save_images ? each->candidates : KEPT) +
                          fmin((double)spec->engine.save_previews, (double)spec->prompt_count) *
                              fmax(each->verifier_calls - each->candidates, 0);
    return (struct spec_disk){ images, images * (PNG_SHARE * raw + PNG_OVERHEAD) +
                                           spec->prompt_count * each->candidates * LEDGER_BYTES };
}
