/* device.c - the module: one processor as a winnow device. */
#include "cpu.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

struct driver {
    const wn_host *host;
    const struct isa *isa;
};

static wn_status driver_create(const wn_host *host, const void *options, void **self, wn_error *err)
{
    (void)options;
    char reason[256];
    const struct isa *isa = isa_choose(reason, sizeof reason);
    if (!isa)
        return wn_fail(err, WN_E_ARG, "%s", reason);
    struct driver *driver = malloc(sizeof *driver);
    if (!driver)
        return wn_fail(err, WN_E_MEMORY, "out of memory");
    *driver = (struct driver){ host, isa };
    *self = driver;
    return WN_OK;
}

static void driver_destroy(void *self)
{
    free(self);
}

static uint64_t device_count(void *self)
{
    (void)self;
    return 1;
}

/* The processor's own names of itself; empty where it does not tell. */
static void processor_names(char *name, char *vendor)
{
    name[0] = vendor[0] = 0;
#if defined(__x86_64__)
    unsigned r[12] = { 0 }, most = 0;
    if (__get_cpuid(0, &most, &r[0], &r[2], &r[1]))
        memcpy(vendor, r, 12), vendor[12] = 0;
    if (!__get_cpuid(0x80000000u, &most, &r[0], &r[1], &r[2]) || most < 0x80000004u)
        return;
    for (unsigned i = 0; i < 3; i++)
        __get_cpuid(0x80000002u + i, &r[4 * i], &r[4 * i + 1], &r[4 * i + 2], &r[4 * i + 3]);
    memcpy(name, r, 48);
    name[48] = 0;
#endif
}

static wn_status device_info(void *self, uint64_t index, wn_device_info *info, wn_error *err)
{
    const struct driver *driver = self;
    if (index != 0)
        return wn_fail(err, WN_E_MISSING, "cpu device %llu: there is only 0", (unsigned long long)index);
    wn_device_info mine = { .struct_size = sizeof mine, .kind = WN_DEVICE_CPU };
    mine.memory_bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    mine.dtypes = UINT64_C(1) << WN_F32 | UINT64_C(1) << WN_BF16;
    char name[64], vendor[64];
    processor_names(name, vendor);
    snprintf(mine.name, sizeof mine.name, "%s", name[0] ? name : "cpu");
    snprintf(mine.vendor, sizeof mine.vendor, "%s", vendor);
    snprintf(mine.paths, sizeof mine.paths, "%s, %u threads", driver->isa->name,
             driver->host->thread_count(driver->host->ctx));
    uint64_t size = smaller(info->struct_size, sizeof mine);
    mine.struct_size = info->struct_size;
    memcpy(info, &mine, size);
    return WN_OK;
}

static wn_status device_open(void *self, uint64_t index, wn_device **device, wn_error *err)
{
    const struct driver *driver = self;
    if (index != 0)
        return wn_fail(err, WN_E_MISSING, "cpu device %llu: there is only 0", (unsigned long long)index);
    wn_device *d = calloc(1, sizeof *d);
    if (!d)
        return wn_fail(err, WN_E_MEMORY, "out of memory");
    d->host = driver->host;
    d->isa = driver->isa;
    pthread_mutex_init(&d->mutex, NULL);
    *device = d;
    return WN_OK;
}

static void device_close(wn_device *device)
{
    if (!device)
        return;
    pthread_mutex_destroy(&device->mutex);
    free(device);
}

static const wn_device_api api = {
    .struct_size = sizeof api,
    .count = device_count,
    .info = device_info,
    .open = device_open,
    .close = device_close,
    .compile = program_compile,
    .free_program = program_free,
    .run = program_run,
    .memory = program_memory,
    .profile = program_profile,
};

static const wn_option options[] = { WN_OPTIONS_END };

static const wn_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = WN_KIND_DEVICE,
    .name = "cpu",
    .version = "1.0",
    .summary = "Computes on the processor: f32 and bf16, AVX-512, AVX2 or portable vectors.",
    .source = "",
    .options = options,
    .options_size = 0,
    .create = driver_create,
    .destroy = driver_destroy,
    .vtable = &api,
};

WN_MODULE(&plugin);
