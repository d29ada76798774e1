/* report.c - whole reports on made-up runs: the numbers against their definition, hostile text, damaged runs. */
#include "report/report.h"

#include "../ledger/scratch.h"
#include "base/buffer.h"
#include "base/files.h"
#include "base/png.h"
#include "fixture.h"
#include "report/html.h"

#include <cjson/cJSON.h>
#include <sqlite3.h>

static char scratch[64];
static wn_error err;

static char *read_all(const char *directory, const char *name)
{
    struct buffer b = BUFFER_INIT(64 << 20);
    char path[FILE_PATH_SIZE];

    CHECK_OK(path_join(path, directory, name, &err), err);
    CHECK_OK(buffer_read_file(&b, path, &err), err);
    return buffer_take(&b);
}

static void make(const struct fixture *f)
{
    CHECK_OK(fixture_make(f, &err), err);
    CHECK_OK(report_write(f->directory, &err), err);
}

static int count_of(const char *text, const char *part)
{
    int n = 0;

    for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
        n++;
    return n;
}

static double number_in(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

    return cJSON_IsNumber(item) ? item->valuedouble : NAN;
}

/* ---- numbers ---- */

static double score_in(const cJSON *row, const char *metric)
{
    return number_in(cJSON_GetObjectItemCaseSensitive(row, "scores"), metric);
}

/* Rows of results.jsonl as an array; checks their order on the way. */
static cJSON *read_rows(const char *directory)
{
    char *text = read_all(directory, "results.jsonl"), *line = text;
    cJSON *rows = cJSON_CreateArray();
    double last = -1;

    for (char *end; line && (end = strchr(line, '\n')); line = end + 1) {
        cJSON *row = cJSON_ParseWithLength(line, (size_t)(end - line));
        double at = number_in(row, "trial") * 1e6 + number_in(row, "ordinal");
        CHECK(at > last);
        last = at;
        cJSON_AddItemToArray(rows, row);
    }
    free(text);
    return rows;
}

/* n = 1 is the mean of all candidates; the largest n is the mean of what the guide prefers in each prompt. */
static void check_ends(const cJSON *rows, const cJSON *curve, int prompts, int candidates)
{
    char metric[64];
    const cJSON *best_of = cJSON_GetObjectItem(curve, "best_of");
    double all = 0, picked = 0;

    snprintf(metric, sizeof metric, "%s.%s", cJSON_GetObjectItem(curve, "verifier")->valuestring,
             cJSON_GetObjectItem(curve, "metric")->valuestring);
    for (int p = 0; p < prompts; p++) {
        const cJSON *best = cJSON_GetArrayItem(rows, p * candidates);
        for (int k = 0; k < candidates; k++) {
            const cJSON *row = cJSON_GetArrayItem(rows, p * candidates + k);
            all += score_in(row, metric) / (prompts * candidates);
            if (score_in(row, "clip.score") > score_in(best, "clip.score"))
                best = row;
        }
        picked += score_in(best, metric) / prompts;
        CHECK(cJSON_IsTrue(cJSON_GetObjectItem(best, "winner")));
    }
    CHECK_INT(cJSON_GetArraySize(best_of), candidates);
    CHECK_NEAR(number_in(cJSON_GetArrayItem(best_of, 0), "mean"), all, 1e-12);
    CHECK_NEAR(number_in(cJSON_GetArrayItem(best_of, candidates - 1), "mean"), picked, 1e-12);
    CHECK_INT(number_in(cJSON_GetArrayItem(best_of, candidates - 1), "n"), candidates);
}

static void check_points(const cJSON *points, const char *x)
{
    const cJSON *point;
    double last = 0;

    cJSON_ArrayForEach(point, points)
    {
        CHECK(number_in(point, x) > last);
        CHECK(number_in(point, "lo") <= number_in(point, "mean") && number_in(point, "mean") <= number_in(point, "hi"));
        last = number_in(point, x);
    }
}

