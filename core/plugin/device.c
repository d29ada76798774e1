/* device.c - devices by their spec names, opened once and shared.
 *
 * "vulkan" is the first device of plugin vulkan, "vulkan:1" its second, "vulkan:radeon" the first one whose name holds
 * "radeon" in any case. Who asks twice, by whatever name, gets the same device.
 */
#include "plugin/device.h"

#include "base/buffer.h"
#include "plugin/host.h"
#include "plugin/options.h"
#include "plugin/registry.h"

#include <stdlib.h>
#include <string.h>

/* An options struct of nothing but defaults. */
static wn_status default_options(const wn_plugin *plugin, struct arena *arena, void **options, wn_error *err)
{
    struct problems problems;
    struct tree_node *nowhere = tree_new(arena, TREE_OBJECT);
    *options = arena_alloc(arena, plugin->options_size);
    if (!nowhere || !*options)
        return wn_fail(err, WN_E_MEMORY, "no memory");
    problems_init(&problems);
    options_bind(plugin->options, NULL, nowhere, NULL, *options, arena, &problems);
    wn_status status = WN_OK;
    if (problems.count)
        status = wn_fail(err, WN_E_ARG, "device plugin \"%s\" has an option without a default", plugin->name);
    problems_free(&problems);
    return status;
}

/* What the spec says of the plugin; else its defaults. */
static wn_status find_options(const struct host_shared *s, const wn_plugin *plugin, const void **options, wn_error *err)
{
    void *defaults = NULL;
    *options = NULL;
    for (uint32_t i = 0; i < s->spec->device_count; i++)
        if (s->spec->devices[i].plugin == plugin)
            *options = s->spec->devices[i].options;
    if (*options)
        return WN_OK;
    WN_TRY(default_options(plugin, s->arena, &defaults, err));
    *options = defaults;
    return WN_OK;
}

/* A device plugin's instance; the caller ends it with plugin->destroy. */
static wn_status start_driver(struct host_shared *s, const wn_plugin *plugin, void **driver, wn_error *err)
{
    const void *options;
    wn_host *host = arena_alloc(s->arena, sizeof *host);
    const char *label = arena_printf(s->arena, "device %s", plugin->name);
    if (!host || !label || !host_init(host, s, label, NULL, 0))
        return wn_fail(err, WN_E_MEMORY, "no memory");
    WN_TRY(find_options(s, plugin, &options, err));
    return plugin->create(host, options, driver, err);
}

static bool contains_any_case(const char *text, const char *part)
{
    return strcasestr(text, part) != NULL;
}

static wn_status fail_unknown(struct host_device *d, uint64_t count, const char *name, wn_error *err)
{
    struct buffer there = BUFFER_INIT(700);
    wn_error ignored;
    for (uint64_t i = 0; i < count; i++) {
        wn_device_info info = { .struct_size = sizeof info };
        if (d->api->info(d->driver, i, &info, &ignored) == WN_OK)
            buffer_printf(&there, "%s%llu = %s", i ? ", " : "; there are ", (unsigned long long)i, info.name);
    }
    wn_fail(err, WN_E_MISSING, "no device \"%s\"%s", name, count ? buffer_string(&there) : "; the plugin finds none");
    buffer_free(&there);
    return WN_E_MISSING;
}

static bool is_software(const struct host_device *d, uint64_t index)
{
    wn_error ignored;
    wn_device_info info = { .struct_size = sizeof info };
    return d->api->info(d->driver, index, &info, &ignored) == WN_OK && info.kind == WN_DEVICE_SOFTWARE_GPU;
}

/* The first device whose name holds `part`, or whose uuid begins with it. */
static bool find_named(struct host_device *d, uint64_t count, const char *part)
{
    wn_error ignored;
    for (d->index = 0; d->index < count; d->index++) {
        wn_device_info info = { .struct_size = sizeof info };
        if (d->api->info(d->driver, d->index, &info, &ignored) == WN_OK &&
            (contains_any_case(info.name, part) || (*info.uuid && strncasecmp(info.uuid, part, strlen(part)) == 0)))
            return true;
    }
    return false;
}

/* part: what stands behind the colon, "" when there is none. A device that is only a program on the processor is a
 * mistake unless it was asked for by its name: it computes, but a hundred times slower than who wrote "vulkan" expects.
 */
