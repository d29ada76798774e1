/* Which scores a run has: a column for each metric of the guide and the judges, and the glimpses of unfinished samples
 * that some of them ask for. */
#include "engine/engine.h"

#include <math.h>
#include <stdlib.h>

/* The point of the schedule nearest to sigma where there is a velocity; the noisier of two. */
static uint32_t nearest_point(const struct solver *s, double sigma)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < s->steps; i++)
        if (fabs((double)s->sigma[i] - sigma) < fabs((double)s->sigma[best] - sigma))
            best = i;
    return best;
}

uint32_t engine_glimpse(const struct engine *e, uint32_t verifier)
{
    const wn_verifier *v = engine_verifier(e, verifier);
    const uint32_t point = nearest_point(&e->solver, v->preview_sigma);
    for (uint32_t g = 0; g < e->solver.glimpse_count && (v->flags & WN_VERIFIER_NEEDS_PREVIEW); g++)
        if (e->solver.glimpse[g] == point)
            return g + 1;
    return 0;
}

static wn_status add_glimpse(struct engine *e, uint32_t verifier, wn_error *err)
{
    const wn_verifier *v = engine_verifier(e, verifier);
    struct solver *s = &e->solver;
    if (!(v->flags & WN_VERIFIER_NEEDS_PREVIEW) || engine_glimpse(e, verifier) > 0)
        return WN_OK;
    if (s->glimpse_count == GLIMPSES_MAX)
        return wn_fail(
            err, WN_E_UNSUPPORTED,
            "%s: verifier %s wants previews at sigma %g, after %d others that want them elsewhere; run some of "
            "them in a run of their own",
            e->spec->verifiers[verifier].pointer, e->spec->verifiers[verifier].name, v->preview_sigma, GLIMPSES_MAX);
    s->glimpse[s->glimpse_count++] = nearest_point(s, v->preview_sigma);
    return WN_OK;
}

static wn_status add_columns(struct engine *e, uint32_t verifier, wn_error *err)
{
    const wn_verifier *v = engine_verifier(e, verifier);
    WN_TRY(add_glimpse(e, verifier, err));
    for (uint32_t c = 0; c < e->column_count; c++)
        if (e->columns[c].verifier == verifier)
            return WN_OK; /* judge that guides, or is named twice */
    for (uint32_t m = 0; m < v->metric_count; m++)
        e->columns[e->column_count++] = (struct column){ verifier, m };
    e->has_comparative |= (v->flags & WN_VERIFIER_COMPARATIVE) != 0;
    return WN_OK;
}

wn_status engine_make_columns(struct engine *e, wn_error *err)
{
    const struct spec *spec = e->spec;
    const wn_verifier *guide = engine_verifier(e, spec->guide);
    uint64_t count = guide->metric_count;
    for (uint32_t i = 0; i < spec->judge_count; i++)
        count += engine_verifier(e, spec->judges[i])->metric_count;
    e->columns = calloc(count, sizeof *e->columns);
    if (!e->columns)
        return wn_fail(err, WN_E_MEMORY, "no memory for %llu metrics", (unsigned long long)count);
    WN_TRY(add_columns(e, spec->guide, err));
    e->guide_columns = e->column_count;
    e->guide_sign = guide->metrics[0].flags & WN_METRIC_HIGHER_IS_BETTER ? 1 : -1;
    e->guide_is_comparative = (guide->flags & WN_VERIFIER_COMPARATIVE) != 0;
    for (uint32_t i = 0; i < spec->judge_count; i++)
        WN_TRY(add_columns(e, spec->judges[i], err));
    return WN_OK;
}
