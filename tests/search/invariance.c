/* What a run finds does not depend on how it was executed: batch size, live searches, threads, wave size. */
#include "check.h"
#include "search/harness.h"

#define SPEC(search)                                                                                                   \
    "{ \"winnow\": 0, \"name\": \"invariance\", \"seed\": 7,"                                                          \
    "  \"prompts\": { \"list\": [\"one\", \"two\", \"three\"] },"                                                      \
    "  \"canvas\": { \"width\": 48, \"height\": 24, \"steps\": 6 },"                                                   \
    "  \"sampler\": { \"use\": \"analytic\" },"                                                                        \
    "  \"verifiers\": { \"near\": { \"use\": \"analytic\" }, \"far\": { \"use\": \"analytic\", \"options\": { "        \
    "\"target\": 90 } },"                                                                                              \
    "                   \"rank\": { \"use\": \"probe_rank\" } },"                                                      \
    "  \"search\": " search ","                                                                                        \
    "  \"judge\": [\"far\"], \"output\": \"run\" }"

static const char *const random_spec =
    SPEC("{ \"use\": \"random\", \"guide\": \"near\", \"options\": { \"candidates\": 13 } }");
static const char *const zero_order_spec =
    SPEC("{ \"use\": \"zero_order\", \"guide\": \"near\", \"options\": { \"iterations\": 6, \"patience\": 2 } }");
static const char *const walk_spec = SPEC("{ \"use\": \"probe_walk\", \"guide\": \"near\" }");
static const char *const rank_spec = SPEC("{ \"use\": \"probe_walk\", \"guide\": \"rank\" }");

/* Two canvases in one run; the second stage of one prompt meets the first of another. */
#define DRAFTS(guide)                                                                                                  \
    "{ \"use\": \"stages\", \"guide\": \"" guide                                                                       \
    "\", \"options\": { \"stages\": [ { \"use\": \"random\", \"shrink\": 3, "                                          \
    "\"options\": { \"candidates\": 9, \"wave\": 4 } }, { \"use\": \"zero_order\", \"shrink\": 3, \"steps\": 2, "      \
    "\"options\": { \"iterations\": 2 } }, { \"use\": \"random\", \"options\": { \"candidates\": 3 } } ] } }"
static const char *const drafts_spec = SPEC(DRAFTS("near"));
static const char *const compared_drafts_spec = SPEC(DRAFTS("rank"));

static char *digest_of(const char *spec, const char *name, const char *const *set)
{
    struct harness_run run = { .spec = spec, .set = set, .directory = harness_directory("invariance", name) };
    CHECK_OK(harness_execute(&run), run.err);
    CHECK_INT(run.result.done, 3);
    return harness_digest(run.directory);
}

static void check_same(const char *spec, const char *name, const char *const *const *variants)
{
    char *want = digest_of(spec, name, variants[0]);
    CHECK(strlen(want) > 1000);
    for (int i = 1; variants[i]; i++) {
        char *got = digest_of(spec, "variant", variants[i]);
        if (strcmp(got, want) != 0)
            CHECK_FAIL("%s differs with %s: %s", name, variants[i][0], harness_difference(got, want));
        free(got);
    }
    free(want);
}

int main(void)
{
    static const char *const narrow[] = { "engine.batch=1", "engine.live=1", "engine.threads=1", NULL };
    static const char *const wide[] = { "engine.batch=32", "engine.live=3", "engine.threads=2", NULL };
    static const char *const odd[] = { "engine.batch=3", "engine.live=2", NULL };
    static const char *const first_and_best[] = { "engine.save_images=false", "engine.batch=1", "engine.live=1", NULL };
    static const char *const first_and_best_wide[] = { "engine.save_images=false", "engine.batch=64", "engine.live=4",
                                                       NULL };
    static const char *const heun_narrow[] = { "canvas.solver=heun", "engine.batch=1", "engine.live=1", NULL };
    static const char *const heun_odd[] = { "canvas.solver=heun", "engine.batch=3", "engine.live=2", NULL };
    static const char *const heun_tight[] = { "canvas.solver=heun", "engine.state_memory=1e-6", NULL };
    static const char *const tight[] = { "engine.state_memory=1e-6", "engine.batch=8", NULL };
    static const char *const reuse[] = { "sampler.options.memory=0.4", "engine.batch=1", "engine.live=1", NULL };
    static const char *const reuse_odd[] = { "sampler.options.memory=0.4", "engine.batch=3", "engine.live=2", NULL };
    static const char *const reuse_tight[] = { "sampler.options.memory=0.4", "engine.state_memory=1e-6", NULL };
    static const char *const reuse_heun[] = { "sampler.options.memory=0.4", "canvas.solver=heun", "engine.batch=1",
                                              NULL };
    static const char *const reuse_heun_tight[] = { "sampler.options.memory=0.4", "canvas.solver=heun",
                                                    "engine.state_memory=1e-6", "engine.batch=8", NULL };
    const char *const *const reuse_variants[] = { reuse, reuse_odd, reuse_tight, NULL };
    const char *const *const reuse_heun_variants[] = { reuse_heun, reuse_heun_tight, NULL };
    const char *const *const variants[] = { narrow, wide, odd, tight, NULL };
    const char *const *const heun_variants[] = { heun_narrow, heun_odd, heun_tight, NULL };
    const char *const *const few_pictures[] = { first_and_best, first_and_best_wide, NULL };
    check_same(random_spec, "random", variants);
    check_same(random_spec, "random_few_pictures", few_pictures);
    check_same(zero_order_spec, "zero_order", variants);
    check_same(walk_spec, "walk", variants);
    check_same(walk_spec, "heun", heun_variants);
    check_same(random_spec, "random_reuse", reuse_variants);
    check_same(zero_order_spec, "zero_order_reuse", reuse_variants);
    check_same(walk_spec, "walk_reuse", reuse_variants);
    check_same(walk_spec, "heun_reuse", reuse_heun_variants);
    check_same(walk_spec, "walk_few_pictures", few_pictures);
    check_same(rank_spec, "rank", variants);
    check_same(drafts_spec, "drafts", variants);
    check_same(drafts_spec, "drafts_heun", heun_variants);
    check_same(drafts_spec, "drafts_reuse", reuse_variants);
    check_same(compared_drafts_spec, "compared_drafts", variants);
    return CHECK_DONE();
}
