/* caps.c - see caps.h. Required: Vulkan 1.2 with buffer device addresses, which all kernels read memory through, so
 * that no binding is bound by maxStorageBufferRange (128 MiB on some drivers, less than one matrix of FLUX).
 */
#include "caps.h"

#include <device/graph.h>

#include <stddef.h>
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

static void take_extensions(const VkExtensionProperties *found, uint32_t count, struct caps *c)
{
    c->has_coopmat = has_extension(found, count, EXT_COOPERATIVE_MATRIX);
    c->has_coopmat2 = c->has_coopmat && c->properties.apiVersion >= VK_API_VERSION_1_3 &&
                      has_extension(found, count, EXT_COOPERATIVE_MATRIX2);
    c->has_bf16 = has_extension(found, count, EXT_BFLOAT16);
    c->has_budget = has_extension(found, count, VK_EXT_MEMORY_BUDGET_EXTENSION_NAME);
    c->has_portability_subset = has_extension(found, count, "VK_KHR_portability_subset");
    c->has_size_control_extension = c->properties.apiVersion < VK_API_VERSION_1_3 &&
                                    has_extension(found, count, VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME);
    c->has_sm_builtins = has_extension(found, count, VK_NV_SHADER_SM_BUILTINS_EXTENSION_NAME);
    c->has_maintenance4 = c->properties.apiVersion >= VK_API_VERSION_1_3 ||
                          has_extension(found, count, VK_KHR_MAINTENANCE_4_EXTENSION_NAME);
}

static wn_status probe_extensions(const struct instance_api *api, struct caps *c, wn_error *err)
{
    char what[320];
    uint32_t count = 0;
    snprintf(what, sizeof what, "extensions of %s", c->properties.deviceName);
    WN_TRY(api_check(api->EnumerateDeviceExtensionProperties(c->physical, NULL, &count, NULL), what, err));
    VkExtensionProperties *found = calloc(count + 1, sizeof *found);
    if (!found)
        return wn_fail(err, WN_E_MEMORY, "%s: out of memory for %u", what, count);
    const VkResult result = api->EnumerateDeviceExtensionProperties(c->physical, NULL, &count, found);
    if (result == VK_SUCCESS || result == VK_INCOMPLETE)
        take_extensions(found, count, c);
    free(found);
    return result == VK_INCOMPLETE ? WN_OK : api_check(result, what, err);
}

/* ---- properties --------------------------------------------------------------------------------------------- */

/* Those beside Vulkan 1.2's, where the driver knows them. */
struct more_properties {
    VkPhysicalDeviceSubgroupSizeControlProperties sizes;
    VkPhysicalDeviceMaintenance4Properties maintenance4;
    struct cooperative_matrix2_properties matrix2;
};

static int has_size_control(const struct caps *c)
{
    return c->properties.apiVersion >= VK_API_VERSION_1_3 || c->has_size_control_extension;
}

/* Every structure begins with sType and pNext. */
static void append(void ***end, void *structure)
{
    **end = structure;
    *end = (void **)((char *)structure + offsetof(VkBaseOutStructure, pNext));
}

static void chain_properties(struct more_properties *p, const struct caps *c, void **end)
{
    *p = (struct more_properties){ .sizes.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES,
                                   .maintenance4.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_PROPERTIES,
                                   .matrix2.sType = (VkStructureType)TYPE_COOPERATIVE_MATRIX2_PROPERTIES };
    if (has_size_control(c))
        append(&end, &p->sizes);
    if (c->has_maintenance4)
        append(&end, &p->maintenance4);
    if (c->has_coopmat2)
        append(&end, &p->matrix2);
}

