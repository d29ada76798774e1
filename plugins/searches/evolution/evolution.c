/* evolution - a population of noises, then of states further and further on the way, that breeds by what its images
 * score.
 *
 * He et al., "Scaling Image and Video Generation via Test-Time Evolutionary Search", 2025 (EvoSearch):
 *
 *     population[0] noises, each sampled to the end; the image's score is the fitness
 *     at each point of the schedule:
 *         the elites live on
 *         the others are bred: a parent, the fittest of a random part of the population (a tournament), mutated
 *             its noise p becomes sqrt(1 - mutation^2) p + mutation e
 *             its state at the point gets noise
 *         and are sampled from there to the end
 *
 * The defaults are the paper's for FLUX, as shares of its 50 steps: schedule 5, 20, 30, 40, population 14, 7, 7, 7, 10,
 * 3 elites, tournaments of 90 %, mutation 0.2. Fitness is that of finished images, so it is never blurry, and what lies
 * before a point is never sampled again.
 *
 * A state is mutated there by adding the noise of one step of its SDE, which leaves it at a higher noise level than the
 * schedule says. Here it goes back one point by the forward kernel, which keeps the marginal, and is sampled from
 * there. Before point 2 that would leave nothing of the parent; its noise is mutated instead. Sampling is the spec's
 * solver's (the paper's is stochastic): then a state has one image, and its fitness is its own. */
#include <winnow/search.h>

#include <explore/chance.h>
#include <explore/flock.h>

#include <cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GENERATIONS_MAX = 64, POPULATION_MAX = 4096 };

struct options {
    const char *schedule;
    const char *population;
    int64_t elites;
    double tournament;
    double mutation;
};

static const wn_option options[] = {
    WN_JSON(struct options, schedule, "[0.1, 0.4, 0.6, 0.8]",
            "where on the way each generation after the first is bred: shares of the schedule, rising; 0 = the noise"),
    WN_JSON(struct options, population, "[14, 7, 7, 7, 10]", "sizes of the first generation and of each after it"),
    WN_INT(struct options, elites, "3", 0, POPULATION_MAX, "fittest ones that live on"),
    WN_NUMBER(struct options, tournament, "0.9", 0, 1, "share of the population that competes to be a parent"),
    WN_NUMBER(struct options, mutation, "0.2", 0.001, 1, "share of fresh noise in the amplitude of a mutated noise"),
    WN_OPTIONS_END
};

/* ---- the lists -------------------------------------------------------------------------------------------------- */

struct lists {
    uint64_t generations; // after the first
    double schedule[GENERATIONS_MAX];
    uint64_t population[GENERATIONS_MAX + 1];
};

/* A JSON list of numbers within low and high, at most `most` of them. The host has parsed it before. */
static wn_status read_list(const char *name, const char *text, double low, double high, double *values, uint64_t most,
                           uint64_t *count, wn_error *err)
{
    cJSON *list = cJSON_Parse(text);
    const cJSON *item;
    if (!list)
        return wn_fail(err, WN_E_MEMORY, "no memory for %s", name);
    bool is_fine = cJSON_IsArray(list);
    *count = 0;
    cJSON_ArrayForEach(item, list)
    {
        is_fine =
            is_fine && cJSON_IsNumber(item) && item->valuedouble >= low && item->valuedouble <= high && *count < most;
        if (is_fine)
            values[(*count)++] = item->valuedouble;
    }
    cJSON_Delete(list);
    if (is_fine)
        return WN_OK;
    return wn_fail(err, WN_E_ARG, "%s %s is not a list of at most %llu numbers from %g to %g", name, text,
                   (unsigned long long)most, low, high);
}

static wn_status read_lists(const struct options *o, struct lists *l, wn_error *err)
{
    double sizes[GENERATIONS_MAX + 1];
    uint64_t count;
    WN_TRY(read_list("schedule", o->schedule, 0, 1, l->schedule, GENERATIONS_MAX, &l->generations, err));
    WN_TRY(read_list("population", o->population, 1, POPULATION_MAX, sizes, GENERATIONS_MAX + 1, &count, err));
    if (count != l->generations + 1)
        return wn_fail(err, WN_E_ARG,
                       "population %s has %llu sizes, schedule %s needs %llu: one more than it has points",
                       o->population, (unsigned long long)count, o->schedule, (unsigned long long)l->generations + 1);
    for (uint64_t i = 0; i < count; i++) {
        l->population[i] = (uint64_t)sizes[i];
        if ((double)l->population[i] < sizes[i])
            return wn_fail(err, WN_E_ARG, "population %s has a size of %g; give whole numbers", o->population,
                           sizes[i]);
        if (i > 1 && l->schedule[i - 1] < l->schedule[i - 2])
            return wn_fail(err, WN_E_ARG, "schedule %s goes back from %g to %g", o->schedule, l->schedule[i - 2],
                           l->schedule[i - 1]);
    }
    return WN_OK;
}

