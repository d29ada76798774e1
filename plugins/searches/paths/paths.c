/* paths - searches over sampling trajectories: back into the noise, down again on several ways, on with the best.
 *
 * Ma et al., "Inference-Time Scaling for Diffusion Models beyond Scaling Denoising Steps", 2025, "search over paths":
 *
 *     N noises -> ODE down to level sigma0
 *     until the level is 0:
 *         M copies of each, noised forward by delta_f
 *         ODE back by delta_b > delta_f, in L steps
 *         score the predicted clean images, keep N
 *
 * The constants are those of the paper's text to image: sigma0 0.11, delta_f 0.78, delta_b 0.81, N 2; that is four
 * rounds, .11 -> .89 -> .08 -> .86 -> .05 -> .83 -> .02 -> .80 -> 0. What it leaves open: L        0, every step of the
 * schedule: at 4 Euler steps over 0.8 of the way the scores are those of coarse integration. Another L takes strides
 * over the schedule's points. N of NM  the best of all (`global`), or the best child of each (`per_parent`), which
 * keeps N distinct lines. M        4; the paper scales it with the budget. Levels are rounded to points of the
 * schedule. The forward kernel keeps the marginals, so a jump to 0.89 leaves an eighth of the signal: a round is nearly
 * a restart. */
#include <winnow/search.h>

#include <explore/chance.h>
#include <explore/flock.h>
#include <explore/schedule.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ROUNDS = 1000 };

struct options {
    int64_t paths;
    int64_t expansions;
    double sigma0;
    double delta_f;
    double delta_b;
    int64_t backward_steps;
    const char *select;
};

static const wn_option options[] = {
    WN_INT(struct options, paths, "2", 1, 256, "lines that are kept, N"),
    WN_INT(struct options, expansions, "4", 1, 256, "ways tried from each in a round, M"),
    WN_NUMBER(struct options, sigma0, "0.11", 0.001, 0.999, "noise level of the first stop"),
    WN_NUMBER(struct options, delta_f, "0.78", 0.001, 0.999, "added to the level by noising forward"),
    WN_NUMBER(struct options, delta_b, "0.81", 0.001, 1, "taken off it by sampling back; more than delta_f"),
    WN_INT(struct options, backward_steps, "0", 0, 10000,
           "Euler steps of one way back, L; 0 = all steps of the schedule in between, by its solver"),
    WN_ENUM(struct options, select, "\"global\"", "global|per_parent",
            "who is kept: the best N of all, or the best child of each"),
    WN_OPTIONS_END
};

struct search {
    const struct options *o;
    const wn_env *env;
    struct wn_purse purse;
    struct wn_flock paths;    // [paths]
    struct wn_flock children; // [paths * expansions]
    uint64_t *order;          // [paths * expansions]
    uint64_t stream;
};

/* They start from the levels sigma0 - i (delta_b - delta_f), down to 0. */
static double rounds_of(const struct options *o)
{
    const double nearer = fmax(o->delta_b - o->delta_f, 1e-9); // create refuses what comes no nearer
    return ceil(o->sigma0 / nearer - 1e-9);
}

struct jump {
    uint64_t up, down; // points
};

/* Each jump leads back by a point at least and down by one; what is clean is so only after the last round. */
static struct jump jump_of(const struct search *s, uint64_t round)
{
    const struct options *o = s->o;
    const uint64_t steps = s->env->steps, from = s->paths.point;
    const double level = o->sigma0 - (double)round * (o->delta_b - o->delta_f);
    const uint64_t up = wn_point_of(s->env, level + o->delta_f),
                   down = wn_point_of(s->env, level + o->delta_f - o->delta_b);
    struct jump j = { up < from ? up : from - 1, down < steps ? down : steps - 1 };
    if ((double)round + 1 >= rounds_of(o))
        j.down = steps;
    else if (j.down <= j.up)
        j.down = j.up + 1;
    return j;
}

static uint64_t strides(const struct options *o, uint64_t way)
{
    const uint64_t most = (uint64_t)o->backward_steps;
    return most == 0 || most > way ? way : most;
}

static wn_status stride_back(struct search *s, struct jump j, wn_error *err)
{
    const wn_env *env = s->env;
    const uint64_t way = j.down - j.up, count = strides(s->o, way);
    if (s->o->backward_steps == 0)
        return wn_flock_advance(&s->children, j.down, err);
    const wn_kernel euler = { WN_KERNEL_CPS, 0 };
    for (uint64_t i = 0; i < s->children.count; i++)
        for (uint64_t k = 1; k <= count; k++)
            WN_TRY(env->kick(env->ctx, s->children.samples[i], j.up + way * k / count, euler, 0, err));
    s->children.point = j.down;
    s->children.is_paid = false;
    return WN_OK;
}

static wn_status expand(struct search *s, struct jump j, wn_error *err)
{
    const wn_env *env = s->env;
    wn_flock_clear(&s->children);
    for (uint64_t i = 0; i < s->paths.count; i++)
        for (int64_t m = 0; m < s->o->expansions; m++)
            WN_TRY(wn_flock_breed(&s->children, &s->paths, i, err));
    for (uint64_t i = 0; i < s->children.count; i++)
        WN_TRY(env->renoise(env->ctx, s->children.samples[i], j.up, s->stream++, err));
    s->children.point = j.up;
    s->children.is_paid = false;
    return stride_back(s, j, err);
}

