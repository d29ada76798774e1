/* facts.c - the few facts about plugins that a run's numbers cannot be read without. */
#include "ledger/facts.h"

#include "spec/bounds.h"

#include <cjson/cJSON.h>
#include <string.h>

enum role { GUIDE, JUDGE, OTHER };

static const char *const role_names[] = { [GUIDE] = "guide", [JUDGE] = "judge", [OTHER] = "other" };

static enum role role_of(const struct spec *spec, uint32_t verifier, uint64_t metric)
{
    if (verifier == spec->guide && metric == 0)
        return GUIDE;
    for (uint32_t i = 0; i < spec->judge_count; i++)
        if (spec->judges[i] == verifier)
            return JUDGE;
    return OTHER;
}

static void put_metric(cJSON *list, const char *verifier, const char *metric, enum role role, bool higher_is_better)
{
    cJSON *item = cJSON_CreateObject();
    cJSON_AddItemToArray(list, item);
    cJSON_AddStringToObject(item, "verifier", verifier);
    cJSON_AddStringToObject(item, "metric", metric);
    cJSON_AddStringToObject(item, "role", role_names[role]);
    cJSON_AddBoolToObject(item, "higher_is_better", higher_is_better);
}

static void put_metrics(cJSON *list, const struct spec *spec, const struct instances *instances, uint32_t verifier,
                        enum role role)
{
    const struct spec_use *use = &spec->verifiers[verifier];
    const wn_verifier *v = &instances->verifiers[verifier].verifier;

    for (uint64_t i = 0; i < v->metric_count; i++) {
        if (role_of(spec, verifier, i) == role)
            put_metric(list, use->name, v->metrics[i].name, role,
                       (v->metrics[i].flags & WN_METRIC_HIGHER_IS_BETTER) != 0);
    }
}

static const char *text_of(const cJSON *object, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    return text ? text : "";
}

static void put_rescored(cJSON *list, const cJSON *verifier)
{
    const cJSON *metric;
    cJSON_ArrayForEach(metric, cJSON_GetObjectItemCaseSensitive(verifier, "metrics"))
        put_metric(list, text_of(verifier, "verifier"), text_of(metric, "metric"), JUDGE,
                   cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(metric, "higher_is_better")));
}

/* 1 where the sampler does not say: the run asks it again, and fails of it. */
static uint64_t evals_per_velocity(const struct spec *spec, const struct instances *instances)
{
    wn_sampler_info info = { .struct_size = sizeof info };
    wn_error ignored;
    if (!instances->sampler.self)
        return 1;
    const wn_sampler *sampler = spec->sampler.plugin->vtable;
    const wn_status status = sampler->describe(instances->sampler.self, &info, &ignored);
    return status == WN_OK && info.evals_per_velocity > 0 ? info.evals_per_velocity : 1;
}

/* Bounds that are infinite become null. */
static void put_plan(cJSON *report, const struct spec *spec, const struct instances *instances)
{
    const struct spec_bounds each = spec_bounds(spec, evals_per_velocity(spec, instances));
    cJSON *plan = cJSON_AddObjectToObject(report, "plan");
    cJSON_AddNumberToObject(plan, "prompts", spec->prompt_count);
    cJSON_AddNumberToObject(plan, "candidates", each.candidates);
    cJSON_AddNumberToObject(plan, "nfe", each.nfe);
    cJSON_AddNumberToObject(plan, "seconds", each.seconds);
    cJSON_AddBoolToObject(plan, "is_shared", each.is_shared);
}

void facts_put(cJSON *manifest, const struct spec *spec, const struct instances *instances)
{
    const wn_search *search = spec->search.plugin->vtable;
    cJSON *report = cJSON_CreateObject(), *metrics;

    cJSON_DeleteItemFromObjectCaseSensitive(manifest, "report");
    cJSON_AddItemToObject(manifest, "report", report);
    cJSON_AddStringToObject(report, "name", spec->name);
    cJSON_AddStringToObject(report, "search", spec->search.plugin->name);
    cJSON_AddBoolToObject(report, "pool_is_iid", (search->flags & WN_SEARCH_POOL_IS_IID) != 0);
    cJSON_AddBoolToObject(report, "guide_compares",
                          (instances->verifiers[spec->guide].verifier.flags & WN_VERIFIER_COMPARATIVE) != 0);
    put_plan(report, spec, instances);
    metrics = cJSON_AddArrayToObject(report, "metrics");
    put_metrics(metrics, spec, instances, spec->guide, GUIDE);
    for (uint32_t i = 0; i < spec->judge_count; i++)
        put_metrics(metrics, spec, instances, spec->judges[i], JUDGE);
    const cJSON *rescored;
    cJSON_ArrayForEach(rescored, cJSON_GetObjectItemCaseSensitive(manifest, "rescored"))
        put_rescored(metrics, rescored);
    for (uint32_t i = 0; i < spec->verifier_count; i++)
        put_metrics(metrics, spec, instances, i, OTHER);
}

/* ---- verifiers that come later --------------------------------------------------------------------------------- */

static const cJSON *find(const cJSON *list, const char *key, const char *name)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, list) if (strcmp(text_of(item, key), name) == 0) return item;
    return NULL;
}

static cJSON *describe(const char *name, const struct instance *verifier)
{
    cJSON *item = cJSON_CreateObject(), *metrics;
    cJSON_AddStringToObject(item, "verifier", name);
    cJSON_AddStringToObject(item, "identity", verifier->identity);
    metrics = cJSON_AddArrayToObject(item, "metrics");
    for (uint64_t i = 0; i < verifier->verifier.metric_count; i++) {
        const wn_metric *m = &verifier->verifier.metrics[i];
        cJSON *metric = cJSON_CreateObject();
        cJSON_AddItemToArray(metrics, metric);
        cJSON_AddStringToObject(metric, "metric", m->name);
        cJSON_AddBoolToObject(metric, "higher_is_better", (m->flags & WN_METRIC_HIGHER_IS_BETTER) != 0);
    }
    return item;
}

wn_status facts_admit(cJSON *manifest, const cJSON *start, const char *name, const struct instance *verifier,
                      bool *is_new, wn_error *err)
{
    cJSON *list = cJSON_GetObjectItemCaseSensitive(manifest, "rescored");
    cJSON *report = cJSON_GetObjectItemCaseSensitive(manifest, "report");
    cJSON *metrics = cJSON_GetObjectItemCaseSensitive(report, "metrics");
    const cJSON *known = find(cJSON_GetObjectItemCaseSensitive(start, "plugins"), "use", name);
    known = known ? known : find(list, "verifier", name);
    *is_new = !known;
    if (known && strcmp(text_of(known, "identity"), verifier->identity) != 0)
        return wn_fail(err, WN_E_ARG,
                       "the run has scores of another verifier %s (%.16s, this is %.16s: plugin, version, options or "
                       "files differ); give this one another name, with --as or in its spec",
                       name, *text_of(known, "identity") ? text_of(known, "identity") : "not known",
                       verifier->identity);
    if (known)
        return WN_OK;
    cJSON *item = describe(name, verifier);
    if (!list)
        list = cJSON_AddArrayToObject(manifest, "rescored");
    if (!metrics || !list || !cJSON_AddItemToArray(list, item)) {
        cJSON_Delete(item);
        return wn_fail(err, WN_E_FORMAT,
                       "the run's manifest.json has no \"report\"; run the spec again to write it anew");
    }
    put_rescored(metrics, item);
    return WN_OK;
}
