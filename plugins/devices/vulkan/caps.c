/* caps.c - see caps.h. Required: Vulkan 1.2 with buffer device addresses, which all kernels read memory through, so
 * that no binding is bound by maxStorageBufferRange (128 MiB on some drivers, less than one matrix of FLUX).
 */
#include "caps.h"

#include <device/graph.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GIB (UINT64_C(1) << 30)

enum { DEFAULT_SUBMIT_MS = 200, LARGEST_GROUP = 256 };

/* ---- extensions --------------------------------------------------------------------------------------------- */

static int has_extension(const VkExtensionProperties *found, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(found[i].extensionName, name) == 0)
            return 1;
    return 0;
}

static void probe_extensions(const struct instance_api *api, struct caps *c)
{
    uint32_t count = 0;
    api->EnumerateDeviceExtensionProperties(c->physical, NULL, &count, NULL);
    VkExtensionProperties *found = calloc(count + 1, sizeof *found);
    if (!found)
        return;
    api->EnumerateDeviceExtensionProperties(c->physical, NULL, &count, found);
    c->has_coopmat = has_extension(found, count, EXT_COOPERATIVE_MATRIX);
    c->has_bf16 = has_extension(found, count, EXT_BFLOAT16);
    c->has_budget = has_extension(found, count, VK_EXT_MEMORY_BUDGET_EXTENSION_NAME);
    c->has_portability_subset = has_extension(found, count, "VK_KHR_portability_subset");
    free(found);
}

/* ---- properties --------------------------------------------------------------------------------------------- */

static void probe_properties(const struct instance_api *api, struct caps *c)
{
    VkPhysicalDeviceSubgroupSizeControlProperties sizes = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES
    };
    VkPhysicalDeviceVulkan12Properties v12 = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_PROPERTIES,
                                               .pNext = &sizes };
    VkPhysicalDeviceVulkan11Properties v11 = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES,
                                               .pNext = &v12 };
    VkPhysicalDeviceProperties2 all = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &v11 };
    api->GetPhysicalDeviceProperties2(c->physical, &all);
    c->properties = all.properties;
    c->is_software = all.properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
    c->shared_bytes = all.properties.limits.maxComputeSharedMemorySize;
    snprintf(c->driver, sizeof c->driver, "%.63s %.60s", v12.driverName, v12.driverInfo);
    memcpy(c->uuid, v11.deviceUUID, VK_UUID_SIZE);
    memcpy(c->driver_uuid, v11.driverUUID, VK_UUID_SIZE);
    c->subgroup = v11.subgroupSize;
    c->has_subgroup_arithmetic = v11.subgroupSupportedOperations & VK_SUBGROUP_FEATURE_ARITHMETIC_BIT &&
                                 v11.subgroupSupportedStages & VK_SHADER_STAGE_COMPUTE_BIT;
    c->subgroup_min = sizes.minSubgroupSize ? sizes.minSubgroupSize : c->subgroup;
    c->subgroup_max = sizes.maxSubgroupSize ? sizes.maxSubgroupSize : c->subgroup;
    c->can_set_subgroup = (sizes.requiredSubgroupSizeStages & VK_SHADER_STAGE_COMPUTE_BIT) != 0;
    c->block_bytes = smaller(GIB, v11.maxMemoryAllocationSize ? v11.maxMemoryAllocationSize : GIB);
}

static void probe_memory(const struct instance_api *api, struct caps *c)
{
    VkPhysicalDeviceMemoryProperties2 m = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2 };
    const VkMemoryPropertyFlags both = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                       VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    api->GetPhysicalDeviceMemoryProperties2(c->physical, &m);
    for (uint32_t i = 0; i < m.memoryProperties.memoryHeapCount; i++) {
        const VkMemoryHeap *heap = &m.memoryProperties.memoryHeaps[i];
        if (heap->flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT && heap->size > c->memory_bytes)
            c->memory_bytes = heap->size;
    }
    for (uint32_t i = 0; i < m.memoryProperties.memoryTypeCount; i++) {
        if ((m.memoryProperties.memoryTypes[i].propertyFlags & both) == both)
            c->is_unified = c->properties.deviceType != VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
    }
    if (c->is_software) /* its heap is the machine's memory, whatever it says */
        c->memory_bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* How well a family suits copies beside the kernels of `own`: one that does nothing else has an engine for it; then
 * another one that computes, which can copy; then a second queue of the same. 0: not at all. */
