/* Canvas options belong to the sampler, so they are read through its option table; "guidance" and "model" are looked up
 * by name there, because the settings line has fields for them. */
#include "ledger/recipe.h"

#include "base/build.h"
#include "base/json_text.h"
#include "base/png.h"
#include "spec/shape.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { RECIPE_FORMAT = 1, MAX_RECIPE_BYTES = 4 << 20 };

/* ---- option tables ---- */

static const wn_option *option_find(const wn_option *table, const char *name)
{
    for (; table && table->name; table++)
        if (strcmp(table->name, name) == 0)
            return table;
    return NULL;
}

static void option_value(struct json_text *j, const wn_option *o, const void *options)
{
    const char *at = (const char *)options + o->offset;
    switch (o->type) {
    case WN_OPTION_BOOL:
        json_bool(j, *(const int32_t *)(const void *)at != 0);
        break;
    case WN_OPTION_INT:
        json_i64(j, *(const int64_t *)(const void *)at);
        break;
    case WN_OPTION_U64:
        json_u64(j, *(const uint64_t *)(const void *)at);
        break;
    case WN_OPTION_NUMBER:
        json_number(j, *(const double *)(const void *)at);
        break;
    case WN_OPTION_JSON:
        json_raw(j, *(const char *const *)(const void *)at);
        break;
    default:
        json_string(j, *(const char *const *)(const void *)at);
    }
}

/* ---- the settings line ---- */

static void put_guidance(const struct recipe *r, struct buffer *out)
{
    const wn_sampler *sampler = r->spec->sampler.plugin->vtable;
    const wn_option *o = option_find(sampler->canvas_options, "guidance");
    if (!o || o->type != WN_OPTION_NUMBER || !r->spec->canvas.extra)
        return;
    if (*(const double *)(const void *)((const char *)r->spec->canvas.extra + o->offset) < 0)
        return; /* left to the model */
    struct json_text j = json_begin(out, 0);
    buffer_text(out, ", CFG scale: ");
    option_value(&j, o, r->spec->canvas.extra);
}

/* The model as the spec names it, or the sampler when it has no such option. A comma would end the field. */
static void put_model(const struct recipe *r, struct buffer *out)
{
    const struct spec_use *use = &r->spec->sampler;
    const wn_option *o = option_find(use->plugin->options, "model");
    const char *model = use->plugin->name;
    if (o && (o->type == WN_OPTION_PATH || o->type == WN_OPTION_STRING))
        model = *(const char *const *)(const void *)((const char *)use->options + o->offset);
    buffer_text(out, ", Model: ");
    for (; *model; model++)
        buffer_byte(out, *model == ',' || *model == '\n' ? '_' : *model);
}

/* A whole number of the lineage; false when it has none of that name. Its own keys are the only ones outside strings.
 */
static bool lineage_number(const char *lineage, const char *key, uint64_t *value)
{
    const char *at = lineage ? strstr(lineage, key) : NULL;
    if (!at)
        return false;
    *value = strtoull(at + strlen(key), NULL, 10);
    return true;
}

/* By how much the sides of the picture are smaller than the canvas. */
static uint32_t shrink_of(const struct recipe *r)
{
    uint64_t factor;
    return lineage_number(r->candidate->lineage, "\"shrink\":", &factor) && factor > 0 ? (uint32_t)factor : 1;
}

/* The seed that gives this noise in other tools, where the noise is theirs; else the run's. */
static uint64_t shown_seed(const struct recipe *r)
{
    uint64_t seed = 0, stream = 0;
    bool is_drawn = lineage_number(r->candidate->lineage, "\"seed\":", &seed) &&
                    lineage_number(r->candidate->lineage, "\"stream\":", &stream);
    bool is_theirs = shrink_of(r) == 1 && r->spec->noise != SPEC_NOISE_PHILOX && is_drawn && stream < WN_STREAM_AUX;
    return is_theirs ? seed + stream : r->spec->seed;
}

