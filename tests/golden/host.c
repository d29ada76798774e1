#include "host.h"

#include "which_device.h"

#include "base/pool.h"
#include "tiny.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <winnow/device.h>

static void die(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static void host_log(void *ctx, int32_t level, const char *line)
{
    struct host *h = ctx;
    (void)level;
    h->log_size += snprintf(h->log + h->log_size, sizeof h->log - (size_t)h->log_size, "%s\n", line);
    if (h->log_size >= (int)sizeof h->log)
        h->log_size = (int)sizeof h->log - 1;
}

static int32_t host_cancelled(void *ctx)
{
    (void)ctx;
    return 0;
}

static void host_progress(void *ctx, double done, double total, const char *what)
{
    (void)ctx, (void)done, (void)total, (void)what;
}

static void host_for(void *ctx, uint64_t n, void (*fn)(void *arg, uint64_t i), void *arg)
{
    pool_parallel_for(((struct host *)ctx)->pool, n, fn, arg);
}

static uint32_t host_threads(void *ctx)
{
    return pool_threads(((struct host *)ctx)->pool);
}

static wn_status host_resolve(void *ctx, const char *name, char *path, uint64_t size, wn_error *err)
{
    (void)ctx, (void)err;
    snprintf(path, size, "%s", name);
    return WN_OK;
}

static wn_status host_device(void *ctx, const char *name, const struct wn_device_api **api, struct wn_device **device,
                             wn_error *err)
{
    struct host *h = ctx;
    (void)name, (void)err;
    *api = h->device.api;
    *device = h->device.device;
    return WN_OK;
}

static wn_status host_info(void *ctx, const struct wn_device *device, struct wn_device_info *info, wn_error *err)
{
    const struct host *h = ctx;
    (void)device;
    return h->device.api->info(h->driver, which_device(h->device.api, h->driver), info, err);
}

static void host_file(void *ctx, const char *path)
{
    if (access(path, R_OK) != 0)
        die(path, "a plugin says that it uses this file, which is not there");
    ((struct host *)ctx)->files++;
}

static const void *host_extension(void *ctx, const char *id)
{
    (void)ctx, (void)id;
    return NULL;
}

const wn_plugin *host_plugin(const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/lib/winnow/%s.so", WINNOW_BUILD_DIR, name);
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        die(path, dlerror());
    const wn_module *module = dlsym(handle, "wn_module_v0");
    if (!module || module->plugin_count == 0)
        die(path, "no module");
    return module->plugins[0];
}

/* A JSON scalar, or a value given by a test, into its place. */
static void store(const wn_option *o, void *options, const char *value)
{
    char *at = (char *)options + o->offset;
    switch (o->type) {
    case WN_OPTION_BOOL:
        *(int32_t *)(void *)at = strcmp(value, "true") == 0;
        break;
    case WN_OPTION_INT:
        *(int64_t *)(void *)at = strtoll(value, NULL, 10);
        break;
    case WN_OPTION_U64:
        *(uint64_t *)(void *)at = strtoull(value, NULL, 10);
        break;
    case WN_OPTION_NUMBER:
        *(double *)(void *)at = strtod(value, NULL);
        break;
    default:
        *(const char **)(void *)at = value;
    }
}

/* A fallback without its quotes; lives as long as the process. */
static const char *unquoted(const char *json)
{
    if (!json || *json != '"')
        return json ? json : "";
    const size_t length = strlen(json) - 2;
    return memcpy(tiny_alloc(length + 1, 1), json + 1, length);
}

void host_bind(const wn_option *table, void *options, const char *const *pairs)
{
    for (const wn_option *o = table; o->name; o++)
        store(o, options, unquoted(o->fallback));
    for (; *pairs; pairs += 2) {
        const wn_option *o = table;
        while (o->name && strcmp(o->name, pairs[0]) != 0)
            o++;
        if (!o->name)
            die(pairs[0], "no such option");
        store(o, options, pairs[1]);
    }
}

void *host_create(struct host *h, const wn_plugin *plugin, void *options, const char *const *pairs, wn_error *err)
{
    wn_error mine;
    void *self = NULL;
    host_bind(plugin->options, options, pairs);
    const wn_status status = plugin->create(&h->table, options, &self, err ? err : &mine);
    if (status != WN_OK && !err)
        die(plugin->name, mine.message);
    return status == WN_OK ? self : NULL;
}

void host_open(struct host *h, uint32_t threads)
{
    static const char *const none[] = { NULL };
    wn_error err;
    *h = (struct host){ .table = { .struct_size = sizeof h->table,
                                   .ctx = h,
                                   .log = host_log,
                                   .cancelled = host_cancelled,
                                   .progress = host_progress,
                                   .parallel_for = host_for,
                                   .thread_count = host_threads,
                                   .resolve = host_resolve,
                                   .open_device = host_device,
                                   .uses_file = host_file,
                                   .extension = host_extension,
                                   .device_info = host_info } };
    static char options[4096];
    h->pool = pool_create(threads);
    if (!h->pool)
        die("pool", "no threads");
    h->plugin = host_plugin(which_device_plugin());
    if (h->plugin->options_size > sizeof options)
        die(h->plugin->name, "options are larger than this test thinks");
    h->driver = host_create(h, h->plugin, options, none, NULL);
    h->device.api = h->plugin->vtable;
    if (h->device.api->open(h->driver, which_device(h->device.api, h->driver), &h->device.device, &err) != WN_OK)
        die(h->plugin->name, err.message);
}

void host_close(struct host *h)
{
    h->device.api->close(h->device.device);
    h->plugin->destroy(h->driver);
    pool_destroy(h->pool);
}
