/* Every method of the ensemble, by hand; what no order may change; what it refuses. */
#include "check.h"
#include "wrap/rig.h"

#include <stdint.h>

#define PROBES                                                                                                         \
    "\"a\": {\"use\": \"probe\"}, \"b\": {\"use\": \"probe\", \"options\": {\"channel\": 1}},"                         \
    "\"low\": {\"use\": \"probe\", \"options\": {\"channel\": 1, \"lower_is_better\": true}},"                         \
    "\"c\": {\"use\": \"probe\", \"options\": {\"channel\": 2, \"max_batch\": 3}}"
#define SPEC(inputs, options)                                                                                          \
    "{" PROBES ", \"e\": {\"use\": \"ensemble\", \"inputs\": " inputs ", \"options\": " options "}}"

enum { NONE = 255, INFINITE = 254 }; /* the probe's words for no opinion, and for infinity */

/* want: of each candidate; NaN = no opinion. */
static void check(const char *spec, const struct rig_set *set, const double *want)
{
    struct rig r;
    double scores[RIG_MAX * 4];
    CHECK_OK(rig_open(&r, spec), r.err);
    CHECK_OK(rig_score(&r, "e", set, scores), r.err);
    const uint64_t stride = rig_verifier(&r, "e")->metric_count;
    for (uint32_t i = 0; i < set->count; i++)
        if (isnan(want[i]) ? !isnan(scores[i * stride]) : !(fabs(scores[i * stride] - want[i]) <= 1e-14))
            CHECK_FAIL("%s: candidate %u has %.17g, want %.17g", spec, i, scores[i * stride], want[i]);
    rig_close(&r);
}

#define CHECK_METHOD(set, inputs, options, ...)                                                                        \
    check(SPEC(inputs, options), set, (const double[RIG_MAX]){ __VA_ARGS__ })

static void check_methods(void)
{
    const uint8_t rgb[][3] = { { 10, 5, 0 }, { 20, 1, 0 }, { 20, 3, 0 }, { 40, 3, 0 } };
    const struct rig_set set = rig_set(4, rgb);
    const double za = sqrt(118.75), zb = sqrt(2); /* deviations of 10 20 20 40 and of 5 1 3 3 */
    CHECK_METHOD(&set, "[\"a\", \"b\"]", "{}", 0.5, 0.25, 0.5, 0.75);
    CHECK_METHOD(&set, "[\"a\", \"low\"]", "{\"method\": \"rank\"}", 0, 0.75, 0.5, 0.75);
    CHECK_METHOD(&set, "[\"a\", \"b\"]", "{\"weights\": [2, 1]}", 1 / 3.0, 1 / 3.0, 0.5, 2.5 / 3);
    CHECK_METHOD(&set, "[\"b\", \"a\"]", "{\"weights\": {\"a\": 2, \"b\": 1}}", 1 / 3.0, 1 / 3.0, 0.5, 2.5 / 3);
    CHECK_METHOD(&set, "[\"a\", \"b\"]", "{\"method\": \"borda\"}", 3, 1.5, 3, 4.5);
    CHECK_METHOD(&set, "[\"a\", \"b\"]", "{\"method\": \"borda\", \"weights\": [2, 1]}", 3, 3, 4.5, 7.5);
    CHECK_METHOD(&set, "[\"a\", \"b\"]", "{\"method\": \"weighted\", \"weights\": [2, 1]}", 25, 41, 43, 83);
    CHECK_METHOD(&set, "[\"a\", \"low\"]", "{\"method\": \"weighted\", \"weights\": [2, 1]}", 15, 39, 37, 77);
    CHECK_METHOD(&set, "[\"a\", \"b\"]", "{\"method\": \"zscore\"}", (-12.5 / za + 2 / zb) / 2,
                 (-2.5 / za - 2 / zb) / 2, -2.5 / za / 2, 17.5 / za / 2);
    CHECK_METHOD(&set, "[\"a\", \"b\"]", "{\"method\": \"min\"}", 0.05, 0.01, 0.03, 0.03);
    CHECK_METHOD(&set, "[\"a\", \"low\"]", "{\"method\": \"min\"}", 0.1, 0.2, 0.2, 0.4);
    CHECK_METHOD(&set, "[\"a\", \"b\"]", "{\"method\": \"product\"}", 0.005, 0.002, 0.006, 0.012);
    CHECK_METHOD(&set, "[\"a\", \"low\"]", "{\"method\": \"product\", \"weights\": [2, 0.5]}", 0.01 * sqrt(0.95),
                 0.04 * sqrt(0.99), 0.04 * sqrt(0.97), 0.16 * sqrt(0.97));
    CHECK_METHOD(&set, "[\"a\", \"b\"]", "{\"method\": \"pareto\"}", 0.5, 0.25 - 2, 0.5 - 1, 0.75);
    CHECK_METHOD(&set, "[\"b\"]", "{}", 1, 0, 0.5, 0.5);
}

