/* cmd_devices.c - every compute device that a device plugin finds on this machine. */
#include "cli/commands.h"
#include "cli/table.h"
#include "plugin/device.h"

#include <string.h>

static const char *const dtype_names[] = { "", "f32", "f16", "bf16", "f8_e4m3", "f8_e5m2", "i32", "i64", "u8" };
static const char *const kind_names[] = { "", "cpu", "gpu", "integrated gpu", "software gpu" };

static const char *kind_name(const wn_device_info *info)
{
    return kind_names[info->kind >= WN_DEVICE_CPU && info->kind <= WN_DEVICE_SOFTWARE_GPU ? info->kind : 0];
}

struct listing {
    struct cli *cli;
    struct json_text *json; /* or NULL */
    struct table *table;
    int code;
};

static void list_json(struct json_text *j, const char *name, const wn_device_info *info)
{
    json_object(j);
    json_key(j, "use"), json_string(j, name);
    json_key(j, "kind"), json_string(j, kind_name(info));
    json_key(j, "name"), json_string(j, info->name);
    json_key(j, "vendor"), json_string(j, info->vendor);
    json_key(j, "driver"), json_string(j, info->driver);
    json_key(j, "uuid"), json_string(j, info->uuid);
    json_key(j, "paths"), json_string(j, info->paths);
    json_key(j, "memory_bytes"), json_u64(j, info->memory_bytes);
    json_key(j, "dtypes"), json_array(j);
    for (uint32_t d = WN_F32; d <= WN_U8; d++)
        if (info->dtypes >> d & 1)
            json_string(j, dtype_names[d]);
    json_end(j);
    json_end(j);
}

static void list_row(struct table *t, const char *name, const wn_device_info *info)
{
    table_cell(t, "%s", name);
    table_cell(t, "%s", kind_name(info));
    table_cell(t, "%s", info->name);
    table_cell(t, "%.1f GiB", (double)info->memory_bytes / (1 << 30));
    table_cell(t, "%s", *info->driver ? info->driver : info->vendor);
    table_cell(t, "%s", info->paths);
}

static void list_found(void *arg, const char *name, const wn_device_info *info)
{
    struct listing *l = arg;
    if (l->json)
        list_json(l->json, name, info);
    else
        list_row(l->table, name, info);
}

static void list_failed(void *arg, const wn_error *err)
{
    struct listing *l = arg;
    cli_fail(l->cli, err->code, err);
    l->code = EXIT_ENVIRONMENT;
}

static int run(struct cli *c)
{
    struct buffer out = BUFFER_INIT(1 << 20);
    struct table table;
    struct json_text json = json_begin(&out, 2);
    struct listing l = { c, cli_flag(c, "json") ? &json : NULL, &table, EXIT_FINE };
    struct process *process = cli_process(c, 0);
    wn_error err = { 0 };
    if (!process)
        return EXIT_FAILED;
    table_start(&table, 6);
    if (l.json)
        json_object(&json), json_key(&json, "devices"), json_array(&json);
    wn_status status = devices_visit(process, &(struct device_visitor){ &l, list_found, list_failed }, &err);
    if (l.json)
        json_end(&json), json_end(&json), buffer_byte(&out, '\n');
    table_write(&table, 0, &out);
    if (status)
        l.code = cli_fail(c, status, &err);
    int printed = cli_print(c, &out);
    return l.code == EXIT_FINE ? printed : l.code;
}

static const struct cli_option options[] = { { "json", 0, NULL, "as JSON" }, { NULL, 0, NULL, NULL } };

const struct command cmd_devices = {
    .name = "devices",
    .arguments = "",
    .summary = "list the compute devices of this machine",
    .details = "The first column is what a spec's \"device\" option names; a part of the device's name\n"
               "may stand for the number (vulkan:radeon).",
    .options = options,
    .run = run,
};
