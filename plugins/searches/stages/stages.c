/* stages - searches one after another: many cheap drafts, the best of which a better search takes further.
 *
 * "Flash-BoN", 2026, does this with one draft model and one tournament: many drafts at a part of the cost, a filter,
 * and the best few refined at full quality. Here each stage is any search of winnow, on an env of its own (view.h):
 *
 *     rounds times
 *         each stage
 *             run its search: on a coarser schedule where it drafts; its first noises are the survivors'
 *             the survivors are the `keep` best of what it offered
 *
 * The paper drafts by leaving out layers and steps of one model, and refines from 70 % of the schedule. No layers can
 * be left out here, so a draft is one with fewer steps, or of a smaller picture; `resume` 0.7 goes on from there, 0
 * (default) starts again from the noises, which also undoes what coarse steps did wrong. 4 are kept, as in the paper.
 *
 * Budgets: each stage may spend of what is left the part that its plan is of the plans still to come, or its `share`,
 * and leaves what one sample needs to get through the stages behind it. */
#include "view.h"

#include <explore/flock.h>

#include <math.h>
#include <stdlib.h>

struct options {
    const wn_search_parts *stages;
    int64_t rounds;
};

struct stage_options {
    int64_t steps;
    int64_t shrink;
    int64_t keep;
    double resume;
    double share;
};

static const wn_option options[] = {
    WN_SEARCHES(struct options, stages, "searches that run one after another, the later ones from the survivors"),
    WN_INT(struct options, rounds, "1", 1, 1e6, "how often all of it is done, with fresh noises each time"),
    WN_OPTIONS_END
};

static const wn_option stage_options[] = {
    WN_INT(struct stage_options, steps, "0", 0, 1e6,
           "steps of a draft, over the same schedule; 0 = the schedule's own, and what it finds is finished"),
    WN_INT(
        struct stage_options, shrink, "1", 1, WN_SHRINK_MAX,
        "drafts on a canvas whose sides are shorter by this factor, from the noises shrunk to it; 1 = the whole one"),
    WN_INT(struct stage_options, keep, "4", 1, 4096, "how many of what it offers the next stage begins with"),
    WN_NUMBER(struct stage_options, resume, "0", 0, 1,
              "share of the schedule from where it goes on with the survivors; 0 = it starts again from their noises"),
    WN_NUMBER(struct stage_options, share, "0", 0, 1,
              "the most of what is left of the budget that it may spend; 0 = in proportion to the plans of the stages"),
    WN_OPTIONS_END
};

/* ---- the stages -------------------------------------------------------------------------------------------------- */

static const wn_search_part *part_of(const struct options *o, uint64_t i)
{
    return &o->stages->parts[i];
}

static const struct stage_options *own_of(const struct options *o, uint64_t i)
{
    return part_of(o, i)->own;
}

static bool is_last(const struct options *o, uint64_t i)
{
    return i + 1 == o->stages->count;
}

/* The step of a stage that the next one goes on from; 0 = from the noise. */
static uint64_t trail_of(const struct options *o, uint64_t i, const struct track *track)
{
    return is_last(o, i) ? 0 : track_step_at(track, own_of(o, i + 1)->resume);
}

/* Where stage i runs when the one before runs on `before`: NULL for the first, and for one that got no survivors. */
static struct track track_after(const struct options *o, uint64_t i, const struct track *before, uint64_t steps)
{
    uint64_t first = 0;
    if (before && own_of(o, i)->resume > 0)
        first = track_point(before, trail_of(o, i - 1, before));
    return track_of(first, steps, (uint64_t)own_of(o, i)->steps, (uint64_t)own_of(o, i)->shrink);
}

static wn_search_plan plan_of(const struct options *o, uint64_t i, const struct track *track, uint64_t evals)
{
    const wn_search *search = part_of(o, i)->plugin->vtable;
    wn_search_plan p = { .struct_size = sizeof p };
    search->plan(part_of(o, i)->options, track->steps, evals, &p);
    if (track->is_draft)
        p.candidates = 0;
    return p;
}

