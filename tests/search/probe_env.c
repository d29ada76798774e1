/* A search that holds env to its word: in each case it does one thing and compares what it is charged, and what it is
 * told, with what the header promises. The first difference fails the trial. */
#include <winnow/search.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct options {
    const char *what;
};

static const wn_option options[] = { WN_ENUM(struct options, what, "\"mixed\"",
                                             "mixed|peeks|clones|family|twins|resampled|drafts|refused|endless",
                                             "what it tries"),
                                     WN_OPTIONS_END };

enum { FAMILY = 5 };

struct probe {
    const wn_env *env;
    double spent;  /* as far as it was accounted for */
    float *noise;  // [latent_values]
    float *x, *x0; // [latent_values] each
    uint64_t streams;
};

/* ---- tools ------------------------------------------------------------------------------------------------------- */

static double left(const struct probe *p)
{
    return p->env->budget_left(p->env->ctx, WN_CURRENCY_NFE);
}

/* The last call must have cost so many evaluations. */
static wn_status spent(struct probe *p, uint64_t nfe, const char *what, wn_error *err)
{
    const double now = left(p), cost = p->spent - now;
    p->spent = now;
    if (cost == (double)nfe)
        return WN_OK;
    return wn_fail(err, WN_E_INTERNAL, "%s cost %g evaluations, should be %llu", what, cost, (unsigned long long)nfe);
}

static uint64_t way(const struct probe *p, uint64_t from, uint64_t to)
{
    return p->env->cost(p->env->ctx, from, to);
}

static wn_status spawn(struct probe *p, wn_sample *out, wn_error *err)
{
    WN_TRY(p->env->noise(p->env->ctx, p->streams++, p->noise, err));
    return p->env->spawn(p->env->ctx, p->noise, 0, out, err);
}

static wn_status kick(struct probe *p, wn_sample sample, uint64_t point, wn_error *err)
{
    const wn_kernel kernel = { WN_KERNEL_RBF, 3 };
    return p->env->kick(p->env->ctx, sample, point, kernel, WN_STREAM_AUX + p->streams++, err);
}

static wn_status advance(struct probe *p, wn_sample sample, uint64_t point, wn_error *err)
{
    return p->env->advance(p->env->ctx, 1, &sample, point, err);
}

/* Finishes, scores and offers. */
static wn_status finish(struct probe *p, uint64_t count, const wn_sample *s, double *scores, wn_error *err)
{
    const wn_env *env = p->env;
    WN_TRY(env->advance(env->ctx, count, s, env->steps, err));
    WN_TRY(env->score(env->ctx, count, s, scores, err));
    for (uint64_t i = 0; i < count; i++)
        WN_TRY(env->offer(env->ctx, s[i], err));
    return WN_OK;
}

static wn_status peek(struct probe *p, wn_sample sample, wn_error *err)
{
    return p->env->peek(p->env->ctx, sample, p->x, p->x0, err);
}

/* Whether the sample stands exactly where the last peek saw one. */
static wn_status same_state(struct probe *p, wn_sample sample, wn_error *err)
{
    const uint64_t bytes = p->env->latent_values * sizeof *p->x;
    WN_TRY(p->env->peek(p->env->ctx, sample, p->noise, NULL, err));
    return memcmp(p->noise, p->x, bytes) == 0 ? WN_OK : wn_fail(err, WN_E_INTERNAL, "a clone stands elsewhere");
}

/* ---- cases ------------------------------------------------------------------------------------------------------- */

/* One set of samples at pure noise, on the way, one step before the end, kicked, noised again, and finished. */
static wn_status mixed(struct probe *p, wn_error *err)
{
    const wn_env *env = p->env;
    const uint64_t last = env->steps - 1;
    wn_sample s[6];
    double preview[6], final[6];
    for (int i = 0; i < 6; i++)
        WN_TRY(spawn(p, &s[i], err));
    WN_TRY(spent(p, 0, "spawning", err));
    WN_TRY(advance(p, s[1], 2, err));
    WN_TRY(advance(p, s[2], last, err));
    WN_TRY(kick(p, s[3], 3, err));
    WN_TRY(advance(p, s[4], 3, err));
    WN_TRY(env->renoise(env->ctx, s[4], 1, 9, err));
    WN_TRY(advance(p, s[5], env->steps, err));
    const uint64_t velocity = env->evals_per_velocity;
    WN_TRY(spent(p, way(p, 0, 2) + way(p, 0, last) + velocity + way(p, 0, 3) + way(p, 0, env->steps), "moving", err));
    WN_TRY(env->score(env->ctx, 6, s, preview, err));
    WN_TRY(spent(p, 5 * velocity, "scoring five previews and a picture", err));
    WN_TRY(env->score(env->ctx, 6, s, final, err));
    WN_TRY(spent(p, 0, "scoring them again", err));
    if (memcmp(preview, final, sizeof final) != 0)
        return wn_fail(err, WN_E_INTERNAL, "they score otherwise the second time");
    for (int i = 0; i < 5; i++) /* previews are looked at already */
        WN_TRY(peek(p, s[i], err));
    WN_TRY(spent(p, 0, "peeking at what was scored", err));
    WN_TRY(finish(p, 6, s, final, err));
    const uint64_t rest = way(p, 0, env->steps) + way(p, 2, env->steps) + way(p, last, env->steps) +
                          way(p, 3, env->steps) + way(p, 1, env->steps);
    return spent(p, rest - 5 * velocity, "finishing them", err);
}

