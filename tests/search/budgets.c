/* Searches stop exactly where their budget ends, and count exactly what they spend. */
#include "check.h"
#include "search/harness.h"

#define SPEC(search, budget)                                                                                           \
    "{ \"winnow\": 0, \"name\": \"budgets\", \"seed\": 5,"                                                             \
    "  \"prompts\": { \"list\": [\"one\", \"two\"] },"                                                                 \
    "  \"canvas\": { \"width\": 16, \"height\": 16, \"steps\": 4 },"                                                   \
    "  \"sampler\": { \"use\": \"analytic\", \"options\": { \"evals_per_velocity\": 2 } },"                            \
    "  \"verifiers\": { \"near\": { \"use\": \"analytic\" }, \"rank\": { \"use\": \"probe_rank\" } },"                 \
    "  \"search\": " search ", \"budget\": " budget ","                                                                \
    "  \"engine\": { \"batch\": 5, \"save_images\": false }, \"output\": \"run\" }"

#define RANDOM "{ \"use\": \"random\", \"guide\": \"near\", \"options\": { \"candidates\": 12 } }"
#define ZERO_ORDER                                                                                                     \
    "{ \"use\": \"zero_order\", \"guide\": \"near\", \"options\": { \"iterations\": 5, \"neighbours\": 2 } }"
#define EVOLUTION                                                                                                      \
    "{ \"use\": \"evolution\", \"guide\": \"near\","                                                                   \
    "  \"options\": { \"schedule\": [0, 0], \"population\": [4, 6, 6], \"elites\": 2 } }"
#define WALK "{ \"use\": \"probe_walk\", \"guide\": \"near\" }"

static const char *run_in(const char *spec, const char *name)
{
    struct harness_run run = { .spec = spec, .directory = harness_directory("budgets", name) };
    CHECK_OK(harness_execute(&run), run.err);
    CHECK_INT(run.result.done, 2);
    CHECK_INT(run.result.failed, 0);
    return run.directory;
}

/* What each of the two trials must have made and spent, and the sampler been asked for. */
static void check_with(const char *name, const char *spec, const char *const *set, int candidates, int nfe,
                       const char *ended)
{
    const char *dir = harness_directory("budgets", name);
    struct harness_run run = { .spec = spec, .set = set, .directory = dir };
    char sql[200];
    CHECK_OK(harness_execute(&run), run.err);
    CHECK(harness_number(dir, "SELECT max(verifier_calls) FROM trials") <=
          (double)(run.plan.verifier_calls + run.plan.calls_again));
    CHECK_INT(run.result.status.nfe_sampled, 2 * nfe);
    CHECK_INT(harness_number(dir, "SELECT count(*) FROM candidates WHERE trial = 0 AND finished"), candidates);
    CHECK_INT(harness_number(dir, "SELECT count(*) FROM candidates WHERE trial = 1 AND finished"), candidates);
    CHECK_INT(harness_number(dir, "SELECT nfe FROM trials WHERE id = 0"), nfe);
    CHECK_INT(harness_number(dir, "SELECT ifnull(max(nfe_total), 0) FROM candidates WHERE trial = 0"), nfe);
    CHECK_INT(harness_number(dir, "SELECT ifnull(sum(nfe), 0) FROM candidates WHERE trial = 1"), nfe);
    snprintf(sql, sizeof sql, "SELECT count(*) FROM trials WHERE state = 'done' AND ended = '%s'", ended);
    CHECK_INT(harness_number(dir, sql), 2);
}

static void check(const char *name, const char *spec, int candidates, int nfe, const char *ended)
{
    check_with(name, spec, NULL, candidates, nfe, ended);
}

/* Two velocities a step, one for the last: 14 evaluations where Euler's way takes 8. */
static void check_heun(void)
{
    static const char *const heun[] = { "canvas.solver=heun", NULL };
    check_with("heun", SPEC(RANDOM, "{}"), heun, 12, 168, "finished");
    check_with("heun_nfe", SPEC(RANDOM, "{ \"nfe\": 100 }"), heun, 7, 98, "budget");
    check_with("heun_exact", SPEC(RANDOM, "{ \"nfe\": 168 }"), heun, 12, 168, "finished");
    check_with("heun_zo", SPEC(ZERO_ORDER, "{ \"nfe\": 90 }"), heun, 6, 84, "budget");
}

