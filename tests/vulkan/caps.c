/* caps.c - what the plugin makes of devices that are not here: drivers are described, as their vendors' are known to
 * answer, and caps_probe must draw the right conclusions and enable what it counts on.
 */
#include "check.h"

#include "caps.h"

#include <stdlib.h>
#include <string.h>

/* ---- a described driver -------------------------------------------------------------------------------------- */

struct gpu {
    const char *name, *driver;
    uint32_t vendor, minor; /* Vulkan 1.minor */
    uint32_t subgroup, subgroup_min, subgroup_max;
    const char *extensions[8];
    uint32_t invocations, warps; /* of a workgroup; of an NVIDIA multiprocessor */
    uint64_t buffer_bytes, allocation_bytes;
    struct matrix_shape shape;      /* of float16 */
    struct group_shape group_shape; /* its type may be either */
    int32_t group_scope;
    int lacks_tensors;
    VkResult listing; /* of extensions */
};

static struct gpu gpu;
static char enabled[512]; /* extensions, in the last CreateDevice */
static VkBool32 enabled_sizes, enabled_matrix2, enabled_maintenance4;

static VKAPI_ATTR VkResult VKAPI_CALL list_extensions(VkPhysicalDevice d, const char *layer, uint32_t *count,
                                                      VkExtensionProperties *found)
{
    (void)d, (void)layer;
    for (*count = 0; *count < 8 && gpu.extensions[*count]; ++*count)
        if (found)
            snprintf(found[*count].extensionName, sizeof found->extensionName, "%s", gpu.extensions[*count]);
    return found ? gpu.listing : VK_SUCCESS;
}

static void tell(VkBaseOutStructure *s)
{
    void *at = s;
    switch ((int32_t)s->sType) {
    case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES:
        ((VkPhysicalDeviceVulkan11Properties *)at)->subgroupSize = gpu.subgroup;
        ((VkPhysicalDeviceVulkan11Properties *)at)->subgroupSupportedStages = VK_SHADER_STAGE_COMPUTE_BIT;
        ((VkPhysicalDeviceVulkan11Properties *)at)->subgroupSupportedOperations = VK_SUBGROUP_FEATURE_ARITHMETIC_BIT;
        ((VkPhysicalDeviceVulkan11Properties *)at)->maxMemoryAllocationSize = gpu.allocation_bytes;
        break;
    case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_PROPERTIES:
        snprintf(((VkPhysicalDeviceVulkan12Properties *)at)->driverName, 64, "%s", gpu.driver);
        break;
    case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES:
        ((VkPhysicalDeviceSubgroupSizeControlProperties *)at)->minSubgroupSize = gpu.subgroup_min;
        ((VkPhysicalDeviceSubgroupSizeControlProperties *)at)->maxSubgroupSize = gpu.subgroup_max;
        ((VkPhysicalDeviceSubgroupSizeControlProperties *)at)->requiredSubgroupSizeStages = VK_SHADER_STAGE_COMPUTE_BIT;
        break;
    case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_PROPERTIES:
        ((VkPhysicalDeviceMaintenance4Properties *)at)->maxBufferSize = gpu.buffer_bytes;
        break;
    case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_SM_BUILTINS_PROPERTIES_NV:
        ((VkPhysicalDeviceShaderSMBuiltinsPropertiesNV *)at)->shaderWarpsPerSM = gpu.warps;
        break;
    case TYPE_COOPERATIVE_MATRIX2_PROPERTIES:
        ((struct cooperative_matrix2_properties *)at)->cooperativeMatrixWorkgroupScopeMaxWorkgroupSize = 1024;
        ((struct cooperative_matrix2_properties *)at)->cooperativeMatrixFlexibleDimensionsMaxDimension = 1024;
        break;
    default:
        break;
    }
}

static VKAPI_ATTR void VKAPI_CALL tell_properties(VkPhysicalDevice d, VkPhysicalDeviceProperties2 *p)
{
    (void)d;
    snprintf(p->properties.deviceName, sizeof p->properties.deviceName, "%s", gpu.name);
    p->properties.vendorID = gpu.vendor;
    p->properties.apiVersion = VK_MAKE_API_VERSION(0, 1, gpu.minor, 0);
    p->properties.deviceType = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
    p->properties.limits.maxComputeWorkGroupInvocations = gpu.invocations;
    p->properties.limits.maxComputeSharedMemorySize = 49152;
    for (VkBaseOutStructure *s = p->pNext; s; s = s->pNext)
        tell(s);
}