void recipe_parameters(const struct recipe *r, struct buffer *out)
{
    const wn_canvas *canvas = &r->spec->canvas;
    char solver[SHAPE_WORD];
    shape_choice(SHAPE_SOLVER_CHOICES, r->spec->solver, solver);
    solver[0] = (char)toupper((unsigned char)solver[0]);
    buffer_printf(out, "%s\nSteps: %u, Sampler: %s", r->prompt->text,
                  canvas->steps + r->spec->skipped_steps, solver);
    put_guidance(r, out);
    buffer_printf(out, ", Seed: %llu, Size: %ux%u", (unsigned long long)shown_seed(r), canvas->width_px / shrink_of(r),
                  canvas->height_px / shrink_of(r));
    if (r->spec->start_image)
        buffer_printf(out, ", Denoising strength: %g", r->spec->strength);
    put_model(r, out);
    buffer_printf(out, ", Version: winnow %s", build_version());
}

/* ---- the JSON block ---- */

static void put_canvas(struct json_text *j, const struct spec *spec)
{
    const wn_sampler *sampler = spec->sampler.plugin->vtable;
    char solver[SHAPE_WORD];
    json_key(j, "canvas"), json_object(j);
    json_key(j, "width"), json_u64(j, spec->canvas.width_px);
    json_key(j, "height"), json_u64(j, spec->canvas.height_px);
    json_key(j, "steps"), json_u64(j, spec->canvas.steps + spec->skipped_steps);
    if (spec->start_image) {
        json_key(j, "image_sha256"), json_string(j, spec->start_sha256);
        json_key(j, "strength"), json_number(j, spec->strength);
    }
    json_key(j, "solver"), json_string(j, shape_choice(SHAPE_SOLVER_CHOICES, spec->solver, solver));
    for (const wn_option *o = spec->canvas.extra ? sampler->canvas_options : NULL; o && o->name; o++)
        json_key(j, o->name), option_value(j, o, spec->canvas.extra);
    json_end(j);
}

static void put_candidate(struct json_text *j, const struct ledger_candidate *c)
{
    json_key(j, "trial"), json_u64(j, c->trial);
    json_key(j, "candidate"), json_string(j, c->id);
    json_key(j, "parent"), json_string(j, c->parent[0] ? c->parent : NULL);
    json_key(j, "lineage"), json_raw(j, c->lineage && c->lineage[0] ? c->lineage : "null");
    json_key(j, "nfe"), json_u64(j, c->nfe);
}

void recipe_json(const struct recipe *r, struct buffer *out)
{
    struct json_text j = json_begin(out, 0);
    char noise[SHAPE_WORD];
    json_object(&j);
    json_key(&j, "format"), json_u64(&j, RECIPE_FORMAT);
    json_key(&j, "winnow"), json_string(&j, build_version());
    json_key(&j, "spec"), json_string(&j, r->spec->hash);
    json_key(&j, "prompt_id"), json_string(&j, r->prompt->id);
    json_key(&j, "prompt"), json_string(&j, r->prompt->text);
    put_candidate(&j, r->candidate);
    json_key(&j, "seed"), json_u64(&j, r->spec->seed);
    json_key(&j, "noise"), json_string(&j, shape_choice(SHAPE_NOISE_CHOICES, r->spec->noise, noise));
    json_key(&j, "sampler"), json_string(&j, r->spec->sampler.plugin->name);
    json_key(&j, "model"), json_string(&j, r->model_key);
    put_canvas(&j, r->spec);
    json_end(&j);
}

wn_status recipe_png(const struct recipe *r, const wn_image *image, struct buffer *out, wn_error *err)
{
    struct buffer parameters = BUFFER_INIT(MAX_RECIPE_BYTES), json = BUFFER_INIT(MAX_RECIPE_BYTES);
    recipe_parameters(r, &parameters);
    recipe_json(r, &json);
    struct png_text texts[] = { { "parameters", buffer_string(&parameters), false },
                                { "winnow", buffer_string(&json), true } };
    wn_status status = buffer_status(&parameters, "a picture's settings line", err);
    if (status == WN_OK)
        status = buffer_status(&json, "a picture's recipe", err);
    if (status == WN_OK)
        status = png_encode(image, texts, 2, out, err);
    buffer_free(&parameters);
    buffer_free(&json);
    return status;
}
