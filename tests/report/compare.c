/* compare.c - comparisons of made-up runs: every number against its definition worked out here from the same scores,
 * what is refused, and a page on which a stranger's text stays text. */
#include "report/compare.h"

#include "../ledger/scratch.h"
#include "base/files.h"
#include "ledger/sweep_file.h"
#include "made.h"
#include "report/paired.h"

#include <cjson/cJSON.h>

static char scratch[64];
static wn_error err;

static void make(const struct made *m)
{
    CHECK_OK(made_write(m, scratch, &err), err);
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

static struct compare *compare(uint64_t count, const char *const *folders)
{
    static char paths[4][FILE_PATH_SIZE];
    const char *directories[4];
    struct compare *c = NULL;
    for (uint64_t i = 0; i < count; i++) {
        CHECK_OK(path_join(paths[i], scratch, folders[i], &err), err);
        directories[i] = paths[i];
    }
    (void)compare_create(count, directories, &c, &err);
    return c;
}

static cJSON *json_of(const struct compare *c)
{
    struct buffer text = BUFFER_INIT(1 << 24);
    compare_json(c, &text);
    cJSON *root = cJSON_Parse(buffer_string(&text));
    CHECK(root != NULL);
    buffer_free(&text);
    return root;
}

static const char *string_in(const cJSON *object, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(object, key));
    return text ? text : "";
}

static double number_in(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItem(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : (double)NAN;
}

static const cJSON *difference(const cJSON *root, const char *metric, const char *at)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(root, "differences"))
    {
        if (strcmp(string_in(item, "metric"), metric) == 0 && strcmp(string_in(item, "at"), at) == 0)
            return item;
    }
    return NULL;
}

/* ---- numbers --------------------------------------------------------------------------------------------------- */

/* The judge's score of what the guide prefers among the first n. */
static double judged_best(const struct made *m, int prompt, int n)
{
    int best = 0;
    for (int k = 1; k < n; k++)
        if (made_guide_score(m, prompt, k) > made_guide_score(m, prompt, best))
            best = k;
    return made_judge_score(m, prompt, best);
}

static double mean_of(int count, const double *d)
{
    double sum = 0;
    for (int i = 0; i < count; i++)
        sum += d[i];
    return sum / count;
}

/* Two algorithms, seeds 1 and 2 in both and 3 in one: differences are of the common seeds. b's candidates cost twice
 * the evaluations, so at equal evaluations it has half of them; they take the same seconds. */
static void test_numbers(void)
{
    struct made a[2] = { made_standard, made_standard }, b[3] = { made_standard, made_standard, made_standard };
    static const char *const folders[] = { "a1", "a2", "b1", "b2" };
    double end[PROMPTS], equal[PROMPTS];
    for (int s = 0; s < 2; s++) {
        a[s].folder = folders[s], a[s].seed = s + 1;
        b[s].folder = folders[2 + s], b[s].seed = s + 1;
        b[s].search = "climb", b[s].nfe = 20, b[s].lift = 0.2;
        make(&a[s]);
        make(&b[s]);
    }
    for (int p = 0; p < PROMPTS; p++) {
        end[p] = equal[p] = 0;
        for (int s = 0; s < 2; s++) {
            end[p] += 0.5 * (judged_best(&b[s], p, CANDIDATES) - judged_best(&a[s], p, CANDIDATES));
            equal[p] += 0.5 * (judged_best(&b[s], p, CANDIDATES / 2) - judged_best(&a[s], p, CANDIDATES));
        }
    }
    struct compare *c = compare(4, folders);
    CHECK(c != NULL);
    cJSON *root = c ? json_of(c) : NULL;
    const cJSON *at_end = difference(root, "says.score", "end"), *at_nfe = difference(root, "says.score", "equal_nfe");
    CHECK_INT(cJSON_GetArraySize(cJSON_GetObjectItem(root, "algorithms")), 2);
    CHECK_STR(string_in(at_end, "left"), "random, steps=10");
    CHECK_STR(string_in(at_end, "right"), "climb, steps=20");
    CHECK_NEAR(number_in(at_end, "mean"), mean_of(PROMPTS, end), 1e-12);
    CHECK_NEAR(number_in(at_end, "p"), paired_p(PROMPTS, end), 1e-12);
    CHECK_NEAR(number_in(at_end, "p_holm"), paired_p(PROMPTS, end), 1e-12); /* a family of one */
    CHECK_INT(number_in(at_end, "common_seeds"), 2);
    CHECK_INT(number_in(at_end, "rows"), PROMPTS);
    CHECK(number_in(at_end, "lo") < number_in(at_end, "mean") && number_in(at_end, "mean") < number_in(at_end, "hi"));
    CHECK_NEAR(number_in(at_nfe, "mean"), mean_of(PROMPTS, equal), 1e-12);
    CHECK_NEAR(number_in(difference(root, "says.score", "equal_seconds"), "mean"), mean_of(PROMPTS, end), 1e-12);
    CHECK_NEAR(number_in(difference(root, "says.score", "equal_verifier_calls"), "mean"), mean_of(PROMPTS, end), 1e-12);
    cJSON_Delete(root);
    compare_free(c);
}