/* A look costs its velocity once, whoever looks first, and the next step has it for nothing. */
static wn_status peeks(struct probe *p, wn_error *err)
{
    const wn_env *env = p->env;
    const uint64_t velocity = env->evals_per_velocity, bytes = env->latent_values * sizeof *p->x;
    wn_sample s;
    double score;
    WN_TRY(spawn(p, &s, err));
    WN_TRY(env->peek(env->ctx, s, p->x, NULL, err));
    if (memcmp(p->x, p->noise, bytes) != 0)
        return wn_fail(err, WN_E_INTERNAL, "a new sample is not its noise");
    WN_TRY(spent(p, 0, "looking at x", err));
    for (uint64_t point = 0; point < env->steps; point++) {
        WN_TRY(peek(p, s, err));
        WN_TRY(peek(p, s, err));
        WN_TRY(env->score(env->ctx, 1, &s, &score, err));
        WN_TRY(spent(p, velocity, "two peeks and a score", err));
        if (point % 2)
            WN_TRY(kick(p, s, point + 1, err));
        else
            WN_TRY(advance(p, s, point + 1, err));
        WN_TRY(spent(p, (point % 2 ? velocity : way(p, point, point + 1)) - velocity, "the step after a look", err));
    }
    WN_TRY(finish(p, 1, &s, &score, err));
    WN_TRY(peek(p, s, err));
    if (memcmp(p->x, p->x0, bytes) != 0)
        return wn_fail(err, WN_E_INTERNAL, "a finished sample's x is not its x0");
    return spent(p, 0, "looking at the end", err);
}

/* Clones of a sample whose kick nobody has carried out yet, of clones, and of one that has gone. */
static wn_status clones(struct probe *p, wn_error *err)
{
    const wn_env *env = p->env;
    const uint64_t velocity = env->evals_per_velocity;
    wn_sample s[4];
    double scores[4];
    WN_TRY(spawn(p, &s[0], err));
    WN_TRY(advance(p, s[0], 2, err));
    WN_TRY(kick(p, s[0], 3, err));
    WN_TRY(spent(p, way(p, 0, 2) + velocity, "moving", err));
    WN_TRY(env->clone(env->ctx, s[0], &s[1], err));
    WN_TRY(env->clone(env->ctx, s[1], &s[2], err));
    WN_TRY(kick(p, s[2], 4, err));
    WN_TRY(env->clone(env->ctx, s[2], &s[3], err));
    WN_TRY(spent(p, velocity, "cloning, and a kick of a clone", err));
    env->drop(env->ctx, s[2]);
    WN_TRY(peek(p, s[1], err));
    WN_TRY(same_state(p, s[0], err));
    WN_TRY(spent(p, velocity, "a look at the clone", err));
    s[2] = s[3];
    WN_TRY(kick(p, s[1], 4, err));
    WN_TRY(spent(p, 0, "a kick of the clone that was looked at", err));
    WN_TRY(finish(p, 3, s, scores, err));
    return spent(p, way(p, 3, env->steps) + 2 * way(p, 4, env->steps), "finishing", err);
}

/* Search over paths in small: a parent goes some of the way, its children each start from there, with noise of their
 * own; what they share is sampled once. */
