/* Searches that want the same candidates at the same time, with a cache: each is sampled once, whoever is first, fails
 * or is interrupted; results are those without a cache. The torch noises are the same for every prompt, so prompts of
 * one text are twins. */
#include "check.h"
#include "search/harness.h"

#include <stdlib.h>

#define SPEC                                                                                                           \
    "{ \"winnow\": 0, \"name\": \"twins\", \"seed\": 5, \"noise\": \"torch-cpu\","                                     \
    "  \"prompts\": { \"list\": [\"one\", \"one\", \"one\", \"one\"] },"                                               \
    "  \"canvas\": { \"width\": 16, \"height\": 16, \"steps\": 4 },"                                                   \
    "  \"sampler\": { \"use\": \"analytic\", \"options\": { \"delay_us\": 2000 } },"                                   \
    "  \"verifiers\": { \"near\": { \"use\": \"analytic\" }, \"far\": { \"use\": \"analytic\" },"                      \
    "                   \"rank\": { \"use\": \"probe_rank\" } },"                                                      \
    "  \"search\": { \"use\": \"random\", \"guide\": \"near\", \"options\": { \"candidates\": 6, \"wave\": 2 } },"     \
    "  \"judge\": [\"far\"], \"engine\": { \"batch\": 8, \"live\": 4 }, \"output\": \"run\" }"

enum { MAX_SETS = 8 };

static char cache[600];

/* A run with an empty cache. */
static struct harness_run with_cache(const char *name, const char *const *set, const char **all)
{
    char folder[100];
    int n = 0;
    snprintf(folder, sizeof folder, "%s-cache", name);
    snprintf(cache, sizeof cache, "engine.cache=%s", harness_directory("twins", folder));
    all[n++] = cache;
    while (set && *set)
        all[n++] = *set++;
    all[n] = NULL;
    return (struct harness_run){ .spec = SPEC, .set = all, .directory = harness_directory("twins", name) };
}

/* Of four searches that want the same each candidate is made once, which takes nfe; what they find is what they find
 * without a cache. */
static void sampled_once(const char *name, const char *search, uint64_t nfe)
{
    const char *const set[] = { search, NULL };
    const char *all[MAX_SETS];
    struct harness_run plain = { .spec = SPEC, .set = set, .directory = harness_directory("twins", "plain") };
    CHECK_OK(harness_execute(&plain), plain.err);
    struct harness_run run = with_cache(name, set, all);
    CHECK_OK(harness_execute(&run), run.err);
    CHECK_INT(run.result.done, 4);
    CHECK_INT(run.result.status.nfe_sampled, nfe);
    CHECK_INT(run.result.status.nfe_sampled + run.result.status.nfe_cached, plain.result.status.nfe_sampled);
    char *got = harness_digest(run.directory), *want = harness_digest(plain.directory);
    CHECK_STR(harness_difference(got, want), "");
    free(got);
    free(want);
}

static void check_counts(void)
{
    sampled_once("random", "search.options.wave=2", 24);
    sampled_once("wide", "search.options.wave=6", 24);
    sampled_once("compared", "search.guide=rank", 24);
    sampled_once("judged", "judge=[\"rank\"]", 24);
    /* The start is the same for all, 4 evaluations; the neighbours, 24, are each search's own. */
    sampled_once("zero_order", "search={\"use\":\"zero_order\",\"guide\":\"near\",\"options\":{\"iterations\":3}}",
                 4 + 4 * 24);
}

/* The first fails at its first candidate, and its search with it. The next makes that one, and finds the others. */
static void check_failure(void)
{
    const char *const set[] = { "sampler={\"use\":\"probe_sampler\",\"options\":{\"fails_at\":1}}", "engine.batch=1",
                                "search.options.wave=6", NULL };
    const char *all[MAX_SETS];
    struct harness_run run = with_cache("failure", set, all);
    CHECK_OK(harness_execute(&run), run.err);
    CHECK_INT(run.result.failed, 1);
    CHECK_INT(run.result.done, 3);
    CHECK_INT(harness_number(run.directory, "SELECT count(*) FROM candidates c JOIN trials t ON t.id = c.trial"
                                            " WHERE finished AND state = 'done'"),
              18);
}

/* Interrupted while some wait, and continued: nobody hangs, and all ends as it would have. */
static void check_interruption(void)
{
    struct harness_run plain = { .spec = SPEC, .directory = harness_directory("twins", "plain") };
    CHECK_OK(harness_execute(&plain), plain.err);
    char *const want = harness_digest(plain.directory);
    for (int ms = 2; ms <= 34; ms += 8) {
        const char *all[MAX_SETS];
        struct harness_run run = with_cache("interrupted", NULL, all);
        run.cancel_after_ms = ms;
        CHECK_OK(harness_execute(&run), run.err);
        run.cancel_after_ms = 0;
        CHECK_OK(harness_execute(&run), run.err);
        CHECK_INT(run.result.done, 4);
        char *got = harness_digest(run.directory);
        CHECK_STR(harness_difference(got, want), "");
        free(got);
    }
    free(want);
}

int main(void)
{
    check_counts();
    check_failure();
    check_interruption();
    return CHECK_DONE();
}