/* Where generation g + 1 is bred: a state there has a point before it that is not pure noise; else the noise is bred.
 */
static uint64_t point_of(const struct lists *l, uint64_t steps, uint64_t g)
{
    const uint64_t point = (uint64_t)floor(l->schedule[g] * (double)steps + 0.5), most = steps - 1;
    return point < 2 ? 0 : point < most ? point : most;
}

/* Where sampling of its children begins. */
static uint64_t start_of(uint64_t point)
{
    return point > 0 ? point - 1 : 0;
}

static uint64_t elites_of(const struct options *o, const struct lists *l, uint64_t g)
{
    const uint64_t least = l->population[g] < l->population[g + 1] ? l->population[g] : l->population[g + 1];
    return (uint64_t)o->elites < least ? (uint64_t)o->elites : least;
}

static struct wn_price price_of_all(const struct options *o, const struct lists *l, uint64_t steps, uint64_t evals)
{
    double count = (double)l->population[0], velocities = count * (double)steps;
    for (uint64_t g = 0; g < l->generations; g++) {
        const double children = (double)(l->population[g + 1] - elites_of(o, l, g));
        count += children;
        velocities += children * (double)(steps - start_of(point_of(l, steps, g)));
    }
    return (struct wn_price){ velocities * (double)evals, count, count };
}

/* ---- a population ----------------------------------------------------------------------------------------------- */

struct member {
    float *noise;      // [latent_values]: its own, as long as noises are bred
    wn_sample *states; // [generations]: itself at the points where it may be bred; 0 = not (any more)
    wn_sample image;
    double score;
};

struct search {
    const struct options *o;
    const wn_env *env;
    struct lists lists;
    struct wn_purse purse;
    uint64_t most;                    // of all sizes
    struct member *members, *newborn; // [most]
    uint64_t count;
    wn_sample *images; // [most]
    double *scores;    // [most]
    uint64_t *order;   // [most]: the members, fittest first
    uint64_t *urn;     // [most]: of tournaments
    float *noise;      // [latent_values]
    uint64_t stream, choices;
    bool is_narrow; // there is no time for populations of the sizes asked for
};

static void bury(struct search *s, struct member *m)
{
    for (uint64_t g = 0; g < s->lists.generations; g++) {
        s->env->drop(s->env->ctx, m->states[g]);
        m->states[g] = 0;
    }
    s->env->drop(s->env->ctx, m->image);
    m->image = 0;
}

/* From where its sample stands to the end, with a copy left wherever a later generation is bred. */
static wn_status grow_up(struct search *s, struct member *m, uint64_t generation, wn_error *err)
{
    const wn_env *env = s->env;
    for (uint64_t g = generation; g < s->lists.generations; g++) {
        const uint64_t point = point_of(&s->lists, env->steps, g);
        if (point == 0)
            continue;
        WN_TRY(env->advance(env->ctx, 1, &m->image, point, err));
        WN_TRY(env->clone(env->ctx, m->image, &m->states[g], err));
    }
    return env->advance(env->ctx, 1, &m->image, env->steps, err);
}

/* Scores all, which costs nothing for those that were scored before unless the guide compares; offers those from
 * `first` on. */
static wn_status judge(struct search *s, uint64_t first, wn_error *err)
{
    const wn_env *env = s->env;
    for (uint64_t i = 0; i < s->count; i++)
        s->images[i] = s->members[i].image;
    WN_TRY(env->score(env->ctx, s->count, s->images, s->scores, err));
    for (uint64_t i = 0; i < s->count; i++)
        s->members[i].score = s->scores[i];
    for (uint64_t i = first; i < s->count; i++)
        WN_TRY(env->offer(env->ctx, s->images[i], err));
    wn_rank(s->count, s->scores, s->order);
    return WN_OK;
}

/* How many of those wanted can be paid for, with those that are scored again among them. */
static uint64_t take(struct search *s, uint64_t wanted, uint64_t from, uint64_t again)
{
    const bool is_asked_again = WN_HAS(wn_env, s->env, guide_compares) && s->env->guide_compares;
    const struct wn_price elites = { 0, is_asked_again ? (double)again : 0, 0 };
    const struct wn_price each = wn_price_advance(s->env, 1, from, s->env->steps, false);
    return wn_purse_take_most(&s->purse, wanted, each, elites);
}

/* ---- breeding --------------------------------------------------------------------------------------------------- */

