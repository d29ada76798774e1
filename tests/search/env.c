/* What a search asks of its samples is charged once, sampled once, and the same whatever the order in which the engine
 * gets to it: samples at different points in one set, looks at any of them, clones of what is not carried out yet. The
 * cases themselves, with their accounts, are probe_env.c's. */
#include "check.h"
#include "search/harness.h"

#include <sqlite3.h>

#define SPEC(what) SPEC_OF("24", what)
#define SPEC_OF(height, what)                                                                                          \
    "{ \"winnow\": 0, \"name\": \"env\", \"seed\": 5,"                                                                 \
    "  \"prompts\": { \"list\": [\"one\", \"two\"] },"                                                                 \
    "  \"canvas\": { \"width\": 32, \"height\": " height ", \"steps\": 6 },"                                           \
    "  \"sampler\": { \"use\": \"analytic\", \"options\": { \"evals_per_velocity\": 2 } },"                            \
    "  \"verifiers\": { \"near\": { \"use\": \"analytic\" }, \"rank\": { \"use\": \"probe_rank\" },"                   \
    "                   \"look\": { \"use\": \"probe_glimpse\" } },"                                                   \
    "  \"search\": { \"use\": \"probe_env\", \"guide\": \"near\", \"options\": { \"what\": \"" what "\" } },"          \
    "  \"judge\": [\"look\"], \"output\": \"run\","                                                                    \
    "  \"budget\": { \"nfe\": 100000, \"verifier_calls\": 1000, \"candidates\": 1000 } }"

static const struct {
    const char *name, *spec;
    bool peeks; /* which is not recorded */
} cases[] = {
    { "mixed", SPEC("mixed"), true },
    { "peeks", SPEC("peeks"), true },
    { "clones", SPEC("clones"), true },
    { "family", SPEC("family"), false },
    { "twins", SPEC("twins"), false },
    { "resampled", SPEC("resampled"), false },
    { "drafts", SPEC_OF("48", "drafts"), false },
    { "refused", SPEC("refused"), false },
};

static const char *const one[] = { "engine.batch=1", "engine.live=1", NULL };
static const char *const tight[] = { "engine.state_memory=1e-6", "engine.batch=4", "noise=torch-cpu", NULL };
static const char *const roomy[] = { "engine.state_memory=0", "engine.batch=7", "noise=torch-cpu", NULL };
static const char *const many[] = { "engine.batch=32", "engine.live=2", NULL };
static const char *const few[] = { "engine.batch=3", "canvas.solver=heun", NULL };
static const char *const compared[] = { "search.guide=rank", "engine.batch=2", NULL };
static const char *const compared_wide[] = { "search.guide=rank", "engine.batch=64", NULL };
static const char *const reusing[] = { "engine.batch=1", "sampler.options.memory=0.4", NULL };
static const char *const reusing_wide[] = { "engine.batch=32", "sampler.options.memory=0.4", NULL };
static const char *const all[] = { "engine.batch=32", "canvas.solver=heun", NULL };

/* How many states were put away for want of memory, on disk or to be drawn again. */
static double spilled_states(const char *directory)
{
    return harness_number(
        directory, "SELECT CAST(substr(text, instr(text, 'encoded; ') + 9) AS INTEGER) +"
                   " CAST(substr(text, instr(text, 'on disk, ') + 9) AS INTEGER) FROM events WHERE kind = 'stop'");
}

/* Both prompts end well, and the sampler was asked for exactly what was charged. */
static char *digest_of(int c, const char *const *set)
{
    struct harness_run run = { .spec = cases[c].spec, .set = set, .directory = harness_directory("env", "run") };
    CHECK_OK(harness_execute(&run), run.err);
    if (run.result.done != 2)
        CHECK_FAIL("%s with %s fails; its trial says why", cases[c].name, set[0]);
    CHECK_INT(harness_number(run.directory, "SELECT sum(nfe) FROM trials"), run.result.status.nfe_sampled);
    const double spilled = spilled_states(run.directory);
    CHECK(set == tight ? spilled > 0 : spilled == 0);
    char *digest = harness_digest(run.directory);
    if (run.result.done != 2)
        fprintf(stderr, "%.1000s\n", digest);
    CHECK_OK(harness_execute(&run), run.err);
    if (!cases[c].peeks)
        CHECK_INT(run.result.status.nfe_sampled, 0);
    char *again = harness_digest(run.directory);
    CHECK_STR(harness_difference(again, digest), "");
    free(again);
    return digest;
}

