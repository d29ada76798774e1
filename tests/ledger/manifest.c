/* The manifest grows by one start at a time, hashes what it must, and says where each hash came from. */
#include "base/buffer.h"
#include "base/files.h"
#include "ledger/manifest.h"
#include "plugin/registry.h"

#include "scratch.h"

#include <cjson/cJSON.h>
#include <sqlite3.h>
#include <time.h>

#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static wn_error err;
static char scratch[64], weights[128], linked[128], large[128];

static int count(const char *text, const char *part)
{
    int n = 0;
    for (const char *at = strstr(text, part); at; at = strstr(at + 1, part))
        n++;
    return n;
}

static int count_events(const char *part)
{
    struct sqlite3 *db = NULL;
    sqlite3_stmt *q = NULL;
    int n = -1;
    CHECK_OK(ledger_read(scratch, &db, &err), err);
    if (sqlite3_prepare_v2(db, "SELECT count(*) FROM events WHERE kind='warning' AND instr(text, ?1)", -1, &q, NULL) ==
            0 &&
        sqlite3_bind_text(q, 1, part, -1, SQLITE_STATIC) == 0 && sqlite3_step(q) == SQLITE_ROW)
        n = sqlite3_column_int(q, 0);
    sqlite3_finalize(q);
    sqlite3_close(db);
    return n;
}

static void make_files(void)
{
    char blob[192];
    snprintf(weights, sizeof weights, "%s/weights", scratch);
    snprintf(linked, sizeof linked, "%s/linked", scratch);
    snprintf(large, sizeof large, "%s/large", scratch);
    snprintf(blob, sizeof blob, "%s/blobs", scratch);
    CHECK_OK(dir_make(blob, &err), err);
    snprintf(blob, sizeof blob, "%s/blobs/%064d", scratch, 5);
    CHECK_OK(file_write(weights, "abc", 3, &err), err);
    CHECK_OK(file_write(blob, "abc", 3, &err), err);
    CHECK_OK(file_write(large, "", 0, &err), err);
    CHECK_INT(truncate(large, 3LL << 30), 0);
    CHECK_INT(symlink(blob, linked), 0);
}

static void read_manifest(struct buffer *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/manifest.json", scratch);
    buffer_clear(text);
    CHECK_OK(buffer_read_file(text, path, &err), err);
}

/* A start that goes on with recorded candidates wants the files that made them. */
static void check_changes(struct manifest_start *start, struct registry_module *module)
{
    const char *before = module->path;
    const struct ledger_candidate candidate = { .id = "ab", .ordinal = 1 };
    CHECK_OK(ledger_open(scratch, "0123", &start->ledger, &err), err);
    CHECK_OK(file_write(weights, "abcd", 4, &err), err);
    CHECK_OK(manifest_append(scratch, start, &err), err); /* nothing is recorded yet */
    CHECK_OK(ledger_record(start->ledger, "p", &candidate, NULL, 0, 0, NULL, &err), err);
    CHECK_OK(file_write(weights, "abcde", 5, &err), err);
    CHECK_INT(manifest_append(scratch, start, &err), WN_E_ARG);
    CHECK_CONTAINS(err.message, weights);
    CHECK_CONTAINS(err.message, "choose another output");
    CHECK_CONTAINS(err.message, "88d4266fd4e6338d");     /* of abcd */
    CHECK_CONTAINS(err.message, "36bbe50ed96841d1");     /* of abcde */
    nanosleep(&(struct timespec){ 0, 30000000 }, NULL);  /* a file system's clock has ticks */
    CHECK_OK(file_write(weights, "dcba", 4, &err), err); /* within the second, and as long */
    CHECK_INT(manifest_append(scratch, start, &err), WN_E_ARG);
    CHECK_OK(file_write(weights, "abcd", 4, &err), err);
    module->path = weights; /* another build of both plugins, loaded */
    module->digest[0] = '\0';
    CHECK(stat(weights, &module->loaded) == 0);
    CHECK_OK(manifest_append(scratch, start, &err), err);
    CHECK_OK(file_write(weights, "abcd, built meanwhile", 21, &err), err);
    CHECK_INT(manifest_append(scratch, start, &err), WN_E_MISSING);
    CHECK_CONTAINS(err.message, "is not the file any more that was loaded");
    CHECK_OK(file_write(weights, "abcd", 4, &err), err);
    module->path = before;
    module->digest[0] = '\0';
    CHECK(stat(before, &module->loaded) == 0);
    CHECK_OK(ledger_close(start->ledger, &err), err);
    CHECK_INT(count_events("another build"), 2);
    start->ledger = NULL;
}