static void check_no_opinion(void)
{
    const uint8_t rgb[][3] = { { 10, NONE, 0 }, { NONE, NONE, 0 }, { 30, 1, 0 }, { 20, 2, 0 } };
    const struct rig_set set = rig_set(4, rgb);
    const double z = 10 / sqrt(200 / 3.0); /* of a; b's are -1 and 1 */
    CHECK_METHOD(&set, "[\"a\", \"b\"]", "{\"method\": \"rank\"}", 0, NAN, 0.5, 0.75);
    CHECK_METHOD(&set, "[\"a\", \"b\"]", "{\"method\": \"borda\"}", 0, NAN, 2, 2);
    CHECK_METHOD(&set, "[\"a\", \"b\"]", "{\"method\": \"zscore\"}", -z, NAN, (z - 1) / 2, 0.5);
    CHECK_METHOD(&set, "[\"a\", \"b\"]", "{\"method\": \"weighted\"}", NAN, NAN, 31, 22);
    CHECK_METHOD(&set, "[\"a\", \"b\"]", "{\"method\": \"weighted\", \"weights\": [1, 0]}", 10, NAN, 30, 20);
    CHECK_METHOD(&set, "[\"a\", \"b\"]", "{\"method\": \"min\"}", NAN, NAN, 0.01, 0.02);
    CHECK_METHOD(&set, "[\"a\", \"b\"]", "{\"method\": \"product\"}", NAN, NAN, 0.003, 0.004);
    CHECK_METHOD(&set, "[\"a\", \"b\"]", "{\"method\": \"pareto\"}", NAN, NAN, 0.5, 0.5);
    CHECK_METHOD(&set, "[\"b\", \"a\"]", "{\"method\": \"rank\", \"weights\": [1, 0]}", NAN, NAN, 0, 1);
}

/* An infinite value is no opinion; one outside the expected range is, but no product becomes negative. */
static void check_extremes(void)
{
    const uint8_t rgb[][3] = { { INFINITE, 30, 0 }, { 50, 150, 0 }, { 150, 40, 0 } };
    const struct rig_set set = rig_set(3, rgb);
    CHECK_METHOD(&set, "[\"a\", \"b\"]", "{\"method\": \"rank\"}", 0, 0.5, 0.75);
    CHECK_METHOD(&set, "[\"a\", \"b\"]", "{\"method\": \"weighted\"}", NAN, 200, 190);
    CHECK_METHOD(&set, "[\"a\"]", "{\"method\": \"zscore\"}", NAN, -1, 1);
    CHECK_METHOD(&set, "[\"a\", \"low\"]", "{\"method\": \"product\", \"weights\": [1, 0.5]}", NAN, 0, 1.5 * sqrt(0.6));
    CHECK_METHOD(&set, "[\"a\", \"low\"]", "{\"method\": \"min\"}", NAN, -0.5, 0.6);
}

/* One candidate has nothing to be compared with; two prompts are two sets. */
static void check_small_sets(void)
{
    const uint8_t rgb[][3] = { { 10, 5, 0 }, { 50, 50, 0 }, { 20, 4, 0 }, { 10, 40, 0 } };
    struct rig_set set = rig_set(1, rgb);
    CHECK_METHOD(&set, "[\"a\", \"b\"]", "{\"method\": \"rank\"}", 0.5);
    CHECK_METHOD(&set, "[\"a\", \"b\"]", "{\"method\": \"borda\"}", 0);
    CHECK_METHOD(&set, "[\"a\", \"b\"]", "{\"method\": \"weighted\"}", 15);
    CHECK_METHOD(&set, "[\"a\", \"b\"]", "{\"method\": \"zscore\"}", 0);
    CHECK_METHOD(&set, "[\"a\", \"b\"]", "{\"method\": \"pareto\"}", 0.5);
    set = rig_set(4, rgb);
    set.prompt[1] = set.prompt[3] = "another";
    CHECK_METHOD(&set, "[\"a\", \"b\"]", "{\"method\": \"rank\"}", 0.5, 1, 0.5, 0);
    CHECK_METHOD(&set, "[\"a\", \"b\"]", "{\"method\": \"pareto\"}", 0.5, 1, 0.5, 0 - 1);
    CHECK_METHOD(&set, "[\"a\", \"b\"]", "{\"method\": \"weighted\"}", 15, 100, 24, 50);
}