/* The fittest of a random part of the members. */
static const struct member *choose_parent(struct search *s)
{
    const double part = ceil(s->o->tournament * (double)s->count - 1e-9);
    const uint64_t rivals = part < 1 ? 1 : (uint64_t)part;
    const struct member *best = NULL;
    for (uint64_t i = 0; i < s->count; i++)
        s->urn[i] = i;
    for (uint64_t i = 0; i < rivals; i++) {
        const double u = wn_uniform(s->env->random_u64(s->env->ctx, WN_STREAM_CHOICES, s->choices++));
        const uint64_t at = i + (uint64_t)(u * (double)(s->count - i)), drawn = s->urn[at];
        s->urn[at] = s->urn[i];
        const struct member *m = &s->members[drawn];
        best = !best || wn_beats(m->score, best->score) ? m : best;
    }
    return best;
}

static wn_status mutate_noise(struct search *s, const struct member *parent, struct member *child, wn_error *err)
{
    const wn_env *env = s->env;
    const double fresh = s->o->mutation, old = sqrt(1 - fresh * fresh);
    WN_TRY(env->noise(env->ctx, s->stream++, s->noise, err));
    for (uint64_t i = 0; i < env->latent_values; i++)
        child->noise[i] = (float)(old * (double)parent->noise[i] + fresh * (double)s->noise[i]);
    return env->spawn(env->ctx, child->noise, parent->image, &child->image, err);
}

static wn_status mutate_state(struct search *s, const struct member *parent, uint64_t g, uint64_t start,
                              struct member *child, wn_error *err)
{
    const wn_env *env = s->env;
    WN_TRY(env->clone(env->ctx, parent->states[g], &child->image, err));
    return env->renoise(env->ctx, child->image, start, s->stream++, err);
}

static void swap(struct member *a, struct member *b)
{
    const struct member c = *a;
    *a = *b;
    *b = c;
}

/* The elites move to the front of the newborn, which become the members; the other members are buried. */
static void replace(struct search *s, uint64_t elites, uint64_t children)
{
    for (uint64_t i = 0; i < elites; i++)
        swap(&s->newborn[i], &s->members[s->order[i]]);
    for (uint64_t i = 0; i < s->count; i++)
        bury(s, &s->members[i]);
    struct member *const old = s->members;
    s->members = s->newborn;
    s->newborn = old;
    s->count = elites + children;
    for (uint64_t i = 0; i < s->count; i++)
        s->order[i] = i; /* the elites as they were ranked; without children nobody ranks them again */
}

static wn_status breed(struct search *s, uint64_t g, wn_error *err)
{
    const uint64_t point = point_of(&s->lists, s->env->steps, g), start = start_of(point);
    const uint64_t elites = elites_of(s->o, &s->lists, g), wanted = s->lists.population[g + 1] - elites;
    const uint64_t children = take(s, wanted, start, elites);
    for (uint64_t i = 0; i < children; i++) {
        struct member *child = &s->newborn[elites + i];
        const struct member *parent = choose_parent(s);
        if (point == 0)
            WN_TRY(mutate_noise(s, parent, child, err));
        else
            WN_TRY(mutate_state(s, parent, g, start, child, err));
        WN_TRY(grow_up(s, child, g + 1, err));
    }
    replace(s, elites, children);
    if (children > 0)
        WN_TRY(judge(s, elites, err));
    return children == wanted
               ? WN_OK
               : wn_fail(err, WN_E_BUDGET, "the budget ended in generation %llu", (unsigned long long)g + 1);
}

/* Under a budget of seconds all generations are smaller in one proportion, if there is no time for their sizes, but
 * each has a child. */
static void fit_sizes(struct search *s)
{
    enum { PARTS = 1000 };
    const struct wn_price all = price_of_all(s->o, &s->lists, s->env->steps, s->env->evals_per_velocity);
    const struct wn_price each = { all.nfe / PARTS, all.calls / PARTS, all.candidates / PARTS };
    const double share = (double)wn_purse_width(&s->purse, PARTS, each, wn_price_nothing) / PARTS;
    s->is_narrow = share < 1;
    for (uint64_t g = 0; g <= s->lists.generations; g++) {
        const uint64_t size = s->lists.population[g], fits = (uint64_t)round(share * (double)size),
                       least = (uint64_t)s->o->elites + 1 < size ? (uint64_t)s->o->elites + 1 : size;
        s->lists.population[g] = fits > least ? fits : least;
    }
}