static void take_more_properties(const struct more_properties *p, uint64_t largest, struct caps *c)
{
    const VkPhysicalDeviceSubgroupSizeControlProperties *sizes = &p->sizes;
    c->subgroup_min = sizes->minSubgroupSize ? sizes->minSubgroupSize : c->subgroup;
    c->subgroup_max = sizes->maxSubgroupSize ? sizes->maxSubgroupSize : c->subgroup;
    c->can_set_subgroup = (sizes->requiredSubgroupSizeStages & VK_SHADER_STAGE_COMPUTE_BIT) != 0;
    c->matrix_group_max = p->matrix2.cooperativeMatrixWorkgroupScopeMaxWorkgroupSize;
    c->matrix_side_max = p->matrix2.cooperativeMatrixFlexibleDimensionsMaxDimension;
    c->buffer_bytes = largest ? largest : UINT64_MAX;
    if (p->maintenance4.maxBufferSize)
        c->buffer_bytes = smaller(c->buffer_bytes, p->maintenance4.maxBufferSize);
    c->block_bytes = smaller(GIB, c->buffer_bytes);
}

static void probe_properties(const struct instance_api *api, struct caps *c)
{
    struct more_properties more;
    VkPhysicalDeviceVulkan12Properties v12 = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_PROPERTIES };
    VkPhysicalDeviceVulkan11Properties v11 = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES,
                                               .pNext = &v12 };
    VkPhysicalDeviceProperties2 all = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &v11 };
    chain_properties(&more, c, &v12.pNext);
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
    take_more_properties(&more, v11.maxMemoryAllocationSize, c);
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

/* ---- features ----------------------------------------------------------------------------------------------- */

/* The chain of all optional features that caps has; enabling asks for the same chain again. */
struct features {
    VkPhysicalDeviceFeatures2 base;
    VkPhysicalDeviceVulkan11Features v11;
    VkPhysicalDeviceVulkan12Features v12;
    VkPhysicalDeviceSubgroupSizeControlFeatures sizes;
    VkPhysicalDeviceMaintenance4Features maintenance4;
    struct cooperative_matrix_features matrix;
    struct cooperative_matrix2_features matrix2;
    struct bfloat16_features bf16;
};

static void chain(struct features *f, const struct caps *c)
{
    *f = (struct features){ .base = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &f->v11 },
                            .v11 = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES, .pNext = &f->v12 },
                            .v12 = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES },
                            .sizes = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES },
                            .maintenance4 = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_FEATURES },
                            .matrix = { .sType = (VkStructureType)TYPE_COOPERATIVE_MATRIX_FEATURES },
                            .matrix2 = { .sType = (VkStructureType)TYPE_COOPERATIVE_MATRIX2_FEATURES },
                            .bf16 = { .sType = (VkStructureType)TYPE_BFLOAT16_FEATURES } };
    void **end = &f->v12.pNext;
    if (has_size_control(c))
        append(&end, &f->sizes);
    if (c->has_coopmat)
        append(&end, &f->matrix);
    if (c->has_coopmat2) {
        append(&end, &f->maintenance4);
        append(&end, &f->matrix2);
    }
    if (c->has_bf16)
        append(&end, &f->bf16);
}

/* SPIR-V 1.6, which the extension's kernels are in, sizes groups in a way that came with maintenance4. */
static int has_all_of_coopmat2(const struct features *f)
{
    const struct cooperative_matrix2_features *m = &f->matrix2;
    return m->cooperativeMatrixWorkgroupScope && m->cooperativeMatrixFlexibleDimensions &&
           m->cooperativeMatrixPerElementOperations && m->cooperativeMatrixTensorAddressing &&
           f->maintenance4.maintenance4;
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
    c->has_coopmat2 = c->has_coopmat2 && c->has_coopmat && has_all_of_coopmat2(&f);
    c->has_bf16 = c->has_bf16 && f.bf16.shaderBFloat16Type && f.bf16.shaderBFloat16CooperativeMatrix;
}

/* ---- all ---------------------------------------------------------------------------------------------------- */

static wn_status check_needs(const struct caps *c, int has_addresses, wn_error *err)
{
    if (!has_addresses || c->queue_family == UINT32_MAX)
        return wn_fail(err, WN_E_UNSUPPORTED, "%s has no %s", c->properties.deviceName,
                       has_addresses ? "compute queue" : "buffer device addresses");
    if (c->properties.limits.maxComputeWorkGroupInvocations < LARGEST_GROUP)
        return wn_fail(err, WN_E_UNSUPPORTED, "%s allows workgroups of %u, winnow's have up to %d: use another device",
                       c->properties.deviceName, c->properties.limits.maxComputeWorkGroupInvocations, LARGEST_GROUP);
    return WN_OK;
}