/* Equal values have no deviation, though their computed mean may be off. */
static void check_all_the_same(void)
{
    const uint8_t rgb[][3] = { { 7, 1, 0 }, { 7, 1, 0 }, { 7, 1, 0 } };
    const struct rig_set set = rig_set(3, rgb);
    CHECK_METHOD(&set, "[\"a\", \"b\"]", "{\"method\": \"zscore\"}", 0, 0, 0);
    CHECK_METHOD(&set, "[\"a\", \"b\"]", "{\"method\": \"rank\"}", 0.5, 0.5, 0.5);
    CHECK_METHOD(&set, "[\"a\", \"b\"]", "{\"method\": \"pareto\"}", 0.5, 0.5, 0.5);
}

/* ---- sets of chance ---------------------------------------------------------------------------------------------- */

static uint32_t state = 1;

static uint32_t chance(uint32_t below)
{
    state = state * 1664525 + 1013904223;
    return (state >> 8) % below;
}

static struct rig_set set_of_chance(uint32_t count, bool has_gaps)
{
    struct rig_set set = { .count = count };
    for (uint32_t i = 0; i < count; i++)
        for (int k = 0; k < 3; k++)
            set.rgb[i][k] = has_gaps && chance(6) == 0 ? NONE : (uint8_t)(11 * chance(9));
    return set;
}

/* A candidate's result is the same, to the last bit, wherever in the set it stands. */
static void check_permutations(const char *spec)
{
    struct rig r;
    double before[RIG_MAX * 4], after[RIG_MAX * 4];
    struct rig_set set = set_of_chance(37, true), moved = set;
    uint32_t from[RIG_MAX];
    for (uint32_t i = 0; i < set.count; i++)
        from[i] = i;
    for (uint32_t i = set.count; i > 1; i--) {
        const uint32_t k = chance(i), kept = from[i - 1];
        from[i - 1] = from[k];
        from[k] = kept;
    }
    for (uint32_t i = 0; i < set.count; i++)
        memcpy(moved.rgb[i], set.rgb[from[i]], 3);
    CHECK_OK(rig_open(&r, spec), r.err);
    CHECK_OK(rig_score(&r, "e", &set, before), r.err);
    CHECK_OK(rig_score(&r, "e", &moved, after), r.err);
    for (uint32_t i = 0; i < set.count; i++)
        CHECK(memcmp(&after[4 * i], &before[4 * from[i]], 4 * sizeof *after) == 0);
    rig_close(&r);
}

static bool dominates(const uint8_t *a, const uint8_t *b)
{
    return a[0] >= b[0] && a[1] >= b[1] && a[2] >= b[2] && memcmp(a, b, 3) != 0;
}

/* Takes the fronts away one by one, as their definition says. */
static void check_fronts(void)
{
    struct rig r;
    double scores[RIG_MAX * 4];
    const struct rig_set set = set_of_chance(50, false);
    int front[RIG_MAX], left = 50;
    for (uint32_t i = 0; i < set.count; i++)
        front[i] = -1;
    for (int f = 0; left > 0; f++)
        for (uint32_t i = 0; i < set.count; i++) {
            bool is_free = front[i] < 0;
            for (uint32_t k = 0; k < set.count && is_free; k++)
                is_free = (front[k] >= 0 && front[k] < f) || !dominates(set.rgb[k], set.rgb[i]);
            if (is_free)
                front[i] = f, left--;
        }
    CHECK_OK(rig_open(&r, SPEC("[\"a\", \"b\", \"c\"]", "{\"method\": \"pareto\"}")), r.err);
    CHECK_OK(rig_score(&r, "e", &set, scores), r.err);
    for (uint32_t i = 0; i < set.count; i++)
        CHECK_INT(1 - ceil(scores[4 * i]), front[i]);
    rig_close(&r);
}

