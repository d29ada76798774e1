/* What a sweep becomes: which points in which order, what they are called, that each is the plain spec with the same
 * --set, and everything that a wrong one is told. */
#include "plugin/registry.h"
#include "spec/sweep.h"

#include "check.h"

static struct registry *registry;

static const char base[] =
    "{ \"winnow\": 0, \"name\": \"trial\",\n"
    "  \"prompts\": { \"list\": [\"a red circle\", \"two\"] },\n"
    "  \"canvas\": { \"width\": 64, \"height\": 64, \"steps\": 4 },\n"
    "  \"sampler\": { \"use\": \"mock\", \"options\": { \"model\": \"m\" } },\n"
    "  \"verifiers\": { \"clip\": { \"use\": \"mockscore\" }, \"says\": { \"use\": \"mockscore\" } },\n"
    "  \"search\": { \"use\": \"mockrandom\", \"guide\": \"clip\" },\n"
    "  \"sweep\": %s }\n";

static struct spec_request request_of(const char *sweep, char text[4096], uint32_t set_count, const char *const *set)
{
    snprintf(text, 4096, base, sweep);
    return (struct spec_request){ .path = "spec.json", .text = text, .set = set, .set_count = set_count };
}

static struct sweep *load(const char *sweep)
{
    char text[4096];
    wn_error err = { 0 };
    struct sweep *s = NULL;
    char *report = NULL;
    const struct spec_request request = request_of(sweep, text, 0, NULL);
    if (sweep_load(&request, registry, &s, &report, &err) != WN_OK)
        CHECK_FAIL("%s", report);
    free(report);
    if (!s)
        exit(1);
    return s;
}

static void refused(const char *sweep, const char *want)
{
    char text[4096];
    wn_error err = { 0 };
    struct sweep *s = NULL;
    char *report = NULL;
    const struct spec_request request = request_of(sweep, text, 0, NULL);
    CHECK_INT(sweep_load(&request, registry, &s, &report, &err), WN_E_ARG);
    CHECK_STR(report ? report : "", want);
    free(report);
    sweep_free(s);
}

/* The hash of the plain spec with the same changes as --set. */
static void plain_hash(char hash[65], uint32_t set_count, const char *const *set)
{
    char text[4096];
    const char *all[8] = { "sweep=null" };
    wn_error err = { 0 };
    struct spec *spec = NULL;
    char *report = NULL;
    for (uint32_t i = 0; i < set_count; i++)
        all[i + 1] = set[i];
    const struct spec_request request = request_of("{}", text, set_count + 1, all);
    CHECK_OK(spec_load(&request, registry, &spec, &report, &err), err);
    memcpy(hash, spec ? spec->hash : "", spec ? 65 : 1);
    free(report);
    spec_free(spec);
}

static void test_grid(void)
{
    static const char *const names[] = { "steps=4,seed=1", "steps=4,seed=2", "steps=4,seed=3",
                                         "steps=8,seed=1", "steps=8,seed=2", "steps=8,seed=3" };
    static const char *const last[] = { "canvas.steps=8", "seed=3" };
    struct sweep *s = load("{ \"grid\": { \"canvas.steps\": [4, 8], \"/seed\": [1, 2, 3] } }");
    char hash[65];
    CHECK_INT(s->count, 6);
    CHECK_STR(s->name, "trial");
    CHECK_STR(s->output, "runs/trial");
    for (uint32_t i = 0; i < s->count; i++) {
        CHECK_STR(s->points[i].changes.name, names[i]);
        CHECK(strncmp(s->points[i].folder, names[i], strlen(names[i])) == 0);
        CHECK(strncmp(s->points[i].folder + strlen(names[i]) + 1, s->points[i].id, SWEEP_ID) == 0);
        CHECK_INT(s->points[i].prompt_count, 2);
    }
    plain_hash(hash, 2, last);
    CHECK_STR(s->points[5].id, hash);
    CHECK_NEAR(s->points[0].each.candidates, 16, 0);
    sweep_free(s);
}