static wn_status family(struct probe *p, wn_error *err)
{
    const wn_env *env = p->env;
    wn_sample s[FAMILY];
    double scores[FAMILY];
    WN_TRY(spawn(p, &s[0], err));
    for (uint64_t round = 0; round < 2; round++) {
        WN_TRY(advance(p, s[0], env->steps - 1, err));
        for (int i = 1; i < FAMILY; i++)
            WN_TRY(env->clone(env->ctx, s[0], &s[i], err));
        for (int i = 0; i < FAMILY; i++)
            WN_TRY(env->renoise(env->ctx, s[i], 1, WN_STREAM_AUX + p->streams++, err));
        WN_TRY(spent(p, way(p, round, env->steps - 1), "the parent's way", err));
        for (int i = 1; i < FAMILY && round == 0; i++)
            env->drop(env->ctx, s[i]);
    }
    WN_TRY(finish(p, FAMILY, s, scores, err));
    return spent(p, FAMILY * way(p, 1, env->steps), "the children's ways", err);
}

/* The same candidate twice in a set is one: charged, scored and counted once, and both are told. */
static wn_status twins(struct probe *p, wn_error *err)
{
    const wn_env *env = p->env;
    const uint64_t velocity = env->evals_per_velocity;
    const double calls = env->budget_left(env->ctx, WN_CURRENCY_VERIFIER_CALLS);
    wn_sample s[3];
    double scores[3];
    WN_TRY(spawn(p, &s[0], err));
    WN_TRY(advance(p, s[0], 2, err));
    WN_TRY(env->clone(env->ctx, s[0], &s[1], err));
    WN_TRY(spawn(p, &s[2], err));
    WN_TRY(spent(p, way(p, 0, 2), "moving", err));
    WN_TRY(env->score(env->ctx, 3, s, scores, err));
    WN_TRY(spent(p, 2 * velocity, "three previews of two states", err));
    if (scores[0] != scores[1] || scores[0] == scores[2])
        return wn_fail(err, WN_E_INTERNAL, "twins score %g and %g, another %g", scores[0], scores[1], scores[2]);
    if (calls - env->budget_left(env->ctx, WN_CURRENCY_VERIFIER_CALLS) != 2)
        return wn_fail(err, WN_E_INTERNAL, "twins are scored as two");
    const double candidates = env->budget_left(env->ctx, WN_CURRENCY_CANDIDATES);
    env->drop(env->ctx, s[1]);
    WN_TRY(advance(p, s[0], env->steps, err));
    WN_TRY(env->clone(env->ctx, s[0], &s[1], err));
    WN_TRY(advance(p, s[2], env->steps, err));
    WN_TRY(finish(p, 3, s, scores, err));
    if (candidates - env->budget_left(env->ctx, WN_CURRENCY_CANDIDATES) != 2)
        return wn_fail(err, WN_E_INTERNAL, "twins are two candidates");
    return scores[0] == scores[1] ? WN_OK : wn_fail(err, WN_E_INTERNAL, "twins end apart");
}

/* Particles: each step all are scored, the best takes every place, and each goes its own way. Clones have what was paid
 * for with the original. */
static wn_status resampled(struct probe *p, wn_error *err)
{
    const wn_env *env = p->env;
    wn_sample s[FAMILY];
    double scores[FAMILY];
    for (int i = 0; i < FAMILY; i++)
        WN_TRY(spawn(p, &s[i], err));
    for (uint64_t point = 0; point < env->steps; point++) {
        WN_TRY(env->score(env->ctx, FAMILY, s, scores, err));
        WN_TRY(spent(p, FAMILY * env->evals_per_velocity, "previews", err));
        int best = 0;
        for (int i = 1; i < FAMILY; i++)
            best = scores[i] > scores[best] ? i : best;
        for (int i = 0; i < FAMILY; i++) {
            if (i == best)
                continue;
            env->drop(env->ctx, s[i]);
            WN_TRY(env->clone(env->ctx, s[best], &s[i], err));
        }
        for (int i = 0; i < FAMILY; i++)
            WN_TRY(kick(p, s[i], point + 1, err));
        WN_TRY(spent(p, 0, "a step after a preview", err));
    }
    return finish(p, 1, s, scores, err);
}

/* What must be refused as WN_E_ARG. */
static wn_status refuses(wn_status status, const char *what, wn_error *err)
{
    return status == WN_E_ARG ? WN_OK : wn_fail(err, WN_E_INTERNAL, "%s is not refused", what);
}