/* The children become the paths to go on with, N of them. */
static wn_status choose(struct search *s, wn_error *err)
{
    const uint64_t n = s->paths.count, m = (uint64_t)s->o->expansions;
    WN_TRY(wn_flock_score(&s->children, err));
    wn_rank(s->children.count, s->children.scores, s->order);
    if (strcmp(s->o->select, "per_parent") == 0)
        for (uint64_t i = 0; i < n; i++)
            s->order[i] = i * m + wn_best(m, s->children.scores + i * m);
    WN_TRY(wn_flock_keep(&s->children, n, s->order, err));
    wn_flock_swap(&s->children, &s->paths);
    return WN_OK;
}

/* Whether a round can be paid for, and then the rest of the way for one. */
static bool take_round(struct search *s, struct jump j)
{
    const wn_env *env = s->env;
    const uint64_t count = s->paths.count * (uint64_t)s->o->expansions, way = strides(s->o, j.down - j.up);
    const struct wn_price round = s->o->backward_steps == 0 ? wn_price_advance(env, count, j.up, j.down, false)
                                                            : wn_price_kicks(env, count, way, j.down, false);
    const bool is_last = j.down == env->steps;
    return wn_purse_take(&s->purse, round,
                         is_last ? wn_price_nothing : wn_price_advance(env, 1, j.down, env->steps, true));
}

static wn_status descend(struct search *s, wn_error *err)
{
    const wn_env *env = s->env;
    const uint64_t n = (uint64_t)s->o->paths, level = wn_point_of(env, s->o->sigma0);
    const uint64_t most = env->steps > 1 ? env->steps - 1 : 1, stop = level < 1 ? 1 : level < most ? level : most;
    const struct wn_price way = { (double)(n * env->cost(env->ctx, 0, stop)), 0, 0 };
    WN_TRY(wn_purse_gauge(&s->purse, true, err));
    WN_TRY(wn_flock_draw(&s->paths, 0, n, err));
    if (!wn_purse_take(&s->purse, way, wn_price_advance(env, 1, stop, env->steps, false)))
        return wn_flock_break_off(&s->paths, &s->purse, err);
    return wn_flock_advance(&s->paths, stop, err);
}

static wn_status walk(struct search *s, wn_error *err)
{
    const uint64_t rounds = (uint64_t)rounds_of(s->o);
    WN_TRY(descend(s, err));
    for (uint64_t i = 0; i < rounds; i++) {
        const struct jump j = jump_of(s, i);
        if (!take_round(s, j))
            return wn_flock_break_off(&s->paths, &s->purse, err);
        WN_TRY(expand(s, j, err));
        if (i + 1 < rounds)
            WN_TRY(choose(s, err));
    }
    return wn_flock_finish(&s->children, &s->purse, err);
}

static wn_status run(void *self, const wn_env *env, wn_error *err)
{
    const struct options *o = self;
    const uint64_t most = (uint64_t)(o->paths * o->expansions);
    struct search s = { .o = o, .env = env, .purse = wn_purse_open(env), .stream = WN_STREAM_AUX };
    s.order = calloc(most, sizeof *s.order);
    wn_status status =
        s.order ? WN_OK : wn_fail(err, WN_E_MEMORY, "no memory for %llu paths", (unsigned long long)most);
    if (status == WN_OK)
        status = wn_flock_open(env, most, &s.paths, err);
    if (status == WN_OK)
        status = wn_flock_open(env, most, &s.children, err);
    if (status == WN_OK)
        status = walk(&s, err);
    wn_flock_close(&s.paths);
    wn_flock_close(&s.children);
    free(s.order);
    return status;
}

/* Levels depend on the schedule, which a plan does not know: a way back is at most all but one of its steps. */
static void plan(const void *values, uint64_t steps, uint64_t evals_per_velocity, wn_search_plan *p)
{
    const struct options *o = values;
    const uint64_t n = (uint64_t)o->paths, children = n * (uint64_t)o->expansions, rounds = (uint64_t)rounds_of(o);
    const uint64_t way = strides(o, steps);
    p->candidates = steps > 1 ? children : children * rounds; // of one step, all ends are clean
    p->verifier_calls = children * rounds;
    p->nfe = evals_per_velocity * (n * steps + children * (rounds * way + rounds - 1));
}

static wn_status create(const wn_host *host, const void *values, void **self, wn_error *err)
{
    const struct options *o = values;
    (void)host;
    if (!(o->delta_b > o->delta_f))
        return wn_fail(err, WN_E_ARG, "delta_b %g is not more than delta_f %g: no round would come nearer to the image",
                       o->delta_b, o->delta_f);
    if (rounds_of(o) > MAX_ROUNDS)
        return wn_fail(err, WN_E_ARG, "sigma0 %g, delta_f %g and delta_b %g take %g rounds; %d are allowed", o->sigma0,
                       o->delta_f, o->delta_b, rounds_of(o), MAX_ROUNDS);
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
    .name = "paths",
    .version = "1.0",
    .summary = "noises sampling trajectories forward again and goes on with the best",
    .source = "Ma et al. 2025, arXiv 2501.09732, search over paths",
    .options = options,
    .options_size = sizeof(struct options),
    .create = create,
    .vtable = &search,
};

WN_MODULE(&plugin);