static wn_status evolve(struct search *s, wn_error *err)
{
    const wn_env *env = s->env;
    WN_TRY(wn_purse_gauge(&s->purse, false, err));
    if (wn_purse_is_timed(&s->purse))
        fit_sizes(s);
    const uint64_t wanted = s->lists.population[0];
    s->count = take(s, wanted, 0, 0);
    for (uint64_t i = 0; i < s->count; i++) {
        struct member *m = &s->members[i];
        WN_TRY(env->noise(env->ctx, i, m->noise, err));
        WN_TRY(env->spawn(env->ctx, m->noise, 0, &m->image, err));
        WN_TRY(grow_up(s, m, 0, err));
    }
    if (s->count > 0)
        WN_TRY(judge(s, 0, err));
    if (s->count < wanted)
        return wn_fail(err, WN_E_BUDGET, "the budget ended in the first generation");
    for (uint64_t g = 0; g < s->lists.generations; g++)
        WN_TRY(breed(s, g, err));
    return s->is_narrow ? wn_fail(err, WN_E_BUDGET, "there was no time for all members") : WN_OK;
}

/* ---- the plugin ------------------------------------------------------------------------------------------------- */

static bool reserve_members(const struct search *s, struct member *members)
{
    bool is_done = members != NULL;
    for (uint64_t i = 0; is_done && i < s->most; i++) {
        members[i].noise = malloc(s->env->latent_values * sizeof *members[i].noise);
        members[i].states = calloc(s->lists.generations + 1, sizeof *members[i].states);
        is_done = members[i].noise && members[i].states;
    }
    return is_done;
}

static void free_members(const struct search *s, struct member *members)
{
    for (uint64_t i = 0; members && i < s->most; i++) {
        free(members[i].noise);
        free(members[i].states);
    }
    free(members);
}

static wn_status run(void *self, const wn_env *env, wn_error *err)
{
    struct search s = { .o = self, .env = env, .purse = wn_purse_open(env), .stream = WN_STREAM_AUX };
    WN_TRY(read_lists(s.o, &s.lists, err));
    for (uint64_t g = 0; g <= s.lists.generations; g++)
        s.most = s.lists.population[g] > s.most ? s.lists.population[g] : s.most;
    s.members = calloc(s.most, sizeof *s.members);
    s.newborn = calloc(s.most, sizeof *s.newborn);
    s.images = calloc(s.most, sizeof *s.images);
    s.scores = calloc(s.most, sizeof *s.scores);
    s.order = calloc(s.most, sizeof *s.order);
    s.urn = calloc(s.most, sizeof *s.urn);
    s.noise = malloc(env->latent_values * sizeof *s.noise);
    const bool has_memory = s.images && s.scores && s.order && s.urn && s.noise && reserve_members(&s, s.members) &&
                            reserve_members(&s, s.newborn);
    const wn_status status =
        has_memory ? evolve(&s, err)
                   : wn_fail(err, WN_E_MEMORY, "no memory for two populations of %llu", (unsigned long long)s.most);
    free_members(&s, s.members);
    free_members(&s, s.newborn);
    free(s.images), free(s.scores), free(s.order), free(s.urn), free(s.noise);
    return status;
}

/* Lists that check refuses plan nothing. */
static void plan(const void *values, uint64_t steps, uint64_t evals_per_velocity, wn_search_plan *p)
{
    const struct options *o = values;
    struct lists l;
    wn_error ignored;
    if (read_lists(o, &l, &ignored) != WN_OK)
        return;
    const struct wn_price all = price_of_all(o, &l, steps, evals_per_velocity);
    p->candidates = (uint64_t)all.candidates;
    p->nfe = (uint64_t)all.nfe;
    for (uint64_t g = 0; g < l.generations; g++)
        p->calls_again += l.population[g + 1] > elites_of(o, &l, g) ? elites_of(o, &l, g) : 0;
    p->verifier_calls = p->candidates;
}

static wn_status check(const void *values, wn_error *err)
{
    struct lists lists;
    return read_lists(values, &lists, err);
}

static wn_status create(const wn_host *host, const void *values, void **self, wn_error *err)
{
    (void)host;
    WN_TRY(check(values, err));
    *self = (void *)(uintptr_t)values; // the options are all there is, and they are only read
    return WN_OK;
}

static const wn_search search = {
    .struct_size = sizeof search,
    .plan = plan,
    .run = run,
    .check = check,
};

static const wn_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = WN_KIND_SEARCH,
    .name = "evolution",
    .version = "1.0",
    .summary = "a population of noises and states on the way, bred by what its images score",
    .source = "He et al. 2025, arXiv 2505.17618, EvoSearch",
    .options = options,
    .options_size = sizeof(struct options),
    .create = create,
    .vtable = &search,
};

WN_MODULE(&plugin);