/* Seconds are sampling, decoding and the guide's, never a judge's; calls are the guide's. */
static void test_curves(void)
{
    static const char *const folders[] = { "a1", "b1" };
    static const struct {
        const char *against;
        double first, last;
    } axes[] = { { "nfe", 10, 10 * CANDIDATES }, { "seconds", 1, CANDIDATES }, { "verifier_calls", 1, CANDIDATES } };
    struct made a = made_standard;
    struct compare *c = compare(2, folders);
    cJSON *root = c ? json_of(c) : NULL;
    const cJSON *item;
    int seen = 0;
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(root, "curves"))
    {
        for (int i = 0; i < 3; i++) {
            const cJSON *points = cJSON_GetObjectItem(item, "points");
            const int n = cJSON_GetArraySize(points);
            double rows[PROMPTS];
            if (strcmp(string_in(item, "against"), axes[i].against) != 0 ||
                strcmp(string_in(item, "algorithm"), "random, steps=10") != 0 ||
                strcmp(string_in(item, "metric"), "says.score") != 0)
                continue;
            seen++;
            CHECK_INT(n, CANDIDATES);
            CHECK_NEAR(number_in(cJSON_GetArrayItem(points, 0), "x"), axes[i].first, 1e-12);
            CHECK_NEAR(number_in(cJSON_GetArrayItem(points, n - 1), "x"), axes[i].last, 1e-12);
            for (int k = 0; k < n; k++) {
                for (int p = 0; p < PROMPTS; p++)
                    rows[p] = judged_best(&a, p, k + 1);
                CHECK_NEAR(number_in(cJSON_GetArrayItem(points, k), "mean"), mean_of(PROMPTS, rows), 1e-12);
            }
        }
    }
    CHECK_INT(seen, 3);
    cJSON_Delete(root);
    compare_free(c);
}

/* Where a guide was asked again nobody knows when, so there is what it took in all and no curve. */
static void test_asked_again(void)
{
    static const char *const folders[] = { "a1", "again" };
    struct made m = made_standard;
    m.folder = "again", m.search = "climb", m.calls_again = 3;
    make(&m);
    struct compare *c = compare(2, folders);
    cJSON *root = c ? json_of(c) : NULL;
    const cJSON *spent = cJSON_GetObjectItem(root, "algorithms"), *item;
    for (int i = 0; i < 2; i++)
        CHECK_INT(number_in(cJSON_GetObjectItem(cJSON_GetArrayItem(spent, i), "spent_per_prompt"), "verifier_calls"),
                  CANDIDATES + 3 * i);
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(root, "curves"))
    {
        const bool is_told = strcmp(string_in(item, "algorithm"), "random") == 0 ||
                             strcmp(string_in(item, "against"), "verifier_calls") != 0;
        CHECK_INT(cJSON_GetArraySize(cJSON_GetObjectItem(item, "points")), is_told ? CANDIDATES : 0);
    }
    CHECK_INT(number_in(difference(root, "says.score", "equal_verifier_calls"), "rows"), 0);
    CHECK_INT(number_in(difference(root, "says.score", "equal_nfe"), "rows"), PROMPTS);
    cJSON_Delete(root);
    compare_free(c);
}

