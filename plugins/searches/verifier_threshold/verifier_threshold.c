/* verifier_threshold - goes on only when the preview is good enough; else tries again from the last gate.
 *
 * arXiv 2512.08985, 2025 ("verifier threshold"): at a gate, a preview whose score is above a threshold passes; of one
 * that fails the noise is drawn anew. An easy prompt takes few evaluations, a hard one many.
 *
 *     pilots: a few plain samples; a gate's threshold is a quantile of what they score there
 *     for each candidate:
 *         at the first gate: fresh noises, sampled up to it, until one passes
 *         at the others: stochastic steps from the last gate, until the preview passes
 *         none in `tries`: the best of them
 *
 * The paper leaves open how its threshold is found. Scores have no common scale over guides, prompts and noise levels,
 * so here a pilot finds it, and its samples are candidates like all: 4 pilots, their upper quartile, 2 gates, from 0.3
 * of the schedule on (before, predictions say little), 4 tries. */
#include <winnow/search.h>

#include <explore/kernel.h>
#include <explore/pilot.h>

#include <stdlib.h>

struct options {
    int64_t candidates;
    int64_t pilots;
    double quantile;
    int64_t gates;
    double first;
    int64_t tries;
    const char *kernel;
    double scale;
};

static const wn_option options[] = {
    WN_INT(struct options, candidates, "4", 1, 1e6, "samples that pass the gates, beside the pilots"),
    WN_INT(struct options, pilots, "4", 1, 4096, "plain samples that the thresholds are found with"),
    WN_NUMBER(struct options, quantile, "0.75", 0, 1, "of the pilots' scores at a gate that is its threshold"),
    WN_INT(struct options, gates, "2", 1, WN_STOPS_MAX, "points where a preview has to pass"),
    WN_NUMBER(struct options, first, "0.3", 0, 1, "where on the schedule the first gate is; the others follow evenly"),
    WN_INT(struct options, tries, "4", 1, 1e6, "at one gate; then the best of them goes on"),
    WN_KERNEL_OPTIONS(struct options, "cps"),
    WN_OPTIONS_END
};

struct search {
    const struct options *o;
    const wn_env *env;
    struct wn_purse purse;
    struct wn_gates gates;
    struct wn_flock pilots;            // [pilots]
    struct wn_flock state, best, next; // one sample each: what passed last, the best try at this gate, a new one
    uint64_t noises, stream;
};

static struct wn_gates gates_of(const struct options *o, uint64_t steps)
{
    struct wn_gates gates;
    gates.count = wn_stops(steps, o->first, (uint64_t)o->gates, steps - 1, gates.points);
    return gates;
}

/* One try at gate i, scored; best is the best of the tries. */
static wn_status try_once(struct search *s, uint64_t i, wn_error *err)
{
    const wn_env *env = s->env;
    const uint64_t to = s->gates.points[i];
    const struct wn_price price =
        i == 0 ? wn_price_advance(env, 1, 0, to, false) : wn_price_kicks(env, 1, to - s->state.point, to, true);
    bool is_better;
    if (!wn_purse_take(&s->purse, price, wn_price_advance(env, 1, to, env->steps, true)))
        return wn_fail(err, WN_E_BUDGET, "the budget ended at gate %llu", (unsigned long long)i + 1);
    if (i == 0) {
        WN_TRY(wn_flock_draw(&s->next, s->noises++, 1, err));
        WN_TRY(wn_flock_advance(&s->next, to, err));
    } else {
        WN_TRY(wn_flock_breed(&s->next, &s->state, 0, err));
        WN_TRY(wn_flock_kick(&s->next, to, wn_kernel_of(s->o->kernel, s->o->scale), &s->stream, err));
    }
    return wn_flock_contest(&s->best, &s->next, &is_better, err);
}

