/* Every search on a problem whose optimum is known: what it plans is what it takes, to the evaluation; it comes as far
 * as it should; it asks for the same however it is executed; it ends where a budget ends, with what it has.
 *
 * usage: test_search_searches [NAME]: one search alone, and its numbers. */
#include "check.h"
#include "search/harness.h"

#define SPEC                                                                                                           \
    "{ \"winnow\": 0, \"name\": \"searches\", \"seed\": 11,"                                                           \
    "  \"prompts\": { \"list\": [\"a\", \"b\", \"c\", \"d\", \"e\", \"f\"] },"                                         \
    "  \"canvas\": { \"width\": 32, \"height\": 32, \"steps\": 10 },"                                                  \
    "  \"sampler\": { \"use\": \"analytic\", \"options\": { \"components\": 1, \"radius\": 0.5, \"spread\": 1 } },"    \
    "  \"verifiers\": { \"near\": { \"use\": \"analytic\" } },"                                                        \
    "  \"search\": { \"use\": \"%s\", \"guide\": \"near\", \"options\": %s },"                                         \
    "  \"engine\": { \"batch\": 64, \"save_images\": false }, \"output\": \"run\" }"

enum { PROMPTS = 6, STEPS = 10, POOL = 1000 };

struct known {
    const char *use, *options;
    int candidates;  /* of each prompt, without a budget */
    int nfe, calls;  /* of all prompts */
    int planned_nfe; /* of each prompt; an upper bound where the search cannot know */
    double quantile; /* of what random noises score: at least, in the mean over prompts, the winner's place */
};

static const struct known searches[] = {
    { "random", "{ \"candidates\": 16 }", 16, 6 * 160, 6 * 16, 160, 0.9 },
    { "zero_order", "{ \"iterations\": 15 }", 31, 6 * 310, 6 * 31, 310, 0.97 },
    { "paths", "{}", 8, 6 * 290, 6 * 32, 364, 0.88 },
    { "paths", "{ \"backward_steps\": 4, \"select\": \"per_parent\" }", 8, 6 * 170, 6 * 32, 172, 0.8 },
    { "halving", "{}", 4, 6 * 100, 6 * 28, 100, 0.9 },
    { "svdd", "{ \"children\": 8 }", 1, 6 * 73, 6 * 74, 73, 0.9 },
    { "fk", "{ \"particles\": 16, \"lambda\": 1000 }", 16, 6 * 160, 6 * 80, 160, 0.9 },
    { "fk",
      "{ \"particles\": 16, \"lambda\": 300, \"ess\": 0.5, \"resampling\": \"systematic\", \"potential\": \"diff\" }",
      16, 6 * 160, 6 * 80, 160, 0.9 },
    { "rbf", "{ \"nfe\": 160, \"initial\": 10 }", 2, 6 * 160, 6 * 162, 160, 0.9 },
    { "spectral", "{}", 30, 6 * 300, 6 * 30, 300, 0.9 },
    { "verifier_threshold", "{ \"candidates\": 8 }", 12, 1056, 308, 288, 0.94 },
    { "tree", "{ \"samples\": 16, \"lambda\": 1000 }", 16, 6 * 160, 6 * 64, 160, 0.97 },
    { "tree", "{ \"method\": \"dfs\" }", 12, 964, 349, 248, 0.95 },
    { "tree", "{ \"method\": \"dts\", \"samples\": 24, \"lambda\": 300 }", 24, 1116, 6 * 24, 240, 0.95 },
    { "tree", "{ \"method\": \"dts\", \"samples\": 24, \"select\": \"greedy\", \"breadth\": 1 }", 24, 749, 6 * 24, 240,
      0.9 },
    { "evolution", "{}", 33, 6 * 249, 6 * 33, 249, 0.94 },
    { "evolution", "{ \"schedule\": [0, 0, 0, 0.3], \"population\": [8, 6, 6, 6, 6] }", 20, 6 * 194, 6 * 20, 194, 0.9 },
    { "epsilon_greedy", "{ \"iterations\": 4, \"candidates\": 4 }", 1, 6 * 145, 6 * 146, 145, 0.98 },
    { "stages",
      "{ \"stages\": [ { \"use\": \"random\", \"options\": { \"candidates\": 24 }, \"steps\": 5, \"keep\": 4 },"
      " { \"use\": \"random\", \"options\": { \"candidates\": 4 } } ] }",
      4, 6 * 160, 6 * 28, 160, 0.9 },
    { "stages",
      "{ \"stages\": [ { \"use\": \"random\", \"options\": { \"candidates\": 16 }, \"steps\": 4, \"keep\": 4 },"
      " { \"use\": \"random\", \"options\": { \"candidates\": 4 }, \"resume\": 0.7 } ] }",
      4, 6 * 84, 6 * 20, 84, 0.9 },
    { "stages",
      "{ \"stages\": [ { \"use\": \"random\", \"options\": { \"candidates\": 16 }, \"steps\": 4, \"keep\": 1 },"
      " { \"use\": \"zero_order\", \"options\": { \"iterations\": 5 } } ] }",
      11, 6 * 174, 6 * 27, 174, 0.95 },
    { "stages",
      "{ \"rounds\": 2, \"stages\": [ { \"use\": \"halving\", \"options\": { \"candidates\": 12, \"keep\": 0.7 }, "
      "\"steps\": 5 },"
      " { \"use\": \"svdd\", \"options\": { \"children\": 3 }, \"resume\": 0.5 } ] }",
      2, 6 * 134, 6 * 88, 136, 0.97 },
    { "stages",
      "{ \"stages\": [ { \"use\": \"random\", \"options\": { \"candidates\": 8 }, \"steps\": 5, \"keep\": 2 },"
      " { \"use\": \"svdd\", \"options\": { \"children\": 4 }, \"resume\": 0.4, \"steps\": 3 },"
      " { \"use\": \"zero_order\", \"options\": { \"iterations\": 2 } } ] }",
      5, 6 * 99, 6 * 22, 99, 0.9 },
    { "stages",
      "{ \"stages\": [ { \"use\": \"random\", \"options\": { \"candidates\": 12 }, \"shrink\": 2, \"keep\": 4 },"
      " { \"use\": \"random\", \"options\": { \"candidates\": 4 } } ] }",
      4, 6 * 160, 6 * 16, 160, 0.9 },
#ifdef WINNOW_HAVE_LAPACKE
    { "bayesian", "{}", 30, 6 * 300, 6 * 30, 300, 0.88 },
    { "bayesian", "{ \"subspace\": \"haar\", \"levels\": 1 }", 30, 6 * 300, 6 * 30, 300, 0.97 },
#endif
};
enum { SEARCHES = sizeof searches / sizeof searches[0] };

