/* rbf - rollover budget forcing: a step is tried until it leads higher than anything before; what it leaves of its
 * quota the next one has.
 *
 * Kim et al., "Inference-Time Scaling for Flow Models via Stochastic Generation and Rollover Budget Forcing", 2025:
 *
 *     each of the chains, with its part of the evaluations:
 *         of `initial` noises, the one whose prediction scores best; r = its score
 *         every step has the quota q = (evaluations - initial) / steps, and what the steps before left
 *             propose a stochastic step; the velocity at its end gives the prediction that is scored, and the next step
 *             better than r:     take it at once, r = its score; what is left of the quota rolls over
 *             quota used up:     take the best proposal; nothing rolls over
 *         what is left after the last but one step is spent on proposals of that step
 *
 * Numbers are those of the paper's text to image: 500 evaluations, 2 chains, 25 initial noises, g = 3 s^2 (its
 * variance-preserving variant is kernel rbf_vp; its schedule, which takes more steps early, is the sampler's to give).
 * The last step of all adds no noise and is taken as it is. A chain stops exactly at its number of evaluations. */
#include <winnow/search.h>

#include <explore/chance.h>
#include <explore/flock.h>
#include <explore/kernel.h>

#include <math.h>
#include <stdlib.h>

struct options {
    int64_t nfe;
    int64_t chains;
    int64_t initial;
    const char *kernel;
    double scale;
};

static const wn_option options[] = {
    WN_INT(struct options, nfe, "500", 1, 1e9, "evaluations of all chains; the spec's budget, where it is smaller"),
    WN_INT(struct options, chains, "2", 1, 4096, "independent chains, one after another"),
    WN_INT(struct options, initial, "25", 1, 1e6, "noises that a chain chooses its first from"),
    WN_KERNEL_OPTIONS(struct options, "rbf"), WN_OPTIONS_END
};

struct chain {
    const struct options *o;
    const wn_env *env;
    struct wn_purse purse;
    struct wn_flock state, best, next; // one sample each: where it stands, the best proposal of this step, a new one
    double record;
    uint64_t left;   // velocities that may still be evaluated
    uint64_t noises; // drawn by all chains
    uint64_t stream;
    bool is_cut; // the budget was less than the options ask for
};

/* What the options and the budget leave to a chain: velocities, and how many it begins with. */
struct share {
    uint64_t chains, velocities, initial, quota;
};

/* A chain needs a first noise and a proposal for each step but the last. Where evaluations are few there are fewer
 * chains, then fewer initial noises. */
static struct share share_of(const struct options *o, uint64_t steps, uint64_t evals, double budget)
{
    const double nfe = fmin((double)o->nfe, budget);
    const uint64_t all = (uint64_t)(nfe / (double)evals), most = all / steps, asked = (uint64_t)o->chains;
    struct share s = { .chains = asked < most ? asked : most };
    if (s.chains == 0)
        return s;
    s.velocities = all / s.chains;
    const uint64_t spare = s.velocities - (steps - 1), initial = (uint64_t)o->initial;
    s.initial = initial < spare ? initial : spare;
    s.quota = (s.velocities - s.initial) / steps;
    s.quota = s.quota > 0 ? s.quota : 1;
    return s;
}

/* Pays for scoring one sample at `to`, if it can then still be brought to the end. */
static bool take(struct chain *c, uint64_t to, bool is_paid)
{
    const wn_env *env = c->env;
    const uint64_t kicks = to - c->state.point;
    if (!wn_purse_take(&c->purse, wn_price_kicks(env, 1, kicks, to, is_paid),
                       wn_price_advance(env, 1, to, env->steps, true)))
        return !(c->is_cut = true);
    c->left--;
    return true;
}

static wn_status out_of_budget(wn_error *err)
{
    return wn_fail(err, WN_E_BUDGET, "the budget ended within a chain");
}

static wn_status begin(struct chain *c, const struct share *s, wn_error *err)
{
    bool is_better;
    for (uint64_t i = 0; i < s->initial; i++) {
        if (!take(c, 0, false)) {
            if (i == 0)
                return out_of_budget(err);
            break;
        }
        WN_TRY(wn_flock_draw(&c->next, c->noises++, 1, err));
        WN_TRY(wn_flock_contest(&c->best, &c->next, &is_better, err));
    }
    wn_flock_swap(&c->state, &c->best);
    c->record = c->state.scores[0];
    return WN_OK;
}

