/* verdict.c - a short reason before the numbers, because a judge that has looked answers better than one that has not.
 */
#include "verdict.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *const verdict_aspects[VERDICT_ASPECTS] = { "accuracy_to_prompt", "originality", "visual_quality",
                                                       "internal_consistency", "emotional_resonance" };

static const char reason[] = "reason";

/* ---- schema ---- */

static void put_property(cJSON *properties, const char *name, const char *type, const char *description, bool *failed)
{
    cJSON *property = json_put_object(properties, name, failed);
    json_put_text(property, "type", type, failed);
    json_put_text(property, "description", description, failed);
}

/* The names of all properties, in their order. */
static void put_names(cJSON *schema, const char *name, bool *failed)
{
    cJSON *names = json_put_array(schema, name, failed);
    json_put_text(names, NULL, reason, failed);
    for (int i = 0; i < VERDICT_ASPECTS; i++)
        json_put_text(names, NULL, verdict_aspects[i], failed);
}

void verdict_put_schema(cJSON *parent, const char *name, enum verdict_dialect dialect, enum judge_mode mode,
                        bool *failed)
{
    const bool is_gemini = dialect == VERDICT_GEMINI;
    const char *meaning =
        mode == JUDGE_PAIRWISE
            ? "0 to 100: 0 the second image is much better, 50 neither is, 100 the first image is much better"
            : "0 to 100: 0 is worst, 100 is best";
    cJSON *schema = json_put_object(parent, name, failed);
    json_put_text(schema, "type", is_gemini ? "OBJECT" : "object", failed);
    cJSON *properties = json_put_object(schema, "properties", failed);
    put_property(properties, reason, is_gemini ? "STRING" : "string", "what decides, in at most 40 words", failed);
    for (int i = 0; i < VERDICT_ASPECTS; i++)
        put_property(properties, verdict_aspects[i], is_gemini ? "INTEGER" : "integer", meaning, failed);
    put_names(schema, "required", failed);
    if (is_gemini)
        put_names(schema, "propertyOrdering", failed);
    else
        json_put(schema, "additionalProperties", cJSON_CreateFalse(), failed);
}

/* ---- reading ---- */

static int aspect_of(const char *name)
{
    for (int i = 0; i < VERDICT_ASPECTS; i++)
        if (strcmp(name, verdict_aspects[i]) == 0)
            return i;
    return -1;
}

static bool read_aspect(const cJSON *item, double *value, char why[160])
{
    if (!cJSON_IsNumber(item)) {
        snprintf(why, 160, "%s is not a number", item->string);
        return false;
    }
    if (!isfinite(item->valuedouble) || item->valuedouble < 0 || item->valuedouble > 100) {
        snprintf(why, 160, "%s is %g, outside 0..100", item->string, item->valuedouble);
        return false;
    }
    *value = item->valuedouble;
    return true;
}

bool verdict_read(const cJSON *reply, struct verdict *verdict, char why[160])
{
    unsigned seen = 0;
    if (!cJSON_IsObject(reply)) {
        snprintf(why, 160, "the answer is not a JSON object");
        return false;
    }
    for (const cJSON *item = reply->child; item; item = item->next) {
        const int aspect = aspect_of(item->string);
        if (aspect >= 0 && !read_aspect(item, &verdict->value[aspect], why))
            return false;
        if (aspect < 0 && !(strcmp(item->string, reason) == 0 && cJSON_IsString(item))) {
            snprintf(why, 160, "the answer has a member that was not asked for, %.60s", item->string);
            return false;
        }
        seen |= 1u << (aspect + 1);
    }
    for (int i = 0; i <= VERDICT_ASPECTS; i++)
        if (!(seen & 1u << i)) {
            snprintf(why, 160, "the answer lacks %s", i ? verdict_aspects[i - 1] : reason);
            return false;
        }
    return true;
}

double verdict_overall(const double value[VERDICT_ASPECTS])
{
    double sum = 0;
    for (int i = 0; i < VERDICT_ASPECTS; i++)
        sum += value[i];
    return sum / VERDICT_ASPECTS;
}
