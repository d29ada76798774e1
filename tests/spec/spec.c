/* What a right spec becomes: exact values, defaults, prompts, the order of verifiers, --set, extends, hashes. */
#include "plugin/registry.h"
#include "spec/spec.h"
#include "spec/tree.h"

#include "check.h"

#include <unistd.h>

static struct registry *registry;

static const char good[] =
    "{ \"winnow\": 0, \"seed\": 9007199254740993,\n"
    "  \"prompts\": { \"list\": [\"a red circle\", { \"id\": \"sq\", \"prompt\": \"a \\u00e9 \\\"square\\\"\","
    " \"category\": \"shape\", \"noun\": 7 }] },\n"
    "  \"canvas\": { \"width\": 64, \"height\": 32, \"steps\": 4 },\n"
    "  \"sampler\": { \"use\": \"mock\", \"options\": { \"model\": \"m\", \"loras\": [{\"w\": 1.50}] } },\n"
    "  \"verifiers\": { \"sum\": { \"use\": \"mocksum\", \"inputs\": [\"clip\", \"says\"] },\n"
    "    \"clip\": { \"use\": \"mockscore\" }, \"says\": { \"use\": \"mockscore\" } },\n"
    "  \"search\": { \"use\": \"mockrandom\", \"guide\": \"sum\" }, \"judge\": [\"says\"],\n"
    "  \"budget\": { \"nfe\": 40 } }\n";

static struct spec *load(const char *text, uint32_t set_count, const char *const *set)
{
    wn_error err = { 0 };
    struct spec *spec = NULL;
    char *report = NULL;
    struct spec_request request = { .path = "dir/first.json", .text = text, .set = set, .set_count = set_count };
    if (spec_load(&request, registry, &spec, &report, &err) != WN_OK)
        CHECK_FAIL("%s", report);
    free(report);
    if (!spec)
        exit(1);
    return spec;
}

static void test_values(void)
{
    struct spec *s = load(good, 0, NULL);
    CHECK(s->seed == 9007199254740993u);
    CHECK_STR(s->name, "first");
    CHECK_STR(s->output, "runs/first");
    CHECK_STR(s->directory, "dir");
    CHECK_INT(s->noise, SPEC_NOISE_PHILOX);
    CHECK_INT(s->solver, SPEC_SOLVER_EULER);
    CHECK_INT(s->prompt_count, 2);
    CHECK_STR(s->prompts[0].id, "p0001");
    CHECK_STR(s->prompts[0].json, "{\"prompt\":\"a red circle\"}");
    CHECK_STR(s->prompts[1].id, "sq");
    CHECK_STR(s->prompts[1].text, "a \xc3\xa9 \"square\"");
    CHECK_STR(s->prompts[1].category, "shape");
    CHECK_CONTAINS(s->prompts[1].json, "\"noun\":7");
    CHECK_INT(s->canvas.height_px, 32);
    CHECK_NEAR(*(const double *)s->canvas.extra, 3.5, 0);
    CHECK(s->budget.nfe == 40 && isinf(s->budget.seconds));
    CHECK(s->engine.batch == 16 && s->engine.live == 16 && s->engine.threads == 0 && s->engine.save_images);
    CHECK_INT(s->verifier_count, 3);
    CHECK_STR(s->verifiers[0].name, "clip");
    CHECK_STR(s->verifiers[1].name, "says");
    CHECK_STR(s->verifiers[2].name, "sum");
    CHECK(s->verifiers[2].input_count == 2 && s->verifiers[2].inputs[0] == 0 && s->verifiers[2].inputs[1] == 1);
    CHECK_INT(s->guide, 2);
    CHECK(s->judge_count == 1 && s->judges[0] == 1);
    CHECK_STR(s->verifiers[2].pointer, "/verifiers/sum");
    CHECK_NEAR(*(const double *)s->verifiers[0].options, 2.5, 0);
    CHECK_CONTAINS(s->resolved, "\"loras\": [");
    CHECK_CONTAINS(s->resolved, "\"w\": 1.50");
    CHECK_CONTAINS(s->resolved, "\"candidates\": 16");
    spec_free(s);
}

static void copy_hash(char hash[65], const char *text, const char *set)
{
    struct spec *s = load(text, set ? 1 : 0, &set);
    memcpy(hash, s->hash, 65);
    spec_free(s);
}