/* More moves than a lineage may hold fail the prompt, not for want of memory. */
static void check_endless(void)
{
    static const char *const set[] = { "budget.nfe=1000000000", NULL };
    struct harness_run run = { .spec = SPEC("endless"), .set = set, .directory = harness_directory("env", "endless") };
    CHECK_OK(harness_execute(&run), run.err);
    CHECK_INT(run.result.failed, 2);
    CHECK_INT(harness_number(run.directory,
                             "SELECT count(*) FROM trials WHERE state = 'failed' AND ended LIKE"
                             " 'the lineage of a candidate, 60001 moves, is longer than the 1048576 bytes%'"),
              2);
}

static void check_same(int c, const char *const *first, const char *const *second)
{
    char *want = digest_of(c, first), *got = digest_of(c, second);
    CHECK_STR(harness_difference(got, want), "");
    free(want);
    free(got);
}

static void forget(const char *directory, const char *which)
{
    char path[600], sql[400];
    sqlite3 *db = NULL;
    snprintf(path, sizeof path, "%s/ledger.db", directory);
    snprintf(sql, sizeof sql,
             "DELETE FROM scores WHERE (trial, candidate) IN (SELECT trial, id FROM candidates WHERE %s);"
             "DELETE FROM candidates WHERE %s",
             which, which);
    CHECK_INT(sqlite3_open(path, &db), SQLITE_OK);
    CHECK_INT(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    CHECK(sqlite3_changes(db) > 0);
    sqlite3_close(db);
}

/* A run that lost some of its candidates makes them again, through all the clones that led there, to the bit; what they
 * share on the way is sampled once, so that it never takes more than the first time. */
static void check_lost(int c, const char *which, const char *const *set)
{
    struct harness_run run = { .spec = cases[c].spec, .set = set, .directory = harness_directory("env", "lost") };
    CHECK_OK(harness_execute(&run), run.err);
    const uint64_t whole = run.result.status.nfe_sampled;
    char *want = harness_digest(run.directory);
    forget(run.directory, which);
    CHECK_OK(harness_execute(&run), run.err);
    const uint64_t again = run.result.status.nfe_sampled;
    char *got = harness_digest(run.directory);
    CHECK_STR(harness_difference(got, want), "");
    if (!(again > 0 && again <= whole))
        CHECK_FAIL("%s without %s takes %llu evaluations, %llu at first", cases[c].name, which,
                   (unsigned long long)again, (unsigned long long)whole);
    free(want);
    free(got);
}

/* A lineage names the kernel of each kick. */
static void check_lineage(void)
{
    struct harness_run run = { .spec = SPEC("mixed"), .directory = harness_directory("env", "lineage") };
    CHECK_OK(harness_execute(&run), run.err);
    CHECK_INT(harness_number(run.directory,
                             "SELECT count(*) FROM candidates WHERE lineage LIKE"
                             " '%\"moves\":[{\"kick\":3,\"kernel\":\"rbf\",\"scale\":3,\"stream\":4294967302}%'"),
              4); /* of two prompts: the preview, and the picture */
}

int main(void)
{
    check_endless();
    check_lineage();
    for (int c = 0; c < (int)(sizeof cases / sizeof *cases); c++) {
        check_same(c, one, many);
        check_same(c, few, all);
        check_same(c, compared, compared_wide);
        check_same(c, tight, roomy);
        check_same(c, reusing, reusing_wide);
        for (int i = 0; i < 4 && !cases[c].peeks; i++) {
            static const char *const *const sets[] = { one, all, tight, reusing };
            check_lost(c, "finished", sets[i]);
            check_lost(c, "ordinal % 2", sets[i]);
            check_lost(c, "1", sets[i]);
        }
    }
    return CHECK_DONE();
}
