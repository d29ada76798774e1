/* Under a budget of seconds every search has a picture to show, and what it does follows from what the ledger has: gone
 * through again it plans the same, and samples nothing. How far each gets is the machine's affair. */
#include "check.h"
#include "search/harness.h"

#define SPEC(search, options)                                                                                          \
    "{ \"winnow\": 0, \"name\": \"seconds\", \"seed\": 5,"                                                             \
    "  \"prompts\": { \"list\": [\"one\", \"two\"] },"                                                                 \
    "  \"canvas\": { \"width\": 16, \"height\": 16, \"steps\": 6 },"                                                   \
    "  \"sampler\": { \"use\": \"analytic\", \"options\": { \"delay_us\": 2000 } },"                                   \
    "  \"verifiers\": { \"near\": { \"use\": \"analytic\", \"options\": { \"delay_us\": 2000 } } },"                   \
    "  \"search\": { \"use\": \"" search "\", \"guide\": \"near\", \"options\": { " options " } },"                    \
    "  \"budget\": { \"seconds\": 0.4 },"                                                                              \
    "  \"engine\": { \"batch\": 8, \"live\": 2 }, \"output\": \"run\" }"

#define DRAFT "{ \"use\": \"random\", \"options\": { \"candidates\": 300 }, \"steps\": 3, \"keep\": 8 }"

static const struct {
    const char *name, *spec;
} cases[] = {
    { "random", SPEC("random", "\"candidates\": 4000") },
    { "zero_order", SPEC("zero_order", "\"iterations\": 1000") },
    { "paths", SPEC("paths", "\"paths\": 30") },
    { "halving", SPEC("halving", "\"candidates\": 1000") },
    { "svdd", SPEC("svdd", "\"children\": 200") },
    { "fk", SPEC("fk", "\"particles\": 500") },
    { "rbf", SPEC("rbf", "\"nfe\": 2000") },
    { "spectral", SPEC("spectral", "\"evaluations\": 1000") },
    { "verifier_threshold", SPEC("verifier_threshold", "\"candidates\": 1000") },
    { "bfs", SPEC("tree", "\"method\": \"bfs\", \"samples\": 500") },
    { "dfs", SPEC("tree", "\"method\": \"dfs\", \"samples\": 500") },
    { "dts", SPEC("tree", "\"method\": \"dts\", \"samples\": 500") },
    { "evolution", SPEC("evolution", "\"population\": [200, 100, 100, 100, 100]") },
    { "epsilon_greedy", SPEC("epsilon_greedy", "\"candidates\": 200") },
    { "stages", SPEC("stages", "\"stages\": [" DRAFT ", { \"use\": \"halving\" }]") },
    { "shrunk",
      SPEC("stages", "\"stages\": [{ \"use\": \"random\", \"options\": { \"candidates\": 500 }, \"shrink\": 2 }, "
                     "{ \"use\": \"halving\" }]") },
#ifdef WINNOW_HAVE_LAPACKE
    { "bayesian", SPEC("bayesian", "\"evaluations\": 500") },
#endif
};

/* What the progress line is made of: the budget is that of all prompts, what the ledger has of it is spent, and when the
 * prompts have ended nothing is left to wait for, however much more was planned. */
static void check_status(const struct harness_run *run, double budget)
{
    const struct experiment_status *s = &run->result.status;
    CHECK_NEAR(s->budget_seconds, budget, 1e-9);
    CHECK_NEAR(s->budget_spent, harness_number(run->directory, "SELECT total(seconds) FROM trials"), 1e-6);
    CHECK_NEAR(s->eta_seconds, 0, 1e-6);
}

static void check_run_budget(void)
{
    static const char *const set[] = { "budget={\"run_seconds\":0.3}", NULL };
    struct harness_run run = { .spec = cases[0].spec,
                               .set = set,
                               .directory = harness_directory("seconds", "run_seconds") };
    CHECK_OK(harness_execute(&run), run.err);
    check_status(&run, 0.3);
    CHECK_OK(harness_execute(&run), run.err);
    check_status(&run, 0.3);
}

static void check(int c)
{
    struct harness_run run = { .spec = cases[c].spec, .directory = harness_directory("seconds", cases[c].name) };
    CHECK_OK(harness_execute(&run), run.err);
    if (run.result.done != 2)
        CHECK_FAIL("%s fails", cases[c].name);
    if (harness_number(run.directory, "SELECT count(DISTINCT trial) FROM offers") != 2)
        CHECK_FAIL("%s has no picture for a prompt", cases[c].name);
    if (harness_number(run.directory, "SELECT count(*) FROM trials WHERE ended = 'budget'") != 2)
        CHECK_FAIL("%s has the time for all that it was asked for", cases[c].name);
    check_status(&run, 0.8);
    char *digest = harness_digest(run.directory);
    CHECK_OK(harness_execute(&run), run.err);
    CHECK_INT(run.result.status.nfe_sampled, 0);
    check_status(&run, 0.8);
    char *again = harness_digest(run.directory);
    CHECK_STR(harness_difference(again, digest), "");
    free(again);
    free(digest);
}

int main(void)
{
    for (int c = 0; c < (int)(sizeof cases / sizeof *cases); c++)
        check(c);
    check_run_budget();
    return CHECK_DONE();
}