static void test_categories(void)
{
    static const char *const folders[] = { "a1", "b1" };
    struct made a = made_standard;
    struct compare *c = compare(2, folders);
    cJSON *root = c ? json_of(c) : NULL;
    const cJSON *odd = cJSON_GetArrayItem(cJSON_GetObjectItem(root, "categories"), 1), *cell;
    double sum = 0;
    for (int p = 1; p < PROMPTS; p += 2)
        sum += judged_best(&a, p, CANDIDATES);
    CHECK_STR(string_in(odd, "category"), "<i>odd</i>");
    CHECK_INT(number_in(odd, "prompts"), 3);
    cell = cJSON_GetArrayItem(cJSON_GetObjectItem(odd, "cells"), 1);
    CHECK_STR(string_in(cell, "verifier"), "clip");
    CHECK_STR(string_in(cell, "algorithm"), "random, steps=10");
    CHECK_STR(string_in(cell, "metric"), "says.score");
    CHECK_NEAR(number_in(cell, "with_search"), sum / 3, 1e-12);
    cJSON_Delete(root);
    compare_free(c);
}

/* One prompt: seeds are what varies. */
static void test_one_prompt(void)
{
    struct made m = made_standard;
    static const char *const folders[] = { "one_a1", "one_a2", "one_b1", "one_b2" };
    double d[2];
    m.prompts = 1;
    for (int i = 0; i < 4; i++) {
        m.folder = folders[i], m.seed = 1 + i % 2;
        m.search = i < 2 ? "random" : "climb", m.lift = i < 2 ? 0.1 : 0.3;
        make(&m);
        d[i % 2] = i < 2 ? -judged_best(&m, 0, CANDIDATES) : d[i % 2] + judged_best(&m, 0, CANDIDATES);
    }
    struct compare *c = compare(4, folders);
    cJSON *root = c ? json_of(c) : NULL;
    const cJSON *at_end = difference(root, "says.score", "end");
    CHECK_INT(number_in(at_end, "rows"), 2);
    CHECK_NEAR(number_in(at_end, "mean"), mean_of(2, d), 1e-12);
    CHECK(isnan(number_in(at_end, "lo"))); /* of two seeds there is no interval */
    cJSON_Delete(root);
    compare_free(c);
}

/* A metric of an algorithm without search; NaN for null. */
static double without_search(const cJSON *root, int algorithm, int metric)
{
    const cJSON *a = cJSON_GetArrayItem(cJSON_GetObjectItem(root, "algorithms"), algorithm);
    const cJSON *m = cJSON_GetArrayItem(cJSON_GetObjectItem(a, "metrics"), metric);
    return number_in(cJSON_GetObjectItem(m, "without_search"), "mean");
}

/* A search that scores two previews first has no picture without search; random search on the same noises has. What it
 * spends after its last picture is spent too. */
static void test_no_search(void)
{
    struct made stepwise = made_standard, plain = made_standard;
    static const char *const both[] = { "stepwise", "plain" }, *const alone[] = { "stepwise" };
    double first[PROMPTS];
    stepwise.folder = "stepwise", stepwise.search = "steps", stepwise.unfinished = 2;
    plain.folder = "plain", plain.lift = 0.3;
    make(&stepwise);
    make(&plain);
    for (int p = 0; p < PROMPTS; p++)
        first[p] = made_judge_score(&plain, p, 0);
    struct compare *c = compare(2, both), *one = compare(1, alone);
    cJSON *root = c ? json_of(c) : NULL, *lonely = one ? json_of(one) : NULL;
    for (int a = 0; a < 2; a++)
        CHECK_NEAR(without_search(root, a, 1), mean_of(PROMPTS, first), 1e-12);
    CHECK(isnan(without_search(lonely, 0, 1)));
    const cJSON *spent =
        cJSON_GetObjectItem(cJSON_GetArrayItem(cJSON_GetObjectItem(root, "algorithms"), 0), "spent_per_prompt");
    CHECK_NEAR(number_in(spent, "nfe"), CANDIDATES * plain.nfe, 1e-12);
    CHECK_NEAR(number_in(spent, "seconds"), CANDIDATES, 1e-12);
    CHECK_NEAR(number_in(difference(root, "says.score", "equal_nfe"), "mean"),
               number_in(difference(root, "says.score", "end"), "mean"), 1e-12);
    cJSON_Delete(root);
    cJSON_Delete(lonely);
    compare_free(c);
    compare_free(one);
}