/* Every drawing differs from the others of its prompt, none wholly. */
static void check_diversity(const cJSON *summary, int prompts, int candidates)
{
    const cJSON *diversity = cJSON_GetObjectItem(summary, "diversity"), *all = cJSON_GetObjectItem(diversity, "all");
    const cJSON *half = cJSON_GetObjectItem(diversity, "first_half");

    CHECK_INT(number_in(diversity, "prompts"), prompts);
    CHECK(cJSON_IsFalse(cJSON_GetObjectItem(diversity, "is_sampled")));
    CHECK_INT(number_in(all, "candidates"), candidates);
    CHECK_INT(number_in(half, "candidates"), candidates / 2);
    CHECK(number_in(cJSON_GetObjectItem(all, "distance"), "mean") > 0.01);
    CHECK(number_in(cJSON_GetObjectItem(all, "vendi"), "mean") > 1.1);
    CHECK(number_in(cJSON_GetObjectItem(all, "vendi"), "hi") <= candidates);
}

/* Every candidate took half a second and its scores a hundredth. */
static void check_times(const char *directory, int candidates)
{
    char *text = read_all(directory, "times.json");
    cJSON *times = cJSON_Parse(text);
    const cJSON *curve = cJSON_GetArrayItem(cJSON_GetObjectItem(times, "curves"), 0);
    const cJSON *points = cJSON_GetObjectItem(curve, "against_seconds");

    CHECK_INT(cJSON_GetArraySize(points), candidates);
    CHECK_NEAR(number_in(cJSON_GetArrayItem(points, 0), "seconds"), 0.51, 1e-6);
    CHECK_NEAR(number_in(cJSON_GetArrayItem(points, candidates - 1), "seconds"), 0.51 * candidates, 1e-6);
    check_points(points, "seconds");
    cJSON_Delete(times);
    free(text);
}

static void independent_pool(void)
{
    char directory[128];
    struct fixture f = { directory, 6, 16, true, false };
    cJSON *rows, *summary;
    const cJSON *curve, *gain;
    char *text;

    snprintf(directory, sizeof directory, "%s/iid", scratch);
    make(&f);
    rows = read_rows(directory);
    CHECK_INT(cJSON_GetArraySize(rows), 6 * 16);
    text = read_all(directory, "summary.json");
    summary = cJSON_Parse(text);
    CHECK_INT(cJSON_GetArraySize(cJSON_GetObjectItem(summary, "curves")), 3);
    cJSON_ArrayForEach(curve, cJSON_GetObjectItem(summary, "curves"))
    {
        check_ends(rows, curve, 6, 16);
        check_points(cJSON_GetObjectItem(curve, "best_of"), "n");
        check_points(cJSON_GetObjectItem(curve, "against_nfe"), "nfe");
    }
    check_diversity(summary, 6, 16);
    check_times(directory, 16);
    gain = cJSON_GetArrayItem(cJSON_GetObjectItem(summary, "gain"), 2);
    CHECK_STR(cJSON_GetObjectItem(gain, "metric")->valuestring, "all");
    CHECK_STR(cJSON_GetObjectItem(gain, "over")->valuestring, "n");
    CHECK_INT(number_in(gain, "from"), 1);
    CHECK_INT(number_in(gain, "to"), 16);
    CHECK(number_in(gain, "lo") > 0);
    CHECK_INT(cJSON_GetArraySize(cJSON_GetObjectItem(summary, "categories")), 3);
    cJSON_Delete(summary);
    cJSON_Delete(rows);
    free(text);
}

/* Candidates that were derived from each other are no independent pool: no exact curve is claimed of them. */
static void derived_pool(void)
{
    char directory[128];
    struct fixture f = { directory, 3, 9, false, true };
    char *text;
    cJSON *summary;
    const cJSON *curve, *counts;

    snprintf(directory, sizeof directory, "%s/climb", scratch);
    make(&f);
    text = read_all(directory, "summary.json");
    summary = cJSON_Parse(text);
    curve = cJSON_GetArrayItem(cJSON_GetObjectItem(summary, "curves"), 0);
    CHECK(!cJSON_HasObjectItem(curve, "best_of"));
    CHECK_INT(cJSON_GetArraySize(cJSON_GetObjectItem(curve, "against_nfe")), 9);
    CHECK_INT(number_in(curve, "prompts"), 2);
    counts = cJSON_GetObjectItem(summary, "counts");
    CHECK_INT(number_in(counts, "failed"), 1);
    CHECK_INT(number_in(counts, "candidates"), 2 * 9 + 2);
    free(text);
    text = read_all(directory, "report.html");
    CHECK_CONTAINS(text, "failed: flux: &lt;b&gt;out of memory&lt;/b&gt;");
    CHECK(!strstr(text, "Best of n"));
    free(text);
    cJSON_Delete(summary);
}