static int copy_rank(const VkQueueFamilyProperties *family, int is_own)
{
    const VkQueueFlags plain = VK_QUEUE_TRANSFER_BIT | VK_QUEUE_SPARSE_BINDING_BIT | VK_QUEUE_PROTECTED_BIT;
    if (is_own)
        return family->queueCount > 1 ? 1 : 0;
    if (family->queueFlags & VK_QUEUE_COMPUTE_BIT)
        return 2;
    return family->queueFlags & VK_QUEUE_TRANSFER_BIT && !(family->queueFlags & ~plain) ? 3 : 0;
}

static void choose_copy_queue(struct caps *c, const VkQueueFamilyProperties2 *families, uint32_t count)
{
    int best = 0;
    for (uint32_t i = 0; i < count; i++) {
        const int is_own = i == c->queue_family, rank = copy_rank(&families[i].queueFamilyProperties, is_own);
        if (rank > best) {
            best = rank;
            c->copy_family = i;
            c->copy_index = is_own ? 1 : 0;
        }
    }
    c->has_copy_queue = best > 0;
}

static void probe_queues(const struct instance_api *api, struct caps *c)
{
    VkQueueFamilyProperties2 families[16];
    uint32_t count = 16;
    for (uint32_t i = 0; i < 16; i++)
        families[i] = (VkQueueFamilyProperties2){ .sType = VK_STRUCTURE_TYPE_QUEUE_FAMILY_PROPERTIES_2 };
    api->GetPhysicalDeviceQueueFamilyProperties2(c->physical, &count, families);
    c->queue_family = UINT32_MAX;
    for (uint32_t i = 0; i < count && c->queue_family == UINT32_MAX; i++) {
        if (families[i].queueFamilyProperties.queueFlags & VK_QUEUE_COMPUTE_BIT) {
            c->queue_family = i;
            c->timestamp_bits = families[i].queueFamilyProperties.timestampValidBits;
        }
    }
    choose_copy_queue(c, families, count);
}

static void probe_shapes(const struct instance_api *api, struct caps *c)
{
    struct cooperative_matrix_properties found[64];
    uint32_t count = 64;
    if (!c->has_coopmat || !api->GetCooperativeMatrixProperties)
        return;
    for (uint32_t i = 0; i < 64; i++)
        found[i] =
            (struct cooperative_matrix_properties){ .sType = (VkStructureType)TYPE_COOPERATIVE_MATRIX_PROPERTIES };
    const VkResult result = api->GetCooperativeMatrixProperties(c->physical, &count, found);
    if (result != VK_SUCCESS && result != VK_INCOMPLETE)
        return;
    for (uint32_t i = 0; i < count && c->shape_count < MAX_SHAPES; i++) {
        const struct cooperative_matrix_properties *p = &found[i];
        if (p->AType == p->BType && (p->AType == COMPONENT_F16 || p->AType == COMPONENT_BF16) &&
            p->CType == COMPONENT_F32 && p->ResultType == COMPONENT_F32 && p->scope == SCOPE_SUBGROUP)
            c->shapes[c->shape_count++] = (struct matrix_shape){ p->MSize, p->NSize, p->KSize, p->AType };
    }
}

/* ---- features ----------------------------------------------------------------------------------------------- */

/* The chain of all optional features that caps has; enabling asks for the same chain again. */
struct features {
    VkPhysicalDeviceFeatures2 base;
    VkPhysicalDeviceVulkan11Features v11;
    VkPhysicalDeviceVulkan12Features v12;
    VkPhysicalDeviceSubgroupSizeControlFeatures sizes;
    struct cooperative_matrix_features matrix;
    struct bfloat16_features bf16;
};

static void chain(struct features *f, const struct caps *c)
{
    *f = (struct features){ .base = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &f->v11 },
                            .v11 = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES, .pNext = &f->v12 },
                            .v12 = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES },
                            .sizes = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES },
                            .matrix = { .sType = (VkStructureType)TYPE_COOPERATIVE_MATRIX_FEATURES },
                            .bf16 = { .sType = (VkStructureType)TYPE_BFLOAT16_FEATURES } };
    void **end = &f->v12.pNext;
    if (c->properties.apiVersion >= VK_API_VERSION_1_3) {
        *end = &f->sizes;
        end = &f->sizes.pNext;
    }
    if (c->has_coopmat) {
        *end = &f->matrix;
        end = &f->matrix.pNext;
    }
    if (c->has_bf16)
        *end = &f->bf16;
}

