/* schema.c - the draft-07 schema, from the same tables that check a spec.
 *
 * Draft-07 because that is what editors understand. What a plugin adds hangs on its name: `allOf` of
 * {if: {use: NAME}, then: {options: ...}}, which completes and checks the right options once "use" is written.
 */
#include "plugin/options.h"
#include "plugin/registry.h"
#include "spec/shape.h"
#include "spec/spec.h"

#include <math.h>
#include <string.h>

static void text(struct json_text *j, const char *key, const char *value)
{
    json_key(j, key);
    json_string(j, value);
}

static void write_range(struct json_text *j, const wn_option *row)
{
    if (isfinite(row->minimum))
        json_key(j, "minimum"), json_number(j, row->minimum);
    if (isfinite(row->maximum))
        json_key(j, "maximum"), json_number(j, row->maximum);
}

static void write_choices(struct json_text *j, const char *choices)
{
    json_key(j, "enum"), json_array(j);
    for (const char *c = choices; *c; c += strcspn(c, "|"), c += *c == '|') {
        char word[128];
        snprintf(word, sizeof word, "%.*s", (int)strcspn(c, "|"), c);
        json_string(j, word);
    }
    json_end(j);
}

static void write_option(struct json_text *j, const wn_option *row)
{
    static const char *const names[] = { "", "boolean", "integer", "integer", "number", "string", "string", "string",
                                         "",      "array" };
    json_key(j, row->name), json_object(j);
    text(j, "description", row->help);
    if (row->type != WN_OPTION_JSON)
        text(j, "type", names[row->type]);
    if (row->type == WN_OPTION_INT || row->type == WN_OPTION_NUMBER)
        write_range(j, row);
    if (row->type == WN_OPTION_U64)
        json_key(j, "minimum"), json_u64(j, 0), json_key(j, "maximum"), json_u64(j, UINT64_MAX);
    if (row->type == WN_OPTION_ENUM)
        write_choices(j, row->choices);
    if (row->type == WN_OPTION_SEARCHES)
        json_key(j, "items"), json_object(j), text(j, "type", "object"), json_end(j);
    if (row->fallback)
        json_key(j, "default"), json_raw(j, row->fallback);
    json_end(j);
}

static void write_rows(struct json_text *j, const wn_option *table)
{
    for (const wn_option *row = table; row && row->name; row++)
        write_option(j, row);
}

/* "required" is not said of options, because a value may come from "extends" or the command line. */
static void begin_section(struct json_text *j, const char *key, const char *description)
{
    if (key)
        json_key(j, key);
    json_object(j);
    text(j, "description", description);
    text(j, "type", "object");
    json_key(j, "properties"), json_object(j);
}

static void write_extends(struct json_text *j)
{
    json_key(j, "extends"), json_object(j);
    text(j, "description", "a file, or a list of files, that this object is laid over");
    json_key(j, "type"), json_array(j), json_string(j, "string"), json_string(j, "array"), json_end(j);
    json_end(j);
}

static void write_include(struct json_text *j)
{
    json_key(j, "include"), json_object(j);
    text(j, "description", "alone in its object: a file whose value stands here");
    text(j, "type", "string");
    json_end(j);
}

/* A list, or the object that includes one from a file. */
static void write_list_type(struct json_text *j)
{
    json_key(j, "type"), json_array(j), json_string(j, "array"), json_string(j, "object"), json_end(j);
    json_key(j, "properties"), json_object(j), write_include(j), json_end(j);
    json_key(j, "additionalProperties"), json_bool(j, false);
}

/* Ends "properties"; nothing else may stand in the object. */
static void end_properties(struct json_text *j)
{
    write_extends(j);
    write_include(j);
    json_end(j);
    json_key(j, "additionalProperties"), json_bool(j, false);
}

static void end_section(struct json_text *j)
{
    end_properties(j);
    json_end(j);
}

static void write_section(struct json_text *j, const char *key, const char *description, const wn_option *table)
{
    begin_section(j, key, description);
    write_rows(j, table);
    end_section(j);
}

/* ---- plugins ---- */

static void write_condition(struct json_text *j, const char *name)
{
    json_key(j, "if"), json_object(j);
    json_key(j, "properties"), json_object(j);
    json_key(j, "use"), json_object(j);
    json_key(j, "const"), json_string(j, name);
    json_end(j), json_end(j);
    json_key(j, "required"), json_array(j), json_string(j, "use"), json_end(j);
    json_end(j);
}

