/* device.c - the module: every Vulkan device of this machine. */
#include "product.h"

#include <stdlib.h>
#include <string.h>

struct options {
    const char *caps;
};

/* ---- driver ------------------------------------------------------------------------------------------------- */

/* The order devices are listed in: what a name without a number should find first. */
static int rank(VkPhysicalDeviceType type)
{
    switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
        return 0;
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
        return 1;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
        return 2;
    case VK_PHYSICAL_DEVICE_TYPE_CPU:
        return 4;
    default:
        return 3;
    }
}

static int by_rank(const void *a, const void *b)
{
    const struct caps *x = a, *y = b;
    const int difference = rank(x->properties.deviceType) - rank(y->properties.deviceType);
    return difference ? difference : memcmp(x->uuid, y->uuid, sizeof x->uuid);
}

/* What makes a device useless is told where one is looked for; overrides that it does not take are kept as `refusal`.
 */
static wn_status probe(struct driver *d, VkPhysicalDevice physical, const char *overrides, wn_error *refusal,
                       wn_error *err)
{
    const wn_status status = caps_probe(&d->api, physical, overrides, &d->devices[d->device_count], err);
    if (status == WN_OK)
        d->device_count++;
    else if (status != WN_E_MEMORY)
        snprintf(d->api.absent, sizeof d->api.absent, "%.500s", err->message);
    if (status == WN_E_ARG)
        *refusal = *err;
    return status == WN_E_MEMORY ? status : WN_OK;
}

static wn_status find_devices(struct driver *d, const char *overrides, wn_error *err)
{
    VkPhysicalDevice found[64];
    wn_error refusal = { 0 };
    uint32_t count = 64;
    const VkResult result = d->api.EnumeratePhysicalDevices(d->api.instance, &count, found);
    if (result != VK_SUCCESS && result != VK_INCOMPLETE) {
        snprintf(d->api.absent, sizeof d->api.absent, "no Vulkan device could be listed: %s", api_result_name(result));
        return WN_OK;
    }
    d->devices = calloc(count + 1, sizeof *d->devices);
    if (!d->devices)
        return wn_fail(err, WN_E_MEMORY, "out of memory");
    for (uint32_t i = 0; i < count; i++)
        WN_TRY(probe(d, found[i], overrides, &refusal, err));
    if (!d->device_count && refusal.code)
        return wn_fail(err, refusal.code, "%s", refusal.message);
    qsort(d->devices, d->device_count, sizeof *d->devices, by_rank);
    return WN_OK;
}

static void driver_destroy(void *self)
{
    struct driver *d = self;
    if (!d)
        return;
    free(d->devices);
    if (!d->is_abandoned) /* else something of it may still be running */
        api_close(&d->api);
    free(d);
}

static wn_status driver_create(const wn_host *host, const void *options, void **self, wn_error *err)
{
    const struct options *o = options;
    struct driver *d = calloc(1, sizeof *d);
    if (!d)
        return wn_fail(err, WN_E_MEMORY, "out of memory");
    d->host = host;
    api_open(&d->api);
    const wn_status status = d->api.instance ? find_devices(d, o->caps, err) : WN_OK;
    if (status != WN_OK) {
        driver_destroy(d);
        return status;
    }
    if (d->api.absent[0])
        host->log(host->ctx, d->api.instance ? WN_LOG_WARN : WN_LOG_DEBUG, d->api.absent);
    *self = d;
    return WN_OK;
}

/* ---- devices ------------------------------------------------------------------------------------------------ */

static uint64_t device_count(void *self)
{
    return ((const struct driver *)self)->device_count;
}

static wn_status find(const struct driver *d, uint64_t index, const struct caps **caps, wn_error *err)
{
    if (index >= d->device_count)
        return wn_fail(err, WN_E_MISSING, "vulkan device %llu: there are %llu%s%s", (unsigned long long)index,
                       (unsigned long long)d->device_count, d->api.absent[0] ? "; " : "", d->api.absent);
    *caps = &d->devices[index];
    return WN_OK;
}

static int64_t kind_of(const struct caps *c)
{
    switch (c->properties.deviceType) {
    case VK_PHYSICAL_DEVICE_TYPE_CPU:
        return WN_DEVICE_SOFTWARE_GPU;
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
        return WN_DEVICE_INTEGRATED_GPU;
    default:
        return WN_DEVICE_GPU;
    }
}

static const char *vendor_name(uint32_t id)
{
    switch (id) {
    case 0x10de:
        return "NVIDIA";
    case 0x1002:
        return "AMD";
    case 0x8086:
        return "Intel";
    case 0x106b:
        return "Apple";
    case 0x13b5:
        return "ARM";
    case 0x5143:
        return "Qualcomm";
    case 0x10005:
        return "Mesa";
    default:
        return "another vendor";
    }
}

static wn_status device_info(void *self, uint64_t index, wn_device_info *info, wn_error *err)
{
    const struct caps *c = NULL;
    WN_TRY(find(self, index, &c, err));
    wn_device_info mine = { .struct_size = info->struct_size, .kind = kind_of(c), .memory_bytes = c->memory_bytes };
    mine.dtypes = UINT64_C(1) << WN_F32 | UINT64_C(1) << WN_BF16 | UINT64_C(1) << WN_F16;
    snprintf(mine.name, sizeof mine.name, "%s", c->properties.deviceName);
    snprintf(mine.vendor, sizeof mine.vendor, "%s", vendor_name(c->properties.vendorID));
    snprintf(mine.driver, sizeof mine.driver, "%s", c->driver);
    for (uint32_t i = 0; i < VK_UUID_SIZE; i++)
        snprintf(mine.uuid + 2 * i, 3, "%02x", c->uuid[i]);
    caps_describe(c, mine.paths, sizeof mine.paths);
    memcpy(info, &mine, smaller(info->struct_size, sizeof mine));
    return WN_OK;
}