static void alter(const char *directory, const char *sql)
{
    char path[FILE_PATH_SIZE];
    sqlite3 *db = NULL;
    CHECK_OK(path_join(path, directory, "ledger.db", &err), err);
    CHECK(sqlite3_open(path, &db) == SQLITE_OK && sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK);
    sqlite3_close(db);
}

static void change(const char *directory, const char *sql)
{
    alter(directory, sql);
    CHECK_OK(report_write(directory, &err), err);
}

#define SILENCE(which)                                                                                                 \
    "UPDATE scores SET value = NULL WHERE metric = 'share' AND trial = 2 AND candidate = (SELECT candidate FROM "      \
    "scores WHERE metric = 'score' AND trial = 2 ORDER BY value " which " LIMIT 1)"

static void check_prompts(const char *directory, int guide, int judge)
{
    char *text = read_all(directory, "summary.json");
    cJSON *summary = cJSON_Parse(text);
    CHECK_INT(number_in(cJSON_GetArrayItem(cJSON_GetObjectItem(summary, "curves"), 0), "prompts"), guide);
    CHECK_INT(number_in(cJSON_GetArrayItem(cJSON_GetObjectItem(summary, "curves"), 1), "prompts"), judge);
    free(text);
    cJSON_Delete(summary);
}

/* A prompt counts unless the judge has no opinion on its winner. A judge that falls while the guide rises is named. */
static void opinions(void)
{
    char directory[128];
    struct fixture f = { directory, 7, 8, true, false };
    char *text;

    snprintf(directory, sizeof directory, "%s/opinions", scratch);
    make(&f);
    change(directory, SILENCE("ASC"));
    check_prompts(directory, 7, 7);
    change(directory, SILENCE("DESC"));
    check_prompts(directory, 7, 6);
    change(directory, "UPDATE scores SET value = NULL WHERE metric = 'share' AND candidate IN (SELECT a.candidate FROM "
                      "scores a WHERE a.metric = 'score' AND a.trial = scores.trial ORDER BY a.value DESC LIMIT 1)");
    check_prompts(directory, 7, 0);
    text = read_all(directory, "report.html");
    CHECK(!strstr(text, "nan"));
    free(text);
    text = read_all(directory, "report.html");
    CHECK(!strstr(text, "exploits its guide"));
    free(text);
    change(directory, "UPDATE scores SET value = 1 - value WHERE metric = 'all'");
    text = read_all(directory, "report.html");
    CHECK_CONTAINS(text, "says.all gets worse while the guide improves: the search exploits its guide.");
    free(text);
}

/* ---- the page ---- */

static void check_tree(const char *directory, const char *sql, int pictures, const char *said)
{
    char *text;

    change(directory, sql);
    text = read_all(directory, "report.html");
    CHECK_INT(count_of(text, "<image "), pictures);
    CHECK_INT(count_of(text, ">winner</text>"), 1);
    CHECK_INT(count_of(text, "nan"), 0);
    CHECK(strstr(text, said));
    free(text);
}