static void write_consequence(struct json_text *j, const wn_plugin *p)
{
    json_key(j, "then"), json_object(j);
    json_key(j, "properties"), json_object(j);
    json_key(j, "options"), json_object(j);
    text(j, "description", p->summary);
    text(j, "type", "object");
    json_key(j, "properties"), json_object(j);
    write_rows(j, p->options);
    json_end(j);
    json_key(j, "additionalProperties"), json_bool(j, false);
    json_end(j), json_end(j), json_end(j);
}

static void each_plugin(struct json_text *j, const struct registry *r, int64_t kind,
                        void (*write)(struct json_text *j, const wn_plugin *p))
{
    for (uint32_t i = 0; i < registry_module_count(r); i++) {
        const struct registry_module *m = registry_module_at(r, i);
        for (uint32_t k = 0; k < m->plugin_count; k++)
            if (m->plugins[k]->kind == kind)
                write(j, m->plugins[k]);
    }
}

static void write_name(struct json_text *j, const wn_plugin *p)
{
    json_string(j, p->name);
}

static void write_rule(struct json_text *j, const wn_plugin *p)
{
    json_object(j);
    write_condition(j, p->name);
    write_consequence(j, p);
    json_end(j);
}

static void write_use(struct json_text *j, const struct registry *r, int64_t kind)
{
    json_key(j, "use"), json_object(j);
    text(j, "description", "name of the plugin, or the path of its file");
    json_key(j, "anyOf"), json_array(j);
    json_object(j), json_key(j, "enum"), json_array(j);
    each_plugin(j, r, kind, write_name);
    json_string(j, "./my-plugin.so"); /* an enum may not be empty */
    json_end(j), json_end(j);
    json_object(j), text(j, "type", "string"), text(j, "pattern", "/"), json_end(j);
    json_end(j), json_end(j);
    json_key(j, "options"), json_object(j), text(j, "type", "object"), json_end(j);
}

static void end_use(struct json_text *j, const struct registry *r, int64_t kind)
{
    end_properties(j);
    json_key(j, "allOf"), json_array(j);
    each_plugin(j, r, kind, write_rule);
    json_object(j), json_end(j); /* nor an allOf */
    json_end(j), json_end(j);
}

static void write_names(struct json_text *j, const char *key, const char *description)
{
    json_key(j, key), json_object(j);
    text(j, "description", description);
    write_list_type(j);
    json_key(j, "items"), json_object(j), text(j, "type", "string"), json_end(j);
    json_key(j, "uniqueItems"), json_bool(j, true);
    json_end(j);
}

/* ---- sections ---- */

static bool has_row(const wn_option *table, const char *name)
{
    for (; table && table->name; table++)
        if (strcmp(table->name, name) == 0)
            return true;
    return false;
}

/* Whether a sampler that comes before `own` in the registry has a canvas option of that name. */
static bool is_written(const struct registry *r, const wn_plugin *own, const char *name)
{
    for (uint32_t i = 0; i < registry_module_count(r); i++) {
        const struct registry_module *m = registry_module_at(r, i);
        for (uint32_t k = 0; k < m->plugin_count; k++) {
            if (m->plugins[k] == own)
                return false;
            if (m->plugins[k]->kind == WN_KIND_SAMPLER &&
                has_row(((const wn_sampler *)m->plugins[k]->vtable)->canvas_options, name))
                return true;
        }
    }
    return false;
}

static void write_canvas_rows(struct json_text *j, const struct registry *r, const wn_plugin *p)
{
    const wn_option *row = p->kind == WN_KIND_SAMPLER ? ((const wn_sampler *)p->vtable)->canvas_options : NULL;
    for (; row && row->name; row++)
        if (!is_written(r, p, row->name))
            write_option(j, row);
}

/* Which of the samplers' canvas options hold is known to `winnow check`; the schema allows all of them. Where two
 * samplers have one of the same name, the first one's is written. */
static void write_canvas(struct json_text *j, const struct registry *r)
{
    begin_section(j, "canvas", "size of the images and how they are sampled");
    write_rows(j, shape_canvas_options);
    write_rows(j, shape_start_options);
    for (uint32_t i = 0; i < registry_module_count(r); i++) {
        const struct registry_module *m = registry_module_at(r, i);
        for (uint32_t k = 0; k < m->plugin_count; k++)
            write_canvas_rows(j, r, m->plugins[k]);
    }
    end_section(j);
}