/* ---- refusals -------------------------------------------------------------------------------------------------- */

static void refused(const char *other, const char *a, const char *b, const char *why)
{
    const char *folders[] = { "a1", other };
    struct compare *c = compare(2, folders);
    CHECK(c == NULL);
    CHECK(err.code != WN_OK);
    CHECK_CONTAINS(err.message, a);
    CHECK_CONTAINS(err.message, b);
    CHECK_CONTAINS(err.message, why);
    compare_free(c);
}

static void test_refusals(void)
{
    struct made m = made_standard;
    m.folder = "other_prompts", m.prompt_prefix = "text", m.seed = 3;
    make(&m);
    refused("other_prompts", "/a1 ", "/other_prompts ", "p0 is \"prompt 0\" in one and \"text 0\" in the other");
    m = made_standard;
    m.folder = "other_metrics", m.guide = "says", m.judge = "none", m.scale = 2, m.seed = 3;
    make(&m);
    refused("other_metrics", "/a1 ", "/other_metrics ", "no metric in common");
    refused("a1", "/a1 ", "/a1 ", "are the same experiment, seed 1");
    refused("nothing", "nothing/manifest.json is not there", "", "");
}

/* A judge of other options is another judge, and left out; fewer prompts are said to be. */
static void test_left_out(void)
{
    struct made m = made_standard;
    static const char *const folders[] = { "a1", "other_scale" };
    struct buffer page = BUFFER_INIT(1 << 24);
    m.folder = "other_scale", m.scale = 2, m.search = "climb", m.prompts = 4;
    make(&m);
    struct compare *c = compare(2, folders);
    CHECK(c != NULL);
    cJSON *root = c ? json_of(c) : NULL;
    CHECK_INT(number_in(root, "prompts"), 4);
    CHECK_INT(cJSON_GetArraySize(cJSON_GetObjectItem(root, "metrics")), 1);
    CHECK_STR(cJSON_GetStringValue(cJSON_GetArrayItem(cJSON_GetObjectItem(root, "metrics_left_out"), 0)), "says.score");
    if (c)
        compare_table(c, false, &page);
    CHECK_CONTAINS(buffer_string(&page), "4 prompts done in all of 7");
    CHECK_CONTAINS(buffer_string(&page), "says.score");
    buffer_free(&page);
    cJSON_Delete(root);
    compare_free(c);
}

/* A judge that came later is known by its identity alone. */
static void test_rescored(void)
{
    struct made m[3] = { made_standard, made_standard, made_standard };
    static const char *const same[] = { "later_1", "later_2" }, *const other[] = { "later_1", "later_3" };
    for (int i = 0; i < 3; i++) {
        m[i].folder = i == 0 ? "later_1" : i == 1 ? "later_2" : "later_3";
        m[i].judge = "later", m[i].search = i ? "climb" : "random", m[i].identity = i < 2 ? "aa" : "bb";
        make(&m[i]);
    }
    struct compare *a = compare(2, same), *b = compare(2, other);
    cJSON *x = a ? json_of(a) : NULL, *y = b ? json_of(b) : NULL;
    CHECK_INT(cJSON_GetArraySize(cJSON_GetObjectItem(x, "metrics")), 2);
    CHECK_INT(cJSON_GetArraySize(cJSON_GetObjectItem(y, "metrics")), 1);
    CHECK_INT(cJSON_GetArraySize(cJSON_GetObjectItem(y, "metrics_left_out")), 1);
    cJSON_Delete(x);
    cJSON_Delete(y);
    compare_free(a);
    compare_free(b);
}

/* ---- sweeps and the page --------------------------------------------------------------------------------------- */