static void probe_features(const struct instance_api *api, struct caps *c, int *has_addresses)
{
    struct features f;
    chain(&f, c);
    api->GetPhysicalDeviceFeatures2(c->physical, &f.base);
    *has_addresses = f.v12.bufferDeviceAddress == VK_TRUE;
    c->is_software = c->is_software && f.base.features.shaderInt64 == VK_TRUE; /* its kernels count addresses so */
    c->has_16bit_storage = f.v11.storageBuffer16BitAccess == VK_TRUE;
    c->has_fp16 = f.v12.shaderFloat16 == VK_TRUE;
    c->has_copy_queue = c->has_copy_queue && f.v12.timelineSemaphore;
    c->has_memory_model = f.v12.vulkanMemoryModel == VK_TRUE && f.v12.vulkanMemoryModelDeviceScope == VK_TRUE;
    c->can_set_subgroup = c->can_set_subgroup && f.sizes.subgroupSizeControl && f.sizes.computeFullSubgroups;
    /* A group as wide as a subgroup need not be one where full ones cannot be asked for. */
    c->has_subgroup_arithmetic = c->has_subgroup_arithmetic && c->can_set_subgroup;
    c->has_coopmat = c->has_coopmat && f.matrix.cooperativeMatrix && c->has_memory_model && c->can_set_subgroup &&
                     c->has_16bit_storage;
    c->has_bf16 = c->has_bf16 && f.bf16.shaderBFloat16Type && f.bf16.shaderBFloat16CooperativeMatrix;
}

/* ---- overrides ---------------------------------------------------------------------------------------------- */

static int take_number(const char *word, const char *name, uint64_t *value)
{
    const size_t n = strlen(name);
    char *end;
    if (strncmp(word, name, n) != 0 || word[n] != '=' || word[n + 1] < '0' || word[n + 1] > '9')
        return 0;
    *value = strtoull(word + n + 1, &end, 10);
    return *end == 0;
}

/* Fragments of this shape instead of the device's own, for drivers that take any (VK_NV_cooperative_matrix2). */
static int take_shape(struct caps *c, const char *word)
{
    uint32_t m, n, k;
    int end = 0;
    if (sscanf(word, "matrix=%2ux%2ux%2u%n", &m, &n, &k, &end) != 3 || word[end] || !c->has_coopmat)
        return 0;
    for (uint32_t i = 0; i < c->shape_count; i++)
        c->shapes[i] = (struct matrix_shape){ m, n, k, c->shapes[i].type };
    return 1;
}

static int take_word(struct caps *c, const char *word)
{
    const struct {
        const char *name;
        int *flag;
        int value;
    } flags[] = { { "no-fp16", &c->has_fp16, 0 },
                  { "no-16bit-storage", &c->has_16bit_storage, 0 },
                  { "no-coopmat", &c->has_coopmat, 0 },
                  { "no-bf16", &c->has_bf16, 0 },
                  { "no-subgroup", &c->has_subgroup_arithmetic, 0 },
                  { "no-budget", &c->has_budget, 0 },
                  { "no-unified", &c->is_unified, 0 },
                  { "no-copy-queue", &c->has_copy_queue, 0 },
                  { "gpu", &c->is_software, 0 } };
    uint64_t n;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        if (strcmp(word, flags[i].name) == 0) {
            *flags[i].flag = flags[i].value;
            return 1;
        }
    }
    if (take_shape(c, word))
        return 1;
    if (take_number(word, "subgroup", &n) && n >= c->subgroup_min && n <= c->subgroup_max && (n & (n - 1)) == 0)
        return c->subgroup = (uint32_t)n, 1;
    if (take_number(word, "shared", &n) && n >= 16384 && n <= c->shared_bytes)
        return c->shared_bytes = (uint32_t)n, 1;
    if (take_number(word, "block", &n) && n >= 1 << 20 && n <= c->block_bytes)
        return c->block_bytes = n, 1;
    if (take_number(word, "memory", &n) && n >= 1 << 20)
        return c->memory_bytes = n, 1;
    if (take_number(word, "submit_ms", &n) && n >= 1 && n <= 10000)
        return c->submit_ms = (uint32_t)n, 1;
    return 0;
}

