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

/* A set to be compared loses some of its pictures: the others are let go. */
static void check_lost_pictures(void)
{
    struct harness_run run = { .spec = SPEC("{ \"is_moody\": true }", "{ \"mode\": \"nan\" }",
                                            RANDOM("rank") ", \"judge\": [\"sulk\"]"),
                               .directory = harness_directory("faults", "lost") };
    const char *const set[] = { "prompts={\"list\":[\"a\",\"b\"]}", "search.options.candidates=100", NULL };
    run.set = set;
    CHECK_OK(harness_execute(&run), run.err);
    CHECK_INT(run.result.failed, 2);
    CHECK_INT(harness_number(run.directory, "SELECT count(*) FROM candidates"), 0);
}

/* What comes behind a lost sample of a set is not recorded: whether it beat all before it, and so keeps its picture, is
 * not known. */
static void check_nothing_behind_lost(void)
{
    struct harness_run run = { .spec = SPEC("{ \"is_moody\": true }", "{ \"mode\": \"nan\" }", JUDGED),
                               .directory = harness_directory("faults", "behind") };
    const char *const set[] = { "seed=6", "prompts={\"list\":[\"a\",\"b\"]}", "search.options.candidates=40",
                                "search.options.wave=40", NULL };
    run.set = set;
    CHECK_OK(harness_execute(&run), run.err);
    CHECK_INT(run.result.failed, 2);
    CHECK(harness_number(run.directory, "SELECT count(*) FROM candidates") > 0);
    CHECK_INT(harness_number(run.directory, "SELECT sum(n <> last) FROM (SELECT count(*) AS n, max(ordinal) AS last"
                                            " FROM candidates GROUP BY trial)"),
              0);
}

/* A set to be compared has all of its pictures in memory at once: one of 600 MB is refused before it is sampled. */
static void check_room(void)
{
    struct harness_run run = { .spec = SPEC("{}", "{}", RANDOM("rank")),
                               .directory = harness_directory("faults", "room") };
    const char *const set[] = { "sampler={\"use\":\"analytic\"}",
                                "canvas.width=1024",
                                "canvas.height=1024",
                                "prompts={\"list\":[\"a\"]}",
                                "search.options.candidates=200",
                                "search.options.wave=200",
                                NULL };
    run.set = set;
    CHECK_OK(harness_execute(&run), run.err);
    CHECK_INT(run.result.failed, 1);
    CHECK_INT(run.result.status.nfe_sampled, 0);
    CHECK_INT(harness_number(run.directory, "SELECT count(*) FROM trials WHERE ended LIKE '%score fewer at once'"), 1);
}

/* Three in a row say that nothing will go better. */
static void check_hopeless(void)
{
    struct harness_run run = { .spec = SPEC("{ \"encode\": \"o\" }", "{ \"mode\": \"nan\" }", JUDGED),
                               .directory = harness_directory("faults", "hopeless") };
    const char *const set[] = { "engine.live=1", "prompts={\"list\":[\"o\",\"oo\",\"ooo\",\"oooo\"]}", NULL };
    run.set = set;
    CHECK_INT(harness_execute(&run), WN_E_INTERNAL);
    CHECK_CONTAINS(run.err.message, "3 prompts in a row failed");
    CHECK_INT(run.result.failed, 3);
}

/* A device that fails costs no candidate: the run ends, and the next start makes of it what it would have been. */
static void check_device(void)
{
    struct harness_run run = { .spec = SPEC("{ \"lost_at\": 9 }", "{ \"mode\": \"nan\" }", RANDOM("near")),
                               .directory = harness_directory("faults", "device") };
    const char *const set[] = { "engine.live=1", NULL };
    run.set = set;
    CHECK_INT(harness_execute(&run), WN_E_DEVICE);
    CHECK_CONTAINS(run.err.message, "probe_sampler: velocity: the device was lost; what is recorded stays");
    CHECK_INT(run.result.failed, 0);
    CHECK_INT(harness_number(run.directory, "SELECT count(*) FROM trials WHERE state = 'failed'"), 0);
    CHECK(harness_number(run.directory, "SELECT count(*) FROM candidates") > 0);
    CHECK_OK(harness_execute(&run), run.err);
    CHECK_INT(run.result.done, 4);
    CHECK_INT(harness_number(run.directory, "SELECT count(*) FROM candidates WHERE finished"), 24);
}

/* What a judge failed to say is not recorded: the next start asks again, and records what was missing. */
static void check_judge(void)
{
    struct harness_run run = { .spec = SPEC("{}", "{ \"mode\": \"picky\" }", JUDGED),
                               .directory = harness_directory("faults", "judge") };
    const char *dir = run.directory;
    CHECK_OK(harness_execute(&run), run.err);
    const double bright = harness_number(dir, "SELECT count(*) FROM scores WHERE verifier = 'sulk'");
    CHECK(bright > 0 && bright < 24);
    CHECK_INT(harness_number(dir, "SELECT count(*) FROM scores WHERE verifier = 'sulk' AND value < 128"), 0);
    CHECK_INT(harness_number(dir, "SELECT count(*) FROM scores WHERE verifier = 'near' AND value IS NOT NULL"), 24);
    CHECK(harness_number(dir, "SELECT count(*) FROM events WHERE text LIKE '%no opinion on 1 cand%on dark ones%'") > 0);
    CHECK_OK(harness_execute(&run), run.err);
    CHECK_INT(run.result.status.nfe_sampled, 4 * (24 - bright));
}

