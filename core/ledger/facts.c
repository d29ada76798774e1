/* facts.c - the few facts about plugins that a run's numbers cannot be read without. */
#include "ledger/facts.h"

#include "spec/bounds.h"

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

/* Bounds that are infinite become null. */
static void put_plan(cJSON *report, const struct spec *spec, const struct instances *instances)
{
    const wn_sampler *sampler = spec->sampler.plugin->vtable;
    wn_sampler_info info = { .struct_size = sizeof info, .evals_per_velocity = 1 };
    wn_error ignored; /* the run asks again and says it */
    if (!instances->sampler.self || sampler->describe(instances->sampler.self, &info, &ignored) != WN_OK)
        info.evals_per_velocity = 1;
    const struct spec_bounds each = spec_bounds(spec, info.evals_per_velocity);
    cJSON *plan = cJSON_AddObjectToObject(report, "plan");
    cJSON_AddNumberToObject(plan, "prompts", spec->prompt_count);
    cJSON_AddNumberToObject(plan, "candidates", each.candidates);
    cJSON_AddNumberToObject(plan, "nfe", each.nfe);
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
    for (uint32_t i = 0; i < spec->verifier_count; i++)
        put_metrics(metrics, spec, instances, i, OTHER);
}