static void device_close(wn_device *device)
{
    if (!device)
        return;
    device_stop(device);
    pthread_mutex_destroy(&device->queue_mutex);
    pthread_rwlock_destroy(&device->use_lock);
    pthread_mutex_destroy(&device->memory_mutex);
    pthread_mutex_destroy(&device->staging_mutex);
    pthread_mutex_destroy(&device->pipeline_mutex);
    pthread_mutex_destroy(&device->weights_mutex);
    pthread_mutex_destroy(&device->programs_mutex);
    free(device);
}

/* What is wrong is not used, and not listed any more. Fails only when it was interrupted, which says nothing of it. */
static wn_status try_matrix2(struct driver *driver, uint64_t index, wn_device *device, wn_error *err)
{
    wn_error why = { 0 };
    char line[700];
    struct caps *caps = &driver->devices[index];
    if (!caps->has_coopmat2 || caps->is_software)
        return WN_OK;
    const wn_status status = matrix2_check(device, &why);
    device->work_per_s = 0; /* so small a product says nothing of it */
    if (status == WN_OK)
        return WN_OK;
    if (status == WN_E_CANCELLED)
        return wn_fail(err, status, "%s", why.message);
    caps->has_coopmat2 = 0;
    snprintf(line, sizeof line,
             "vulkan: %.200s: a product with VK_NV_cooperative_matrix2 went wrong (%.400s): it is not used",
             caps->properties.deviceName, why.message);
    driver->host->log(driver->host->ctx, WN_LOG_WARN, line);
    return WN_OK;
}

static wn_status device_open(void *self, uint64_t index, wn_device **device, wn_error *err)
{
    struct driver *driver = self;
    const struct caps *caps = NULL;
    WN_TRY(find(driver, index, &caps, err));
    wn_device *d = calloc(1, sizeof *d);
    if (!d)
        return wn_fail(err, WN_E_MEMORY, "out of memory");
    d->driver = driver;
    d->host = driver->host;
    d->caps = d->listed = caps;
    d->caution = 1;
    pthread_mutex_init(&d->queue_mutex, NULL);
    pthread_rwlock_init(&d->use_lock, NULL);
    pthread_mutex_init(&d->memory_mutex, NULL);
    pthread_mutex_init(&d->staging_mutex, NULL);
    pthread_mutex_init(&d->pipeline_mutex, NULL);
    pthread_mutex_init(&d->weights_mutex, NULL);
    pthread_mutex_init(&d->programs_mutex, NULL);
    wn_status status = device_start(d, err);
    if (status == WN_OK)
        status = try_matrix2(driver, index, d, err);
    if (status != WN_OK) {
        device_close(d);
        return status == WN_E_DEVICE ? (err->code = WN_E_MISSING)
                                     : status; /* it never worked: trying again is no help */
    }
    *device = d;
    return WN_OK;
}

/* ---- ways ---------------------------------------------------------------------------------------------------- */

enum way { GROUPS, SUBGROUPS, TILES, SOFTWARE };

static enum way best_way(const struct caps *c, int64_t dtype)
{
    const int32_t type = dtype == WN_F16 ? COMPONENT_F16 : COMPONENT_BF16;
    struct group_shape tile;
    if (c->is_software)
        return SOFTWARE;
    if (dtype == WN_F32 || !caps_shape(c, type))
        return TILES;
    return product_tile2(c, type, UINT32_MAX, UINT32_MAX, &tile) ? GROUPS : SUBGROUPS;
}

/* Takes away what the best way needs, again and again. */
static const char *choose_way(wn_device *device, int64_t dtype, uint64_t way)
{
    static const char *const names[] = { [GROUPS] = "matrices of whole groups",
                                         [SUBGROUPS] = "matrices of subgroups",
                                         [TILES] = "tiles in shared memory",
                                         [SOFTWARE] = "without barriers" };
    struct caps c = *device->listed;
    for (; way > 0; way--) {
        const enum way best = best_way(&c, dtype);
        if (best != GROUPS && best != SUBGROUPS)
            return NULL;
        c.has_coopmat = c.has_coopmat && best == GROUPS;
        c.has_coopmat2 = 0;
    }
    device->chosen = c;
    device->caps = &device->chosen;
    return names[best_way(&c, dtype)];
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
    .choose_way = choose_way,
    .plan = program_plan,
};

static const wn_option options[] = { WN_STRING(
                                         struct options, caps, "\"\"",
                                         "features to do without, separated by commas, to force a kernel path: "
                                         "no-coopmat, no-fp16, subgroup=16; its README says where all are listed"),
                                     WN_OPTIONS_END };

static const wn_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = WN_KIND_DEVICE,
    .name = "vulkan",
    .version = "1.0",
    .summary = "Computes on GPUs of any vendor through Vulkan 1.2: f32, bf16 and f16.",
    .source = "",
    .options = options,
    .options_size = sizeof(struct options),
    .create = driver_create,
    .destroy = driver_destroy,
    .vtable = &api,
};

WN_MODULE(&plugin);
