/* A run's budget, dealt out to its prompts: never passed, used up where prompts share, and the same whoever is faster.
 */
#include "check.h"
#include "search/harness.h"

#include "engine/allotment.h"

/* zero_order that gives up after some iterations without a gain: prompts cost different amounts. */
#define SPEC(budget)                                                                                                   \
    "{ \"winnow\": 0, \"name\": \"allotment\", \"seed\": 5,"                                                           \
    "  \"prompts\": { \"list\": [\"a\", \"b\", \"c\", \"d\", \"e\", \"f\", \"g\", \"h\", \"i\", \"j\", \"k\", \"l\","  \
    "    \"m\", \"n\", \"o\", \"p\", \"q\", \"r\", \"s\", \"t\", \"u\", \"v\", \"w\", \"x\", \"y\", \"z\"] },"         \
    "  \"canvas\": { \"width\": 16, \"height\": 16, \"steps\": 4 }, \"sampler\": { \"use\": \"analytic\" },"           \
    "  \"verifiers\": { \"near\": { \"use\": \"analytic\" } },"                                                        \
    "  \"search\": { \"use\": \"zero_order\", \"guide\": \"near\","                                                    \
    "    \"options\": { \"iterations\": 400, \"neighbours\": 2, \"patience\": 3 } },"                                  \
    "  \"budget\": " budget ", \"engine\": { \"save_images\": false }, \"output\": \"run\" }"

static bool never(void *arg)
{
    (void)arg;
    return false;
}

static bool always(void *arg)
{
    (void)arg;
    return true;
}

/* Parts of 100 for 30 prompts, each of which leaves its whole part over: worked out by hand. */
static void check_parts(void)
{
    const struct spec_budget total = { 100, INFINITY, INFINITY, INFINITY }, nothing = { 0 };
    struct spec_budget part;
    struct allotment *a;
    wn_error err = { 0 };
    double sum = 0;
    CHECK_OK(allotment_create(&total, 30, true, &a, &err), err);
    for (uint32_t i = 0; i < 30; i++) {
        CHECK_OK(allotment_take(a, i, never, NULL, &part, &err), err);
        CHECK(isinf(part.candidates) && isinf(part.seconds));
        if (i < ALLOTMENT_LAG)
            CHECK_INT(part.nfe, 100 * (i + 1) / 30 - 100 * i / 30);
        sum += i < ALLOTMENT_LAG ? 0 : part.nfe; /* the others had 53 and spent none of them */
        allotment_end(a, i, &nothing);
    }
    CHECK(sum > 100 - 53 && sum <= 100);
    allotment_destroy(a);
}

/* Who waits for a prompt that never ends is let go when the run stops. */
static void check_stop(void)
{
    const struct spec_budget total = { 100, INFINITY, INFINITY, INFINITY };
    struct spec_budget part;
    struct allotment *a;
    wn_error err = { 0 };
    CHECK_OK(allotment_create(&total, 30, true, &a, &err), err);
    CHECK_OK(allotment_take(a, ALLOTMENT_LAG - 1, always, NULL, &part, &err), err);
    CHECK_INT(allotment_take(a, ALLOTMENT_LAG, always, NULL, &part, &err), WN_E_CANCELLED);
    allotment_destroy(a);
}

static char *digest_of(const char *name, const char *spec, const char *live, double cancel_after_ms)
{
    const char *const set[] = { live, NULL };
    struct harness_run run = { .spec = spec, .set = set, .directory = harness_directory("allotment", name) };
    if (cancel_after_ms > 0) {
        run.cancel_after_ms = cancel_after_ms;
        harness_execute(&run);
        run.cancel_after_ms = 0;
    }
    CHECK_OK(harness_execute(&run), run.err);
    CHECK_INT(run.result.done, 26);
    return harness_digest(run.directory);
}

static void check_same(const char *name, const char *spec, const char *want, const char *live, double cancel_after_ms)
{
    char *got = digest_of(name, spec, live, cancel_after_ms);
    CHECK_STR(harness_difference(got, want), "");
    free(got);
}

/* 26 prompts, 1300 evaluations: 50 for each, which is 12 candidates. */
static void check_runs(void)
{
    static const char own[] = SPEC("{ \"run_nfe\": 1300 }");
    static const char shared[] = SPEC("{ \"run_nfe\": 1300, \"share\": true }");
    char *alone = digest_of("own", own, "engine.live=1", 0);
    char *want = digest_of("shared", shared, "engine.live=1", 0);
    static const char a[] = WINNOW_BUILD_DIR "/tests/runs/allotment/own";
    static const char b[] = WINNOW_BUILD_DIR "/tests/runs/allotment/shared";
    CHECK(harness_number(a, "SELECT max(nfe) FROM trials") <= 50);
    CHECK(harness_number(b, "SELECT max(nfe) FROM trials WHERE id < 16") <= 50);
    CHECK(harness_number(b, "SELECT max(nfe) FROM trials") > 50);
    CHECK(harness_number(b, "SELECT sum(nfe) FROM trials") > harness_number(a, "SELECT sum(nfe) FROM trials"));
    CHECK(harness_number(b, "SELECT sum(nfe) FROM trials") <= 1300);
    check_same("shared-8", shared, want, "engine.live=8", 0);
    check_same("shared-26", shared, want, "engine.live=26", 0);
    check_same("shared-again", shared, want, "engine.live=5", 3);
    check_same("own-8", own, alone, "engine.live=8", 0);
    free(alone);
    free(want);
}

int main(void)
{
    check_parts();
    check_stop();
    check_runs();
    return CHECK_DONE();
}