static char spec[2048];

static const char *spec_of(const struct known *k)
{
    snprintf(spec, sizeof spec, SPEC, k->use, k->options);
    return spec;
}

static void execute(struct harness_run *run)
{
    CHECK_OK(harness_execute(run), run->err);
    CHECK_INT(run->result.done, PROMPTS);
    CHECK_INT(run->result.failed, 0);
}

/* `what` says t.i where it means the trial. */
static double number(const struct harness_run *run, const char *what, int trial)
{
    char sql[400];
    snprintf(sql, sizeof sql, "WITH t(i) AS (VALUES(%d)) %s", trial, what);
    return harness_number(run->directory, sql);
}

/* ---- how far it comes ------------------------------------------------------------------------------------------ */

static const char *pool; /* directory of a random search with many candidates */

static void make_pool(void)
{
    static char options[64];
    snprintf(options, sizeof options, "{ \"candidates\": %d }", POOL);
    const struct known random = { .use = "random", .options = options };
    static char directory[512];
    struct harness_run run = { .spec = spec_of(&random), .directory = harness_directory("searches", "pool") };
    execute(&run);
    snprintf(directory, sizeof directory, "%s", run.directory);
    pool = directory;
}

/* The share of random noises that a trial's winner beats. */
static double place_of(const struct harness_run *run, int trial)
{
    char sql[300];
    const double best = number(run,
                               "SELECT max(value) FROM t, scores s JOIN candidates c ON c.trial = s.trial AND c.id ="
                               " s.candidate JOIN offers o ON o.trial = c.trial AND o.candidate = c.id"
                               " WHERE c.finished AND s.trial = t.i",
                               trial);
    snprintf(sql, sizeof sql, "SELECT avg(value < %.17g) FROM scores WHERE trial = %d", best, trial);
    return harness_number(pool, sql);
}

