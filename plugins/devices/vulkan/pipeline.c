/* pipeline.c - kernels made for their use by specialisation, each once, and kept on disk between runs.
 *
 * Compiling SPIR-V takes drivers from milliseconds to seconds for each pipeline, so what Vulkan calls a pipeline cache
 * is written to ~/.cache/winnow (XDG_CACHE_HOME) under a name made of device, driver and kernels. The file is not
 * trusted: a header with its size and hash comes first, Vulkan's own header is compared with the device, and a file
 * that does not fit is replaced. A driver still has to believe its own data; WINNOW_VULKAN_CACHE=off does without.
 */
#include "vulkan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CACHE_MAGIC UINT64_C(0x315043574e4e4957) /* "WINNWCP1" */
#define CACHE_LIMIT (UINT64_C(256) << 20)

struct cache_header {
    uint64_t magic, bytes, hash;
};

struct pipeline_entry {
    struct pipeline_entry *next;
    struct variant variant;
    VkPipeline pipeline;
};

/* ---- the file ----------------------------------------------------------------------------------------------- */

/* FNV-1a, 64 bit: guards against truncation and rot, not against malice; the directory is the user's own. */
static uint64_t hash_more(uint64_t hash, const void *data, uint64_t bytes)
{
    const uint8_t *p = data;
    for (uint64_t i = 0; i < bytes; i++)
        hash = (hash ^ p[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static uint64_t hash_of(const void *data, uint64_t bytes)
{
    return hash_more(UINT64_C(0xcbf29ce484222325), data, bytes);
}

/* Empty when there is no place for it or it is not wanted. */
static void find_path(wn_device *device)
{
    const char *off = getenv("WINNOW_VULKAN_CACHE"), *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char folder[3072];
    const struct caps *c = device->caps;
    uint64_t key = hash_of(c->uuid, sizeof c->uuid);
    device->cache_path[0] = 0;
    if (off && strcmp(off, "off") == 0)
        return;
    const int n = base && *base == '/'   ? snprintf(folder, sizeof folder, "%s", base)
                  : home && *home == '/' ? snprintf(folder, sizeof folder, "%s/.cache", home)
                                         : 0;
    if (n < 2 || (size_t)n >= sizeof folder - 32)
        return;
    mkdir(folder, 0700);
    strcat(folder, "/winnow");
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return;
    key = hash_more(key, c->driver_uuid, sizeof c->driver_uuid);
    key = hash_more(key, &c->properties.driverVersion, sizeof c->properties.driverVersion);
    key = hash_more(key, &(uint64_t){ kernels_hash() }, sizeof(uint64_t));
    snprintf(device->cache_path, sizeof device->cache_path, "%s/vulkan-%016llx.cache", folder, (unsigned long long)key);
}

/* Whether the data begin as a cache of this very device does (VkPipelineCacheHeaderVersionOne). */
static int is_ours(const wn_device *device, const char *data, uint64_t bytes)
{
    const VkPhysicalDeviceProperties *p = &device->caps->properties;
    uint32_t head[4];
    if (bytes < 16 + VK_UUID_SIZE)
        return 0;
    memcpy(head, data, sizeof head);
    return head[0] >= 16 + VK_UUID_SIZE && head[0] <= bytes && head[1] == VK_PIPELINE_CACHE_HEADER_VERSION_ONE &&
           head[2] == p->vendorID && head[3] == p->deviceID &&
           memcmp(data + 16, p->pipelineCacheUUID, VK_UUID_SIZE) == 0;
}

/* A file and nothing that only looks like one: a pipe could be waited for without end. */
static FILE *open_cache(const wn_device *device, uint64_t *bytes)
{
    struct stat about;
    const int fd =
        device->cache_path[0] ? open(device->cache_path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) : -1;
    FILE *f = NULL;
    if (fd >= 0 && fstat(fd, &about) == 0 && S_ISREG(about.st_mode) && (f = fdopen(fd, "rb")))
        *bytes = (uint64_t)about.st_size;
    else if (fd >= 0)
        close(fd);
    return f;
}

/* malloc'd, of *bytes; NULL when there is none that can be believed. */
static char *read_cache(wn_device *device, uint64_t *bytes)
{
    struct cache_header h;
    uint64_t file_bytes = 0;
    char *data = NULL;
    FILE *f = open_cache(device, &file_bytes);
    if (f && fread(&h, sizeof h, 1, f) == 1 && h.magic == CACHE_MAGIC && h.bytes && h.bytes <= CACHE_LIMIT &&
        h.bytes == file_bytes - sizeof h && (data = malloc(h.bytes)) && fread(data, 1, h.bytes, f) == h.bytes &&
        hash_of(data, h.bytes) == h.hash && is_ours(device, data, h.bytes)) {
        *bytes = h.bytes;
        device->cache_file_hash = h.hash;
    } else {
        free(data);
        data = NULL;
    }
    if (f)
        fclose(f);
    return data;
}

/* Beside, then renamed: a reader sees the old file or the new one. What fails here costs the next start its time. */
static void write_cache(const wn_device *device, const char *data, uint64_t bytes)
{
    const struct cache_header h = { CACHE_MAGIC, bytes, hash_of(data, bytes) };
    char temporary[sizeof device->cache_path + 16];
    snprintf(temporary, sizeof temporary, "%s.XXXXXX", device->cache_path);
    const int fd = mkstemp(temporary);
    FILE *f = fd >= 0 ? fdopen(fd, "wb") : NULL;
    if (!f) {
        if (fd >= 0)
            close(fd), remove(temporary);
        return;
    }
    const int is_written = fwrite(&h, sizeof h, 1, f) == 1 && fwrite(data, 1, bytes, f) == bytes;
    if (fclose(f) != 0 || !is_written || rename(temporary, device->cache_path) != 0)
        remove(temporary);
}

/* Only where it holds what the file does not. */
static void save_cache(const wn_device *device)
{
    size_t bytes = 0;
    if (!device->pipelines || !device->cache || !device->cache_path[0] || device->is_lost ||
        device->vk.GetPipelineCacheData(device->handle, device->cache, &bytes, NULL) != VK_SUCCESS || bytes == 0 ||
        bytes > CACHE_LIMIT)
        return;
    char *data = malloc(bytes);
    if (data && device->vk.GetPipelineCacheData(device->handle, device->cache, &bytes, data) == VK_SUCCESS &&
        hash_of(data, bytes) != device->cache_file_hash)
        write_cache(device, data, bytes);
    free(data);
}

/* ---- making ------------------------------------------------------------------------------------------------- */

static wn_status open_layout(wn_device *device, wn_error *err)
{
    const VkPushConstantRange range = { VK_SHADER_STAGE_COMPUTE_BIT, 0, PUSH_BYTES };
    const VkPipelineLayoutCreateInfo info = { .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
                                              .pushConstantRangeCount = 1,
                                              .pPushConstantRanges = &range };
    return device_check(device, device->vk.CreatePipelineLayout(device->handle, &info, NULL, &device->layout),
                        "a pipeline layout", err);
}

wn_status pipeline_open(wn_device *device, wn_error *err)
{
    uint64_t bytes = 0;
    device->cache_file_hash = 0;
    find_path(device);
    char *data = read_cache(device, &bytes);
    const VkPipelineCacheCreateInfo info = { .sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO,
                                             .initialDataSize = bytes,
                                             .pInitialData = data };
    const VkResult result = device->vk.CreatePipelineCache(device->handle, &info, NULL, &device->cache);
    free(data);
    WN_TRY(device_check(device, result, "a pipeline cache", err));
    return open_layout(device, err);
}

void pipeline_close(wn_device *device)
{
    save_cache(device);
    for (struct pipeline_entry *e = device->pipelines, *next; e; e = next) {
        next = e->next;
        if (device_is_there(device))
            device->vk.DestroyPipeline(device->handle, e->pipeline, NULL);
        free(e);
    }
    if (device_is_there(device)) {
        device->vk.DestroyPipelineLayout(device->handle, device->layout, NULL);
        device->vk.DestroyPipelineCache(device->handle, device->cache, NULL);
    }
    device->pipelines = NULL;
    device->layout = VK_NULL_HANDLE;
    device->cache = VK_NULL_HANDLE;
}

static wn_status make_module(wn_device *device, const struct kernel_code *code, VkShaderModule *module, wn_error *err)
{
    const VkShaderModuleCreateInfo info = { .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
                                            .codeSize = code->bytes,
                                            .pCode = code->words };
    return device_check(device, device->vk.CreateShaderModule(device->handle, &info, NULL, module), code->name, err);
}

static wn_status make_pipeline(wn_device *device, const struct variant *v, VkShaderModule module, VkPipeline *pipeline,
                               wn_error *err)
{
    VkSpecializationMapEntry entries[MAX_CONSTANTS];
    for (uint32_t i = 0; i < v->count; i++)
        entries[i] = (VkSpecializationMapEntry){ i, 4 * i, 4 };
    const VkSpecializationInfo constants = { v->count, entries, 4 * v->count, v->value };
    const int full = kernel_code(v->kernel)->full_subgroups;
    const VkPipelineShaderStageRequiredSubgroupSizeCreateInfo size = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO,
        .requiredSubgroupSize = full == 2 ? device->caps->matrix_subgroup : device->caps->subgroup
    };
    const int sets_size = device->caps->can_set_subgroup && full;
    const VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .stage = { .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                   .pNext = sets_size ? &size : NULL,
                   .flags = sets_size ? VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT : 0,
                   .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                   .module = module,
                   .pName = "main",
                   .pSpecializationInfo = &constants },
        .layout = device->layout,
        .basePipelineIndex = -1,
    };
    return device_check(device,
                        device->vk.CreateComputePipelines(device->handle, device->cache, 1, &info, NULL, pipeline),
                        kernel_code(v->kernel)->name, err);
}

static wn_status make_entry(wn_device *device, const struct variant *v, struct pipeline_entry **out, wn_error *err)
{
    VkShaderModule module;
    struct pipeline_entry *e = calloc(1, sizeof *e);
    if (!e)
        return wn_fail(err, WN_E_MEMORY, "out of memory");
    e->variant = *v;
    wn_status status = make_module(device, kernel_code(v->kernel), &module, err);
    if (status == WN_OK) {
        status = make_pipeline(device, v, module, &e->pipeline, err);
        device->vk.DestroyShaderModule(device->handle, module, NULL);
    }
    if (status != WN_OK) {
        free(e);
        return status;
    }
    e->next = device->pipelines;
    device->pipelines = e;
    *out = e;
    return WN_OK;
}

static int is_same(const struct variant *a, const struct variant *b)
{
    return a->kernel == b->kernel && a->count == b->count && memcmp(a->value, b->value, 4 * a->count) == 0;
}

wn_status pipeline_get(wn_device *device, const struct variant *variant, VkPipeline *pipeline, wn_error *err)
{
    wn_status status = WN_OK;
    pthread_mutex_lock(&device->pipeline_mutex);
    struct pipeline_entry *e = device->pipelines;
    while (e && !is_same(&e->variant, variant))
        e = e->next;
    if (!e)
        status = make_entry(device, variant, &e, err);
    pthread_mutex_unlock(&device->pipeline_mutex);
    *pipeline = status == WN_OK ? e->pipeline : VK_NULL_HANDLE;
    return status;
}
