/* test_host.h - a host for tests that need a device and nothing else: a pool of its own, silence, no files.
 *
 *     struct test_device d;
 *     test_device_open(&d, 2);        // the device plugin of this build, on 2 threads
 *     d.api->compile(d.device, ...);
 *     test_device_close(&d);
 *
 * The plugin is cpu, or what which_device.h says.
 */
#ifndef WINNOW_TESTS_TEST_HOST_H
#define WINNOW_TESTS_TEST_HOST_H

#include <winnow/device.h>

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "base/pool.h"
#include "which_device.h"

struct test_device {
    struct pool *pool;
    wn_host host;
    const wn_plugin *plugin;
    const wn_device_api *api;
    void *driver;
    wn_device *device;
};

WN_UNUSED static void test_log(void *ctx, int32_t level, const char *line)
{
    (void)ctx;
    fprintf(stderr, "[%d] %s\n", level, line);
}

WN_UNUSED static int32_t test_cancelled(void *ctx)
{
    (void)ctx;
    return 0;
}

WN_UNUSED static void test_progress(void *ctx, double done, double total, const char *what)
{
    (void)ctx, (void)done, (void)total, (void)what;
}

WN_UNUSED static void test_parallel_for(void *ctx, uint64_t n, void (*fn)(void *arg, uint64_t i), void *arg)
{
    pool_parallel_for(((struct test_device *)ctx)->pool, n, fn, arg);
}

WN_UNUSED static uint32_t test_thread_count(void *ctx)
{
    return pool_threads(((struct test_device *)ctx)->pool);
}

/* Exits with a message when the plugin or the device is not there: a test of devices cannot go on. */
WN_UNUSED static void test_require(int condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "%s\n", what);
    exit(1);
}

/* The options of every device plugin, as they are when a spec says nothing: vulkan's "caps". */
WN_UNUSED static const struct {
    const char *caps;
} test_device_options = { "" };

/* 0 when the plugin refuses to be created or opened, with its reason in err; nothing is left open then. */
WN_UNUSED static int test_device_try(struct test_device *d, uint32_t threads, wn_error *err)
{
    d->pool = pool_create(threads);
    d->host = (wn_host){ .struct_size = sizeof d->host,
                         .ctx = d,
                         .log = test_log,
                         .cancelled = test_cancelled,
                         .progress = test_progress,
                         .parallel_for = test_parallel_for,
                         .thread_count = test_thread_count };
    char path[1024];
    snprintf(path, sizeof path, WINNOW_BUILD_DIR "/lib/winnow/%s.so", which_device_plugin());
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    test_require(library != NULL, library ? "" : dlerror());
    const wn_module *module = dlsym(library, "wn_module_v0");
    test_require(d->pool && module, "no pool or no wn_module_v0");
    d->plugin = module->plugins[0];
    d->api = d->plugin->vtable;
    d->driver = NULL;
    if (d->plugin->create(&d->host, &test_device_options, &d->driver, err) == WN_OK &&
        d->api->open(d->driver, which_device(d->api, d->driver), &d->device, err) == WN_OK)
        return 1;
    d->plugin->destroy(d->driver);
    pool_destroy(d->pool);
    return 0;
}

WN_UNUSED static void test_device_open(struct test_device *d, uint32_t threads)
{
    wn_error err = { 0 };
    int is_open = test_device_try(d, threads, &err);
    test_require(is_open, err.message);
}

WN_UNUSED static void test_device_close(struct test_device *d)
{
    d->api->close(d->device);
    d->plugin->destroy(d->driver);
    pool_destroy(d->pool);
}

#endif