static void check_whole(const struct known *k)
{
    struct harness_run run = { .spec = spec_of(k), .directory = harness_directory("searches", "whole") };
    execute(&run);
    double place = 0, score = 0;
    for (int i = 0; i < PROMPTS; i++) {
        CHECK_INT(number(&run, "SELECT count(*) FROM candidates, t WHERE finished AND trial = t.i", i), k->candidates);
        CHECK(number(&run, "SELECT nfe FROM trials, t WHERE id = t.i", i) <= k->planned_nfe);
        place += place_of(&run, i) / PROMPTS;
        score +=
            number(&run,
                   "SELECT max(value) FROM t, scores s JOIN candidates c ON c.id = s.candidate AND c.trial = s.trial"
                   " WHERE c.finished AND s.trial = t.i",
                   i) /
            PROMPTS;
    }
    CHECK_INT(harness_number(run.directory, "SELECT count(*) FROM trials WHERE ended = 'finished'"), PROMPTS);
    CHECK_INT(harness_number(run.directory, "SELECT sum(nfe) FROM trials"), k->nfe);
    CHECK_INT(harness_number(run.directory, "SELECT sum(verifier_calls) FROM trials"), k->calls);
    CHECK_INT(run.result.status.nfe_sampled, k->nfe); /* what was charged was evaluated, and nothing else */
    CHECK_INT(run.plan.candidates, k->candidates);
    CHECK_INT(run.plan.nfe, k->planned_nfe);
    CHECK(PROMPTS * run.plan.verifier_calls >= (uint64_t)k->calls);
    fprintf(stderr,
            "%-18s %3d candidates, %.1f NFE, %.1f calls (planned %llu, %llu, %llu): beats %.4f of random, mean %.4f\n",
            k->use, k->candidates, harness_number(run.directory, "SELECT avg(nfe) FROM trials"),
            harness_number(run.directory, "SELECT avg(verifier_calls) FROM trials"),
            (unsigned long long)run.plan.candidates, (unsigned long long)run.plan.nfe,
            (unsigned long long)run.plan.verifier_calls, place, score);
    CHECK(place >= k->quantile);
    if (strcmp(k->use, "epsilon_greedy") == 0) /* what its noises are mixed of */
        CHECK(harness_number(run.directory, "SELECT sum(lineage LIKE '%,\"blend\":[42949%') FROM candidates") > 0);
}

/* A solver that takes two velocities for a step but the last: the host scales the plan. Stochastic steps stay with one.
 */
static void check_heun(const struct known *k)
{
    const char *const set[] = { "canvas.solver=heun", NULL };
    struct harness_run run = { .spec = spec_of(k), .set = set, .directory = harness_directory("searches", "heun") };
    execute(&run);
    const double planned = (double)run.plan.nfe * (2 * STEPS - 1) / STEPS;
    CHECK(harness_number(run.directory, "SELECT max(nfe) FROM trials") <= planned);
    CHECK_INT(harness_number(run.directory, "SELECT count(*) FROM trials WHERE ended = 'finished'"), PROMPTS);
}

/* Schedules that leave hardly any room between noise and image. */
static void check_short(const struct known *k)
{
    for (int steps = 1; steps <= 2; steps++) {
        char set[32];
        const char *const sets[] = { set, NULL };
        struct harness_run run = { .spec = spec_of(k),
                                   .set = sets,
                                   .directory = harness_directory("searches", "short") };
        snprintf(set, sizeof set, "canvas.steps=%d", steps);
        execute(&run);
        CHECK_INT(harness_number(run.directory, "SELECT count(DISTINCT trial) FROM offers"), PROMPTS);
        CHECK(harness_number(run.directory, "SELECT max(nfe) FROM trials") <= (double)run.plan.nfe);
    }
}

/* ---- how it is executed ---------------------------------------------------------------------------------------- */

static char *trace_of(const struct known *k, const char *const *set)
{
    struct harness_run run = { .spec = spec_of(k), .set = set, .directory = harness_directory("searches", "trace") };
    execute(&run);
    return harness_digest(run.directory);
}

static void check_trace(const struct known *k)
{
    static const char *const narrow[] = { "engine.batch=1", "engine.live=1", "engine.threads=1", NULL };
    static const char *const wide[] = { "engine.batch=7", "engine.live=4", "engine.threads=2", NULL };
    char *want = trace_of(k, narrow), *got = trace_of(k, wide);
    CHECK(strlen(want) > 500);
    CHECK_STR(harness_difference(got, want), "");
    free(want);
    free(got);
}

/* ---- where a budget ends --------------------------------------------------------------------------------------- */

static void check_budget(const struct known *k, const char *currency, int limit, const char *spent)
{
    char set[64];
    const char *const sets[] = { set, NULL };
    struct harness_run run = { .spec = spec_of(k), .set = sets, .directory = harness_directory("searches", "budget") };
    snprintf(set, sizeof set, "budget={\"%s\":%d}", currency, limit);
    execute(&run);
    for (int i = 0; i < PROMPTS; i++) {
        if (!(number(&run, spent, i) <= limit))
            CHECK_FAIL("%s: %g %s of a budget of %d", k->use, number(&run, spent, i), currency, limit);
        if (!(number(&run, "SELECT count(*) FROM offers, t WHERE trial = t.i", i) > 0))
            CHECK_FAIL("%s offers nothing for %d %s", k->use, limit, currency);
    }
    CHECK_INT(harness_number(run.directory, "SELECT count(*) FROM trials WHERE ended = 'budget'"), PROMPTS);
}