static wn_status pass(struct search *s, uint64_t i, wn_error *err)
{
    bool has_passed = false;
    wn_status status = WN_OK;
    for (int64_t t = 0; t < s->o->tries && status == WN_OK && !has_passed; t++) {
        status = try_once(s, i, err);
        has_passed = status == WN_OK && wn_passes(&s->gates, i, s->best.scores[0]);
    }
    if (s->best.count > 0) {
        wn_flock_swap(&s->state, &s->best);
        wn_flock_clear(&s->best);
    }
    return status;
}

static wn_status make_candidate(struct search *s, wn_error *err)
{
    wn_status status = WN_OK;
    for (uint64_t i = 0; i < s->gates.count && status == WN_OK; i++)
        status = pass(s, i, err);
    if (status == WN_E_BUDGET && s->state.count > 0)
        return wn_flock_break_off(&s->state, &s->purse, err);
    WN_TRY(status);
    return wn_flock_finish(&s->state, &s->purse, err);
}

static wn_status make_all(struct search *s, wn_error *err)
{
    const uint64_t pilots = (uint64_t)s->o->pilots;
    WN_TRY(wn_purse_gauge(&s->purse, true, err));
    WN_TRY(wn_pilot(&s->pilots, &s->purse, pilots, s->o->quantile, &s->gates, err));
    s->noises = pilots;
    for (int64_t i = 0; i < s->o->candidates; i++)
        WN_TRY(make_candidate(s, err));
    return WN_OK;
}

static wn_status run(void *self, const wn_env *env, wn_error *err)
{
    const struct options *o = self;
    struct search s = { .o = o, .env = env, .purse = wn_purse_open(env), .stream = WN_STREAM_AUX };
    s.gates = gates_of(o, env->steps);
    wn_status status = wn_flock_open(env, (uint64_t)o->pilots, &s.pilots, err);
    if (status == WN_OK)
        status = wn_flock_open(env, 1, &s.state, err);
    if (status == WN_OK)
        status = wn_flock_open(env, 1, &s.best, err);
    if (status == WN_OK)
        status = wn_flock_open(env, 1, &s.next, err);
    if (status == WN_OK)
        status = make_all(&s, err);
    wn_flock_close(&s.pilots);
    wn_flock_close(&s.state);
    wn_flock_close(&s.best);
    wn_flock_close(&s.next);
    return status;
}

/* At most: every gate takes all its tries. */
static void plan(const void *values, uint64_t steps, uint64_t evals_per_velocity, wn_search_plan *p)
{
    const struct options *o = values;
    const struct wn_gates gates = gates_of(o, steps);
    const uint64_t pilots = (uint64_t)o->pilots, candidates = (uint64_t)o->candidates, tries = (uint64_t)o->tries;
    const uint64_t last = gates.points[gates.count - 1];
    p->candidates = pilots + candidates;
    p->across_calls = 1;
    p->verifier_calls = pilots * (gates.count + 1) + candidates * (gates.count * tries + 1);
    p->nfe = (pilots * steps + candidates * (tries * (last + 1) + steps - last - 1)) * evals_per_velocity;
}

static wn_status create(const wn_host *host, const void *values, void **self, wn_error *err)
{
    const struct options *o = values;
    (void)host;
    WN_TRY(wn_kernel_check(o->kernel, o->scale, err));
    *self = (void *)(uintptr_t)values; // the options are all there is, and they are only read
    return WN_OK;
}

static const wn_search search = {
    .struct_size = sizeof search,
    .flags = WN_SEARCH_NEEDS_PREVIEW,
    .plan = plan,
    .run = run,
};

static const wn_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = WN_KIND_SEARCH,
    .name = "verifier_threshold",
    .version = "1.0",
    .summary = "goes on when a preview is good enough, else tries again from the last gate",
    .source = "arXiv 2512.08985, 2025, verifier threshold",
    .options = options,
    .options_size = sizeof(struct options),
    .create = create,
    .vtable = &search,
};

WN_MODULE(&plugin);