static void test_hash(void)
{
    char first[65], other[65];
    static const char *const free_of[] = { "name=x", "output=elsewhere", "engine.batch=3", "canvas.guidance=3.50",
                                           "search.options.candidates=16" };
    static const char *const part_of[] = { "seed=1", "canvas.steps=5", "prompts.list[0]=b", "judge=[]", "budget.nfe=41",
                                           "sampler.options.loras[0].w=2", "search.options.rule=cosine",
                                           "devices.mockdevice.caps=no-fp16" };
    copy_hash(first, good, NULL);
    CHECK_INT(strlen(first), 64);
    for (uint32_t i = 0; i < sizeof free_of / sizeof *free_of; i++) {
        copy_hash(other, good, free_of[i]);
        CHECK_STR(other, first);
    }
    for (uint32_t i = 0; i < sizeof part_of / sizeof *part_of; i++) {
        copy_hash(other, good, part_of[i]);
        CHECK(strcmp(other, first) != 0);
    }
}

/* Options of device plugins: there where they are given, and nowhere else. */
static void test_devices(void)
{
    const char *set = "devices.mockdevice.caps=no-fp16";
    struct spec *without = load(good, 0, NULL), *with = load(good, 1, &set);
    CHECK_INT(without->device_count, 0);
    CHECK(strstr(without->resolved, "devices") == NULL);
    CHECK_INT(with->device_count, 1);
    CHECK_STR(with->devices[0].plugin->name, "mockdevice");
    CHECK_STR(with->devices[0].pointer, "/devices/mockdevice");
    CHECK_STR(*(const char *const *)with->devices[0].options, "no-fp16");
    CHECK_CONTAINS(with->resolved, "\"caps\": \"no-fp16\"");
    spec_free(without);
    spec_free(with);
}

/* The resolved spec is a spec, and says the same. */
static void test_resolved(void)
{
    struct spec *a = load(good, 0, NULL), *b = load(a->resolved, 0, NULL);
    CHECK_STR(b->hash, a->hash);
    CHECK_STR(b->resolved, a->resolved);
    spec_free(a);
    spec_free(b);
}

static void test_set(void)
{
    static const char *const sets[] = { "search.options.candidates=8", "/canvas/width=128", "prompts.list[1]=two",
                                        "sampler.options.model=a b", "budget=null", "sampler.options.offload=true",
                                        "verifiers.clip={\"use\":\"mockscore\",\"options\":{\"scale\":1}}" };
    struct spec *s = load(good, 7, sets);
    CHECK_INT(*(const int64_t *)s->search.options, 8);
    CHECK_INT(s->canvas.width_px, 128);
    CHECK_STR(s->prompts[1].text, "two");
    CHECK_STR(s->prompts[1].id, "p0002");
    CHECK_STR(*(const char *const *)s->sampler.options, "a b");
    CHECK(isinf(s->budget.nfe));
    CHECK_NEAR(*(const double *)s->verifiers[0].options, 1, 0);
    spec_free(s);
}

static void test_extends(void)
{
    struct spec *s =
        load("{ \"extends\": [\"" WINNOW_SOURCE_DIR "/tests/spec/data/base.json\"], \"canvas\": { \"guidence\": null,"
             "\"steps\": 9 }, \"search\": { \"guide\": \"clip\", \"use\": \"mockpreview\" } }",
             0, NULL);
    CHECK_INT(s->canvas.steps, 9);
    CHECK_INT(s->canvas.width_px, 64);
    CHECK_INT(*(const int64_t *)s->search.options, 16); /* another plugin: the base's options do not count */
    CHECK_INT(s->prompt_count, 2);
    CHECK_STR(s->prompts[1].text, "two blue squares");
    CHECK_STR(s->prompts_path, WINNOW_SOURCE_DIR "/tests/spec/data/two.txt");
    spec_free(s);
    s = load("{ \"extends\": \"" WINNOW_SOURCE_DIR "/tests/spec/data/base.json\", \"canvas\": { \"guidence\": null },"
             "\"search\": { \"guide\": \"clip\" }, \"prompts\": { \"limit\": 1 } }", 0, NULL);
    CHECK_INT(*(const int64_t *)s->search.options, 4);
    CHECK_INT(s->prompt_count, 1);
    spec_free(s);
}

