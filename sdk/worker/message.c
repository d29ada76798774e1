/* message.c - see message.h. */
#include "message.h"

#include <math.h>
#include <string.h>

#define LARGEST_EXACT 9007199254740992.0 /* 2^53: beyond it a JSON number has no exact double */

wn_status wn_message_parse(const struct wn_frame *frame, cJSON **message, wn_error *err)
{
    const char *end = NULL;
    *message = cJSON_ParseWithLengthOpts(frame->text, frame->text_bytes, &end, 0);
    if (!cJSON_IsObject(*message) || !wn_message_op(*message)) {
        cJSON_Delete(*message);
        *message = NULL;
        return wn_fail(err, WN_E_FORMAT, "a frame's text is not a JSON object with a member \"op\": %.200s",
                       frame->text);
    }
    return WN_OK;
}

const char *wn_message_op(const cJSON *message)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(message, "op"));
}

int wn_message_is(const cJSON *message, const char *op)
{
    return strcmp(wn_message_op(message), op) == 0;
}

/* ---- members ---- */

/* NULL where the member is absent or null. */
static const cJSON *member(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNull(item) ? NULL : item;
}

static wn_status wrong(const char *key, const char *what, wn_error *err)
{
    return wn_fail(err, WN_E_FORMAT, "member \"%s\" of a frame is not %s", key, what);
}

wn_status wn_message_text(const cJSON *object, const char *key, const char *fallback, const char **text, wn_error *err)
{
    const cJSON *item = member(object, key);
    *text = item ? cJSON_GetStringValue(item) : fallback;
    return *text || !item ? WN_OK : wrong(key, "a string", err);
}

wn_status wn_message_number(const cJSON *object, const char *key, double fallback, double *value, wn_error *err)
{
    const cJSON *item = member(object, key);
    *value = item ? item->valuedouble : fallback;
    return !item || cJSON_IsNumber(item) ? WN_OK : wrong(key, "a number", err);
}

wn_status wn_message_u64(const cJSON *object, const char *key, uint64_t fallback, uint64_t *value, wn_error *err)
{
    const cJSON *item = member(object, key);
    *value = fallback;
    if (!item)
        return WN_OK;
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0 && item->valuedouble <= LARGEST_EXACT) ||
        floor(item->valuedouble) != item->valuedouble)
        return wrong(key, "a whole number from 0 to 2^53", err);
    *value = (uint64_t)item->valuedouble;
    return WN_OK;
}

wn_status wn_message_bool(const cJSON *object, const char *key, int fallback, int *value, wn_error *err)
{
    const cJSON *item = member(object, key);
    *value = item ? cJSON_IsTrue(item) : fallback;
    return !item || cJSON_IsBool(item) ? WN_OK : wrong(key, "true or false", err);
}

/* ---- messages ---- */

cJSON *wn_message_new(const char *op, uint64_t id)
{
    cJSON *message = cJSON_CreateObject();
    cJSON_AddStringToObject(message, "op", op);
    cJSON_AddNumberToObject(message, "id", (double)id);
    return message;
}

char *wn_message_print(const cJSON *message)
{
    return cJSON_PrintUnformatted(message);
}

cJSON *wn_message_prompt(const wn_prompt *prompt)
{
    cJSON *object = cJSON_CreateObject();
    if (cJSON_AddStringToObject(object, "text", prompt->text) && cJSON_AddStringToObject(object, "id", prompt->id) &&
        cJSON_AddStringToObject(object, "category", prompt->category) &&
        cJSON_AddRawToObject(object, "record", prompt->json))
        return object;
    cJSON_Delete(object);
    return NULL;
}

/* ---- errors ---- */

/* In the order of the statuses. */
static const char *const codes[] = { "ok",          "argument", "memory",    "io",     "format",  "missing",
                                     "unsupported", "device",   "cancelled", "budget", "internal" };

enum { CODES = sizeof codes / sizeof codes[0] };

const char *wn_message_code(wn_status status)
{
    return status > 0 && status < CODES ? codes[status] : codes[WN_E_INTERNAL];
}