static void test_sweep(void)
{
    struct sweep_entry entries[] = { { "11", "a1", "a", SWEEP_DONE },
                                     { "22", "b1", "b", SWEEP_OPEN },
                                     { "33", "never", "c", SWEEP_OPEN } };
    const struct sweep_file file = { "all", entries, 3 };
    static const char *const folders[] = { "" };
    CHECK_OK(sweep_file_write(scratch, &file, &err), err);
    struct compare *c = compare(1, folders);
    cJSON *root = c ? json_of(c) : NULL;
    CHECK_INT(number_in(root, "points_not_begun"), 1);
    CHECK_STR(string_in(cJSON_GetArrayItem(cJSON_GetObjectItem(root, "algorithms"), 0), "name"),
              "<b>a1</b>"); /* the run's */
    CHECK_INT(cJSON_GetArraySize(cJSON_GetObjectItem(root, "algorithms")), 2);
    cJSON_Delete(root);
    compare_free(c);
    static const char bad[] = "{\"name\": \"x\", \"points\": [{\"id\": \"1\", \"folder\": \"../out\", \"name\": \"\", "
                              "\"state\": \"done\"}]}";
    char path[FILE_PATH_SIZE];
    CHECK_OK(path_join(path, scratch, "sweep.json", &err), err);
    CHECK_OK(file_write(path, bad, strlen(bad), &err), err);
    CHECK(compare(1, folders) == NULL);
    CHECK_CONTAINS(err.message, "/points/0 is not what winnow writes");
}

static void read_page(const struct compare *c, struct buffer *page)
{
    char path[FILE_PATH_SIZE];
    CHECK_OK(compare_write(c, scratch, &err), err);
    CHECK_OK(path_join(path, scratch, "compare.html", &err), err);
    CHECK_OK(buffer_read_file(page, path, &err), err);
}

/* Small differences of large scores are told apart on their axis; who has no score is not the best. */
static void test_odd_scores(void)
{
    static const char *const folders[] = { "silent", "large_1", "large_2" };
    for (int i = 0; i < 3; i++) {
        struct made m = made_standard;
        m.folder = folders[i], m.base = i ? 1000 : (double)NAN, m.nfe = 10 + i;
        make(&m);
    }
    struct buffer page = BUFFER_INIT(1 << 26);
    struct compare *c = compare(3, folders);
    read_page(c, &page);
    CHECK(!strstr(buffer_string(&page), " best\">-<"));
    CHECK_CONTAINS(buffer_string(&page), " best\">1000 [1000, 1000]<");
    CHECK(!strstr(buffer_string(&page), "text-anchor=\"middle\">+0<"));
    buffer_free(&page);
    compare_free(c);
}

static void test_page(void)
{
    static const char *const folders[] = { "a1", "a2", "b1", "b2" };
    struct buffer page = BUFFER_INIT(1 << 26);
    struct compare *c = compare(4, folders);
    read_page(c, &page);
    const char *text = buffer_string(&page);
    CHECK(!strstr(text, "<script") && !strstr(text, "<i>odd") && !strstr(text, "http:") && !strstr(text, "https:"));
    CHECK(!strstr(text, "nan") && !strstr(text, "inf\""));
    CHECK_CONTAINS(text, "&lt;i&gt;odd&lt;/i&gt;");
    CHECK_CONTAINS(text, "default-src 'none'");
    CHECK_CONTAINS(text, "climb, steps=20");
    CHECK_CONTAINS(text, "</html>");
    int plots = 0, opened = 0, closed = 0;
    for (const char *p = text; (p = strstr(p, "<svg ")); p++)
        plots++;
    for (const char *p = text; (p = strstr(p, "<td")); p++)
        opened++;
    for (const char *p = text; (p = strstr(p, "</td>")); p++)
        closed++;
    CHECK_INT(plots, 8); /* three currencies and the differences, two metrics */
    CHECK_INT(opened, closed);
    buffer_free(&page);
    compare_free(c);
}

int main(void)
{
    scratch_make(scratch);
    test_numbers();
    test_curves();
    test_asked_again();
    test_categories();
    test_one_prompt();
    test_no_search();
    test_refusals();
    test_left_out();
    test_rescored();
    test_page();
    test_odd_scores();
    test_sweep();
    scratch_remove(scratch);
    return CHECK_DONE();
}