/* A draft by 2 begins with the sums of 2 x 2 values of the sample's noise, which p->noise is, over 2. */
static wn_status check_shrunk(struct probe *p, wn_sample draft, wn_error *err)
{
    const wn_env *env = p->env;
    const uint64_t width = env->latent_width, rows = env->latent_channels * env->latent_height / 2;
    WN_TRY(env->peek(env->ctx, draft, p->x, NULL, err));
    for (uint64_t r = 0; r < rows; r++)
        for (uint64_t c = 0; c < width / 2; c++) {
            const float *n = p->noise + 2 * r * width + 2 * c;
            const double want = ((double)n[0] + (double)n[1] + (double)n[width] + (double)n[width + 1]) / 2;
            if (p->x[r * width / 2 + c] != (float)want)
                return wn_fail(err, WN_E_INTERNAL, "row %llu, column %llu of a draft's noise is %.9g, not %.9g",
                               (unsigned long long)r, (unsigned long long)c, (double)p->x[r * width / 2 + c], want);
        }
    return spent(p, 0, "looking at a draft's noise", err);
}

static wn_status check_sigmas(struct probe *p, wn_error *err)
{
    const wn_env *env = p->env;
    for (uint64_t factor = 1; factor <= 2; factor++) {
        WN_TRY(env->shrunk_sigma(env->ctx, factor, p->x0, err));
        for (uint64_t i = 0; i <= env->steps; i++) /* of this sampler on every canvas */
            if (p->x0[i] != env->sigma[i])
                return wn_fail(err, WN_E_INTERNAL, "sigma %llu of a draft", (unsigned long long)i);
    }
    return refuses(env->shrunk_sigma(env->ctx, 3, p->x0, err), "the schedule of a canvas that was not planned", err);
}

/* Drafts on a canvas of half the sides, in one set with whole samples: they are scored and charged as these are, and
 * are nothing that is finished. */
static wn_status drafts(struct probe *p, wn_error *err)
{
    const wn_env *env = p->env;
    const uint64_t velocity = env->evals_per_velocity;
    wn_sample s[5], whole;
    double scores[5], end;
    WN_TRY(check_sigmas(p, err));
    for (int i = 0; i < 3; i++) {
        WN_TRY(spawn(p, &whole, err));
        WN_TRY(env->shrink(env->ctx, whole, 2, &s[i], err));
        WN_TRY(check_shrunk(p, s[i], err));
        if (i < 2)
            env->drop(env->ctx, whole);
    }
    s[3] = whole;
    WN_TRY(refuses(env->shrink(env->ctx, s[0], 2, &s[4], err), "shrinking a draft", err));
    WN_TRY(refuses(env->shrink(env->ctx, whole, 3, &s[4], err), "a factor that was not planned", err));
    WN_TRY(spawn(p, &s[4], err));
    WN_TRY(advance(p, s[0], 2, err));
    WN_TRY(kick(p, s[1], 3, err));
    WN_TRY(advance(p, s[4], 4, err));
    WN_TRY(refuses(env->shrink(env->ctx, s[4], 2, &whole, err), "shrinking what has moved", err));
    WN_TRY(spent(p, way(p, 0, 2) + velocity + way(p, 0, 4), "moving", err));
    WN_TRY(env->score(env->ctx, 5, s, scores, err));
    WN_TRY(spent(p, 5 * velocity, "scoring three drafts and two wholes", err));
    const double candidates = env->budget_left(env->ctx, WN_CURRENCY_CANDIDATES);
    WN_TRY(advance(p, s[0], env->steps, err));
    WN_TRY(kick(p, s[1], 4, err));
    WN_TRY(spent(p, way(p, 2, env->steps) - velocity, "steps after previews", err));
    WN_TRY(env->score(env->ctx, 2, s, scores, err));
    WN_TRY(spent(p, velocity, "scoring a draft at its end and one on its way", err));
    WN_TRY(refuses(env->offer(env->ctx, s[0], err), "the offer of a draft", err));
    if (candidates != env->budget_left(env->ctx, WN_CURRENCY_CANDIDATES))
        return wn_fail(err, WN_E_INTERNAL, "a draft is a candidate");
    env->drop(env->ctx, s[2]);
    WN_TRY(env->clone(env->ctx, s[0], &s[2], err));
    WN_TRY(env->renoise(env->ctx, s[2], 1, WN_STREAM_AUX + p->streams++, err));
    WN_TRY(env->score(env->ctx, 3, s, scores, err));
    WN_TRY(spent(p, velocity, "scoring a draft that was noised again", err));
    WN_TRY(finish(p, 1, &s[3], &end, err));
    return finish(p, 1, &s[4], &end, err);
}

