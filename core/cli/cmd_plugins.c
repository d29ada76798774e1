/* cmd_plugins.c - what can be named in a spec, and which files could not be loaded and why. */
#include "cli/commands.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "plugin/handshake.h"

static void write_json(struct registry *r, struct buffer *out)
{
    struct json_text j = json_begin(out, 2);
    json_object(&j);
    json_key(&j, "plugins"), json_array(&j);
    for (uint32_t i = 0; i < registry_module_count(r); i++) {
        const struct registry_module *m = registry_module_at(r, i);
        for (uint32_t k = 0; k < m->plugin_count; k++) {
            const wn_plugin *p = m->plugins[k];
            json_object(&j);
            json_key(&j, "name"), json_string(&j, p->name);
            json_key(&j, "kind"), json_string(&j, plugin_kind_name(p->kind));
            json_key(&j, "version"), json_string(&j, p->version);
            json_key(&j, "summary"), json_string(&j, p->summary);
            json_key(&j, "file"), json_string(&j, m->path);
            json_end(&j);
        }
    }
    json_end(&j);
    json_key(&j, "failures"), json_array(&j);
    for (uint32_t i = 0; i < registry_failure_count(r); i++)
        json_string(&j, registry_failure_at(r, i));
    json_end(&j);
    json_end(&j);
    buffer_byte(out, '\n');
}

static void write_names(struct registry *r, struct buffer *out)
{
    for (uint32_t i = 0; i < registry_module_count(r); i++) {
        const struct registry_module *m = registry_module_at(r, i);
        for (uint32_t k = 0; k < m->plugin_count; k++)
            buffer_printf(out, "%s\n", m->plugins[k]->name);
    }
}

static void write_table(struct registry *r, struct buffer *out)
{
    struct table t;
    table_start(&t, 4);
    for (int64_t kind = WN_KIND_SAMPLER; kind <= WN_KIND_DEVICE; kind++)
        for (uint32_t i = 0; i < registry_module_count(r); i++) {
            const struct registry_module *m = registry_module_at(r, i);
            for (uint32_t k = 0; k < m->plugin_count; k++) {
                const wn_plugin *p = m->plugins[k];
                if (p->kind != kind)
                    continue;
                table_cell(&t, "%s", plugin_kind_name(kind));
                table_cell(&t, "%s", p->name);
                table_cell(&t, "%s", p->version);
                table_cell(&t, "%s", p->summary);
            }
        }
    table_write(&t, 0, out);
}

static int run(struct cli *c)
{
    struct buffer out = BUFFER_INIT(1 << 20);
    struct registry *r = cli_registry(c);
    if (!r)
        return EXIT_FAILED;
    if (cli_flag(c, "json"))
        write_json(r, &out);
    else if (cli_flag(c, "names"))
        write_names(r, &out);
    else
        write_table(r, &out);
    int code = cli_print(c, &out);
    for (uint32_t i = 0; i < registry_failure_count(r) && !cli_flag(c, "json"); i++) {
        char line[1200];
        snprintf(line, sizeof line, "not loaded: %s", registry_failure_at(r, i));
        terminal_message(line);
    }
    return code == EXIT_FINE && registry_failure_count(r) ? EXIT_ENVIRONMENT : code;
}

static const struct cli_option options[] = {
    { "json", 0, NULL, "as JSON" }, { "names", 0, NULL, "only the names" }, { NULL, 0, NULL, NULL }
};

const struct command cmd_plugins = {
    .name = "plugins",
    .arguments = "",
    .summary = "list samplers, verifiers, searches and devices",
    .details = "Exit status 3 when a file on the search path could not be loaded.",
    .options = options,
    .run = run,
};
