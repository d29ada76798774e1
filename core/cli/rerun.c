/* rerun.c - see rerun.h. */
#include "cli/rerun.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SETS = 256, MAX_MANIFEST_BYTES = 64 << 20, MAX_PROMPTS = 10000000 };

/* Where the names in the run's spec start, and how many prompts it has. */
static wn_status read_place(struct rerun *r, const char *run_dir, wn_error *err)
{
    char path[FILE_PATH_SIZE];
    struct buffer text = BUFFER_INIT(MAX_MANIFEST_BYTES);
    WN_TRY(path_join(path, run_dir, "manifest.json", err));
    const wn_status status = buffer_read_file(&text, path, err);
    cJSON *manifest = status == WN_OK ? cJSON_Parse(buffer_string(&text)) : NULL;
    const char *found = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(manifest, "directory"));
    const double count = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(manifest, "prompts"));
    snprintf(r->directory, sizeof r->directory, "%s", found ? found : ".");
    r->prompt_count = count >= 1 && count <= MAX_PROMPTS ? (uint64_t)count : 1;
    cJSON_Delete(manifest);
    buffer_free(&text);
    return status;
}

static uint64_t last_trial(const struct recall *recall)
{
    uint64_t last = 0;
    for (uint64_t i = 0; i < recall->count; i++)
        last = recall->all[i].candidate.trial > last ? recall->all[i].candidate.trial : last;
    return last;
}

/* The spec as the run had it, with its prompts in their places. */
static wn_status adopt(struct rerun *r, const char *run_dir, const struct recall *recall, wn_error *err)
{
    const uint64_t last = last_trial(recall);
    struct spec *spec = r->spec;
    if (!spec->sampler.plugin || !spec->search.plugin || spec->canvas.steps == 0 || last >= MAX_PROMPTS)
        return wn_fail(err, WN_E_FORMAT, "%s is not the spec of a run", spec->path);
    r->prompt_count = last < r->prompt_count ? r->prompt_count : last + 1;
    r->prompts = calloc(r->prompt_count, sizeof *r->prompts);
    r->spent = calloc(r->prompt_count, sizeof *r->spent);
    if (!r->prompts || !r->spent)
        return wn_fail(err, WN_E_MEMORY, "no memory for %llu prompts", (unsigned long long)r->prompt_count);
    for (uint64_t i = 0; i < recall->count; i++)
        r->prompts[recall->all[i].candidate.trial] = recall->all[i].prompt;
    spec->prompts = r->prompts;
    spec->prompt_count = (uint32_t)r->prompt_count;
    memcpy(spec->hash, recall->spec_hash, sizeof spec->hash);
    spec->output = run_dir; /* where states that memory has no room for wait */
    return recall_spent(run_dir, last, r->spent, err);
}

int rerun_load(struct cli *c, const char *run_dir, const struct recall *recall, uint32_t set_count,
               const char *const *sets, struct rerun *out)
{
    const char *all[MAX_SETS + 1] = { "prompts={\"list\":[\"-\"]}" }; /* the ledger has them */
    char path[FILE_PATH_SIZE];
    wn_error err = { 0 };
    *out = (struct rerun){ 0 };
    wn_status status = set_count <= MAX_SETS ? WN_OK : wn_fail(&err, WN_E_ARG, "more than %d values are set", MAX_SETS);
    for (uint32_t i = 0; i < set_count && status == WN_OK; i++)
        all[i + 1] = sets[i];
    if (status == WN_OK)
        status = read_place(out, run_dir, &err);
    if (status == WN_OK)
        status = path_join(path, run_dir, "spec.resolved.json", &err);
    if (status != WN_OK)
        return cli_fail(c, status, &err);
    const struct spec_request request = {
        .path = path, .set = all, .set_count = 1 + set_count, .directory = out->directory, .without_run = true
    };
    const int code = cli_load_spec(c, &request, &out->spec);
    if (code == EXIT_FINE && adopt(out, run_dir, recall, &err) != WN_OK)
        return cli_fail(c, err.code, &err);
    return code;
}

void rerun_finish(struct rerun *r)
{
    spec_free(r->spec);
    free(r->prompts);
    free(r->spent);
}