static void check_budgets(const struct known *k)
{
    const int nfe = k->nfe / PROMPTS / 3;
    check_budget(k, "nfe", nfe > STEPS ? nfe : STEPS, "SELECT nfe FROM trials, t WHERE id = t.i");
    check_budget(k, "verifier_calls", k->calls / PROMPTS / 3 + 2,
                 "SELECT verifier_calls FROM trials, t WHERE id = t.i");
    if (k->candidates > 1)
        check_budget(k, "candidates", k->candidates / 2,
                     "SELECT count(*) FROM candidates, t WHERE finished AND trial = t.i");
}

/* What was scored when the time was over is all there is; a whole search in one set is never interrupted. */
static void check_seconds(const struct known *k)
{
    const char *const none[] = { "budget={\"seconds\":1e-9}", NULL };
    const char *const plenty[] = { "budget={\"seconds\":1e6}", NULL };
    struct harness_run run = { .spec = spec_of(k), .set = none, .directory = harness_directory("searches", "seconds") };
    execute(&run);
    if (strcmp(k->use, "random") != 0)
        CHECK_INT(harness_number(run.directory, "SELECT count(*) FROM trials WHERE ended = 'budget'"), PROMPTS);
    run.set = plenty;
    run.directory = harness_directory("searches", "seconds");
    execute(&run);
    CHECK_INT(harness_number(run.directory, "SELECT count(*) FROM trials WHERE ended = 'finished'"), PROMPTS);
}

/* ---- under a guide that compares ------------------------------------------------------------------------------- */

static const struct {
    const char *use, *options;
    int is_told; /* that the guide is of no use to it */
} compared[] = {
    { "random", "{ \"candidates\": 4 }", 0 },
    { "zero_order", "{ \"iterations\": 2 }", 0 },
    { "zero_order", "{ \"iterations\": 2, \"patience\": 1 }", 1 },
    { "halving", "{}", 0 },
    { "svdd", "{ \"children\": 2 }", 0 },
    { "fk", "{}", 0 },
    { "evolution", "{}", 0 },
    { "rbf", "{ \"nfe\": 40 }", 1 },
    { "spectral", "{ \"evaluations\": 4 }", 1 },
    { "verifier_threshold", "{ \"candidates\": 1 }", 1 },
    { "epsilon_greedy", "{ \"iterations\": 1 }", 1 },
    { "tree", "{}", 0 },
    { "tree", "{ \"method\": \"dfs\", \"samples\": 1 }", 1 },
    { "tree", "{ \"method\": \"dts\", \"samples\": 2 }", 1 },
    { "stages", "{ \"stages\": [ { \"use\": \"random\" }, { \"use\": \"svdd\" } ] }", 0 },
    { "stages", "{ \"stages\": [ { \"use\": \"random\" }, { \"use\": \"rbf\" } ] }", 1 },
};

static void check_compared(void)
{
    static const char *const set[] = { "prompts.list=[\"a\"]", "search.guide=rank", "budget.nfe=40",
                                       "verifiers.rank={\"use\":\"ensemble\",\"inputs\":[\"near\"]}", NULL };
    for (size_t i = 0; i < sizeof compared / sizeof compared[0]; i++) {
        const struct known k = { .use = compared[i].use, .options = compared[i].options };
        struct harness_run run = { .spec = spec_of(&k),
                                   .set = set,
                                   .directory = harness_directory("searches", "rank") };
        CHECK_OK(harness_execute(&run), run.err);
        CHECK_INT(harness_number(run.directory, "SELECT count(*) FROM events WHERE kind = 'warning' AND text LIKE '% "
                                                "compares scores of different sets, but the guide rank %'"),
                  compared[i].is_told);
    }
}

int main(int argc, char **argv)
{
    check_compared();
    make_pool();
    for (int i = 0; i < SEARCHES; i++) {
        const struct known *k = &searches[i];
        if (argc > 1 && strcmp(argv[1], k->use) != 0)
            continue;
        check_whole(k);
        check_heun(k);
        check_short(k);
        check_trace(k);
        check_budgets(k);
        check_seconds(k);
    }
    return CHECK_DONE();
}
