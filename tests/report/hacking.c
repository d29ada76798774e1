/* hacking.c - a proxy with a hole, a search that finds it, and a report that says so; and silence where there is none.
 *
 * On the analytic sampler the truth is closeness to a dark gray; the proxy also pays for a bright corner. (A search
 * that keeps the norm of its noise, as zero_order does, cannot change closeness to the sampler's mean gray at all.) */
#include "base/buffer.h"
#include "base/files.h"
#include "check.h"
#include "report/report.h"
#include "search/harness.h"

#include <cjson/cJSON.h>

#define SPEC(search, weakness)                                                                                         \
    "{ \"winnow\": 0, \"name\": \"hacking\", \"seed\": 5,"                                                             \
    "  \"prompts\": { \"list\": [\"a\", \"b\", \"c\", \"d\", \"e\", \"f\", \"g\", \"h\", \"i\", \"j\","                \
    "                         \"k\", \"l\", \"m\", \"n\", \"o\", \"p\", \"q\", \"r\", \"s\", \"t\"] },"                \
    "  \"canvas\": { \"width\": 16, \"height\": 16, \"steps\": 6 },"                                                   \
    "  \"sampler\": { \"use\": \"analytic\", \"options\": { \"components\": 1, \"radius\": 0, \"spread\": 1 } },"      \
    "  \"verifiers\": { \"truth\": { \"use\": \"analytic\", \"options\": { \"target\": 96 } },"                        \
    "                   \"proxy\": { \"use\": \"proxy\", \"options\": { \"target\": 96, \"weakness\": " weakness       \
    " } } },"                                                                                                          \
    "  \"search\": " search ", \"judge\": [\"truth\"],"                                                                \
    "  \"engine\": { \"batch\": 64 }, \"output\": \"run\" }"
#define RANDOM "{ \"use\": \"random\", \"guide\": \"proxy\", \"options\": { \"candidates\": 32 } }"
#define CLIMB                                                                                                          \
    "{ \"use\": \"zero_order\", \"guide\": \"proxy\", \"options\": { \"iterations\": 24, \"neighbours\": 2 } }"

static wn_error err;

static char *read_all(const char *directory, const char *name)
{
    struct buffer b = BUFFER_INIT(64 << 20);
    char path[FILE_PATH_SIZE];

    CHECK_OK(path_join(path, directory, name, &err), err);
    CHECK_OK(buffer_read_file(&b, path, &err), err);
    return buffer_take(&b);
}

static double mean_of(const cJSON *object, const char *key, const char *part)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(object, key), part);

    return cJSON_IsNumber(item) ? item->valuedouble : NAN;
}

/* The harness runs engines; what a run would say of itself is said here. */
static void write_manifest(const char *directory, bool is_iid)
{
    char path[FILE_PATH_SIZE], text[1024];

    snprintf(text, sizeof text,
             "{\"report\": {\"name\": \"hacking\", \"search\": \"any\", \"pool_is_iid\": %s, \"metrics\": ["
             "{\"verifier\": \"proxy\", \"metric\": \"closeness\", \"role\": \"guide\", \"higher_is_better\": true},"
             "{\"verifier\": \"truth\", \"metric\": \"closeness\", \"role\": \"judge\", \"higher_is_better\": true}]}}",
             is_iid ? "true" : "false");
    CHECK_OK(path_join(path, directory, "manifest.json", &err), err);
    CHECK_OK(file_write(path, text, strlen(text), &err), err);
}

static void check(const char *spec, const char *name, bool is_hacked)
{
    struct harness_run run = { .spec = spec, .directory = harness_directory("hacking", name) };
    CHECK_OK(harness_execute(&run), run.err);
    write_manifest(run.directory, strncmp(name, "random", 6) == 0);
    CHECK_OK(report_write(run.directory, &err), err);
    char *text = read_all(run.directory, "summary.json"), *page = read_all(run.directory, "report.html");
    cJSON *summary = cJSON_Parse(text);
    const cJSON *gap = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(summary, "gaps"), 0);
    const cJSON *points = cJSON_GetObjectItemCaseSensitive(gap, "points");
    const cJSON *end = cJSON_GetArrayItem(points, cJSON_GetArraySize(points) - 1);
    const char *verdict = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(gap, "verdict"));

    fprintf(stderr, "%s: guide %+.2f [%+.2f, %+.2f], judge %+.2f [%+.2f, %+.2f], %s\n", name,
            mean_of(end, "guide", "mean"), mean_of(end, "guide", "lo"), mean_of(end, "guide", "hi"),
            mean_of(end, "judge", "mean"), mean_of(end, "judge", "lo"), mean_of(end, "judge", "hi"), verdict);
    CHECK(mean_of(end, "guide", "lo") > 0);
    CHECK_STR(verdict, is_hacked ? "exploited" : "none");
    if (is_hacked) {
        CHECK(mean_of(end, "judge", "hi") < 0);
        CHECK(mean_of(end, "gap", "lo") > 0);
        CHECK(strstr(page, "truth.closeness gets worse while the guide improves: the search exploits its guide."));
    } else {
        CHECK(mean_of(end, "judge", "lo") > 0);
        CHECK(!strstr(page, "exploits its guide"));
    }
    free(text);
    free(page);
    cJSON_Delete(summary);
}

/* The first prompts keep what their unfinished samples were scored by, others do not; the page says how well those
 * scores foretold. */
static void check_previews(void)
{
    static const char *const set[] = { "engine.save_previews=2", "engine.save_images=false", NULL };
    struct harness_run run = { .spec = SPEC("{ \"use\": \"paths\", \"guide\": \"proxy\" }", "0"),
                               .set = set,
                               .directory = harness_directory("hacking", "paths") };
    CHECK_OK(harness_execute(&run), run.err);
    write_manifest(run.directory, false);
    CHECK_OK(report_write(run.directory, &err), err);
    CHECK(harness_number(run.directory, "SELECT count(*) FROM candidates WHERE finished = 0") > 0);
    CHECK_INT(harness_number(run.directory, "SELECT count(*) FROM candidates WHERE finished = 0 AND"
                                            " (image IS NOT NULL) <> (trial < 2)"),
              0);
    char *page = read_all(run.directory, "report.html");
    CHECK(strstr(page, "Do previews foretell?"));
    CHECK(strstr(page, "Broken frames are unfinished samples"));
    free(page);
}

int main(void)
{
    check(SPEC(RANDOM, "0"), "random_honest", false);
    check(SPEC(RANDOM, "3"), "random_hacked", true);
    check(SPEC(CLIMB, "0"), "climb_honest", false);
    check(SPEC(CLIMB, "3"), "climb_hacked", true);
    check_previews();
    return CHECK_DONE();
}