/* The list is crossed with the grid; names; whole nodes before parts whatever their order. */
static void test_list(void)
{
    struct sweep *s =
        load("{ \"list\": [ { \"name\": \"a b\", \"search.guide\": \"says\" }, { \"search.guide\": \"clip\" } ],"
             "  \"grid\": { \"search\": [ { \"use\": \"mockrandom\", \"options\": { \"candidates\": 3 } } ],"
             "              \"budget.nfe\": [40, null] } }");
    static const char *const first[] = {
        "search={\"use\":\"mockrandom\",\"options\":{\"candidates\":3},\"guide\":\"says\"}", "budget.nfe=40"
    };
    char hash[65];
    CHECK_INT(s->count, 4);
    CHECK_STR(s->points[0].changes.name, "a_b,mockrandom,candidates=3,nfe=40");
    CHECK_STR(s->points[3].changes.name, "clip,mockrandom,candidates=3,nfe=none");
    plain_hash(hash, 2, first);
    CHECK_STR(s->points[0].id, hash);
    sweep_free(s);
}

/* What stays keeps its id, and so its folder, whatever is added. */
static void test_ids_stay(void)
{
    struct sweep *few = load("{ \"grid\": { \"seed\": [1, 2] } }"),
                 *more = load("{ \"grid\": { \"seed\": [5, 2, 1] } }");
    CHECK_STR(few->points[0].id, more->points[2].id);
    CHECK_STR(few->points[1].folder, more->points[1].folder);
    CHECK(strcmp(few->points[0].id, few->points[1].id) != 0);
    sweep_free(few);
    sweep_free(more);
}

static void test_point(void)
{
    wn_error err = { 0 };
    struct spec *spec = NULL;
    char *report = NULL;
    struct sweep *s = load("{ \"grid\": { \"seed\": [1, 2] } }");
    CHECK_OK(sweep_point_load(s, registry, 1, "out/here", &spec, &report, &err), err);
    CHECK(spec && spec->seed == 2);
    CHECK_STR(spec ? spec->output : "", "out/here");
    CHECK_STR(spec ? spec->name : "", "seed=2");
    CHECK(spec && !strstr(spec->resolved, "sweep"));
    CHECK_STR(spec ? spec->hash : "", s->points[1].id);
    free(report);
    spec_free(spec);
    s->points[1].id[0] = s->points[1].id[0] == 'a' ? 'b' : 'a';
    CHECK_INT(sweep_point_load(s, registry, 1, NULL, &spec, &report, &err), WN_E_ARG);
    CHECK_CONTAINS(err.message, "was changed while the sweep ran");
    free(report);
    sweep_free(s);
}

static void test_mistakes(void)
{
    refused("7",
            "spec.json:7:12: /sweep: a number where an object is expected: {\"grid\": {...}} or {\"list\": [...]}\n");
    refused(
        "{}",
        "spec.json:7:12: /sweep: a sweep without a point; give it \"grid\": {\"seed\": [1, 2]} or \"list\": [{...}]\n");
    refused(
        "{ \"list\": [] }",
        "spec.json:7:12: /sweep: a sweep without a point; give it \"grid\": {\"seed\": [1, 2]} or \"list\": [{...}]\n");
    refused("{ \"grid\": { \"seed\": 4, \"canvas.steps\": [] } }",
            "spec.json:7:32: /sweep/grid/seed: 4 where a list of values is expected; write [4]\n"
            "spec.json:7:51: /sweep/grid/canvas.steps: no value: the grid would have no point; give one, or leave the "
            "key out\n");
    refused("{ \"list\": [3] }",
            "spec.json:7:23: /sweep/list/0: 3 where a point is expected: an object of keys as --set has them\n");
    refused("{ \"grid\": { \"seed\": [1, 2], \"canvas.steps\": [1, 2, 3] }, \"max_points\": 5 }",
            "spec.json:7:12: /sweep: 2 x 3 = 6 points, where max_points allows 5; give fewer values, or raise "
            "\"max_points\"\n");
    refused("{ \"list\": [{ \"name\": 3 }] }",
            "spec.json:7:33: /sweep/list/0/name: 3 where what the point is called is expected, a string\n");
    refused("{ \"grid\": { \"output\": [\"a\"] } }",
            "spec.json:7:35: /sweep/grid/output/0: \"output\" cannot change from point to point\n");
    refused("{ \"grid\": { \"name\": [\"a\"] } }", "spec.json:7:33: /sweep/grid/name/0: \"name\" cannot change from "
                                                   "point to point of a grid; in \"list\" it says what a "
                                                   "point is called\n");
    refused("{ \"list\": [{ \"seed\": 1 }], \"grid\": { \"seed\": [2] } }",
            "spec.json:7:58: /sweep/grid/seed/0: \"seed\" is changed by \"list\" and by \"grid\"; leave it to one of "
            "them\n");
    refused("{ \"grid\": { \"seed\": [1], \"a[x]\": [2] } }",
            "spec.json:7:46: /sweep/grid/a[x]/0: \"a[x]\" is not of the form a.b[2].c\n");
    refused("{ \"grid\": { \"seed\": [1, 2, 1] } }", "spec.json:7:12: /sweep: points 1 (seed=1) and 3 (seed=1) are the "
                                                     "same experiment: what differs changes no result; "
                                                     "remove one\n");
    refused("{ \"grid\": { \"engine.batch\": [1, 2] } }", "spec.json:7:12: /sweep: points 1 (batch=1) and 2 (batch=2) "
                                                          "are the same experiment: what differs changes no result; "
                                                          "remove one\n");
}