static void write_prompts(struct json_text *j)
{
    begin_section(j, "prompts", "what images are made of: a file or a list");
    write_rows(j, shape_prompts_options);
    json_key(j, "list"), json_object(j);
    text(j, "description", "the prompts themselves: strings, or objects with \"prompt\"");
    write_list_type(j);
    json_key(j, "items"), json_object(j), json_key(j, "type");
    json_array(j), json_string(j, "string"), json_string(j, "object"), json_end(j);
    json_end(j), json_end(j);
    write_names(j, "ids", "take only the prompts with these ids");
    end_section(j);
}

static void write_verifiers(struct json_text *j, const struct registry *r)
{
    json_key(j, "verifiers"), json_object(j);
    text(j, "description", "who scores images, by names of your choice");
    text(j, "type", "object");
    json_key(j, "properties"), json_object(j), write_extends(j), json_end(j);
    json_key(j, "additionalProperties");
    begin_section(j, NULL, "a verifier");
    write_use(j, r, WN_KIND_VERIFIER);
    write_rows(j, &shape_verifier_options[1]);
    write_names(j, "inputs", "the verifiers that this one is wrapped around");
    end_use(j, r, WN_KIND_VERIFIER);
    json_end(j);
}

static void write_search(struct json_text *j, const struct registry *r)
{
    begin_section(j, "search", "how noises are proposed");
    write_use(j, r, WN_KIND_SEARCH);
    write_option(j, &shape_search_options[1]);
    end_use(j, r, WN_KIND_SEARCH);
}

static void write_sampler(struct json_text *j, const struct registry *r)
{
    begin_section(j, "sampler", "the diffusion model");
    write_use(j, r, WN_KIND_SAMPLER);
    end_use(j, r, WN_KIND_SAMPLER);
}

static void write_device(struct json_text *j, const wn_plugin *p)
{
    begin_section(j, p->name, p->summary);
    write_rows(j, p->options);
    end_section(j);
}

static void write_devices(struct json_text *j, const struct registry *r)
{
    begin_section(j, "devices", "options of device plugins");
    each_plugin(j, r, WN_KIND_DEVICE, write_device);
    end_section(j);
}

/* Values of a grid are lists; what they may hold is for `winnow check` to say, because the key decides. */
static void write_sweep(struct json_text *j)
{
    begin_section(j, "sweep", "runs of their own, each with other values laid over this spec: list x grid");
    write_rows(j, shape_sweep_options);
    json_key(j, "grid"), json_object(j);
    text(j, "description", "keys as --set has them, each with the list of its values; every combination is a point");
    text(j, "type", "object");
    json_key(j, "additionalProperties"), json_object(j);
    write_list_type(j);
    json_end(j), json_end(j);
    json_key(j, "list"), json_object(j);
    text(j, "description", "points: objects of keys as --set has them; \"name\" is what a point is called");
    write_list_type(j);
    json_key(j, "items"), json_object(j), text(j, "type", "object"), json_end(j);
    json_end(j);
    end_section(j);
}

static void write_schema(struct json_text *j, const struct registry *r)
{
    json_object(j);
    text(j, "$schema", "http://json-schema.org/draft-07/schema#");
    text(j, "title", "winnow experiment spec");
    text(j, "type", "object");
    json_key(j, "properties"), json_object(j);
    json_key(j, "$schema"), json_object(j), text(j, "type", "string"), json_end(j);
    write_rows(j, shape_top_options);
    write_prompts(j);
    write_canvas(j, r);
    write_sampler(j, r);
    write_verifiers(j, r);
    write_devices(j, r);
    write_search(j, r);
    write_names(j, "judge", "verifiers that only report: the search never sees their scores");
    write_section(j, "budget", "where the search for one prompt ends", shape_budget_options);
    write_section(j, "engine", "how the work is done; changes no result", shape_engine_options);
    write_sweep(j);
    end_section(j);
}

wn_status spec_schema(const struct registry *registry, char **json, wn_error *err)
{
    struct buffer out = BUFFER_INIT(1 << 24);
    struct json_text j = json_begin(&out, 2);
    write_schema(&j, registry);
    buffer_byte(&out, '\n');
    wn_status status = buffer_status(&out, "schema", err);
    *json = buffer_take(&out);
    return status;
}
