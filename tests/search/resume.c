/* A run that was interrupted or killed, any number of times, ends as if nothing had happened: same rows, same pictures.
 * WINNOW_KILLS sets how often (10). */
#include "check.h"
#include "search/harness.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SPEC(use, guide, options) WITH("0", "euler", "2048", use, guide, options)
#define WITH(remembered, solver, memory, use, guide, options)                                                          \
    "{ \"winnow\": 0, \"name\": \"resume\", \"seed\": 3,"                                                              \
    "  \"prompts\": { \"list\": [\"one\", \"two\", \"three\"] },"                                                      \
    "  \"canvas\": { \"width\": 32, \"height\": 32, \"steps\": 5, \"solver\": \"" solver "\" },"                       \
    "  \"sampler\": { \"use\": \"analytic\", \"options\": { \"delay_us\": 1000, \"memory\": " remembered " } },"       \
    "  \"verifiers\": { \"near\": { \"use\": \"analytic\" }, \"rank\": { \"use\": \"probe_rank\" },"                   \
    "                   \"look\": { \"use\": \"probe_glimpse\" },"                                                     \
    "                   \"far\": { \"use\": \"analytic\", \"options\": { \"target\": 90, \"delay_us\": 2000 } },"      \
    "                   \"both\": { \"use\": \"ensemble\", \"inputs\": [\"near\", \"far\"] },"                         \
    "                   \"back\": { \"use\": \"ensemble\", \"inputs\": [\"near\", \"look\"] } },"                      \
    "  \"search\": { \"use\": \"" use "\", \"guide\": \"" guide "\", \"options\": " options " },"                      \
    "  \"judge\": [\"far\", \"look\"], \"engine\": { \"batch\": 4, \"live\": 2, \"save_images\": false, "              \
    "\"state_memory\": " memory " }, \"output\": \"run\" }"

static const char *const specs[] = {
    SPEC("random", "near", "{ \"candidates\": 24, \"wave\": 4 }"),
    SPEC("zero_order", "near", "{ \"iterations\": 8 }"),
    SPEC("random", "both", "{ \"candidates\": 24, \"wave\": 6 }"),
    SPEC("zero_order", "both", "{ \"iterations\": 8 }"),
    SPEC("random", "back", "{ \"candidates\": 12 }"),
    SPEC("paths", "near", "{}"),
    SPEC("halving", "near", "{}"),
    SPEC("svdd", "near", "{ \"children\": 4, \"temperature\": 0.01 }"),
    SPEC("fk", "near", "{ \"lambda\": 1000 }"),
    SPEC("rbf", "near", "{ \"nfe\": 60, \"initial\": 5 }"),
    SPEC("spectral", "near", "{ \"evaluations\": 20, \"population\": 5 }"),
    SPEC("verifier_threshold", "near", "{}"),
    SPEC("tree", "near", "{}"),
    SPEC("tree", "near", "{ \"method\": \"dfs\", \"samples\": 4 }"),
    SPEC("tree", "near", "{ \"method\": \"dts\" }"),
    SPEC("evolution", "near", "{ \"population\": [8, 5, 5, 5, 5] }"),
    SPEC("evolution", "both", "{ \"population\": [8, 5, 5, 5, 5] }"),
    SPEC("epsilon_greedy", "near", "{ \"iterations\": 3, \"candidates\": 3 }"),
    SPEC("stages", "near",
         "{ \"stages\": [ { \"use\": \"random\", \"steps\": 2, \"keep\": 3 }, { \"use\": \"zero_order\", \"options\": "
         "{ \"iterations\": 2 } } ] }"),
    SPEC("stages", "both",
         "{ \"rounds\": 2, \"stages\": [ { \"use\": \"random\", \"options\": { \"candidates\": 8, \"wave\": 4 }, "
         "\"steps\": 4 },"
         " { \"use\": \"svdd\", \"resume\": 0.5 } ] }"),
    SPEC("stages", "near",
         "{ \"rounds\": 2, \"stages\": [ { \"use\": \"zero_order\", \"options\": { \"iterations\": 2 }, \"shrink\": 4, "
         "\"keep\": 2 }, { \"use\": \"halving\", \"options\": { \"candidates\": 5 }, \"shrink\": 2, \"keep\": 2 }, "
         "{ \"use\": \"svdd\", \"options\": { \"children\": 2 } } ] }"),
    WITH("0.4", "euler", "1e-6", "stages", "both",
         "{ \"stages\": [ { \"use\": \"random\", \"options\": { \"candidates\": 8, \"wave\": 4 }, \"shrink\": 2 },"
         " { \"use\": \"random\" } ] }"),
#ifdef WINNOW_HAVE_LAPACKE
    SPEC("bayesian", "near", "{ \"evaluations\": 16 }"),
#endif
    WITH("0.4", "euler", "2048", "halving", "near", "{}"),
    WITH("0.4", "heun", "1e-6", "svdd", "near", "{ \"children\": 4, \"temperature\": 0.01 }"),
    SPEC("probe_walk", "near", "{ \"rounds\": 4 }"),
    SPEC("probe_walk", "rank", "{ \"rounds\": 4 }"),
    WITH("0", "heun", "1e-6", "probe_walk", "near", "{ \"rounds\": 4 }"),
    WITH("0.4", "heun", "1e-6", "probe_walk", "near", "{ \"rounds\": 4 }"),
};
enum { SPECS = sizeof specs / sizeof specs[0], PEEKING = 4, TRIES = 200 };