/* Everything is there but what the description lacks: all members behind the head are of VkBool32. */
static VKAPI_ATTR void VKAPI_CALL tell_features(VkPhysicalDevice d, VkPhysicalDeviceFeatures2 *f)
{
    (void)d;
    for (VkBaseOutStructure *s = f->pNext; s; s = s->pNext) {
        void *at = s;
        switch ((int32_t)s->sType) {
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES:
            ((VkPhysicalDeviceVulkan11Features *)at)->storageBuffer16BitAccess = VK_TRUE;
            break;
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES:
            ((VkPhysicalDeviceVulkan12Features *)at)->bufferDeviceAddress = VK_TRUE;
            ((VkPhysicalDeviceVulkan12Features *)at)->shaderFloat16 = VK_TRUE;
            ((VkPhysicalDeviceVulkan12Features *)at)->vulkanMemoryModel = VK_TRUE;
            ((VkPhysicalDeviceVulkan12Features *)at)->vulkanMemoryModelDeviceScope = VK_TRUE;
            break;
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES:
            ((VkPhysicalDeviceSubgroupSizeControlFeatures *)at)->subgroupSizeControl = VK_TRUE;
            ((VkPhysicalDeviceSubgroupSizeControlFeatures *)at)->computeFullSubgroups = VK_TRUE;
            break;
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_FEATURES:
            ((VkPhysicalDeviceMaintenance4Features *)at)->maintenance4 = VK_TRUE;
            break;
        case TYPE_COOPERATIVE_MATRIX_FEATURES:
            ((struct cooperative_matrix_features *)at)->cooperativeMatrix = VK_TRUE;
            break;
        case TYPE_COOPERATIVE_MATRIX2_FEATURES:
            ((struct cooperative_matrix2_features *)at)->cooperativeMatrixWorkgroupScope = VK_TRUE;
            ((struct cooperative_matrix2_features *)at)->cooperativeMatrixFlexibleDimensions = VK_TRUE;
            ((struct cooperative_matrix2_features *)at)->cooperativeMatrixPerElementOperations = VK_TRUE;
            ((struct cooperative_matrix2_features *)at)->cooperativeMatrixTensorAddressing = !gpu.lacks_tensors;
            break;
        case TYPE_BFLOAT16_FEATURES:
            ((struct bfloat16_features *)at)->shaderBFloat16Type = VK_TRUE;
            ((struct bfloat16_features *)at)->shaderBFloat16CooperativeMatrix = VK_TRUE;
            break;
        default:
            break;
        }
    }
}

static VKAPI_ATTR void VKAPI_CALL tell_memory(VkPhysicalDevice d, VkPhysicalDeviceMemoryProperties2 *m)
{
    (void)d;
    m->memoryProperties.memoryHeapCount = 1;
    m->memoryProperties.memoryHeaps[0] = (VkMemoryHeap){ UINT64_C(16) << 30, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT };
    m->memoryProperties.memoryTypeCount = 1;
}

static VKAPI_ATTR void VKAPI_CALL tell_queues(VkPhysicalDevice d, uint32_t *count, VkQueueFamilyProperties2 *families)
{
    (void)d;
    *count = 1;
    families[0].queueFamilyProperties.queueFlags = VK_QUEUE_COMPUTE_BIT;
}