wn_status caps_probe(const struct instance_api *api, VkPhysicalDevice physical, const char *overrides, struct caps *c,
                     wn_error *err)
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
    WN_TRY(probe_extensions(api, c, err));
    probe_properties(api, c);
    probe_memory(api, c);
    probe_queues(api, c);
    probe_features(api, c, &has_addresses);
    caps_probe_matrices(api, c);
    WN_TRY(caps_override(c, overrides, err));
    c->has_copy_queue = c->has_copy_queue && !c->is_unified; /* whose weights are never streamed */
    return check_needs(c, has_addresses, err);
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
    if (c->has_coopmat2 && (f16 || bf16))
        used += snprintf(text + used, size - (size_t)used, ", of whole groups for linear products");
    used +=
        snprintf(text + used, size - (size_t)used, ", subgroup %u, %u KiB shared", c->subgroup, c->shared_bytes >> 10);
    if (c->has_copy_queue)
        used += snprintf(text + used, size - (size_t)used, ", copies beside kernels");
    if (c->overrides[0])
        snprintf(text + used, size - (size_t)used, " (caps: %s)", c->overrides);
}

enum { MOST_EXTENSIONS = 6 };

static uint32_t wanted_extensions(const struct caps *c, const char *names[MOST_EXTENSIONS])
{
    uint32_t n = 0;
    if (c->has_coopmat)
        names[n++] = EXT_COOPERATIVE_MATRIX;
    if (c->has_coopmat2)
        names[n++] = EXT_COOPERATIVE_MATRIX2;
    if (c->has_size_control_extension)
        names[n++] = VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME;
    if (c->has_bf16)
        names[n++] = EXT_BFLOAT16;
    if (c->has_budget)
        names[n++] = VK_EXT_MEMORY_BUDGET_EXTENSION_NAME;
    if (c->has_portability_subset)
        names[n++] = "VK_KHR_portability_subset";
    return n;
}

static void enable_coopmat2(struct features *f, int is_wanted)
{
    const VkBool32 value = is_wanted ? VK_TRUE : VK_FALSE;
    f->maintenance4.maintenance4 = value;
    f->matrix2.cooperativeMatrixWorkgroupScope = f->matrix2.cooperativeMatrixFlexibleDimensions = value;
    f->matrix2.cooperativeMatrixPerElementOperations = f->matrix2.cooperativeMatrixTensorAddressing = value;
}

wn_status caps_create_device(const struct instance_api *api, const struct caps *c, VkDevice *device, wn_error *err)
{
    struct features f;
    struct caps enabled = *c;
    enabled.has_bf16 = c->has_bf16 && c->has_coopmat;
    enabled.has_coopmat2 = c->has_coopmat2 && c->has_coopmat;
    chain(&f, &enabled);
    f.v12.bufferDeviceAddress = VK_TRUE;
    f.v12.timelineSemaphore = c->has_copy_queue ? VK_TRUE : VK_FALSE;
    f.base.features.shaderInt64 = c->is_software ? VK_TRUE : VK_FALSE;
    f.v11.storageBuffer16BitAccess = c->has_16bit_storage ? VK_TRUE : VK_FALSE;
    f.v12.shaderFloat16 = c->has_fp16 ? VK_TRUE : VK_FALSE;
    f.v12.vulkanMemoryModel = f.v12.vulkanMemoryModelDeviceScope = c->has_coopmat ? VK_TRUE : VK_FALSE;
    f.sizes.subgroupSizeControl = f.sizes.computeFullSubgroups = c->can_set_subgroup ? VK_TRUE : VK_FALSE;
    f.matrix.cooperativeMatrix = c->has_coopmat ? VK_TRUE : VK_FALSE;
    enable_coopmat2(&f, enabled.has_coopmat2);
    f.bf16.shaderBFloat16Type = f.bf16.shaderBFloat16CooperativeMatrix = enabled.has_bf16 ? VK_TRUE : VK_FALSE;
    const char *names[MOST_EXTENSIONS];
    const uint32_t count = wanted_extensions(&enabled, names);
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