/* A guide that fails now and then costs its candidates their scores; one that never speaks costs the run. */
/* A guide that says nothing at one point of the way weighs nothing there: at the next one the best has all particles.
 */
static void check_late_guide(void)
{
    static const char *const set[] = { "prompts.list=[\"good one\"]", "verifiers={\"late\":{\"use\":\"probe_late\"}}",
                                       NULL };
    struct harness_run run = { .spec = SPEC("{}", "{}",
                                            "{ \"use\": \"fk\", \"guide\": \"late\", \"options\": { \"particles\": "
                                            "4, \"resamplings\": 2, \"lambda\": 1000 } }"),
                               .set = set,
                               .directory = harness_directory("faults", "late") };
    CHECK_OK(harness_execute(&run), run.err);
    CHECK_INT(harness_number(run.directory, "SELECT count(*) FROM scores WHERE value IS NULL"), 4);
    CHECK_INT(harness_number(run.directory, "SELECT count(*) FROM candidates WHERE finished"), 4);
    CHECK_INT(harness_number(run.directory, "SELECT count(DISTINCT parent) FROM candidates WHERE finished"), 1);
}

/* What is infinite is no opinion, as a guide and as a judge, and said to be. */
static void check_infinite(void)
{
    static const char *const specs[] = { SPEC("{}", "{ \"mode\": \"infinite\" }", JUDGED),
                                         SPEC("{}", "{ \"mode\": \"infinite\" }", RANDOM("sulk")) };
    for (int i = 0; i < 2; i++) {
        const char *dir = run_in(specs[i], "infinite", 4, 0);
        CHECK_INT(harness_number(dir, "SELECT count(*) FROM scores WHERE verifier = 'sulk'"), 24);
        CHECK_INT(harness_number(dir, "SELECT count(*) FROM scores WHERE value < -1e300"), 0);
        CHECK(harness_number(dir, "SELECT count(*) FROM scores WHERE value IS NULL") > 0);
        CHECK(harness_number(dir, "SELECT count(*) FROM events WHERE kind = 'warning' AND text LIKE 'verifier sulk: no "
                                  "opinion on 1 candidates: its light is infinite%'") > 0);
    }
}

static void check_guide(void)
{
    const char *dir = run_in(SPEC("{}", "{ \"mode\": \"picky\" }", RANDOM("sulk")), "picky", 4, 0);
    CHECK_INT(harness_number(dir, "SELECT count(*) FROM offers"), 24);
    CHECK_INT(harness_number(dir, "SELECT count(*) FROM scores WHERE value IS NULL"), 0);
    struct harness_run run = { .spec = SPEC("{}", "{ \"mode\": \"error\" }", RANDOM("sulk")),
                               .directory = harness_directory("faults", "guide") };
    CHECK_INT(harness_execute(&run), WN_E_IO);
    CHECK_CONTAINS(run.err.message, "verifier sulk, the guide, failed on every candidate");
    CHECK_CONTAINS(run.err.message, "told to fail");
    CHECK_INT(run.result.done, 0);
    dir = run_in(SPEC("{}", "{ \"mode\": \"dark\" }",
                      "{ \"use\": \"zero_order\", \"guide\": \"sulk\", \"options\": { \"iterations\": 6 } }"),
                 "partly", 4, 0);
    CHECK_INT(harness_number(dir, "SELECT count(*) FROM scores WHERE verifier = 'sulk'"), 4 * 13);
    CHECK(harness_number(dir, "SELECT count(*) FROM scores WHERE value IS NULL") > 0);
    dir = run_in(SPEC("{}", "{ \"mode\": \"cancelled\" }", JUDGED), "not_cancelled", 4, 0);
    CHECK_INT(harness_number(dir, "SELECT count(*) FROM candidates"), 24);
}

static void check_search(const char *how, const char *message)
{
    char set[100], sql[200];
    struct harness_run run = { .spec = SPEC("{}", "{}", "{ \"use\": \"probe_walk\", \"guide\": \"near\" }"),
                               .directory = harness_directory("faults", "search") };
    const char *const sets[] = { set, NULL };
    run.set = sets;
    snprintf(set, sizeof set, "search.options.misbehave=%s", how);
    snprintf(sql, sizeof sql, "SELECT count(*) FROM trials WHERE state = 'failed' AND ended LIKE '%%%s%%'", message);
    CHECK_OK(harness_execute(&run), run.err);
    CHECK_INT(run.result.failed, 4);
    CHECK_INT(harness_number(run.directory, sql), 4);
}