/* ---- what it says of itself -------------------------------------------------------------------------------------- */

static void check_description(void)
{
    struct rig r;
    double scores[RIG_MAX * 4];
    const uint8_t rgb[][3] = { { 10, 5, 1 }, { 20, NONE, 2 } };
    const struct rig_set set = rig_set(2, rgb);
    CHECK_OK(rig_open(&r, "{" PROBES ", \"a-b\": {\"use\": \"ensemble\", \"inputs\": [\"a\", \"low\"]},"
                          "\"e\": {\"use\": \"ensemble\", \"inputs\": [\"a-b\", \"low\", \"c\"],"
                          "        \"options\": {\"method\": \"weighted\", \"weights\": [1, 1, 3]}}}"),
             r.err);
    const wn_verifier *e = rig_verifier(&r, "e"), *within = rig_verifier(&r, "a-b");
    CHECK_INT(e->metric_count, 4);
    CHECK_STR(e->metrics[0].name, "ensemble");
    CHECK_STR(e->metrics[1].name, "a_b");
    CHECK_STR(e->metrics[2].name, "low");
    CHECK_STR(e->metrics[2].help, "byte of input low");
    CHECK_NEAR(e->metrics[0].low, 0 - 100 + 0, 0);
    CHECK_NEAR(e->metrics[0].high, 1 + 0 + 300, 0);
    CHECK_INT(e->metrics[0].flags, WN_METRIC_HIGHER_IS_BETTER); /* a_b has its meaning within a prompt */
    CHECK_INT(e->metrics[2].flags, WN_METRIC_ACROSS_PROMPTS);
    CHECK_INT(e->flags, WN_VERIFIER_NEEDS_PROMPT | WN_VERIFIER_COMPARATIVE); /* by its input */
    CHECK_INT(within->flags, WN_VERIFIER_NEEDS_PROMPT | WN_VERIFIER_COMPARATIVE);
    CHECK_OK(rig_score(&r, "e", &set, scores), r.err);
    CHECK_NEAR(scores[0], 0.25 - 5 + 3, 0); /* a_b: low has one opinion, which is 0.5; a says 0 */
    CHECK_NEAR(scores[1], 0.25, 0);
    CHECK_NEAR(scores[2], 5, 0);
    CHECK_NEAR(scores[3], 1, 0);
    CHECK(isnan(scores[4]) && isnan(scores[6]));
    CHECK_NEAR(scores[5], 1, 0);
    CHECK_NEAR(scores[7], 2, 0);
    rig_close(&r);
}

/* Previews reach those that look at them, and no others; a limit of one that compares is the whole's. */
static void check_previews(void)
{
    struct rig r;
    double scores[RIG_MAX * 4];
    const uint8_t rgb[][3] = { { 10, 5, 0 }, { 20, 1, 0 } };
    struct rig_set set = rig_set(2, rgb);
    set.has_previews = true;
    set.preview[0][1] = 70;
    CHECK_OK(rig_open(&r,
                      "{" PROBES ", \"p\": {\"use\": \"probe\", \"options\": {\"channel\": 1, \"preview_sigma\": 0.4,"
                      " \"compares\": true, \"max_batch\": 7}},"
                      "\"e\": {\"use\": \"ensemble\", \"inputs\": [\"a\", \"p\", \"c\"],"
                      "        \"options\": {\"method\": \"weighted\"}}}"),
             r.err);
    const wn_verifier *e = rig_verifier(&r, "e");
    CHECK_INT(e->flags, WN_VERIFIER_NEEDS_PROMPT | WN_VERIFIER_COMPARATIVE | WN_VERIFIER_NEEDS_PREVIEW);
    CHECK_INT(e->max_batch, 7);
    CHECK_NEAR(e->preview_sigma, 0.4, 0);
    CHECK_OK(rig_score(&r, "e", &set, scores), r.err);
    CHECK_NEAR(scores[0], 80, 0);
    CHECK_NEAR(scores[4], 20, 0);
    rig_close(&r);
}