static wn_status take_overrides(struct caps *c, wn_error *err)
{
    const char *text = getenv("WINNOW_VULKAN_CAPS");
    if (!text || !*text)
        return WN_OK;
    if (strlen(text) >= sizeof c->overrides)
        return wn_fail(err, WN_E_ARG, "WINNOW_VULKAN_CAPS has %zu bytes, at most %zu", strlen(text),
                       sizeof c->overrides - 1);
    char words[sizeof c->overrides], *rest = words;
    strcpy(words, text);
    for (char *word; (word = strsep(&rest, ","));) {
        if (!take_word(c, word))
            return wn_fail(err, WN_E_ARG,
                           "WINNOW_VULKAN_CAPS: \"%s\" is unknown or out of the range of %s; known are no-fp16, "
                           "no-16bit-storage, no-coopmat, no-bf16, no-subgroup, no-budget, no-unified, gpu, "
                           "no-copy-queue, matrix=MxNxK, subgroup=%u..%u, shared=16384..%u, block=BYTES, memory=BYTES, "
                           "submit_ms=1..10000",
                           word, c->properties.deviceName, c->subgroup_min, c->subgroup_max, c->shared_bytes);
    }
    strcpy(c->overrides, text);
    return WN_OK;
}

/* ---- all ---------------------------------------------------------------------------------------------------- */

/* Intel's first discrete generation and AMD's closed driver offer cooperative matrices that are slower than plain
 * code, or emulated (llama.cpp issues 24404, 14001, 10597). RDNA 3 and later, Xe 2 and later have units for them. */
static int is_coopmat_slow(const struct caps *c)
{
    const int is_intel = c->properties.vendorID == 0x8086, is_amd = c->properties.vendorID == 0x1002;
    if (is_intel)
        return c->subgroup_min < 16;
    return is_amd && strstr(c->driver, "radv") == NULL && strstr(c->properties.deviceName, "RX 7") == NULL &&
           strstr(c->properties.deviceName, "RX 9") == NULL;
}

wn_status caps_probe(const struct instance_api *api, VkPhysicalDevice physical, struct caps *c, wn_error *err)
{
    int has_addresses = 0;
    VkPhysicalDeviceProperties2 first = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2 };
    *c = (struct caps){ .physical = physical, .submit_ms = DEFAULT_SUBMIT_MS };
    api->GetPhysicalDeviceProperties2(physical, &first);
    c->properties = first.properties;
    if (first.properties.apiVersion < VK_API_VERSION_1_2)
        return wn_fail(err, WN_E_UNSUPPORTED, "%s speaks Vulkan %u.%u, winnow needs 1.2: update its driver",
                       first.properties.deviceName, VK_API_VERSION_MAJOR(first.properties.apiVersion),
                       VK_API_VERSION_MINOR(first.properties.apiVersion));
    probe_extensions(api, c);
    probe_properties(api, c);
    probe_memory(api, c);
    probe_queues(api, c);
    probe_features(api, c, &has_addresses);
    probe_shapes(api, c);
    if (!has_addresses || c->queue_family == UINT32_MAX)
        return wn_fail(err, WN_E_UNSUPPORTED, "%s has no %s", c->properties.deviceName,
                       has_addresses ? "compute queue" : "buffer device addresses");
    if (c->properties.limits.maxComputeWorkGroupInvocations < LARGEST_GROUP)
        return wn_fail(err, WN_E_UNSUPPORTED, "%s allows workgroups of %u, winnow's have up to %d: use another device",
                       c->properties.deviceName, c->properties.limits.maxComputeWorkGroupInvocations, LARGEST_GROUP);
    c->has_coopmat = c->has_coopmat && c->shape_count && !is_coopmat_slow(c);
    WN_TRY(take_overrides(c, err));
    c->has_copy_queue = c->has_copy_queue && !c->is_unified; /* whose weights are never streamed */
    return WN_OK;
}

/* Whether kernels are written for a fragment with such a side. */
static int is_side(uint32_t n)
{
    return n == 8 || n == 16 || n == 32;
}

/* Kernels declare the type that they multiply. */
static int has_type(const struct caps *c, int32_t type)
{
    return type == COMPONENT_F16 ? c->has_fp16 : c->has_bf16;
}