/* Proposals for the step to the next point, at most `quota`, until one beats the record. WN_E_BUDGET: not even one. */
static wn_status step(struct chain *c, uint64_t *quota, bool stops_at_record, wn_error *err)
{
    const uint64_t to = c->state.point + 1;
    bool is_better, is_record = false;
    for (; *quota > 0 && !(is_record && stops_at_record); --*quota) {
        if (!take(c, to, true))
            break;
        WN_TRY(wn_flock_breed(&c->next, &c->state, 0, err));
        WN_TRY(wn_flock_kick(&c->next, to, wn_kernel_of(c->o->kernel, c->o->scale), &c->stream, err));
        WN_TRY(wn_flock_contest(&c->best, &c->next, &is_better, err));
        is_record = is_better && wn_beats(c->best.scores[0], c->record);
        if (is_record)
            c->record = c->best.scores[0];
    }
    if (c->best.count == 0)
        return out_of_budget(err);
    if (!is_record)
        *quota = 0;
    wn_flock_swap(&c->state, &c->best);
    wn_flock_clear(&c->best);
    return WN_OK;
}

static wn_status walk(struct chain *c, const struct share *s, wn_error *err)
{
    const uint64_t last = c->env->steps - 1;
    uint64_t rolled = 0;
    for (uint64_t p = 0; p < last; p++) {
        const uint64_t later = last - p - 1; // steps that need a proposal each
        const bool is_end = later == 0;
        const uint64_t most = c->left - later, wanted = s->quota + rolled;
        rolled = is_end || wanted > most ? most : wanted;
        WN_TRY(step(c, &rolled, !is_end, err));
    }
    return WN_OK;
}

static wn_status run_chain(struct chain *c, const struct share *s, wn_error *err)
{
    c->left = s->velocities;
    WN_TRY(begin(c, s, err));
    const wn_status status = walk(c, s, err);
    if (status == WN_E_BUDGET)
        return wn_flock_break_off(&c->state, &c->purse, err);
    WN_TRY(status);
    return wn_flock_finish(&c->state, &c->purse, err);
}

/* Evaluations that there is time for, each of them looked at; a chain is begun even so, and broken off. */
static double time_for(const struct chain *c)
{
    const wn_env *env = c->env;
    const double evals = (double)env->evals_per_velocity;
    const uint64_t all = (uint64_t)c->o->nfe / env->evals_per_velocity;
    const struct wn_price each = { evals, 1, 0 };
    if (!wn_purse_is_timed(&c->purse) || all == 0)
        return (double)INFINITY;
    const uint64_t most = wn_purse_width(&c->purse, all, each, wn_price_nothing);
    return evals * (double)(most > env->steps ? most : env->steps);
}

static wn_status run_chains(struct chain *c, wn_error *err)
{
    const wn_env *env = c->env;
    WN_TRY(wn_purse_gauge(&c->purse, true, err));
    const double budget = fmin(env->budget_left(env->ctx, WN_CURRENCY_NFE), time_for(c));
    const struct share s = share_of(c->o, env->steps, env->evals_per_velocity, budget);
    c->is_cut = budget < (double)c->o->nfe;
    if (s.chains == 0)
        return wn_fail(err, WN_E_BUDGET, "no chain of %llu steps can be paid for", (unsigned long long)env->steps);
    for (uint64_t i = 0; i < s.chains; i++)
        WN_TRY(run_chain(c, &s, err));
    return c->is_cut ? wn_fail(err, WN_E_BUDGET, "the budget is less than %lld evaluations", (long long)c->o->nfe)
                     : WN_OK;
}

static wn_status run(void *self, const wn_env *env, wn_error *err)
{
    struct chain c = { .o = self, .env = env, .purse = wn_purse_open(env), .stream = WN_STREAM_AUX };
    wn_status status = wn_flock_open(env, 1, &c.state, err);
    if (status == WN_OK)
        status = wn_flock_open(env, 1, &c.best, err);
    if (status == WN_OK)
        status = wn_flock_open(env, 1, &c.next, err);
    if (status == WN_OK)
        status = run_chains(&c, err);
    wn_flock_close(&c.state);
    wn_flock_close(&c.best);
    wn_flock_close(&c.next);
    return status;
}

/* Evaluations are what the option says; a sampler that takes several for a velocity has fewer proposals. */
static void plan(const void *values, uint64_t steps, uint64_t evals_per_velocity, wn_search_plan *p)
{
    const struct share s = share_of(values, steps, 1, (double)INFINITY);
    (void)evals_per_velocity;
    p->candidates = s.chains;
    p->nfe = s.chains * s.velocities;
    p->verifier_calls = s.chains * (s.velocities + 1);
    p->across_calls = 1;
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
    .name = "rbf",
    .version = "1.0",
    .summary = "rollover budget forcing: steps are tried until they beat all before",
    .source = "Kim et al. 2025, arXiv 2503.19385, rollover budget forcing",
    .options = options,
    .options_size = sizeof(struct options),
    .create = create,
    .vtable = &search,
};

WN_MODULE(&plugin);