/* A number of report.plan; -1 for null. */
static double plan_in(const char *manifest, const char *key)
{
    cJSON *root = cJSON_Parse(manifest);
    const cJSON *report = cJSON_GetObjectItemCaseSensitive(root, "report");
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(report, "plan"), key);
    const double value = cJSON_IsNumber(item) ? item->valuedouble : cJSON_IsNull(item) ? -1 : -2;
    cJSON_Delete(root);
    return value;
}

/* As many as it takes, one evaluation and one call each. */
static void plan_search(const void *options, uint64_t steps, uint64_t evals_per_velocity, wn_search_plan *plan)
{
    (void)options, (void)steps, (void)evals_per_velocity;
    plan->candidates = UINT64_MAX;
    plan->nfe = 40;
    plan->verifier_calls = UINT64_MAX;
}

int main(int argc, char **argv)
{
    wn_search search = { .struct_size = sizeof search, .flags = WN_SEARCH_POOL_IS_IID, .plan = plan_search };
    wn_metric metric = { .name = "cosine", .flags = WN_METRIC_HIGHER_IS_BETTER };
    wn_verifier verifier = { .struct_size = sizeof verifier, .metrics = &metric, .metric_count = 1 };
    wn_plugin plugin = { .name = "random", .version = "1.0", .vtable = &search };
    wn_plugin judge = { .name = "clipscore", .version = "1.0", .vtable = &verifier };
    char digest[65] = "";
    struct registry_module module = { .path = argc > 0 ? argv[0] : "", .digest = digest };
    CHECK(stat(module.path, &module.loaded) == 0);
    struct spec_use clip = { .name = "clip", .plugin = &judge, .module = &module };
    struct spec spec = { .name = "trial",
                         .search = { .name = "search", .plugin = &plugin, .module = &module },
                         .verifiers = &clip,
                         .verifier_count = 1,
                         .prompt_count = 3,
                         .budget = { INFINITY, INFINITY, INFINITY, INFINITY },
                         .run_budget = { INFINITY, INFINITY, INFINITY, INFINITY },
                         .hash = "0123" };
    const char *files[] = { weights, linked, large };
    struct instance made = { .use = &clip, .verifier = verifier };
    struct instances instances = { .verifiers = &made, .files = files, .file_count = 3 };
    wn_device_info device = { .name = "a \"processor\"", .memory_bytes = 1 << 30 };
    struct manifest_start start = { &spec, &instances, &device, 1, 2, false, NULL, NULL };
    struct buffer text = BUFFER_INIT(1 << 20);
    scratch_make(scratch);
    make_files();

    CHECK_OK(manifest_append(scratch, &start, &err), err);
    read_manifest(&text);
    CHECK_INT(count(buffer_string(&text), "\"time\""), 1);
    CHECK_INT(count(buffer_string(&text), ABC), 1);
    CHECK_INT(count(buffer_string(&text), "\"read\""), 1);
    CHECK_INT(count(buffer_string(&text), "\"link\""), 1);
    CHECK_INT(count(buffer_string(&text), "\"not asked\""), 1);
    CHECK_CONTAINS(buffer_string(&text), "a \\\"processor\\\"");
    CHECK_CONTAINS(buffer_string(&text), "3221225472");
    CHECK_CONTAINS(buffer_string(&text), "\"guide\"");
    CHECK_INT(plan_in(buffer_string(&text), "prompts"), 3);
    CHECK_INT(plan_in(buffer_string(&text), "nfe"), 40);
    CHECK_INT(plan_in(buffer_string(&text), "candidates"), -1); /* null: no bound */

    CHECK_OK(manifest_append(scratch, &start, &err), err);
    read_manifest(&text);
    CHECK_INT(count(buffer_string(&text), "\"time\""), 2);
    CHECK_INT(count(buffer_string(&text), ABC), 2);
    CHECK_INT(count(buffer_string(&text), "\"before\""), 1);

    check_changes(&start, &module);

    unlink(weights);
    CHECK_INT(manifest_append(scratch, &start, &err), WN_E_IO);
    CHECK_CONTAINS(err.message, weights);
    read_manifest(&text); /* a failed start leaves what was there */
    CHECK_INT(count(buffer_string(&text), "\"time\""), 4);
    buffer_free(&text);
    scratch_remove(scratch);
    return CHECK_DONE();
}
