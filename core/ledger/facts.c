/* facts.c - the few facts about plugins that a run's numbers cannot be read without. */
#include "ledger/facts.h"

#include <cjson/cJSON.h>

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

static void put_metrics(cJSON *list, const struct spec *spec, const struct instances *instances, uint32_t verifier,
                        enum role role)
{
    const struct spec_use *use = &spec->verifiers[verifier];
    const wn_verifier *v = &instances->verifiers[verifier].verifier;

    for (uint64_t i = 0; i < v->metric_count; i++) {
        cJSON *metric;
        if (role_of(spec, verifier, i) != role)
            continue;
        metric = cJSON_CreateObject();
        cJSON_AddItemToArray(list, metric);
        cJSON_AddStringToObject(metric, "verifier", use->name);
        cJSON_AddStringToObject(metric, "metric", v->metrics[i].name);
        cJSON_AddStringToObject(metric, "role", role_names[role]);
        cJSON_AddBoolToObject(metric, "higher_is_better", (v->metrics[i].flags & WN_METRIC_HIGHER_IS_BETTER) != 0);
    }
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
    metrics = cJSON_AddArrayToObject(report, "metrics");
    put_metrics(metrics, spec, instances, spec->guide, GUIDE);
    for (uint32_t i = 0; i < spec->judge_count; i++)
        put_metrics(metrics, spec, instances, spec->judges[i], JUDGE);
    for (uint32_t i = 0; i < spec->verifier_count; i++)
        put_metrics(metrics, spec, instances, i, OTHER);
}