/* What makes no sense is refused and costs nothing. */
static wn_status refused(struct probe *p, wn_error *err)
{
    static const wn_kernel wrong[] = { { 0, 0.5 },
                                       { WN_KERNEL_RBF_VP + 1, 0.5 },
                                       { WN_KERNEL_CPS, 1.001 },
                                       { WN_KERNEL_CPS, -0.001 },
                                       { WN_KERNEL_GRPO, -1 },
                                       { WN_KERNEL_RBF, INFINITY },
                                       { WN_KERNEL_RBF_VP, NAN } };
    const wn_env *env = p->env;
    wn_sample s;
    double score;
    wn_error inner;
    WN_TRY(spawn(p, &s, err));
    WN_TRY(advance(p, s, 2, err));
    WN_TRY(spent(p, way(p, 0, 2), "two steps", err));
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (env->kick(env->ctx, s, 3, wrong[i], 1, &inner) != WN_E_ARG)
            return wn_fail(err, WN_E_INTERNAL, "kernel %lld, %g is taken", (long long)wrong[i].kind, wrong[i].scale);
    const wn_kernel right = { WN_KERNEL_CPS, 1 };
    if (env->kick(env->ctx, s, 2, right, 1, &inner) != WN_E_ARG ||
        env->kick(env->ctx, s, env->steps + 1, right, 1, &inner) != WN_E_ARG)
        return wn_fail(err, WN_E_INTERNAL, "a kick leads back, or beyond the end");
    if (env->renoise(env->ctx, s, 3, 1, &inner) != WN_E_ARG || advance(p, s, 1, &inner) != WN_E_ARG)
        return wn_fail(err, WN_E_INTERNAL, "noise leads on, or an advance back");
    WN_TRY(spent(p, 0, "what is refused", err));
    if (way(p, 3, 1) != 0 || way(p, 2, 2) != 0 || way(p, 0, env->steps + 1) != 0)
        return wn_fail(err, WN_E_INTERNAL, "ways that there are not cost something");
    return finish(p, 1, &s, &score, err);
}

/* A sample that goes to and fro for so long that nobody could keep account of it; then one that does not. */
static wn_status endless(struct probe *p, wn_error *err)
{
    const wn_env *env = p->env;
    wn_sample s;
    double score;
    WN_TRY(spawn(p, &s, err));
    for (int i = 0; i < 30000; i++) {
        WN_TRY(advance(p, s, 1, err));
        WN_TRY(env->renoise(env->ctx, s, 0, WN_STREAM_AUX + p->streams++, err));
    }
    return finish(p, 1, &s, &score, err);
}

/* ---- the plugin -------------------------------------------------------------------------------------------------- */

static wn_status run_case(struct probe *p, const char *what, wn_error *err)
{
    static const struct {
        const char *name;
        wn_status (*run)(struct probe *p, wn_error *err);
    } cases[] = { { "mixed", mixed },   { "peeks", peeks },     { "clones", clones },
                  { "family", family }, { "twins", twins },     { "resampled", resampled },
                  { "drafts", drafts }, { "refused", refused }, { "endless", endless } };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        if (strcmp(what, cases[i].name) == 0)
            return cases[i].run(p, err);
    return wn_fail(err, WN_E_ARG, "no case %s", what);
}

static wn_status run(void *self, const wn_env *env, wn_error *err)
{
    const struct options *o = self;
    const uint64_t n = env->latent_values;
    struct probe p = { .env = env };
    float *memory = calloc(3 * n, sizeof *memory);
    if (!memory)
        return wn_fail(err, WN_E_MEMORY, "no memory");
    p.noise = memory, p.x = memory + n, p.x0 = memory + 2 * n;
    p.spent = left(&p);
    const wn_status status = run_case(&p, o->what, err);
    free(memory);
    return status;
}

static void plan(const void *values, uint64_t steps, uint64_t evals_per_velocity, wn_search_plan *p)
{
    const struct options *o = values;
    p->shrinks = strcmp(o->what, "drafts") == 0 ? 1 << 2 : 0;
    p->candidates = FAMILY + 1;
    p->verifier_calls = FAMILY * (steps + 2);
    p->nfe = 3 * FAMILY * steps * evals_per_velocity;
}

static wn_status create(const wn_host *host, const void *values, void **self, wn_error *err)
{
    (void)host, (void)err;
    *self = (void *)(uintptr_t)values;
    return WN_OK;
}

static void destroy(void *self)
{
    (void)self;
}

static const wn_search search = {
    .struct_size = sizeof search, .flags = WN_SEARCH_NEEDS_PREVIEW, .plan = plan, .run = run
};

static const wn_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = WN_KIND_SEARCH,
    .name = "probe_env",
    .version = "1",
    .summary = "holds env to its word",
    .source = "",
    .options = options,
    .options_size = sizeof(struct options),
    .create = create,
    .destroy = destroy,
    .vtable = &search,
};

WN_MODULE(&plugin);
