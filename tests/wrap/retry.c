/* A request that fails is made again, as often as it was said and as long as that may help. */
#include "check.h"
#include "wrap/rig.h"

#include <time.h>

#define SPEC(options)                                                                                                  \
    "{\"v\": {\"use\": \"probe\", \"options\": {\"max_batch\": 8}},"                                                   \
    " \"again\": {\"use\": \"retry\", \"inputs\": [\"v\"], \"options\": " options "}}"

static const uint8_t pixels[][3] = { { 10, 1, 0 }, { 255, 2, 0 }, { 30, 3, 0 } };

/* The probe fails `failures` times with `code`; calls: how often it is to be asked in all. */
static void check(struct rig *r, int failures, wn_status code, wn_status want, int calls)
{
    double scores[RIG_MAX * 2];
    const struct rig_set set = rig_set(3, pixels);
    const int before = *rig_counter("probe_calls");
    *rig_counter("probe_failures_left") = failures;
    *rig_counter("probe_failure") = code;
    CHECK_INT(rig_score(r, "again", &set, scores), want);
    CHECK_INT(*rig_counter("probe_calls") - before, calls);
    if (want == WN_OK)
        CHECK(scores[0] == 10 && scores[1] == 20 && isnan(scores[2]) && isnan(scores[3]) && scores[4] == 30);
    *rig_counter("probe_failures_left") = 0;
}

static void check_attempts(void)
{
    struct rig r;
    CHECK_OK(rig_open(&r, SPEC("{\"attempts\": 3, \"wait_s\": 0.001}")), r.err);
    check(&r, 0, WN_E_IO, WN_OK, 1);
    CHECK_STR(r.log, "");
    check(&r, 1, WN_E_IO, WN_OK, 2);
    CHECK_CONTAINS(r.log,
                   "/verifiers/again (retry): attempt 1 of 3 failed, the next is in 0.0 s: input v: the probe was");
    check(&r, 2, WN_E_DEVICE, WN_OK, 3);
    check(&r, 3, WN_E_FORMAT, WN_E_FORMAT, 3);
    CHECK_STR(r.err.message, "3 attempts: input v: the probe was told to fail");
    rig_close(&r);
}

/* What does not pass by itself is handed up at once. */
static void check_final(void)
{
    static const wn_status final[] = { WN_E_ARG, WN_E_MISSING, WN_E_UNSUPPORTED, WN_E_CANCELLED, WN_E_BUDGET };
    struct rig r;
    CHECK_OK(rig_open(&r, SPEC("{\"wait_s\": 0}")), r.err);
    for (unsigned i = 0; i < sizeof final / sizeof final[0]; i++)
        check(&r, 1, final[i], final[i], 1);
    CHECK_STR(r.err.message, "input v: the probe was told to fail");
    CHECK_STR(r.log, "");
    rig_close(&r);
}

/* Ctrl-C ends a wait of an hour: were it not so, this test would not end. */
static void check_cancelled(void)
{
    struct rig r;
    CHECK_OK(rig_open(&r, SPEC("{\"wait_s\": 3600, \"longest_wait_s\": 3600, \"jitter\": 0}")), r.err);
    r.process.cancelled = 1;
    check(&r, 1, WN_E_IO, WN_E_CANCELLED, 1);
    CHECK_CONTAINS(r.log, "the next is in 3600.0 s");
    rig_close(&r);
}

/* The waits are there, double, and stop growing: a lower bound only, so that a slow machine passes. */
static void check_waits(void)
{
    struct rig r;
    struct timespec from, to;
    CHECK_OK(rig_open(&r, SPEC("{\"attempts\": 5, \"wait_s\": 0.01, \"longest_wait_s\": 0.03, \"jitter\": 0}")), r.err);
    clock_gettime(CLOCK_MONOTONIC, &from);
    check(&r, 4, WN_E_IO, WN_OK, 5);
    clock_gettime(CLOCK_MONOTONIC, &to);
    const double seconds = (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec);
    CHECK(seconds >= 0.01 + 0.02 + 0.03 + 0.03);
    rig_close(&r);
}

static void check_description(void)
{
    struct rig r;
    CHECK_OK(rig_open(&r, "{\"v\": {\"use\": \"probe\", \"options\": {\"compares\": true, \"max_batch\": 5,"
                          " \"preview_sigma\": 0.4}}, \"again\": {\"use\": \"retry\", \"inputs\": [\"v\"]}}"),
             r.err);
    const wn_verifier *v = rig_verifier(&r, "v"), *again = rig_verifier(&r, "again");
    CHECK(again->metrics == v->metrics && again->metric_count == 2);
    CHECK_INT(again->flags, v->flags);
    CHECK_INT(again->max_batch, 5);
    CHECK_NEAR(again->preview_sigma, 0.4, 0);
    rig_close(&r);
}

int main(void)
{
    check_attempts();
    check_final();
    check_cancelled();
    check_waits();
    check_description();
    return CHECK_DONE();
}
