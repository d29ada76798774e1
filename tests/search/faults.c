/* Plugins that fail: what they touch fails, in the ledger's words; the rest goes on. */
#include "check.h"
#include "search/harness.h"

#define SPEC(sampler, guide, search)                                                                                   \
    "{ \"winnow\": 0, \"name\": \"faults\", \"seed\": 5,"                                                              \
    "  \"prompts\": { \"list\": [\"good one\", \"bad two\", \"good three\", \"good four\"] },"                         \
    "  \"canvas\": { \"width\": 16, \"height\": 16, \"steps\": 4 },"                                                   \
    "  \"sampler\": { \"use\": \"probe_sampler\", \"options\": " sampler " },"                                         \
    "  \"verifiers\": { \"near\": { \"use\": \"analytic\" }, \"sulk\": { \"use\": \"probe_sulk\", \"options\": " guide \
    " },"                                                                                                              \
    "                   \"rank\": { \"use\": \"probe_rank\" } },"                                                      \
    "  \"search\": " search ","                                                                                        \
    "  \"engine\": { \"batch\": 8, \"live\": 4, \"save_images\": false }, \"output\": \"run\" }"

#define RANDOM(guide) "{ \"use\": \"random\", \"guide\": \"" guide "\", \"options\": { \"candidates\": 6 } }"
#define JUDGED        RANDOM("near") ", \"judge\": [\"sulk\"]"

static const char *run_in(const char *spec, const char *name, int done, int failed)
{
    struct harness_run run = { .spec = spec, .directory = harness_directory("faults", name) };
    CHECK_OK(harness_execute(&run), run.err);
    CHECK_INT(run.result.done, done);
    CHECK_INT(run.result.failed, failed);
    return run.directory;
}

/* One bad prompt shares its batches with good ones and alone fails. */
static void check_sampler(const char *sampler_spec, const char *name, const char *message)
{
    const char *dir = run_in(sampler_spec, name, 3, 1);
    char sql[300];
    CHECK_INT(harness_number(dir, "SELECT count(*) FROM candidates WHERE finished"), 18);
    snprintf(sql, sizeof sql, "SELECT count(*) FROM trials WHERE id = 1 AND state = 'failed' AND ended LIKE '%%%s%%'",
             message);
    CHECK_INT(harness_number(dir, sql), 1);
    snprintf(sql, sizeof sql, "SELECT count(*) FROM events WHERE kind = 'failed' AND text LIKE 'prompt p0002%%%s%%'",
             message);
    CHECK_INT(harness_number(dir, sql), 1);
}

static void check_samplers(void)
{
    check_sampler(SPEC("{ \"velocity\": \"bad\" }", "{ \"mode\": \"nan\" }", JUDGED), "velocity",
                  "probe_sampler: velocity: velocity was told to fail");
    check_sampler(SPEC("{ \"encode\": \"bad\" }", "{ \"mode\": \"nan\" }", JUDGED), "encode",
                  "probe_sampler: encoding the prompt: encode was told to fail");
    check_sampler(SPEC("{ \"decode\": \"bad\" }", "{ \"mode\": \"nan\" }", JUDGED), "decode",
                  "probe_sampler: decoding: decode was told to fail");
    check_sampler(SPEC("{ \"nan\": \"bad\" }", "{ \"mode\": \"nan\" }", JUDGED), "nan", "not finite");
    check_sampler(SPEC("{ \"velocity\": \"bad\" }", "{ \"mode\": \"nan\" }", RANDOM("rank") ", \"judge\": [\"sulk\"]"),
                  "comparative", "told to fail");
    run_in(SPEC("{ \"memory_over\": 3 }", "{ \"mode\": \"nan\" }", JUDGED), "memory", 4, 0);
}

/* Three in a row say that nothing will go better. */
static void check_hopeless(void)
{
    struct harness_run run = { .spec = SPEC("{ \"encode\": \"o\" }", "{ \"mode\": \"nan\" }", JUDGED),
                               .directory = harness_directory("faults", "hopeless") };
    const char *const set[] = { "engine.live=1", "prompts={\"list\":[\"o\",\"oo\",\"ooo\",\"oooo\"]}", NULL };
    run.set = set;
    CHECK_INT(harness_execute(&run), WN_E_DEVICE);
    CHECK_CONTAINS(run.err.message, "3 prompts in a row failed");
    CHECK_INT(run.result.failed, 3);
}

static void check_verifiers(void)
{
    const char *dir = run_in(SPEC("{}", "{ \"mode\": \"error\" }", JUDGED), "judge", 4, 0);
    CHECK_INT(harness_number(dir, "SELECT count(*) FROM scores WHERE verifier = 'sulk' AND value IS NULL"), 24);
    CHECK_INT(harness_number(dir, "SELECT count(*) FROM scores WHERE verifier = 'near' AND value IS NOT NULL"), 24);
    CHECK(harness_number(dir, "SELECT count(*) FROM events WHERE kind = 'warning' AND text LIKE '%told to fail%'") >=
          1);
    dir = run_in(SPEC("{}", "{ \"mode\": \"error\" }", RANDOM("sulk")), "guide", 4, 0);
    CHECK_INT(harness_number(dir, "SELECT count(*) FROM offers"), 24);
    dir = run_in(SPEC("{}", "{ \"mode\": \"dark\" }",
                      "{ \"use\": \"zero_order\", \"guide\": \"sulk\", \"options\": { \"iterations\": 6 } }"),
                 "partly", 4, 0);
    CHECK_INT(harness_number(dir, "SELECT count(*) FROM scores WHERE verifier = 'sulk'"), 4 * 13);
    CHECK(harness_number(dir, "SELECT count(*) FROM scores WHERE value IS NULL") > 0);
}

static void check_search(void)
{
    const char *dir = run_in(SPEC("{}", "{}",
                                  "{ \"use\": \"probe_walk\", \"guide\": \"near\", \"options\":"
                                  " { \"misbehave\": true } }"),
                             "search", 0, 4);
    CHECK_INT(harness_number(dir, "SELECT count(*) FROM trials WHERE ended LIKE '%dropped or never spawned%'"), 4);
}

/* A judge that is also another judge's input, and the guide's: no two threads are ever in it. */
static void check_serial(void)
{
    struct harness_run run = { .spec = SPEC("{}", "{}", RANDOM("one")),
                               .directory = harness_directory("faults", "serial") };
    const char *const set[] = { "verifiers={\"shy\":{\"use\":\"probe_shy\"},"
                                "\"one\":{\"use\":\"probe_wrap\",\"inputs\":[\"shy\"]},"
                                "\"two\":{\"use\":\"probe_wrap\",\"inputs\":[\"shy\"]}}",
                                "judge=[\"two\",\"shy\"]", NULL };
    run.set = set;
    CHECK_OK(harness_execute(&run), run.err);
    CHECK_INT(harness_number(run.directory, "SELECT count(*) FROM scores WHERE value IS NOT NULL"), 72);
    CHECK_INT(harness_number(run.directory, "SELECT count(*) FROM events WHERE kind = 'warning'"), 0);
}

int main(void)
{
    check_samplers();
    check_hopeless();
    check_verifiers();
    check_search();
    check_serial();
    return CHECK_DONE();
}