static uint64_t sum(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t product(uint64_t a, uint64_t b)
{
    return b > 0 && a > UINT64_MAX / b ? UINT64_MAX : a * b;
}

/* What a stage hands on may be compared once more, in one set: at most all that it scored. */
static void plan(const void *values, uint64_t steps, uint64_t evals_per_velocity, wn_search_plan *all)
{
    const struct options *o = values;
    struct track track = { 0 };
    for (uint64_t i = 0; i < o->stages->count; i++) {
        track = track_after(o, i, i > 0 ? &track : NULL, steps);
        const wn_search_plan p = plan_of(o, i, &track, evals_per_velocity);
        all->across_calls |= p.across_calls;
        all->shrinks |= track.shrink > 1 ? (uint64_t)1 << track.shrink : 0;
        all->candidates = sum(all->candidates, p.candidates);
        all->nfe = sum(all->nfe, p.nfe);
        all->verifier_calls = sum(all->verifier_calls, p.verifier_calls);
        all->calls_again = sum(all->calls_again, sum(p.calls_again, is_last(o, i) ? 0 : p.verifier_calls));
    }
    all->candidates = product(all->candidates, (uint64_t)o->rounds);
    all->nfe = product(all->nfe, (uint64_t)o->rounds);
    all->verifier_calls = product(all->verifier_calls, (uint64_t)o->rounds);
    all->calls_again = product(all->calls_again, (uint64_t)o->rounds);
}

/* ---- parts of the budget ----------------------------------------------------------------------------------------- */

struct course {
    const struct options *o;
    void *const *selves; /* [stages] */
    const wn_env *env;
    double per_nfe, per_call; /* seconds, by a first sample; 0 where they are no budget */
    uint64_t streams, runs;   /* noises drawn, stages run */
    bool is_cut;
};

/* By currency; of seconds, as far as is known. A plan without an end counts for nothing: it takes what is left. */
struct need {
    double of[VIEW_CURRENCIES];
};

static double bounded(uint64_t planned)
{
    return planned == UINT64_MAX ? 0 : (double)planned;
}

/* An evaluation on a smaller canvas is taken to last as long as its pixels are part of the whole one's. */
static void time_need(const struct course *c, const struct track *track, struct need *n)
{
    const double per_nfe = c->per_nfe / (double)(track->shrink * track->shrink);
    n->of[WN_CURRENCY_SECONDS] = per_nfe * n->of[WN_CURRENCY_NFE] + c->per_call * n->of[WN_CURRENCY_VERIFIER_CALLS];
}

static struct need need_of(const struct course *c, uint64_t i, const struct track *track)
{
    const wn_search_plan p = plan_of(c->o, i, track, c->env->evals_per_velocity);
    struct need n = { { 0 } };
    n.of[WN_CURRENCY_NFE] = bounded(p.nfe);
    n.of[WN_CURRENCY_VERIFIER_CALLS] = bounded(p.verifier_calls);
    n.of[WN_CURRENCY_CANDIDATES] = bounded(p.candidates);
    time_need(c, track, &n);
    return n;
}

/* One sample's way. */
static struct need least_of(const struct course *c, const struct track *track)
{
    const wn_env *env = c->env;
    struct need n = { { 0 } };
    n.of[WN_CURRENCY_NFE] = track->is_draft ? (double)(track->steps * env->evals_per_velocity)
                                            : (double)env->cost(env->ctx, track->first, track->last);
    n.of[WN_CURRENCY_VERIFIER_CALLS] = 1;
    n.of[WN_CURRENCY_CANDIDATES] = !track->is_draft;
    time_need(c, track, &n);
    return n;
}

static void add(struct need *n, const struct need *more)
{
    for (int32_t k = 0; k < VIEW_CURRENCIES; k++)
        n->of[k] += more->of[k];
}

static double limit_of(double left, double share, double own, double later, double reserve)
{
    const double part = share > 0 ? share : own > 0 ? own / (own + later) : 1;
    return fmax(0, fmin(left * part, left - reserve));
}

/* The last stage may have all that is left. */
static void set_limits(const struct course *c, uint64_t i, struct view *v)
{
    const wn_env *env = c->env;
    const struct need own = need_of(c, i, &v->track);
    struct need later = { { 0 } }, reserve = { { 0 } };
    struct track track = v->track;
    for (uint64_t k = i + 1; k < c->o->stages->count; k++) {
        track = track_after(c->o, k, &track, env->steps);
        const struct need planned = need_of(c, k, &track), least = least_of(c, &track);
        add(&later, &planned);
        add(&reserve, &least);
    }
    for (int32_t k = WN_CURRENCY_NFE; k < VIEW_CURRENCIES; k++)
        v->limit[k] = is_last(c->o, i) ? (double)INFINITY
                                       : limit_of(env->budget_left(env->ctx, k), own_of(c->o, i)->share, own.of[k],
                                                  later.of[k], reserve.of[k]);
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

/* What goes wrong in a stage is told with its place; outcomes pass. */
static wn_status name_stage(const struct options *o, uint64_t i, wn_status status, wn_error *err)
{
    const wn_error why = *err;
    if (status == WN_OK || status == WN_E_BUDGET || status == WN_E_CANCELLED)
        return status;
    return wn_fail(err, status, "stage %llu (%s): %.900s", (unsigned long long)i + 1, part_of(o, i)->plugin->name,
                   why.message);
}

static wn_status run_search(struct course *c, uint64_t i, struct view *v, wn_error *err)
{
    const wn_search *search = part_of(c->o, i)->plugin->vtable;
    wn_status status = view_open(v, err);
    if (status == WN_OK)
        status = name_stage(c->o, i, search->run(c->selves[i], &v->env, err), err);
    c->is_cut |=
        status == WN_E_BUDGET && (is_last(c->o, i) || own_of(c->o, i)->share <= 0); /* else it was told to end there */
    c->streams += v->drawn;
    c->runs++;
    view_close(v);
    return status == WN_E_BUDGET ? WN_OK : status;
}

static wn_status run_stage(struct course *c, uint64_t i, const struct track *track, const struct crew *before,
                           struct crew *after, wn_error *err)
{
    struct view v = { .real = c->env,
                      .track = *track,
                      .before = before,
                      .after = is_last(c->o, i) ? NULL : after,
                      .trail = trail_of(c->o, i, track),
                      .streams = c->streams,
                      .aux = c->runs << 36 };
    set_limits(c, i, &v);
    WN_TRY(run_search(c, i, &v, err));
    return name_stage(c->o, i, crew_settle(after, (uint64_t)own_of(c->o, i)->keep, err), err);
}

/* A stage whose predecessor found nothing it could pay for is a first stage. */
static wn_status run_round(struct course *c, wn_error *err)
{
    struct crew before = { .env = c->env };
    struct track track = { 0 };
    wn_status status = WN_OK;
    for (uint64_t i = 0; status == WN_OK && i < c->o->stages->count; i++) {
        struct crew after = { .env = c->env };
        track = track_after(c->o, i, before.count > 0 ? &track : NULL, c->env->steps);
        status = run_stage(c, i, &track, before.count > 0 ? &before : NULL, &after, err);
        crew_finish(&before);
        before = after;
    }
    crew_finish(&before);
    return status;
}

struct stages {
    const struct options *o;
    void *selves[]; /* of o->stages */
};

/* One sample goes all the way before the first stage: then there is a picture, and it is known what stages take. */
static wn_status gauge(struct course *c, wn_error *err)
{
    const struct wn_price nfe = { 1, 0, 0 }, call = { 0, 1, 0 };
    struct wn_purse purse = wn_purse_open(c->env);
    WN_TRY(wn_purse_gauge(&purse, true, err));
    c->per_nfe = wn_purse_seconds(&purse, nfe);
    c->per_call = wn_purse_seconds(&purse, call);
    return WN_OK;
}

static bool any_shrinks(const struct options *o)
{
    for (uint64_t i = 0; i < o->stages->count; i++)
        if (own_of(o, i)->shrink > 1)
            return true;
    return false;
}

static wn_status run(void *self, const wn_env *env, wn_error *err)
{
    const struct stages *s = self;
    struct course c = { .o = s->o, .selves = s->selves, .env = env };
    if (!WN_HAS(wn_env, env, kick) || !env->kick)
        return wn_fail(err, WN_E_UNSUPPORTED, "this host has no env->kick with kernels; take winnow 0.1 or later");
    if (any_shrinks(s->o) && (!WN_HAS(wn_env, env, shrunk_sigma) || !env->shrink || !env->shrunk_sigma))
        return wn_fail(err, WN_E_UNSUPPORTED, "this host has no smaller canvas; take \"shrink\" away");
    WN_TRY(gauge(&c, err));
    for (int64_t i = 0; i < s->o->rounds && !c.is_cut; i++)
        WN_TRY(run_round(&c, err));
    return c.is_cut ? wn_fail(err, WN_E_BUDGET, "the budget ended before the stages") : WN_OK;
}

/* ---- the instance ------------------------------------------------------------------------------------------------ */

/* From one canvas to another there is only the noise. */
static wn_status check_shrunk(const struct options *o, wn_error *err)
{
    for (uint64_t i = 1; i < o->stages->count; i++) {
        const bool is_shrunk = own_of(o, i)->shrink > 1;
        if (own_of(o, i)->resume > 0 && (is_shrunk || own_of(o, i - 1)->shrink > 1))
            return wn_fail(
                err, WN_E_ARG,
                "stages/%llu/resume: %g, but %s on a canvas shrunk by %lld; a picture of one size does not go "
                "on at another, so leave it out to start again from the noises",
                (unsigned long long)i, own_of(o, i)->resume,
                is_shrunk ? "this stage drafts" : "the stage before drafts",
                (long long)own_of(o, is_shrunk ? i : i - 1)->shrink);
    }
    return WN_OK;
}

static wn_status check(const struct options *o, wn_error *err)
{
    double resume = 0;
    const uint64_t last = o->stages->count - 1;
    if (own_of(o, last)->steps > 0 || own_of(o, last)->shrink > 1)
        return wn_fail(err, WN_E_ARG,
                       "stages/%llu/%s: the last stage cannot draft, because nothing would be finished; "
                       "leave it out",
                       (unsigned long long)last, own_of(o, last)->steps > 0 ? "steps" : "shrink");
    WN_TRY(check_shrunk(o, err));
    if (own_of(o, 0)->resume > 0)
        return wn_fail(err, WN_E_ARG, "stages/0/resume: the first stage has nothing to go on from; leave it out");
    for (uint64_t i = 1; i <= last; i++) {
        if (own_of(o, i)->resume > 0 && own_of(o, i)->resume < resume)
            return wn_fail(err, WN_E_ARG,
                           "stages/%llu/resume: %g is before %g, where the survivors of the stage before "
                           "began; go on from there or later, or from the noises with 0",
                           (unsigned long long)i, own_of(o, i)->resume, resume);
        resume = own_of(o, i)->resume;
    }
    for (uint64_t i = 0; i < last; i++) {
        const struct track track = track_of(0, 16, (uint64_t)own_of(o, i)->steps, (uint64_t)own_of(o, i)->shrink);
        if (plan_of(o, i, &track, 1).nfe == UINT64_MAX && own_of(o, i)->share == 0)
            return wn_fail(err, WN_E_ARG,
                           "stages/%llu: %s goes on for ever; say with \"share\" how much of the budget it "
                           "may spend",
                           (unsigned long long)i, part_of(o, i)->plugin->name);
    }
    return WN_OK;
}

/* The same with what the stages' searches find wrong with theirs. */
static wn_status check_all(const void *values, wn_error *err)
{
    const struct options *o = values;
    for (uint64_t i = 0; i < o->stages->count; i++) {
        const wn_search *search = part_of(o, i)->plugin->vtable;
        if (search->check)
            WN_TRY(name_stage(o, i, search->check(part_of(o, i)->options, err), err));
    }
    return check(o, err);
}

static void destroy(void *self)
{
    struct stages *s = self;
    for (uint64_t i = s ? s->o->stages->count : 0; i-- > 0;)
        if (s->selves[i])
            part_of(s->o, i)->plugin->destroy(s->selves[i]);
    free(s);
}

static wn_status create(const wn_host *host, const void *values, void **self, wn_error *err)
{
    const struct options *o = values;
    WN_TRY(check_all(o, err));
    struct stages *s = calloc(1, sizeof *s + o->stages->count * sizeof(void *));
    if (!s)
        return wn_fail(err, WN_E_MEMORY, "no memory for %llu stages", (unsigned long long)o->stages->count);
    s->o = o;
    for (uint64_t i = 0; i < o->stages->count; i++) {
        const wn_search_part *part = part_of(o, i);
        const wn_status status = part->plugin->create(host, part->options, &s->selves[i], err);
        if (status != WN_OK) {
            s->selves[i] = NULL;
            destroy(s);
            return name_stage(o, i, status, err);
        }
    }
    *self = s;
    return WN_OK;
}

static const wn_search search = {
    .struct_size = sizeof search,
    .plan = plan,
    .run = run,
    .part_options = stage_options,
    .part_options_size = sizeof(struct stage_options),
    .check = check_all,
};

static const wn_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = WN_KIND_SEARCH,
    .name = "stages",
    .version = "1.0",
    .summary = "searches one after another: drafts, the best of them refined",
    .source = "Flash-BoN 2026, arXiv 2607.04461, with any search as a stage",
    .options = options,
    .options_size = sizeof(struct options),
    .create = create,
    .destroy = destroy,
    .vtable = &search,
};

WN_MODULE(&plugin);
