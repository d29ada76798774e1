/* cmd_describe.c - one plugin's whole documentation, from its own tables. */
#include "base/sha256.h"
#include "cli/commands.h"
#include "cli/table.h"
#include "plugin/handshake.h"
#include "plugin/options.h"

#include <winnow/search.h>

#include <math.h>
#include <string.h>

static const struct {
    int64_t kind;
    uint64_t flag;
    const char *name;
} flags[] = {
    { WN_KIND_VERIFIER, WN_VERIFIER_NEEDS_PROMPT, "needs_prompt" },
    { WN_KIND_VERIFIER, WN_VERIFIER_COMPARATIVE, "comparative" },
    { WN_KIND_VERIFIER, WN_VERIFIER_NEEDS_PREVIEW, "needs_preview" },
    { WN_KIND_VERIFIER, WN_VERIFIER_NEEDS_NETWORK, "needs_network" },
    { WN_KIND_SEARCH, WN_SEARCH_NEEDS_PREVIEW, "needs_preview" },
    { WN_KIND_SEARCH, WN_SEARCH_POOL_IS_IID, "pool_is_iid" },
};

enum { FLAGS = sizeof flags / sizeof flags[0] };

static uint64_t flags_of(const wn_plugin *p)
{
    if (p->kind == WN_KIND_VERIFIER)
        return ((const wn_verifier *)p->vtable)->flags;
    return p->kind == WN_KIND_SEARCH ? ((const wn_search *)p->vtable)->flags : 0;
}

/* ---- for people ---- */

static void write_options(struct buffer *out, const char *title, const wn_option *table)
{
    struct table t;
    if (!table || !table->name)
        return;
    table_start(&t, 5);
    for (const wn_option *row = table; row->name; row++) {
        char range[300];
        table_cell(&t, "%s", row->name);
        table_cell(&t, "%s", options_type_name(row->type));
        table_cell(&t, "%s", options_range(row, range, sizeof range));
        table_cell(&t, "%s", row->fallback ? row->fallback : "(required)");
        table_cell(&t, "%s", row->help);
    }
    buffer_printf(out, "\n%s\n", title);
    table_write(&t, 2, out);
}

static void write_metrics(struct buffer *out, const wn_verifier *v)
{
    struct table t;
    table_start(&t, 4);
    for (uint64_t i = 0; i < v->metric_count; i++) {
        const wn_metric *m = &v->metrics[i];
        table_cell(&t, "%s", m->name);
        table_cell(&t, "%g..%g", m->low, m->high);
        table_cell(&t, "%s is better%s", m->flags & WN_METRIC_HIGHER_IS_BETTER ? "higher" : "lower",
                   m->flags & WN_METRIC_ACROSS_PROMPTS ? "" : ", within one prompt only");
        table_cell(&t, "%s", m->help ? m->help : "");
    }
    buffer_text(out, "\nmetrics");
    buffer_text(out, v->metric_count ? " (the first is the one that a search climbs" : " (");
    buffer_text(out, v->metric_count && v->describe ? "; " : "");
    buffer_text(out, v->describe ? "options or inputs decide them)\n" : ")\n");
    table_write(&t, 2, out);
    if (v->max_inputs)
        buffer_printf(out, "\ninputs: %llu to %llu verifiers\n", (unsigned long long)v->min_inputs,
                      (unsigned long long)v->max_inputs);
}

static void write_flags(struct buffer *out, const wn_plugin *p)
{
    const char *separator = "\nflags: ";
    for (uint32_t i = 0; i < FLAGS; i++)
        if (flags[i].kind == p->kind && (flags_of(p) & flags[i].flag)) {
            buffer_printf(out, "%s%s", separator, flags[i].name);
            separator = ", ";
        }
    if (*separator == ',')
        buffer_byte(out, '\n');
}

static void write_text(struct buffer *out, const wn_plugin *p, const struct registry_module *m, const char *sha256)
{
    buffer_printf(out, "%s %s (%s): %s\n", p->name, p->version, plugin_kind_name(p->kind), p->summary);
    if (*p->source)
        buffer_printf(out, "source: %s\n", p->source);
    write_options(out, "options", p->options);
    if (p->kind == WN_KIND_SAMPLER)
        write_options(out, "canvas options", ((const wn_sampler *)p->vtable)->canvas_options);
    if (p->kind == WN_KIND_SEARCH)
        write_options(out, "options of each search in its list, beside \"use\" and \"options\"",
                      ((const wn_search *)p->vtable)->part_options);
    if (p->kind == WN_KIND_VERIFIER)
        write_metrics(out, p->vtable);
    write_flags(out, p);
    buffer_printf(out, "\nfile: %s\nsha256: %s\nplugin ABI: %d.%llu\n", m->path, sha256, WN_ABI_MAJOR,
                  (unsigned long long)m->abi_minor);
}

/* ---- for programs ---- */

static void json_options(struct json_text *j, const char *key, const wn_option *table)
{
    json_key(j, key), json_array(j);
    for (const wn_option *row = table; row && row->name; row++) {
        json_object(j);
        json_key(j, "name"), json_string(j, row->name);
        json_key(j, "type"), json_string(j, options_type_name(row->type));
        json_key(j, "required"), json_bool(j, !row->fallback);
        if (row->fallback)
            json_key(j, "default"), json_raw(j, row->fallback);
        if (row->type == WN_OPTION_INT || row->type == WN_OPTION_NUMBER) {
            json_key(j, "minimum"), json_number(j, row->minimum);
            json_key(j, "maximum"), json_number(j, row->maximum);
        }
        if (row->type == WN_OPTION_ENUM)
            json_key(j, "choices"), json_string(j, row->choices);
        json_key(j, "help"), json_string(j, row->help);
        json_end(j);
    }
    json_end(j);
}