static VKAPI_ATTR VkResult VKAPI_CALL list_shapes(VkPhysicalDevice d, uint32_t *count,
                                                  struct cooperative_matrix_properties *p)
{
    (void)d;
    *count = 1;
    p->MSize = gpu.shape.m, p->NSize = gpu.shape.n, p->KSize = gpu.shape.k;
    p->AType = p->BType = COMPONENT_F16;
    p->CType = p->ResultType = COMPONENT_F32;
    p->scope = SCOPE_SUBGROUP;
    return VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL list_group_shapes(VkPhysicalDevice d, uint32_t *count,
                                                        struct flexible_matrix_properties *p)
{
    (void)d;
    *count = 1;
    const struct matrix_shape *s = &gpu.group_shape.shape;
    p->MGranularity = s->m, p->NGranularity = s->n, p->KGranularity = s->k;
    p->AType = p->BType = s->type;
    p->CType = p->ResultType = COMPONENT_F32;
    p->scope = gpu.group_scope;
    p->workgroupInvocations = gpu.group_shape.threads;
    return VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL create_device(VkPhysicalDevice d, const VkDeviceCreateInfo *info,
                                                    const VkAllocationCallbacks *a, VkDevice *device)
{
    (void)d, (void)a;
    *device = VK_NULL_HANDLE;
    enabled[0] = 0;
    enabled_sizes = enabled_matrix2 = enabled_maintenance4 = VK_FALSE;
    for (uint32_t i = 0; i < info->enabledExtensionCount; i++)
        snprintf(enabled + strlen(enabled), sizeof enabled - strlen(enabled), "%s ", info->ppEnabledExtensionNames[i]);
    for (const VkBaseInStructure *s = info->pNext; s; s = s->pNext) {
        const void *at = s;
        if (s->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES)
            enabled_sizes = ((const VkPhysicalDeviceSubgroupSizeControlFeatures *)at)->subgroupSizeControl;
        if (s->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_FEATURES)
            enabled_maintenance4 = ((const VkPhysicalDeviceMaintenance4Features *)at)->maintenance4;
        if ((int32_t)s->sType == TYPE_COOPERATIVE_MATRIX2_FEATURES)
            enabled_matrix2 = ((const struct cooperative_matrix2_features *)at)->cooperativeMatrixTensorAddressing;
    }
    return VK_SUCCESS;
}

static const struct instance_api driver = {
    .EnumerateDeviceExtensionProperties = list_extensions,
    .GetPhysicalDeviceProperties2 = tell_properties,
    .GetPhysicalDeviceFeatures2 = tell_features,
    .GetPhysicalDeviceMemoryProperties2 = tell_memory,
    .GetPhysicalDeviceQueueFamilyProperties2 = tell_queues,
    .CreateDevice = create_device,
    .GetCooperativeMatrixProperties = list_shapes,
    .GetFlexibleMatrixProperties = list_group_shapes,
};

static struct caps probe(void)
{
    struct caps c;
    VkDevice device;
    wn_error err = { 0 };
    CHECK_OK(caps_probe(&driver, VK_NULL_HANDLE, "", &c, &err), err);
    CHECK_OK(caps_create_device(&driver, &c, &device, &err), err);
    return c;
}

/* ---- devices ------------------------------------------------------------------------------------------------- */

static const struct gpu ampere = { .name = "RTX 3090",
                                   .driver = "NVIDIA",
                                   .vendor = VENDOR_NVIDIA,
                                   .minor = 3,
                                   .subgroup = 32,
                                   .subgroup_min = 32,
                                   .subgroup_max = 32,
                                   .extensions = { EXT_COOPERATIVE_MATRIX, EXT_COOPERATIVE_MATRIX2,
                                                   VK_NV_SHADER_SM_BUILTINS_EXTENSION_NAME },
                                   .invocations = 1024,
                                   .warps = 48,
                                   .buffer_bytes = UINT64_C(1) << 40,
                                   .allocation_bytes = 4292870144,
                                   .shape = { 16, 16, 16, COMPONENT_F16 },
                                   .group_shape = { { 32, 32, 16, COMPONENT_F16 }, 256 },
                                   .group_scope = SCOPE_WORKGROUP };

static const struct gpu battlemage = { .name = "Arc B580",
                                       .driver = "Intel open-source Mesa driver",
                                       .vendor = 0x8086,
                                       .minor = 4,
                                       .subgroup = 16,
                                       .subgroup_min = 16,
                                       .subgroup_max = 32,
                                       .extensions = { EXT_COOPERATIVE_MATRIX },
                                       .invocations = 1024,
                                       .shape = { 8, 16, 16, COMPONENT_F16 } };

static void test_nvidia(void)
{
    gpu = ampere;
    struct caps c = probe();
    const struct group_shape large = { { 128, 256, 64, COMPONENT_F16 }, 256 },
                             small = { { 64, 64, 64, COMPONENT_F16 }, 128 };
    CHECK(c.has_coopmat && c.has_coopmat2 && c.has_matrix_attention);
    CHECK(caps_has_group_shape(&c, &large));
    CHECK(!caps_has_group_shape(&c, &small)); /* the driver lists none for 128 invocations */
    CHECK_CONTAINS(enabled, EXT_COOPERATIVE_MATRIX2);
    CHECK(enabled_matrix2 && enabled_maintenance4);
    CHECK(c.buffer_bytes == gpu.allocation_bytes && c.block_bytes == UINT64_C(1) << 30);
    gpu.lacks_tensors = 1;
    c = probe();
    CHECK(c.has_coopmat && !c.has_coopmat2);
    gpu = ampere;
    gpu.group_scope = SCOPE_SUBGROUP; /* lavapipe's */
    c = probe();
    CHECK(c.has_coopmat && !c.has_coopmat2 && !strstr(enabled, EXT_COOPERATIVE_MATRIX2));
    gpu = ampere;
    gpu.minor = 2; /* and no VK_EXT_subgroup_size_control */
    c = probe();
    CHECK(!c.has_coopmat && !c.has_coopmat2);
}

/* Multiprocessors of 32 subgroups: products, but no attention. */
static void test_turing(void)
{
    gpu = ampere;
    gpu.warps = 32;
    const struct caps c = probe();
    CHECK(c.has_coopmat && !c.has_matrix_attention);
}

static void test_intel(void)
{
    gpu = battlemage;
    struct caps c = probe();
    CHECK(c.has_coopmat);
    CHECK_INT(c.matrix_subgroup, 32);
    CHECK_INT(c.subgroup, 16);
    gpu.subgroup_max = 16;
    c = probe();
    CHECK_INT(c.matrix_subgroup, 16);
    gpu.subgroup_min = 8; /* Xe */
    c = probe();
    CHECK(!c.has_coopmat);
}

static void test_amd(void)
{
    gpu = (struct gpu){ .name = "RX 7900 XTX",
                        .driver = "radv",
                        .vendor = 0x1002,
                        .minor = 4,
                        .subgroup = 64,
                        .subgroup_min = 32,
                        .subgroup_max = 64,
                        .extensions = { EXT_COOPERATIVE_MATRIX },
                        .invocations = 1024,
                        .shape = { 16, 16, 16, COMPONENT_F16 } };
    struct caps c = probe();
    CHECK(c.has_coopmat);
    CHECK_INT(c.matrix_subgroup, 64);
    gpu.name = "RX 6800";
    gpu.driver = "AMD proprietary driver";
    c = probe();
    CHECK(!c.has_coopmat);
}

/* Subgroup sizes may be asked for from Vulkan 1.3 on, and before where the driver has the extension. */
static void test_size_control(void)
{
    gpu = battlemage;
    gpu.minor = 2;
    gpu.extensions[1] = VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME;
    struct caps c = probe();
    CHECK(c.can_set_subgroup && c.has_coopmat && c.has_subgroup_arithmetic);
    CHECK_CONTAINS(enabled, VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME);
    CHECK(enabled_sizes);
    gpu.minor = 3;
    c = probe();
    CHECK(c.can_set_subgroup && !strstr(enabled, VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME));
    gpu.minor = 2;
    gpu.extensions[1] = NULL;
    c = probe();
    CHECK(!c.can_set_subgroup && !c.has_coopmat && !c.has_subgroup_arithmetic);
}

static void test_buffers(void)
{
    gpu = ampere;
    gpu.buffer_bytes = 1 << 28;
    struct caps c = probe();
    CHECK(c.buffer_bytes == 1 << 28 && c.block_bytes == 1 << 28);
    gpu.minor = 2; /* a driver that knows no such limit */
    gpu.allocation_bytes = 0;
    c = probe();
    CHECK(c.buffer_bytes == UINT64_MAX && c.block_bytes == UINT64_C(1) << 30);
}

static void test_refusals(void)
{
    struct caps c;
    wn_error err = { 0 };
    gpu = ampere;
    gpu.listing = VK_ERROR_OUT_OF_HOST_MEMORY;
    CHECK_INT(caps_probe(&driver, VK_NULL_HANDLE, "", &c, &err), WN_E_MEMORY);
    CHECK_CONTAINS(err.message, "extensions of RTX 3090: VK_ERROR_OUT_OF_HOST_MEMORY");
    gpu = ampere;
    gpu.invocations = 128;
    CHECK_INT(caps_probe(&driver, VK_NULL_HANDLE, "", &c, &err), WN_E_UNSUPPORTED);
    CHECK_CONTAINS(err.message, "RTX 3090 allows workgroups of 128, winnow's have up to 256");
    gpu.invocations = 256;
    CHECK_OK(caps_probe(&driver, VK_NULL_HANDLE, "", &c, &err), err);
}

int main(void)
{
    unsetenv("WINNOW_VULKAN_CAPS");
    test_nvidia();
    test_turing();
    test_intel();
    test_amd();
    test_size_control();
    test_buffers();
    test_refusals();
    return CHECK_DONE();
}