/* An input that fails is named, and takes the request with it. */
static void check_failure(void)
{
    struct rig r;
    double scores[RIG_MAX * 4];
    const uint8_t rgb[][3] = { { 10, 5, 0 }, { 20, 1, 0 } };
    const struct rig_set set = rig_set(2, rgb);
    CHECK_OK(rig_open(&r, SPEC("[\"a\", \"b\"]", "{}")), r.err);
    *rig_counter("probe_failures_left") = 1;
    *rig_counter("probe_failure") = WN_E_DEVICE;
    CHECK_INT(rig_score(&r, "e", &set, scores), WN_E_DEVICE);
    CHECK_STR(r.err.message, "input a: the probe was told to fail");
    rig_close(&r);
}

static void check_refusal(const char *spec, const char *message)
{
    struct rig r;
    CHECK_INT(rig_open(&r, spec), WN_E_ARG);
    CHECK_CONTAINS(r.err.message, message);
    rig_close(&r);
}

static void check_refusals(void)
{
    check_refusal(SPEC("[\"a\", \"b\"]", "{\"weights\": [1]}"),
                  "/verifiers/e (ensemble): weights: a list of 1 for 2 inputs");
    check_refusal(SPEC("[\"a\", \"b\"]", "{\"weights\": [1, \"2\"]}"), "that of input b is not a number");
    check_refusal(SPEC("[\"a\", \"b\"]", "{\"weights\": [1, -2]}"), "that of input b is -2");
    check_refusal(SPEC("[\"a\", \"b\"]", "{\"weights\": [0, 0]}"), "all are 0");
    check_refusal(SPEC("[\"a\", \"b\"]", "{\"weights\": {\"a\": 1}}"), "input b has none");
    check_refusal(SPEC("[\"a\", \"b\"]", "{\"weights\": {\"a\": 1, \"b\": 1, \"d\": 1}}"),
                  "\"d\" is none of the inputs");
    check_refusal(SPEC("[\"a\", \"b\"]", "{\"weights\": 3}"), "neither a list nor an object");
    check_refusal(SPEC("[\"a\", \"b\"]", "{\"method\": \"min\", \"weights\": [1, 1]}"), "method min has none");
    check_refusal(SPEC("[\"a\", \"b\"]", "{\"method\": \"pareto\", \"weights\": [1, 1]}"), "method pareto has none");
    check_refusal(SPEC("[\"a\", \"a\"]", "{}"), "input a is given twice");
    check_refusal("{\"x\": {\"use\": \"probe\", \"options\": {\"high\": 0}},"
                  "\"e\": {\"use\": \"ensemble\", \"inputs\": [\"x\"], \"options\": {\"method\": \"min\"}}}",
                  "input x expects its byte in 0..0, which method min cannot scale by");
    check_refusal("{\"x-y\": {\"use\": \"probe\"}, \"x_y\": {\"use\": \"probe\"},"
                  "\"e\": {\"use\": \"ensemble\", \"inputs\": [\"x-y\", \"x_y\"]}}",
                  "inputs x-y and x_y would both be the metric \"x_y\"");
    check_refusal("{\"ensemble\": {\"use\": \"probe\"}, \"e\": {\"use\": \"ensemble\", \"inputs\": [\"ensemble\"]}}",
                  "as the metric of the whole is");
    check_refusal("{\"x\": {\"use\": \"probe\", \"options\": {\"preview_sigma\": 0.4}},"
                  "\"y\": {\"use\": \"probe\", \"options\": {\"preview_sigma\": 0.5}},"
                  "\"e\": {\"use\": \"ensemble\", \"inputs\": [\"x\", \"y\"]}}",
                  "input y looks at previews at sigma 0.5, another input at sigma 0.4");
}

int main(void)
{
    check_methods();
    check_no_opinion();
    check_extremes();
    check_small_sets();
    check_all_the_same();
    check_permutations(SPEC("[\"a\", \"low\", \"c\"]", "{\"method\": \"rank\"}"));
    check_permutations(SPEC("[\"a\", \"low\", \"c\"]", "{\"method\": \"borda\", \"weights\": [0.3, 0.7, 0.1]}"));
    check_permutations(SPEC("[\"a\", \"low\", \"c\"]", "{\"method\": \"zscore\"}"));
    check_permutations(SPEC("[\"a\", \"low\", \"c\"]", "{\"method\": \"product\"}"));
    check_permutations(SPEC("[\"a\", \"low\", \"c\"]", "{\"method\": \"pareto\"}"));
    check_fronts();
    check_description();
    check_previews();
    check_failure();
    check_refusals();
    return CHECK_DONE();
}