wn_status wn_message_fail(const cJSON *message, int *is_one, wn_error *err)
{
    const char *code, *text;
    *is_one = 0;
    WN_TRY(wn_message_text(message, "code", "internal", &code, err));
    WN_TRY(wn_message_text(message, "message", "an error without a message", &text, err));
    for (wn_status s = WN_E_ARG; s < CODES; s++)
        if (strcmp(codes[s], code) == 0 && s != WN_E_CANCELLED && s != WN_E_BUDGET) {
            *is_one = 1;
            return wn_fail(err, s, "%s", text);
        }
    return wn_fail(err, WN_E_FORMAT, "an error with the unknown code \"%.40s\": %.900s", code, text);
}

/* ---- verifiers ---- */

static const struct {
    const char *name;
    uint64_t flag;
} needs[] = {
    { "needs_prompt", WN_VERIFIER_NEEDS_PROMPT },
    { "comparative", WN_VERIFIER_COMPARATIVE },
    { "needs_preview", WN_VERIFIER_NEEDS_PREVIEW },
    { "needs_network", WN_VERIFIER_NEEDS_NETWORK },
};

enum { NEEDS = sizeof needs / sizeof needs[0] };

/* JSON has no infinity: a bound that is not there is null. */
static void put_bound(cJSON *object, const char *key, double bound)
{
    if (isfinite(bound))
        cJSON_AddNumberToObject(object, key, bound);
    else
        cJSON_AddNullToObject(object, key);
}

static void put_metric(cJSON *list, const wn_metric *m)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "name", m->name);
    cJSON_AddStringToObject(object, "help", m->help ? m->help : "");
    put_bound(object, "low", m->low);
    put_bound(object, "high", m->high);
    cJSON_AddBoolToObject(object, "higher_is_better", (m->flags & WN_METRIC_HIGHER_IS_BETTER) != 0);
    cJSON_AddBoolToObject(object, "across_prompts", (m->flags & WN_METRIC_ACROSS_PROMPTS) != 0);
    cJSON_AddItemToArray(list, object);
}

void wn_message_put_verifier(cJSON *message, const wn_verifier *v)
{
    cJSON *metrics = cJSON_AddArrayToObject(message, "metrics");
    for (uint64_t i = 0; i < v->metric_count; i++)
        put_metric(metrics, &v->metrics[i]);
    for (uint64_t i = 0; i < NEEDS; i++)
        cJSON_AddBoolToObject(message, needs[i].name, (v->flags & needs[i].flag) != 0);
    cJSON_AddNumberToObject(message, "max_batch", (double)v->max_batch);
    cJSON_AddNumberToObject(message, "preview_sigma", v->preview_sigma);
}

static wn_status get_metric(const cJSON *object, wn_metric *m, wn_error *err)
{
    int higher, across;
    *m = (wn_metric){ 0 };
    WN_TRY(wn_message_text(object, "name", NULL, &m->name, err));
    WN_TRY(wn_message_text(object, "help", "", &m->help, err));
    WN_TRY(wn_message_number(object, "low", -INFINITY, &m->low, err));
    WN_TRY(wn_message_number(object, "high", INFINITY, &m->high, err));
    WN_TRY(wn_message_bool(object, "higher_is_better", 1, &higher, err));
    WN_TRY(wn_message_bool(object, "across_prompts", 1, &across, err));
    m->flags = (higher ? WN_METRIC_HIGHER_IS_BETTER : 0) | (across ? WN_METRIC_ACROSS_PROMPTS : 0);
    return WN_OK;
}

static wn_status get_flags(const cJSON *message, uint64_t *flags, wn_error *err)
{
    *flags = 0;
    for (uint64_t i = 0; i < NEEDS; i++) {
        int is_set;
        WN_TRY(wn_message_bool(message, needs[i].name, 0, &is_set, err));
        *flags |= is_set ? needs[i].flag : 0;
    }
    return WN_OK;
}

wn_status wn_message_get_verifier(const cJSON *message, wn_metric metrics[64], wn_verifier_info *info, wn_error *err)
{
    const cJSON *list = member(message, "metrics"), *object;
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) > 64)
        return wrong("metrics", "a list of 1 to 64 metrics", err);
    info->metrics = metrics;
    info->metric_count = 0;
    cJSON_ArrayForEach(object, list) WN_TRY(get_metric(object, &metrics[info->metric_count++], err));
    WN_TRY(get_flags(message, &info->flags, err));
    WN_TRY(wn_message_u64(message, "max_batch", 0, &info->max_batch, err));
    return wn_message_number(message, "preview_sigma", 0, &info->preview_sigma, err);
}