/* All mistakes of all points at once: those of one point with its name, those of all points bare. */
static void test_mistakes_in_points(void)
{
    char text[4096];
    static const char *const set[] = { "canvas.width=8" };
    wn_error err = { 0 };
    struct sweep *s = NULL;
    char *report = NULL;
    const struct spec_request request =
        request_of("{ \"grid\": { \"seed\": [1, 2, -3], \"canvas.steps\": [4, 0] } }", text, 1, set);
    CHECK_INT(sweep_load(&request, registry, &s, &report, &err), WN_E_ARG);
    CHECK_CONTAINS(report, "--set canvas.width=8: /canvas/width: 8 is outside 16..16384");
    CHECK_CONTAINS(report, "(3 of 6 points, the first seed=1,steps=0)\n");
    CHECK_CONTAINS(report, "spec.json:7:39: /seed: -3");
    CHECK_CONTAINS(report, "(2 of 6 points, the first seed=-3,steps=4)\n");
    int lines = 0;
    for (const char *p = report; p && *p; p++)
        lines += *p == '\n';
    CHECK_INT(lines, 3);
    free(report);
}

/* A sweep is no experiment, and a spec without one is no sweep. */
static void test_others(void)
{
    char text[4096];
    wn_error err = { 0 };
    struct spec *spec = NULL;
    struct sweep *s = NULL;
    char *report = NULL;
    static const char *const set[] = { "sweep=null" };
    struct spec_request request = request_of("{ \"grid\": { \"seed\": [1, 2] } }", text, 0, NULL);
    CHECK_INT(spec_load(&request, registry, &spec, &report, &err), WN_E_ARG);
    CHECK_CONTAINS(report, "spec.json:7:12: /sweep: this is a sweep, many experiments, where one is wanted");
    free(report);
    request.without_run = true;
    CHECK_OK(spec_load(&request, registry, &spec, &report, &err), err);
    spec_free(spec);
    free(report);
    request = request_of("{}", text, 1, set);
    CHECK_OK(sweep_load(&request, registry, &s, &report, &err), err);
    CHECK(s && !s->points && s->request.text);
    sweep_free(s);
    free(report);
}

int main(void)
{
    wn_error err = { 0 };
    if (registry_create(WINNOW_BUILD_DIR "/tests/spec-plugins", &registry, &err) != WN_OK)
        CHECK_FAIL("%s", err.message);
    test_grid();
    test_list();
    test_ids_stay();
    test_point();
    test_mistakes();
    test_mistakes_in_points();
    test_others();
    registry_destroy(registry);
    return CHECK_DONE();
}