const struct matrix_shape *caps_shape(const struct caps *c, int32_t type)
{
    const struct matrix_shape *best = NULL;
    for (uint32_t i = 0; c->has_coopmat && has_type(c, type) && i < c->shape_count; i++) {
        const struct matrix_shape *s = &c->shapes[i];
        if (s->type == type && is_side(s->m) && is_side(s->n) && is_side(s->k) &&
            (!best || s->m * s->n * s->k > best->m * best->n * best->k))
            best = s;
    }
    return best;
}

void caps_describe(const struct caps *c, char *text, size_t size)
{
    const struct matrix_shape *f16 = caps_shape(c, COMPONENT_F16), *bf16 = caps_shape(c, COMPONENT_BF16);
    int used = snprintf(text, size, "%s", c->is_software ? "without barriers" : "tiled");
    if (f16)
        used +=
            snprintf(text + used, size - (size_t)used, ", cooperative matrices f16 %ux%ux%u", f16->m, f16->n, f16->k);
    if (bf16)
        used += snprintf(text + used, size - (size_t)used, ", bf16 %ux%ux%u", bf16->m, bf16->n, bf16->k);
    used +=
        snprintf(text + used, size - (size_t)used, ", subgroup %u, %u KiB shared", c->subgroup, c->shared_bytes >> 10);
    if (c->has_copy_queue)
        used += snprintf(text + used, size - (size_t)used, ", copies beside kernels");
    if (c->overrides[0])
        snprintf(text + used, size - (size_t)used, " (WINNOW_VULKAN_CAPS=%s)", c->overrides);
}

static uint32_t wanted_extensions(const struct caps *c, const char *names[4])
{
    uint32_t n = 0;
    if (c->has_coopmat)
        names[n++] = EXT_COOPERATIVE_MATRIX;
    if (c->has_bf16 && c->has_coopmat)
        names[n++] = EXT_BFLOAT16;
    if (c->has_budget)
        names[n++] = VK_EXT_MEMORY_BUDGET_EXTENSION_NAME;
    if (c->has_portability_subset)
        names[n++] = "VK_KHR_portability_subset";
    return n;
}

wn_status caps_create_device(const struct instance_api *api, const struct caps *c, VkDevice *device, wn_error *err)
{
    struct features f;
    struct caps enabled = *c;
    enabled.has_bf16 = c->has_bf16 && c->has_coopmat;
    chain(&f, &enabled);
    f.v12.bufferDeviceAddress = VK_TRUE;
    f.v12.timelineSemaphore = c->has_copy_queue ? VK_TRUE : VK_FALSE;
    f.base.features.shaderInt64 = c->is_software ? VK_TRUE : VK_FALSE;
    f.v11.storageBuffer16BitAccess = c->has_16bit_storage ? VK_TRUE : VK_FALSE;
    f.v12.shaderFloat16 = c->has_fp16 ? VK_TRUE : VK_FALSE;
    f.v12.vulkanMemoryModel = f.v12.vulkanMemoryModelDeviceScope = c->has_coopmat ? VK_TRUE : VK_FALSE;
    f.sizes.subgroupSizeControl = f.sizes.computeFullSubgroups = c->can_set_subgroup ? VK_TRUE : VK_FALSE;
    f.matrix.cooperativeMatrix = c->has_coopmat ? VK_TRUE : VK_FALSE;
    f.bf16.shaderBFloat16Type = f.bf16.shaderBFloat16CooperativeMatrix = enabled.has_bf16 ? VK_TRUE : VK_FALSE;
    const char *names[4];
    const uint32_t count = wanted_extensions(c, names);
    const float priority[2] = { 1.0f, 1.0f };
    const int is_apart = c->has_copy_queue && c->copy_family != c->queue_family;
    const VkDeviceQueueCreateInfo queues[2] = { { .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                                  .queueFamilyIndex = c->queue_family,
                                                  .queueCount = c->has_copy_queue && !is_apart ? 2 : 1,
                                                  .pQueuePriorities = priority },
                                                { .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                                  .queueFamilyIndex = c->copy_family,
                                                  .queueCount = 1,
                                                  .pQueuePriorities = priority } };
    const VkDeviceCreateInfo info = { .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                                      .pNext = &f.base,
                                      .queueCreateInfoCount = is_apart ? 2 : 1,
                                      .pQueueCreateInfos = queues,
                                      .enabledExtensionCount = count,
                                      .ppEnabledExtensionNames = names };
    char what[320];
    snprintf(what, sizeof what, "cannot open %s", c->properties.deviceName);
    return api_check(api->CreateDevice(c->physical, &info, NULL, device), what, err);
}