static unsigned long random_state = 1;

static double random_ms(double most)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return most * (double)(random_state >> 33) / 2147483648.0;
}

static void sleep_ms(double ms)
{
    const struct timespec t = { (time_t)(ms / 1000), (long)((ms - 1000.0 * (double)(time_t)(ms / 1000)) * 1e6) };
    nanosleep(&t, NULL);
}

static void finish(struct harness_run *run, const char *want)
{
    run->cancel_after_ms = 0;
    CHECK_OK(harness_execute(run), run->err);
    CHECK_INT(run->result.done, 3);
    CHECK_INT(run->result.interrupted, 0);
    char *got = harness_digest(run->directory);
    CHECK_STR(harness_difference(got, want), "");
    free(got);
}

/* Ctrl-C at a random moment of each of a few starts. */
static void check_interrupts(const char *spec, const char *want)
{
    struct harness_run run = { .spec = spec, .directory = harness_directory("resume", "interrupted") };
    for (int i = 0; i < 4; i++) {
        run.cancel_after_ms = 1 + random_ms(60);
        CHECK_OK(harness_execute(&run), run.err);
    }
    finish(&run, want);
}

static int start_and_kill(struct harness_run *run, double after_ms)
{
    const pid_t child = fork();
    if (child == 0)
        _exit(harness_execute(run) == WN_OK ? 0 : 1);
    sleep_ms(after_ms);
    kill(child, SIGKILL);
    int state;
    waitpid(child, &state, 0);
    return WIFSIGNALED(state);
}

/* A run that is done has everything recorded: nothing is sampled or encoded again. */
static void check_nothing_twice(const char *spec, const char *want)
{
    struct harness_run run = { .spec = spec, .directory = harness_directory("resume", "twice") };
    for (int i = 0; i < 2; i++)
        finish(&run, want);
    CHECK_INT(run.result.status.nfe_sampled, 0);
    CHECK(run.result.status.nfe_replayed > 0);
    /* of three prompts, each for the canvases that its drafts are on too */
    CHECK_INT(harness_number(run.directory,
                             "SELECT count(*) FROM events WHERE text LIKE '%; ' || (SELECT 3 + 3 * count(DISTINCT "
                             "lineage ->> '$.shrink') FROM candidates) || ' prompts encoded;%'"),
              1);
    CHECK_INT(harness_number(run.directory, "SELECT count(*) FROM events WHERE text LIKE '%; 0 prompts encoded;%'"), 1);
}

/* SIGKILL at a random moment, then one that goes on. */
static void check_kills(const char *spec, const char *want, int kills)
{
    const char *directory = harness_directory("resume", "killed");
    struct harness_run run = { .spec = spec, .directory = directory };
    int killed = 0;
    for (int tries = 0; killed < kills && tries < TRIES; tries++) {
        const int was_killed = start_and_kill(&run, random_ms(200));
        killed += was_killed;
        if (!was_killed || random_ms(3) < 1) { /* to the end, and a fresh start */
            finish(&run, want);
            run.directory = harness_directory("resume", "killed");
        }
    }
    finish(&run, want);
    CHECK_INT(killed, kills);
}

int main(void)
{
    const char *given = getenv("WINNOW_KILLS");
    const int kills = given ? (int)strtol(given, NULL, 10) : 10;
    for (int i = 0; i < SPECS; i++) {
        struct harness_run run = { .spec = specs[i], .directory = harness_directory("resume", "whole") };
        CHECK_OK(harness_execute(&run), run.err);
        char *want = harness_digest(run.directory);
        if (i < SPECS - PEEKING) /* the others peek, which is not recorded */
            check_nothing_twice(specs[i], want);
        check_interrupts(specs[i], want);
        check_kills(specs[i], want, (kills + SPECS - 1 - i) / SPECS);
        free(want);
    }
    return CHECK_DONE();
}