static void test_csv(void)
{
    static const char *const sets[] = { "prompts={\"file\":\"" WINNOW_SOURCE_DIR "/tests/spec/data/good.csv\"}" };
    struct spec *s = load(good, 1, sets);
    CHECK_INT(s->prompt_count, 3);
    CHECK_STR(s->prompts[0].text, "A pear, \"cut\" into pieces.");
    CHECK_STR(s->prompts[0].category, "Gary Marcus et al.");
    CHECK_STR(s->prompts[0].id, "p0001");
    CHECK_CONTAINS(s->prompts[0].json, "\"Noun\":\"7\"");
    CHECK_STR(s->prompts[1].text, "plain text ");
    CHECK_STR(s->prompts[1].category, "Colors");
    CHECK_STR(s->prompts[2].text, "two\nlines");
    CHECK_STR(s->prompts[2].category, "");
    spec_free(s);
}

static void test_include(void)
{
    struct spec *s = load("{ \"extends\": \"" WINNOW_SOURCE_DIR "/tests/spec/data/base.json\", \"canvas\": { \"guidence\": null },"
                          "\"search\": { \"guide\": \"clip\" }, \"prompts\": { \"file\": null, \"list\":"
                          " { \"include\": \"" WINNOW_SOURCE_DIR "/tests/spec/data/list.json\" } } }",
                          0, NULL);
    CHECK_INT(s->prompt_count, 3);
    CHECK_STR(s->prompts[2].text, "three stars");
    spec_free(s);
}

static void test_without_run(void)
{
    wn_error err = { 0 };
    struct spec *s = NULL;
    char *report;
    struct spec_request request = { .path = "-", .without_run = true,
                                    .text = "{\"winnow\": 0, \"verifiers\": {\"a\": {\"use\": \"mockscore\"}}}" };
    CHECK_OK(spec_load(&request, registry, &s, &report, &err), err);
    CHECK(s && s->verifier_count == 1 && !s->sampler.plugin && !s->search.plugin && s->prompt_count == 0);
    spec_free(s);
    spec_free(NULL);
}

/* Long and deep texts end soon, one way or the other. */
static void test_large(void)
{
    uint64_t size = TREE_MAX_BYTES;
    char *text = malloc(size + 2);
    struct tree_fault fault;
    struct arena *a = arena_create();
    for (uint64_t i = 0; i < size; i++)
        text[i] = i % 2 ? ',' : '1';
    text[0] = '[', text[size - 1] = ']';
    text[1] = '1';
    struct tree_node *list = tree_parse(a, "x", text, size, &fault);
    CHECK(list && list->count > 500000 && list->last->column > 1000000);
    memset(text, '[', size);
    CHECK(!tree_parse(a, "x", text, size, &fault) && fault.column == 65);
    memset(text, '"', size);
    CHECK(!tree_parse(a, "x", text, size, &fault));
    arena_destroy(a);
    free(text);
}

static void test_schema(void)
{
    wn_error err = { 0 };
    char *json;
    struct tree_fault fault;
    struct arena *a = arena_create();
    CHECK_OK(spec_schema(registry, &json, &err), err);
    struct tree_node *root = tree_parse(a, "schema", json, strlen(json), &fault);
    if (!root)
        CHECK_FAIL("schema:%u:%u: %s", fault.line, fault.column, fault.what);
    const struct tree_node *properties = tree_get(root, "properties");
    CHECK(tree_get(properties, "canvas") &&
          tree_get(tree_get(tree_get(properties, "canvas"), "properties"), "guidance"));
    CHECK(tree_get(properties, "search") && tree_get(properties, "verifiers"));
    const struct tree_node *sweep = tree_get(tree_get(properties, "sweep"), "properties");
    CHECK(tree_get(sweep, "grid") && tree_get(sweep, "list") && tree_get(sweep, "max_points"));
    CHECK_CONTAINS(json, "18446744073709551615");
    CHECK_CONTAINS(json, "\"mockrandom\"");
    free(json);
    arena_destroy(a);
}

int main(void)
{
    wn_error err = { 0 };
    CHECK_OK(registry_create(WINNOW_BUILD_DIR "/tests/spec-plugins", &registry, &err), err);
    test_values();
    test_hash();
    test_devices();
    test_resolved();
    test_set();
    test_extends();
    test_csv();
    test_include();
    test_without_run();
    test_large();
    test_schema();
    registry_destroy(registry);
    return CHECK_DONE();
}