/* One prompt's search: deep and narrow, flat and wide, with unfinished ones, and with no family at all. */
static void trees(void)
{
    char directory[128];
    char *text;
    struct fixture f = { directory, 1, 40, false, false };

    snprintf(directory, sizeof directory, "%s/tree", scratch);
    make(&f);
    check_tree(directory,
               "UPDATE candidates SET parent = (SELECT id FROM candidates p WHERE p.trial = candidates.trial AND"
               " p.ordinal = candidates.ordinal - 1)",
               21, ">19 later generations are not shown<");
    check_tree(directory,
               "UPDATE scores SET value = 9 WHERE metric = 'score' AND candidate = (SELECT id FROM candidates"
               " WHERE ordinal = 40)",
               23, ">17 generations are not shown<");
    check_tree(directory,
               "UPDATE candidates SET parent = (SELECT id FROM candidates p WHERE p.trial = candidates.trial AND"
               " p.ordinal = 1) WHERE ordinal > 1",
               1 + 11, "+ 28 more");
    check_tree(directory, "UPDATE candidates SET finished = 0, point = 4 WHERE ordinal BETWEEN 2 AND 5", 1 + 11,
               "Broken frames");
    change(directory, "UPDATE candidates SET parent = NULL");
    text = read_all(directory, "report.html");
    CHECK(!strstr(text, "seen from above"));
    free(text);
}

static void hostile_text_is_inert(void)
{
    static const char *const never[] = { "<script", "<img src=x", "</title></pre>", "\xe2\x80\xae", "\x1b", "\x7f",
                                         "\xff",    "http:",      "https:",         "javascript:",  "url(" };
    char directory[128];
    char *text;

    snprintf(directory, sizeof directory, "%s/iid", scratch);
    text = read_all(directory, "report.html");
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
        CHECK_INT(count_of(text, never[i]), 0);
    CHECK_CONTAINS(text, "&lt;script&gt;alert(1)");
    CHECK_CONTAINS(text, "&lt;script&gt;alert(4)");
    CHECK_CONTAINS(text, "[U+202E]desrever [U+001B][31m [U+007F] \xef\xbf\xbd \xe4\xb8\xad");
    CHECK_CONTAINS(text, "default-src 'none'");
    CHECK_INT(count_of(text, "<img alt=\"\" class=\"small\" src=\"data:image/png;base64,iVBORw0KGgo"), 2 * 6);
    CHECK_INT(count_of(text, "<svg"), 4 * 3 + 2); /* best of n and three currencies, two judges against the guide */
    CHECK_INT(count_of(text, "nan"), 0);
    free(text);
}

static void again_gives_the_same(void)
{
    static const char *const names[] = { "results.jsonl", "summary.json", "times.json", "report.html" };
    char directory[128];

    snprintf(directory, sizeof directory, "%s/iid", scratch);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *before = read_all(directory, names[i]), *after;
        CHECK_OK(report_write(directory, &err), err);
        after = read_all(directory, names[i]);
        CHECK(strcmp(before, after) == 0);
        free(before);
        free(after);
    }
}

static void table_is_aligned(void)
{
    char directory[128];
    char *text = NULL;
    size_t size = 0, width;
    FILE *out = open_memstream(&text, &size);

    snprintf(directory, sizeof directory, "%s/iid", scratch);
    CHECK_OK(report_table(directory, out, 0, &err), err);
    fclose(out);
    CHECK_CONTAINS(text, "\n         1  ");
    CHECK_CONTAINS(text, "\n        16  ");
    CHECK(!strchr(text, '\033'));
    width = strcspn(strstr(text, "\n         1  ") + 1, "\n");
    CHECK_INT(strcspn(strstr(text, "\n        16  ") + 1, "\n"), width);
    free(text);
}

/* The first candidate is the first one, in whatever order a search offers. */
static void order_of_offers(void)
{
    char directory[128];
    struct fixture f = { directory, 3, 5, true, false };
    char *before, *after;

    snprintf(directory, sizeof directory, "%s/offers", scratch);
    make(&f);
    CHECK_OK(report_write(directory, &err), err);
    before = read_all(directory, "summary.json");
    alter(directory, "UPDATE offers SET ordinal = 1000 - ordinal");
    CHECK_OK(report_write(directory, &err), err);
    after = read_all(directory, "summary.json");
    CHECK_STR(after, before);
    free(before);
    free(after);
}

