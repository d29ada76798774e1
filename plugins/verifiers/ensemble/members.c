/* members.c - the inputs and the option `weights`, checked against each other. */
#include "members.h"

#include <wrap/wrap.h>

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- weights ----------------------------------------------------------------------------------------------------- */

static wn_status take_weight(const struct members *m, uint64_t i, const cJSON *value, wn_error *err)
{
    const char *name = m->member[i].input->name;
    if (!cJSON_IsNumber(value))
        return wn_fail(err, WN_E_ARG, "weights: that of input %s is not a number; give one from 0 on", name);
    if (!(value->valuedouble >= 0) || !isfinite(value->valuedouble))
        return wn_fail(err, WN_E_ARG, "weights: that of input %s is %g; give a number from 0 on", name,
                       value->valuedouble);
    m->opinion[i].weight = value->valuedouble;
    return WN_OK;
}

static wn_status read_list(const struct members *m, const cJSON *list, wn_error *err)
{
    const uint64_t given = (uint64_t)cJSON_GetArraySize(list);
    uint64_t i = 0;
    if (given != m->count)
        return wn_fail(err, WN_E_ARG, "weights: a list of %llu for %llu inputs; give each its number, in their order",
                       (unsigned long long)given, (unsigned long long)m->count);
    for (const cJSON *value = list->child; value; value = value->next)
        WN_TRY(take_weight(m, i++, value, err));
    return WN_OK;
}

static int is_input(const struct members *m, const char *name)
{
    for (uint64_t i = 0; i < m->count; i++)
        if (strcmp(m->member[i].input->name, name) == 0)
            return 1;
    return 0;
}

static wn_status read_object(const struct members *m, const cJSON *object, wn_error *err)
{
    for (const cJSON *value = object->child; value; value = value->next)
        if (!is_input(m, value->string))
            return wn_fail(err, WN_E_ARG, "weights: \"%.80s\" is none of the inputs; remove it, or add it to them",
                           value->string);
    for (uint64_t i = 0; i < m->count; i++) {
        const char *name = m->member[i].input->name;
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);
        if (!value)
            return wn_fail(err, WN_E_ARG, "weights: input %s has none; give every input a number", name);
        WN_TRY(take_weight(m, i, value, err));
    }
    return WN_OK;
}

static wn_status read_json(const struct members *m, const struct method *method, const cJSON *weights, wn_error *err)
{
    if (cJSON_IsNull(weights))
        return WN_OK;
    if (!method->has_weights)
        return wn_fail(err, WN_E_ARG, "weights: method %s has none; remove them, or choose another method",
                       method->name);
    if (cJSON_IsArray(weights))
        return read_list(m, weights, err);
    if (cJSON_IsObject(weights))
        return read_object(m, weights, err);
    return wn_fail(err, WN_E_ARG,
                   "weights: neither a list nor an object; give numbers in the order of the inputs, or "
                   "by their names");
}

static wn_status read_weights(const struct members *m, const struct method *method, const char *text, wn_error *err)
{
    cJSON *weights = cJSON_Parse(text);
    if (!weights)
        return wn_fail(err, WN_E_MEMORY, "no memory to read the weights");
    const wn_status status = read_json(m, method, weights, err);
    cJSON_Delete(weights);
    WN_TRY(status);
    double sum = 0;
    for (uint64_t i = 0; i < m->count; i++)
        sum += m->opinion[i].weight;
    return sum > 0 ? WN_OK : wn_fail(err, WN_E_ARG, "weights: all are 0; give one input more");
}

/* ---- members ----------------------------------------------------------------------------------------------------- */

static wn_status check_member(const struct members *m, uint64_t i, const struct method *method, wn_error *err)
{
    const wn_verifier_ref *input = m->member[i].input;
    const wn_metric *metric = &input->verifier->metrics[0];
    for (uint64_t k = 0; k < i; k++) {
        if (m->member[k].input->self == input->self)
            return wn_fail(err, WN_E_ARG, "input %s is given twice; remove one, or raise its weight", input->name);
        if (strcmp(m->member[k].name, m->member[i].name) == 0)
            return wn_fail(err, WN_E_ARG, "inputs %s and %s would both be the metric \"%s\"; rename one",
                           m->member[k].input->name, input->name, m->member[i].name);
    }
    if (strcmp(m->member[i].name, "ensemble") == 0)
        return wn_fail(err, WN_E_ARG, "an input is named %s, as the metric of the whole is; rename it", input->name);
    if (method->has_range && !(metric->low < metric->high && isfinite(metric->high - metric->low)))
        return wn_fail(err, WN_E_ARG,
                       "input %s expects its %s in %g..%g, which method %s cannot scale by; choose another method",
                       input->name, metric->name, metric->low, metric->high, method->name);
    return WN_OK;
}

static wn_status add_member(const wn_host *host, struct members *m, uint64_t i, const struct method *method,
                            wn_error *err)
{
    struct member *member = &m->member[i];
    member->input = host->input(host->ctx, (uint32_t)i);
    const wn_metric *metric = &member->input->verifier->metrics[0];
    const int is_higher = (metric->flags & WN_METRIC_HIGHER_IS_BETTER) != 0;
    snprintf(member->name, sizeof member->name, "%s", member->input->name);
    for (char *c = member->name; *c; c++)
        *c = *c == '-' ? '_' : *c;
    snprintf(member->help, sizeof member->help, "%s of input %s", metric->name, member->input->name);
    m->opinion[i] = (struct opinion){
        .weight = 1,
        .sign = is_higher ? 1 : -1,
        .low = is_higher ? metric->low : -metric->high,
        .high = is_higher ? metric->high : -metric->low,
    };
    m->metrics[1 + i] = (wn_metric){ member->name, member->help, metric->low, metric->high, metric->flags };
    return check_member(m, i, method, err);
}

/* Of the whole: what is expected of it, and whether prompts may be compared. */
static wn_metric whole_metric(const struct members *m, const struct method *method)
{
    wn_metric whole = { "ensemble", "all inputs' first metrics in one, by the chosen method", method->low, method->high,
                        WN_METRIC_HIGHER_IS_BETTER };
    const int is_sum = method->low == method->high;
    uint64_t across = method->compares ? 0 : WN_METRIC_ACROSS_PROMPTS;
    for (uint64_t i = 0; i < m->count; i++) {
        across &= m->metrics[1 + i].flags;
        whole.low += is_sum ? m->opinion[i].weight * m->opinion[i].low : 0;
        whole.high += is_sum ? m->opinion[i].weight * m->opinion[i].high : 0;
    }
    whole.flags |= across;
    return whole;
}

wn_status members_open(const wn_host *host, const struct method *method, const char *weights, struct members *out,
                       wn_error *err)
{
    out->count = wn_wrap_count(host);
    out->member = calloc(out->count, sizeof *out->member);
    out->opinion = calloc(out->count, sizeof *out->opinion);
    out->metrics = calloc(out->count + 1, sizeof *out->metrics);
    if (!out->member || !out->opinion || !out->metrics)
        return wn_fail(err, WN_E_MEMORY, "no memory for %llu inputs", (unsigned long long)out->count);
    for (uint64_t i = 0; i < out->count; i++)
        WN_TRY(add_member(host, out, i, method, err));
    WN_TRY(read_weights(out, method, weights, err));
    out->metrics[0] = whole_metric(out, method);
    return WN_OK;
}

void members_close(struct members *m)
{
    free(m->member);
    free(m->opinion);
    free(m->metrics);
}