static void json_metrics(struct json_text *j, const wn_verifier *v)
{
    json_key(j, "metrics"), json_array(j);
    for (uint64_t i = 0; i < v->metric_count; i++) {
        json_object(j);
        json_key(j, "name"), json_string(j, v->metrics[i].name);
        json_key(j, "help"), json_string(j, v->metrics[i].help);
        json_key(j, "low"), json_number(j, v->metrics[i].low);
        json_key(j, "high"), json_number(j, v->metrics[i].high);
        json_key(j, "higher_is_better"), json_bool(j, (v->metrics[i].flags & WN_METRIC_HIGHER_IS_BETTER) != 0);
        json_key(j, "across_prompts"), json_bool(j, (v->metrics[i].flags & WN_METRIC_ACROSS_PROMPTS) != 0);
        json_end(j);
    }
    json_end(j);
    json_key(j, "min_inputs"), json_u64(j, v->min_inputs);
    json_key(j, "max_inputs"), json_u64(j, v->max_inputs);
}

static void write_json(struct buffer *out, const wn_plugin *p, const struct registry_module *m, const char *sha256)
{
    struct json_text j = json_begin(out, 2);
    json_object(&j);
    json_key(&j, "name"), json_string(&j, p->name);
    json_key(&j, "kind"), json_string(&j, plugin_kind_name(p->kind));
    json_key(&j, "version"), json_string(&j, p->version);
    json_key(&j, "summary"), json_string(&j, p->summary);
    json_key(&j, "source"), json_string(&j, p->source);
    json_options(&j, "options", p->options);
    if (p->kind == WN_KIND_SAMPLER)
        json_options(&j, "canvas_options", ((const wn_sampler *)p->vtable)->canvas_options);
    if (p->kind == WN_KIND_SEARCH && ((const wn_search *)p->vtable)->part_options)
        json_options(&j, "part_options", ((const wn_search *)p->vtable)->part_options);
    if (p->kind == WN_KIND_VERIFIER)
        json_metrics(&j, p->vtable);
    json_key(&j, "flags"), json_array(&j);
    for (uint32_t i = 0; i < FLAGS; i++)
        if (flags[i].kind == p->kind && (flags_of(p) & flags[i].flag))
            json_string(&j, flags[i].name);
    json_end(&j);
    json_key(&j, "file"), json_string(&j, m->path);
    json_key(&j, "sha256"), json_string(&j, sha256);
    json_key(&j, "abi"), json_array(&j), json_u64(&j, WN_ABI_MAJOR), json_u64(&j, m->abi_minor), json_end(&j);
    json_end(&j);
    buffer_byte(out, '\n');
}

/* A name may belong to plugins of different kinds (analytic: a sampler and a verifier). */
static int describe_kind(struct cli *c, struct registry *r, int64_t kind, struct buffer *out, uint32_t *found)
{
    const wn_plugin *p;
    const struct registry_module *m;
    wn_error err = { 0 };
    char sha256[65];
    if (registry_find(r, kind, c->arguments[0], &p, &m, &err) != WN_OK)
        return EXIT_FINE;
    wn_status status = sha256_file(m->path, sha256, NULL, NULL, &err);
    if (status)
        return cli_fail(c, status, &err);
    if ((*found)++ && !cli_flag(c, "json"))
        buffer_text(out, "\n");
    if (cli_flag(c, "json"))
        write_json(out, p, m, sha256);
    else
        write_text(out, p, m, sha256);
    return EXIT_FINE;
}

static int run(struct cli *c)
{
    struct buffer out = BUFFER_INIT(1 << 20);
    struct registry *r = cli_registry(c);
    const char *kind_name = cli_value(c, "kind", NULL);
    int64_t wanted = kind_name ? plugin_kind_from(kind_name) : 0;
    uint32_t found = 0;
    int code = EXIT_FINE;
    if (kind_name && !wanted)
        return cli_usage(c, "--kind %s: not one of sampler, verifier, search, device", kind_name);
    for (int64_t kind = WN_KIND_SAMPLER; r && kind <= WN_KIND_DEVICE && code == EXIT_FINE; kind++)
        if (!wanted || kind == wanted)
            code = describe_kind(c, r, kind, &out, &found);
    if (code == EXIT_FINE && r && !found) {
        wn_error err = { 0 };
        const wn_plugin *p;
        const struct registry_module *m;
        code = cli_fail(c, registry_find(r, wanted, c->arguments[0], &p, &m, &err), &err);
    }
    if (found && code == EXIT_FINE)
        return cli_print(c, &out);
    buffer_free(&out);
    return r ? code : EXIT_FAILED;
}

static const struct cli_option options[] = {
    { "kind", 0, "KIND", "only the sampler, verifier, search or device of that name" },
    { "json", 0, NULL, "as JSON" },
    { NULL, 0, NULL, NULL }
};

const struct command cmd_describe = {
    .name = "describe",
    .arguments = "PLUGIN",
    .summary = "options, metrics and origin of a plugin",
    .details = "PLUGIN is a name from `winnow plugins`, or the path of a plugin's file.",
    .options = options,
    .minimum_arguments = 1,
    .maximum_arguments = 1,
    .run = run,
};