static wn_status find_index(struct host_device *d, const char *name, const char *part, wn_error *err)
{
    const uint64_t count = d->api->count(d->driver);
    if (part[strspn(part, "0123456789")] != '\0')
        return find_named(d, count, part) ? WN_OK : fail_unknown(d, count, name, err);
    d->index = strtoull(part, NULL, 10);
    if (d->index >= count)
        return fail_unknown(d, count, name, err);
    if (!is_software(d, d->index))
        return WN_OK;
    wn_device_info info = { .struct_size = sizeof info };
    WN_TRY(d->api->info(d->driver, d->index, &info, err));
    return wn_fail(err, WN_E_MISSING,
                   "device \"%s\" is %s, which computes on the processor: name it (\"%.*s:%.40s\") if "
                   "that is what you want, or use \"cpu\", which is faster",
                   name, info.name, (int)strcspn(name, ":"), name, info.name);
}

static wn_status find_plugin(struct host_shared *s, const char *name, uint64_t length, struct host_device *d,
                             wn_error *err)
{
    const struct registry_module *module;
    const char *plugin_name = arena_copy(s->arena, name, length);
    if (!plugin_name)
        return wn_fail(err, WN_E_MEMORY, "no memory");
    WN_TRY(registry_find(s->process->registry, WN_KIND_DEVICE, plugin_name, &d->plugin, &module, err));
    d->api = d->plugin->vtable;
    return WN_OK;
}

static struct host_device *find_driver(const struct host_shared *s, const wn_plugin *plugin)
{
    struct host_device *d = s->devices;
    while (d && d->plugin != plugin)
        d = d->next;
    return d;
}

static struct host_device *find_open(const struct host_shared *s, const struct host_device *wanted)
{
    struct host_device *d = s->devices;
    while (d && (d->plugin != wanted->plugin || d->index != wanted->index || !d->device))
        d = d->next;
    return d;
}

wn_status host_open_device(void *ctx, const char *name, const wn_device_api **api, wn_device **device, wn_error *err)
{
    struct host_shared *s = ((struct host_context *)ctx)->shared;
    struct host_device *d = arena_alloc(s->arena, sizeof *d);
    uint64_t length = strcspn(name, ":");
    if (!d)
        return wn_fail(err, WN_E_MEMORY, "no memory");
    WN_TRY(find_plugin(s, name, length, d, err));
    struct host_device *same = find_driver(s, d->plugin);
    if (same)
        d->driver = same->driver;
    else
        WN_TRY(start_driver(s, d->plugin, &d->driver, err));
    d->next = s->devices; /* from here on the driver is ended by host_close_devices, whatever fails */
    s->devices = d;
    WN_TRY(find_index(d, name, name[length] ? name + length + 1 : "", err));
    struct host_device *open = find_open(s, d);
    if (!open)
        WN_TRY(d->api->open(d->driver, d->index, &d->device, err));
    *api = d->api;
    *device = open ? open->device : d->device;
    return WN_OK;
}

wn_status host_device_info(void *ctx, const wn_device *device, wn_device_info *info, wn_error *err)
{
    const struct host_shared *s = ((struct host_context *)ctx)->shared;
    for (const struct host_device *d = s->devices; d; d = d->next)
        if (d->device == device)
            return d->api->info(d->driver, d->index, info, err);
    return wn_fail(err, WN_E_ARG, "device_info of what open_device did not give");
}

void host_close_devices(struct host_shared *s)
{
    for (struct host_device *d = s->devices; d; d = d->next)
        if (d->device)
            d->api->close(d->device);
    for (struct host_device *d = s->devices; d; d = d->next) {
        bool is_last_user = true; /* a driver serves several entries; it is ended at the last */
        for (const struct host_device *e = d->next; e; e = e->next)
            is_last_user = is_last_user && e->driver != d->driver;
        if (is_last_user)
            d->plugin->destroy(d->driver);
    }
    s->devices = NULL;
}

uint32_t instances_devices(const struct instances *i, wn_device_info *info, uint32_t capacity)
{
    const struct host_shared *s = i->memory;
    uint32_t count = 0;
    for (const struct host_device *d = s->devices; d && count < capacity; d = d->next) {
        wn_error ignored;
        if (!d->device)
            continue;
        info[count] = (wn_device_info){ .struct_size = sizeof *info };
        if (d->api->info(d->driver, d->index, &info[count], &ignored) == WN_OK)
            count++;
    }
    return count;
}

