/* facts.c - the few facts about plugins that a run's numbers cannot be read without. */
#include "report/facts.h"

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

static void write_metrics_of(struct json_text *j, const struct spec *spec, uint32_t verifier, enum role role)
{
    const struct spec_use *use = &spec->verifiers[verifier];
    const wn_verifier *v = use->plugin->vtable;

    for (uint64_t i = 0; i < v->metric_count; i++) {
        if (role_of(spec, verifier, i) != role)
            continue;
        json_object(j);
        json_key(j, "verifier"), json_string(j, use->name);
        json_key(j, "metric"), json_string(j, v->metrics[i].name);
        json_key(j, "role"), json_string(j, role_names[role]);
        json_key(j, "higher_is_better"), json_bool(j, v->metrics[i].flags & WN_METRIC_HIGHER_IS_BETTER);
        json_end(j);
    }
}

void facts_write(struct json_text *j, const struct spec *spec)
{
    const wn_search *search = spec->search.plugin->vtable;

    json_key(j, "report"), json_object(j);
    json_key(j, "name"), json_string(j, spec->name);
    json_key(j, "search"), json_string(j, spec->search.plugin->name);
    json_key(j, "pool_is_iid"), json_bool(j, search->flags & WN_SEARCH_POOL_IS_IID);
    json_key(j, "metrics"), json_array(j);
    write_metrics_of(j, spec, spec->guide, GUIDE);
    for (uint32_t i = 0; i < spec->judge_count; i++)
        write_metrics_of(j, spec, spec->judges[i], JUDGE);
    for (uint32_t i = 0; i < spec->verifier_count; i++)
        write_metrics_of(j, spec, i, OTHER);
    json_end(j);
    json_end(j);
}
