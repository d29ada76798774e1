/* Bounds by hand, in every mode. */
#include "check.h"
#include "wrap/rig.h"

#define SPEC(inputs, options)                                                                                          \
    "{\"a\": {\"use\": \"probe\"}, \"b\": {\"use\": \"probe\", \"options\": {\"channel\": 1, \"max_batch\": 2}},"      \
    " \"low\": {\"use\": \"probe\", \"options\": {\"lower_is_better\": true}},"                                        \
    " \"t\": {\"use\": \"threshold\", \"inputs\": " inputs ", \"options\": " options "}}"

static const uint8_t pixels[][3] = { { 10, 5, 0 }, { 20, 1, 0 }, { 30, 3, 0 }, { 255, 3, 0 }, { 40, 255, 0 } };
enum { COUNT = 5 };

static void check(const char *spec, const char *name, double w0, double w1, double w2, double w3, double w4)
{
    struct rig r;
    double scores[RIG_MAX * 3];
    const double want[COUNT] = { w0, w1, w2, w3, w4 };
    const struct rig_set set = rig_set(COUNT, pixels);
    CHECK_OK(rig_open(&r, spec), r.err);
    const wn_verifier *t = rig_verifier(&r, "t");
    CHECK_INT(t->metric_count, 3);
    CHECK_STR(t->metrics[0].name, name);
    CHECK_INT(t->flags, WN_VERIFIER_NEEDS_PROMPT);
    CHECK_OK(rig_score(&r, "t", &set, scores), r.err);
    for (int i = 0; i < COUNT; i++)
        if (isnan(want[i]) ? !isnan(scores[3 * i]) : !(fabs(scores[3 * i] - want[i]) <= 1e-12))
            CHECK_FAIL("%s: candidate %d has %g, want %g", spec, i, scores[3 * i], want[i]);
    rig_close(&r);
}

static void check_modes(void)
{
    check(SPEC("[\"a\"]", "{\"mode\": \"pass\", \"at_least\": 20}"), "pass", 0, 1, 1, NAN, 1);
    check(SPEC("[\"a\"]", "{\"mode\": \"pass\", \"at_least\": 20, \"at_most\": 30}"), "pass", 0, 1, 1, NAN, 0);
    check(SPEC("[\"a\"]", "{\"mode\": \"pass\", \"metric\": \"twice\", \"at_most\": 4e1}"), "pass", 1, 1, 0, NAN, 0);
    check(SPEC("[\"a\", \"b\"]", "{\"at_least\": 3}"), "gated", 10, NAN, 30, NAN, NAN);
    check(SPEC("[\"a\", \"b\"]", "{\"at_least\": 3, \"otherwise\": -1}"), "gated", 10, -1, 30, NAN, NAN);
    check(SPEC("[\"a\"]", "{\"at_most\": 20, \"otherwise\": 0}"), "gated", 10, 20, 0, NAN, 0);
    check(SPEC("[\"a\", \"b\"]", "{\"mode\": \"penalty\", \"at_most\": 2, \"weight\": 10}"), "penalised", -20, 20, 20,
          NAN, NAN);
    check(SPEC("[\"low\", \"b\"]", "{\"mode\": \"penalty\", \"at_most\": 2, \"weight\": 10}"), "penalised", 40, 20, 40,
          NAN, NAN);
    check(SPEC("[\"a\"]", "{\"mode\": \"penalty\", \"at_least\": 15, \"at_most\": 25}"), "penalised", 5, 20, 25, NAN,
          25);
    check(SPEC("[\"a\"]", "{\"mode\": \"penalty\", \"at_least\": 50, \"metric\": \"twice\"}"), "penalised", -20, 10, 30,
          NAN, 40);
}

/* Beside the result stand what was tested and what was scored. */
static void check_columns(void)
{
    struct rig r;
    double s[RIG_MAX * 3];
    const struct rig_set set = rig_set(COUNT, pixels);
    CHECK_OK(rig_open(&r, SPEC("[\"low\", \"b\"]", "{\"metric\": \"twice\", \"at_least\": 4}")), r.err);
    const wn_verifier *t = rig_verifier(&r, "t");
    CHECK_OK(rig_score(&r, "t", &set, s), r.err);
    CHECK(isnan(s[3]) && s[4] == 2 && s[5] == 20);
    CHECK(s[6] == 30 && s[7] == 6 && s[8] == 30);
    CHECK_INT(t->metrics[0].flags, WN_METRIC_ACROSS_PROMPTS); /* low's direction */
    CHECK_INT(t->metrics[1].flags, WN_METRIC_ACROSS_PROMPTS | WN_METRIC_HIGHER_IS_BETTER);
    CHECK_STR(t->metrics[1].name, "tested");
    CHECK_STR(t->metrics[2].name, "score");
    rig_close(&r);
}

static void check_refusal(const char *spec, const char *message)
{
    struct rig r;
    CHECK_INT(rig_open(&r, spec), WN_E_ARG);
    CHECK_CONTAINS(r.err.message, message);
    rig_close(&r);
}

int main(void)
{
    check_modes();
    check_columns();
    check_refusal(SPEC("[\"a\"]", "{}"), "/verifiers/t (threshold): neither at_least nor at_most is given");
    check_refusal(SPEC("[\"a\"]", "{\"at_least\": 3, \"at_most\": 2}"), "at_least 3 is more than at_most 2");
    check_refusal(SPEC("[\"a\"]", "{\"at_least\": \"3\"}"), "at_least: \"3\" is not a finite number");
    check_refusal(SPEC("[\"a\"]", "{\"at_least\": 3, \"otherwise\": []}"), "otherwise: [] is not a finite number");
    check_refusal(SPEC("[\"a\"]", "{\"at_least\": 3, \"metric\": \"thrice\"}"),
                  "metric: input a has no \"thrice\"; it has byte, twice");
    check_refusal(SPEC("[\"a\", \"b\"]", "{\"at_least\": 3, \"mode\": \"pass\"}"),
                  "mode pass tests one input, but there are a and b");
    return CHECK_DONE();
}