/* ---- without an experiment ---- */

static const struct spec nothing = { .directory = "." };

/* In its own arena; NULL when memory ran out. */
static struct host_shared *share(struct process *process)
{
    struct arena *arena = arena_create();
    struct host_shared *s = arena ? arena_alloc(arena, sizeof *s) : NULL;
    struct instances *instances = arena ? arena_alloc(arena, sizeof *instances) : NULL;
    if (!s || !instances) {
        arena_destroy(arena);
        return NULL;
    }
    *s = (struct host_shared){ .arena = arena, .spec = &nothing, .process = process, .instances = instances };
    return s;
}

static void visit_device(const struct device_visitor *visitor, const wn_plugin *plugin, void *driver, uint64_t index)
{
    const wn_device_api *api = plugin->vtable;
    char name[100];
    wn_error err = { 0 };
    wn_device_info info = { .struct_size = sizeof info };
    snprintf(name, sizeof name, "%s:%llu", plugin->name, (unsigned long long)index);
    if (api->info(driver, index, &info, &err) != WN_OK)
        snprintf(info.name, sizeof info.name, "(%.240s)", err.message);
    visitor->found(visitor->arg, name, &info);
}

static void visit_plugin(const struct device_visitor *visitor, struct host_shared *s, const wn_plugin *plugin)
{
    wn_error err = { 0 };
    void *driver;
    if (start_driver(s, plugin, &driver, &err) != WN_OK) {
        visitor->failed(visitor->arg, &err);
        return;
    }
    for (uint64_t i = 0, count = ((const wn_device_api *)plugin->vtable)->count(driver); i < count; i++)
        visit_device(visitor, plugin, driver, i);
    plugin->destroy(driver);
}

wn_status devices_visit(struct process *process, const struct device_visitor *visitor, wn_error *err)
{
    struct registry *r = process->registry;
    struct host_shared *s = share(process);
    if (!s)
        return wn_fail(err, WN_E_MEMORY, "no memory");
    for (uint32_t i = 0; i < registry_module_count(r); i++) {
        const struct registry_module *m = registry_module_at(r, i);
        for (uint32_t k = 0; k < m->plugin_count; k++)
            if (m->plugins[k]->kind == WN_KIND_DEVICE)
                visit_plugin(visitor, s, m->plugins[k]);
    }
    arena_destroy(s->arena);
    return WN_OK;
}

wn_status device_open(struct process *process, const char *name, struct device_session *s, wn_error *err)
{
    wn_host host;
    *s = (struct device_session){ .shared = share(process) };
    if (!s->shared || !host_init(&host, s->shared, "device", NULL, 0))
        return wn_fail(err, WN_E_MEMORY, "no memory");
    return host_open_device(host.ctx, name, &s->api, &s->device, err);
}

wn_status device_session_info(const struct device_session *s, wn_device_info *info, wn_error *err)
{
    const struct host_device *d = s->shared->devices;
    while (d && d->device != s->device)
        d = d->next;
    *info = (wn_device_info){ .struct_size = sizeof *info };
    return d ? d->api->info(d->driver, d->index, info, err) : wn_fail(err, WN_E_INTERNAL, "the device is not open");
}

void device_close(struct device_session *s)
{
    if (!s->shared)
        return;
    host_close_devices(s->shared);
    arena_destroy(s->shared->arena);
    s->shared = NULL;
}

wn_status host_session_open(struct process *process, const struct spec *of, struct host_session *s, wn_error *err)
{
    *s = (struct host_session){ .shared = share(process) };
    struct spec *spec = s->shared ? arena_alloc(s->shared->arena, sizeof *spec) : NULL;
    if (!spec || !host_init(&s->host, s->shared, "workload", NULL, 0))
        return wn_fail(err, WN_E_MEMORY, "no memory");
    *spec = (struct spec){ .directory = of->directory, .devices = of->devices, .device_count = of->device_count };
    s->shared->spec = spec;
    return WN_OK;
}

void host_session_close(struct host_session *s)
{
    struct device_session devices = { .shared = s->shared };
    device_close(&devices);
    s->shared = NULL;
}