static void check_searches(void)
{
    check_search("dropped", "dropped or never spawned");
    check_search("advance", "twice in one call");
    check_search("score", "twice in one call");
    check_search("cancelled", "which nobody did: the search was told");
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

/* A wrapper without metrics of its own has its input's, comparative ones too. */
static void check_wrapper(void)
{
    struct harness_run run = { .spec = SPEC("{}", "{}", RANDOM("same")),
                               .directory = harness_directory("faults", "wrapper") };
    const char *const set[] = { "verifiers={\"rank\":{\"use\":\"probe_rank\"},"
                                "\"same\":{\"use\":\"probe_wrap\",\"inputs\":[\"rank\"]}}",
                                "search.options.wave=6", NULL };
    run.set = set;
    CHECK_OK(harness_execute(&run), run.err);
    CHECK_INT(harness_number(run.directory, "SELECT count(*) FROM scores WHERE metric = 'rank'"), 24);
    CHECK_INT(harness_number(run.directory, "SELECT count(*) FROM scores WHERE metric = 'size' AND value = 6"), 24);
}

/* An ensemble is no better than its members: one that fails takes the set with it, and is named. */
static void check_ensemble(void)
{
    struct harness_run run = { .spec = SPEC("{}", "{}", RANDOM("near")),
                               .directory = harness_directory("faults", "ensemble") };
    const char *const set[] = { "verifiers.both={\"use\":\"ensemble\",\"inputs\":[\"near\",\"sulk\"]}",
                                "search.guide=both", NULL };
    run.set = set;
    CHECK_INT(harness_execute(&run), WN_E_IO);
    CHECK_CONTAINS(run.err.message, "input sulk: the verifier was told to fail");
    const char *const calm[] = { set[0], set[1], "verifiers.sulk.options.mode=dark", NULL };
    run.set = calm;
    run.directory = harness_directory("faults", "ensemble");
    CHECK_OK(harness_execute(&run), run.err);
    CHECK_INT(harness_number(run.directory, "SELECT count(*) FROM scores WHERE metric = 'ensemble'"), 24);
    CHECK_INT(harness_number(run.directory, "SELECT count(*) FROM scores WHERE metric = 'near' AND value <= 0"), 24);
    CHECK(harness_number(run.directory, "SELECT count(*) FROM scores WHERE metric = 'sulk' AND value IS NULL") > 0);
}

/* With v = x/2, sigma 1, 3/4, 1/2, 1/4, 0: x(1/2) = (7/8)^2 x, the final x is (7/8)^2 of that, and the prediction at
 * 1/2 is 3/4 of it, so a preview at 0.4 is 0.75 / (7/8)^2 of the final latent. */
static void check_glimpse(void)
{
    struct harness_run run = { .spec = SPEC("{}", "{}", RANDOM("near") ", \"judge\": [\"look\", \"light\"]"),
                               .directory = harness_directory("faults", "glimpse") };
    const char *const set[] = { "verifiers={\"near\":{\"use\":\"analytic\"},\"look\":{\"use\":\"probe_glimpse\"},"
                                "\"light\":{\"use\":\"probe_shy\"}}",
                                NULL };
    run.set = set;
    CHECK_OK(harness_execute(&run), run.err);
    CHECK_INT(harness_number(run.directory, "SELECT count(*) FROM scores WHERE verifier = 'look' AND value > 0"), 24);
    CHECK(harness_number(run.directory, "SELECT max(abs((a.value - 128) - 0.75 / (0.875 * 0.875) * (b.value - 128)))"
                                        " FROM scores a JOIN scores b USING(trial, candidate)"
                                        " WHERE a.verifier = 'look' AND b.verifier = 'light'") < 2);
    CHECK(harness_number(run.directory, "SELECT max(abs(a.value - b.value)) FROM scores a JOIN scores b USING(trial,"
                                        " candidate) WHERE a.verifier = 'look' AND b.verifier = 'light'") > 0.5);
}

/* Every search has ended, a judge has not: that run is to be gone on with, too. */
static void check_interrupted_judge(void)
{
    struct harness_run run = { .spec = SPEC("{}", "{}", RANDOM("near") ", \"judge\": [\"slow\"]"),
                               .directory = harness_directory("faults", "unjudged") };
    const char *const set[] = { "verifiers={\"near\":{\"use\":\"analytic\"},"
                                "\"slow\":{\"use\":\"analytic\",\"options\":{\"delay_us\":1000000}}}",
                                "search.options.candidates=200", NULL };
    run.set = set;
    run.cancel_after_ms = 500;
    CHECK_OK(harness_execute(&run), run.err);
    CHECK_INT(run.result.interrupted, 1);
    run.cancel_after_ms = 0;
    CHECK_OK(harness_execute(&run), run.err);
    CHECK_INT(run.result.interrupted, 0);
    CHECK_INT(harness_number(run.directory, "SELECT count(*) FROM scores WHERE verifier = 'slow'"), 800);
}

int main(void)
{
    check_samplers();
    check_lost_pictures();
    check_nothing_behind_lost();
    check_room();
    check_hopeless();
    check_device();
    check_judge();
    check_late_guide();
    check_infinite();
    check_guide();
    check_searches();
    check_serial();
    check_wrapper();
    check_ensemble();
    check_glimpse();
    check_interrupted_judge();
    return CHECK_DONE();
}