static void check_random(void)
{
    check("free", SPEC(RANDOM, "{}"), 12, 96, "finished");
    check("nfe", SPEC(RANDOM, "{ \"nfe\": 60 }"), 7, 56, "budget");
    check("nfe_exact", SPEC(RANDOM, "{ \"nfe\": 96 }"), 12, 96, "finished");
    check("calls", SPEC(RANDOM, "{ \"verifier_calls\": 6 }"), 6, 48, "budget");
    check("candidates", SPEC(RANDOM, "{ \"candidates\": 9 }"), 9, 72, "budget");
    check("nothing", SPEC(RANDOM, "{ \"nfe\": 7 }"), 0, 0, "budget");
}

/* A run without pictures is none that went well. */
static void check_warning(void)
{
    const char *sql =
        "SELECT count(*) FROM events WHERE kind = 'warning' AND text LIKE '2 of 2 prompts ended without a "
        "picture: % takes 8 evaluations and a verifier call'";
    CHECK_INT(harness_number(run_in(SPEC(RANDOM, "{ \"nfe\": 7 }"), "too_small"), sql), 1);
    CHECK_INT(harness_number(run_in(SPEC(RANDOM, "{ \"nfe\": 8 }"), "enough"), sql), 0);
}

/* The pivot is compared again with its neighbours: a call more for each iteration but the first. */
static void check_compared(void)
{
    static const char *const rank[] = { "search.guide=rank", NULL };
    const char *dir = harness_directory("budgets", "zo_rank");
    check_with("zo_rank", SPEC(ZERO_ORDER, "{}"), rank, 11, 88, "finished");
    CHECK_INT(harness_number(dir, "SELECT min(verifier_calls) FROM trials"), 15);
    check_with("zo_rank_calls", SPEC(ZERO_ORDER, "{ \"verifier_calls\": 8 }"), rank, 6, 48, "budget");
    check_with("zo_rank_pivot", SPEC(ZERO_ORDER, "{ \"verifier_calls\": 4 }"), rank, 3, 24, "budget");
    check_with("evo_rank", SPEC(EVOLUTION, "{}"), rank, 12, 96, "finished");
    check_with("evo_rank_calls", SPEC(EVOLUTION, "{ \"verifier_calls\": 13 }"), rank, 9, 72, "budget");
}

static void check_zero_order(void)
{
    check("zo_free", SPEC(ZERO_ORDER, "{}"), 11, 88, "finished");
    check("zo_nfe", SPEC(ZERO_ORDER, "{ \"nfe\": 50 }"), 6, 48, "budget");
    check("zo_one", SPEC(ZERO_ORDER, "{ \"candidates\": 1 }"), 1, 8, "budget");
}

/* nfe_total counts a search's samples one after another, whatever the waves. */
static void check_totals(void)
{
    const char *dir = run_in(SPEC(RANDOM, "{}"), "totals");
    CHECK_INT(harness_number(dir, "SELECT count(*) FROM candidates WHERE nfe_total = 8 * ordinal AND nfe = 8"), 24);
}

/* Neighbours are spawned of a pivot that is scored with them: it is their parent. */
static void check_parents(void)
{
    const char *dir = run_in(SPEC(ZERO_ORDER, "{}"), "parents");
    CHECK_INT(harness_number(dir, "SELECT count(*) FROM candidates WHERE parent IS NULL"), 2);
    CHECK_INT(harness_number(dir, "SELECT count(*) FROM candidates c JOIN candidates p ON c.trial = p.trial AND"
                                  " c.parent = p.id AND p.ordinal < c.ordinal"),
              20);
}

/* A search that does not look at its budget is refused the call that would pass it, and spends no more. */
static void check_careless(void)
{
    const char *dir = run_in(SPEC(WALK, "{ \"nfe\": 61 }"), "careless");
    CHECK(harness_number(dir, "SELECT max(nfe) FROM trials") <= 61);
    CHECK_INT(harness_number(dir, "SELECT count(*) FROM trials WHERE ended = 'budget'"), 2);
}

/* Seconds end a search after the wave that used them up; the first is of one. */
static void check_seconds(void)
{
    const char *dir = run_in(SPEC(RANDOM, "{ \"seconds\": 1e-9 }"), "seconds");
    CHECK_INT(harness_number(dir, "SELECT count(*) FROM candidates WHERE trial = 0"), 1);
    CHECK_INT(harness_number(dir, "SELECT count(*) FROM trials WHERE ended = 'budget'"), 2);
    const char *none = run_in(SPEC(RANDOM, "{ \"seconds\": 1000 }"), "seconds_enough");
    CHECK_INT(harness_number(none, "SELECT count(*) FROM candidates WHERE trial = 0"), 12);
}

int main(void)
{
    check_random();
    check_warning();
    check_zero_order();
    check_compared();
    check_heun();
    check_totals();
    check_parents();
    check_careless();
    check_seconds();
    return CHECK_DONE();
}