/* Under a guide that compares, whoever was offered last is the winner, whatever the scores of other sets. */
static void last_offer_wins(void)
{
    char directory[128], path[FILE_PATH_SIZE];
    struct fixture f = { directory, 3, 5, false, false };
    char *manifest, *results, *rest;

    snprintf(directory, sizeof directory, "%s/compared", scratch);
    make(&f);
    manifest = read_all(directory, "manifest.json");
    rest = strstr(manifest, "\"pool_is_iid\"");
    CHECK_OK(path_join(path, directory, "manifest.json", &err), err);
    FILE *out = fopen(path, "w");
    CHECK(out && fprintf(out, "%.*s\"guide_compares\": true, %s", (int)(rest - manifest), manifest, rest) > 0);
    CHECK(out && fclose(out) == 0);
    alter(directory, "INSERT INTO offers SELECT trial, 1000, id FROM candidates WHERE ordinal = 2");
    CHECK_OK(report_write(directory, &err), err);
    results = read_all(directory, "results.jsonl");
    int winners = 0;
    for (char *line = results; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        const bool is_second = strstr(line, "\"ordinal\":2,") == strstr(line, "\"ordinal\":");
        const char *winner = strstr(line, "\"winner\":");
        const bool wins = winner && strncmp(winner, "\"winner\":true", 13) == 0;
        winners += wins;
        CHECK(wins == is_second);
    }
    CHECK_INT(winners, 3);
    free(manifest);
    free(results);
}

/* A view can answer each question with other rows: what was counted is not what comes. */
static void rows_that_change(const char *directory)
{
    int refused = 0;

    alter(directory, "ALTER TABLE candidates RENAME TO real; CREATE VIEW candidates AS WITH RECURSIVE n(i) AS (SELECT 1"
                     " UNION ALL SELECT i + 1 FROM n WHERE i < abs(random() % 40)) SELECT real.* FROM real, n");
    for (int i = 0; i < 200 && !refused; i++)
        refused = report_write(directory, &err) == WN_E_FORMAT;
    CHECK(refused);
    CHECK_CONTAINS(err.message, "rows where there are more");
    alter(directory, "DROP VIEW candidates; ALTER TABLE real RENAME TO candidates");
}

static void damaged_runs(void)
{
    char directory[128], path[FILE_PATH_SIZE];
    char *text;
    struct fixture f = { directory, 1, 3, true, false };

    snprintf(directory, sizeof directory, "%s/nothing", scratch);
    CHECK_INT(report_write(directory, &err), WN_E_MISSING);
    CHECK_CONTAINS(err.message, "is not a run");

    snprintf(directory, sizeof directory, "%s/one", scratch);
    make(&f); /* one prompt: no intervals, and nothing breaks for want of them */
    CHECK_OK(path_join(path, directory, "images", &err), err);
    scratch_remove(path);
    CHECK_OK(report_write(directory, &err), err);
    text = read_all(directory, "report.html");
    CHECK_INT(count_of(text, "not readable"), 2);
    CHECK_INT(count_of(text, "nan"), 0);
    free(text);
    rows_that_change(directory);

    CHECK_OK(path_join(path, directory, "manifest.json", &err), err);
    CHECK_OK(file_write(path, "{}", 2, &err), err);
    CHECK_INT(report_write(directory, &err), WN_E_FORMAT);
    CHECK_CONTAINS(err.message, "/report");
    remove(path);
    CHECK_INT(report_write(directory, &err), WN_E_MISSING);
}

static void empty_run(void)
{
    char directory[128];
    struct fixture f = { directory, 0, 0, true, false };
    FILE *out = fopen("/dev/null", "w");

    snprintf(directory, sizeof directory, "%s/empty", scratch);
    make(&f);
    CHECK_OK(report_table(directory, out, 1, &err), err);
    fclose(out);
}

int main(void)
{
    scratch_make(scratch);
    independent_pool();
    derived_pool();
    opinions();
    hostile_text_is_inert();
    trees();
    again_gives_the_same();
    table_is_aligned();
    order_of_offers();
    last_offer_wins();
    damaged_runs();
    empty_run();
    scratch_remove(scratch);
    return CHECK_DONE();
}
