/* loras.c - the option "loras": a list of paths and scales, opened and merged into the weights before anything is
 * compiled, so that a velocity with LoRAs costs what one without costs.
 */
#include "flux.h"

#include <cjson/cJSON.h>

#include <math.h>
#include <string.h>

struct entry {
    const char *path;
    double scale;
};

static wn_status read_member(uint64_t i, const cJSON *member, struct entry *out, wn_error *err)
{
    if (strcmp(member->string, "path") == 0 && cJSON_IsString(member))
        out->path = member->valuestring;
    else if (strcmp(member->string, "scale") == 0 && cJSON_IsNumber(member))
        out->scale = member->valuedouble;
    else
        return wn_fail(err, WN_E_ARG, "loras/%llu/%.80s: expected \"path\", a text, and \"scale\", a number",
                       (unsigned long long)i, member->string);
    return WN_OK;
}

static wn_status read_entry(uint64_t i, const cJSON *json, struct entry *out, wn_error *err)
{
    *out = (struct entry){ cJSON_IsString(json) ? json->valuestring : NULL, 1.0 };
    for (const cJSON *member = cJSON_IsObject(json) ? json->child : NULL; member; member = member->next)
        WN_TRY(read_member(i, member, out, err));
    if (!out->path || !*out->path)
        return wn_fail(err, WN_E_ARG, "loras/%llu: names no path; expected a path or {\"path\": ..., \"scale\": ...}",
                       (unsigned long long)i);
    if (!(fabs(out->scale) <= 100))
        return wn_fail(err, WN_E_ARG, "loras/%llu/scale: %g is outside -100..100", (unsigned long long)i, out->scale);
    return WN_OK;
}

static wn_status open_entry(struct flux *f, uint64_t i, const struct entry *e, wn_error *err)
{
    char path[PATH_SIZE];
    nn_weights **w = &f->loras.weights[i];
    WN_TRY(f->host->resolve(f->host->ctx, e->path, path, sizeof path, err));
    WN_TRY(nn_weights_open(path, w, err));
    for (uint64_t k = 0; k < nn_weights_file_count(*w); k++)
        f->host->uses_file(f->host->ctx, nn_weights_file(*w, k));
    f->loras.lora[i] = (nn_lora){ *w, e->scale };
    f->loras.count = i + 1;
    return WN_OK;
}

static wn_status open_list(struct flux *f, const cJSON *list, wn_error *err)
{
    uint64_t i = 0;
    if (!cJSON_IsArray(list))
        return wn_fail(err, WN_E_ARG, "loras: expected a list");
    if (cJSON_GetArraySize(list) > MAX_LORAS)
        return wn_fail(err, WN_E_ARG, "loras: %d entries, at most %d can be merged", cJSON_GetArraySize(list),
                       MAX_LORAS);
    for (const cJSON *json = list->child; json; json = json->next, i++) {
        struct entry e;
        WN_TRY(read_entry(i, json, &e, err));
        WN_TRY(open_entry(f, i, &e, err));
    }
    return WN_OK;
}

wn_status loras_merge(struct flux *f, wn_error *err)
{
    cJSON *list = cJSON_Parse(f->options->loras);
    const wn_status status = open_list(f, list, err);
    cJSON_Delete(list);
    if (status != WN_OK || f->loras.count == 0)
        return status;
    const nn_lora_clip clip = { &f->parts.weights[PART_TEXT_ENCODER], f->clip.shape.prefix };
    return nn_flux_lora_merge(&f->flux, f->loras.lora, f->loras.count, f->host, &clip,
                              &f->parts.weights[PART_TRANSFORMER], err);
}

void loras_close(struct flux_loras *l)
{
    for (uint64_t i = 0; i < MAX_LORAS; i++)
        nn_weights_close(l->weights[i]);
}
