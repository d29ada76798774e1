/* units.c - a Vulkan library that claims matrix units which the driver behind it has not: VK_NV_cooperative_matrix2's
 * matrices of whole groups, and bfloat16. WINNOW_VULKAN_LIBRARY makes the vulkan plugin take it.
 *
 * What the plugin is told is one vendor's answer. What runs is Mesa's lavapipe: in the place of a kernel that is beyond
 * it comes one made of the same source with -DEMULATED (WINNOW_UNITS/NAME.spv, made by modern_vulkan.sh). So all is run
 * but the few lines that differ, which spirv-val alone sees: choice of kernels, numbers of groups, tiles, epilogues,
 * storage in 16 bits, the self-check.
 *
 * With WINNOW_UNITS_WRONG groups multiply float16 as if it were bfloat16, and the other way round.
 */
#define VK_NO_PROTOTYPES
#include <vulkan/vulkan.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "extensions.h"
#include "kernels.h"

#define EXPORT __attribute__((visibility("default")))

static PFN_vkGetInstanceProcAddr real_GetInstanceProcAddr;
static PFN_vkGetDeviceProcAddr real_GetDeviceProcAddr;
static PFN_vkEnumerateDeviceExtensionProperties real_EnumerateDeviceExtensionProperties;
static PFN_vkGetPhysicalDeviceProperties2 real_GetPhysicalDeviceProperties2;
static PFN_vkGetPhysicalDeviceFeatures2 real_GetPhysicalDeviceFeatures2;
static PFN_vkCreateDevice real_CreateDevice;
static PFN_vkCreateShaderModule real_CreateShaderModule;
static PFN_wn_vkGetCooperativeMatrixProperties real_GetCooperativeMatrixProperties;

static void *find_in(void *chain, int32_t type)
{
    for (VkBaseOutStructure *s = chain; s; s = s->pNext)
        if ((int32_t)s->sType == type)
            return s;
    return NULL;
}

/* ---- claims ------------------------------------------------------------------------------------------------- */

static VKAPI_ATTR VkResult VKAPI_CALL wrap_EnumerateDeviceExtensionProperties(VkPhysicalDevice device,
                                                                              const char *layer, uint32_t *count,
                                                                              VkExtensionProperties *found)
{
    const VkResult result = real_EnumerateDeviceExtensionProperties(device, layer, count, found);
    if (found)
        snprintf(found[*count].extensionName, sizeof found->extensionName, "%s",
                 EXT_BFLOAT16); /* there is room for it */
    *count += 1;
    return result;
}

static VKAPI_ATTR void VKAPI_CALL wrap_GetPhysicalDeviceFeatures2(VkPhysicalDevice device, VkPhysicalDeviceFeatures2 *f)
{
    real_GetPhysicalDeviceFeatures2(device, f);
    struct cooperative_matrix2_features *matrix2 = find_in(f, TYPE_COOPERATIVE_MATRIX2_FEATURES);
    struct bfloat16_features *bf16 = find_in(f, TYPE_BFLOAT16_FEATURES);
    if (matrix2)
        matrix2->cooperativeMatrixWorkgroupScope = matrix2->cooperativeMatrixTensorAddressing = VK_TRUE;
    if (bf16)
        bf16->shaderBFloat16Type = bf16->shaderBFloat16CooperativeMatrix = VK_TRUE;
}

static VKAPI_ATTR void VKAPI_CALL wrap_GetPhysicalDeviceProperties2(VkPhysicalDevice device,
                                                                    VkPhysicalDeviceProperties2 *p)
{
    real_GetPhysicalDeviceProperties2(device, p);
    struct cooperative_matrix2_properties *matrix2 = find_in(p, TYPE_COOPERATIVE_MATRIX2_PROPERTIES);
    if (matrix2) {
        matrix2->cooperativeMatrixWorkgroupScopeMaxWorkgroupSize = 256;
        matrix2->cooperativeMatrixFlexibleDimensionsMaxDimension = 64;
    }
}

/* The driver's own, and the first of float32 sums once more with bfloat16. */
static VKAPI_ATTR VkResult VKAPI_CALL wrap_GetCooperativeMatrixProperties(VkPhysicalDevice device, uint32_t *count,
                                                                          struct cooperative_matrix_properties *p)
{
    const VkResult result = real_GetCooperativeMatrixProperties(device, count, p);
    for (uint32_t i = 0, n = *count; p && i < n; i++) {
        if (p[i].AType != COMPONENT_F16 || p[i].ResultType != COMPONENT_F32)
            continue;
        p[*count] = p[i];
        p[*count].AType = p[*count].BType = COMPONENT_BF16;
        *count += 1;
        break;
    }
    return result;
}

static VKAPI_ATTR VkResult VKAPI_CALL wrap_GetFlexibleMatrixProperties(VkPhysicalDevice device, uint32_t *count,
                                                                       struct flexible_matrix_properties *p)
{
    (void)device;
    *count = 4;
    for (uint32_t i = 0; p && i < 4; i++) {
        const int32_t type = i % 2 ? COMPONENT_BF16 : COMPONENT_F16;
        p[i] = (struct flexible_matrix_properties){
            p[i].sType,      p[i].pNext,       16, 16, 16, type, type, COMPONENT_F32, COMPONENT_F32, VK_FALSE,
            SCOPE_WORKGROUP, i < 2 ? 128 : 256
        };
    }
    return VK_SUCCESS;
}

/* ---- what the driver does not know it is not told ------------------------------------------------------------ */

static VKAPI_ATTR VkResult VKAPI_CALL wrap_CreateDevice(VkPhysicalDevice physical, const VkDeviceCreateInfo *info,
                                                        const VkAllocationCallbacks *a, VkDevice *device)
{
    const char *names[16];
    VkDeviceCreateInfo mine = *info;
    struct cooperative_matrix2_features *matrix2 = find_in((void *)info->pNext, TYPE_COOPERATIVE_MATRIX2_FEATURES);
    mine.enabledExtensionCount = 0;
    mine.ppEnabledExtensionNames = names;
    for (uint32_t i = 0; i < info->enabledExtensionCount && i < 16; i++)
        if (strcmp(info->ppEnabledExtensionNames[i], EXT_BFLOAT16) != 0)
            names[mine.enabledExtensionCount++] = info->ppEnabledExtensionNames[i];
    if (matrix2)
        matrix2->cooperativeMatrixWorkgroupScope = matrix2->cooperativeMatrixTensorAddressing = VK_FALSE;
    for (VkBaseOutStructure *s = (void *)info->pNext; s; s = s->pNext)
        while (s->pNext && (int32_t)s->pNext->sType == TYPE_BFLOAT16_FEATURES)
            s->pNext = s->pNext->pNext;
    return real_CreateDevice(physical, &mine, a, device);
}

static enum kernel kernel_of(const VkShaderModuleCreateInfo *info)
{
    enum kernel k = 0;
    while (k < KERNEL_COUNT &&
           (kernel_code(k)->bytes != info->codeSize || memcmp(kernel_code(k)->words, info->pCode, info->codeSize) != 0))
        k++;
    return k;
}

static VKAPI_ATTR VkResult VKAPI_CALL wrap_CreateShaderModule(VkDevice device, const VkShaderModuleCreateInfo *info,
                                                              const VkAllocationCallbacks *a, VkShaderModule *module)
{
    static uint32_t words[1 << 16]; /* modules are made one at a time */
    VkShaderModuleCreateInfo mine = *info;
    char path[1024];
    enum kernel kernel = kernel_of(info);
    if (getenv("WINNOW_UNITS_WRONG"))
        kernel = kernel == KERNEL_LINEAR_COOPMAT2_F16    ? KERNEL_LINEAR_COOPMAT2_BF16
                 : kernel == KERNEL_LINEAR_COOPMAT2_BF16 ? KERNEL_LINEAR_COOPMAT2_F16
                                                         : kernel;
    snprintf(path, sizeof path, "%s/%s.spv", getenv("WINNOW_UNITS"),
             kernel < KERNEL_COUNT ? kernel_code(kernel)->name : "");
    FILE *f = fopen(path, "rb");
    if (f) {
        mine.codeSize = fread(words, 1, sizeof words, f);
        mine.pCode = words;
        fclose(f);
    }
    return real_CreateShaderModule(device, &mine, a, module);
}

/* ---- look-up ------------------------------------------------------------------------------------------------- */

typedef PFN_vkVoidFunction any;

static VKAPI_ATTR any VKAPI_CALL wrap_GetDeviceProcAddr(VkDevice device, const char *name)
{
    const any real = real_GetDeviceProcAddr(device, name);
    if (!real || strcmp(name, "vkCreateShaderModule") != 0)
        return real;
    real_CreateShaderModule = (PFN_vkCreateShaderModule)real;
    return (any)wrap_CreateShaderModule;
}

static any stand_in(const char *name, any real)
{
#define KEEP(f)                                                                                                        \
    if (strcmp(name, "vk" #f) == 0 && real) {                                                                          \
        real_##f = (PFN_vk##f)real;                                                                                    \
        return (any)wrap_##f;                                                                                          \
    }
    KEEP(GetDeviceProcAddr)
    KEEP(EnumerateDeviceExtensionProperties)
    KEEP(GetPhysicalDeviceProperties2)
    KEEP(GetPhysicalDeviceFeatures2)
    KEEP(CreateDevice)
#undef KEEP
    if (strcmp(name, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR") == 0 && real) {
        real_GetCooperativeMatrixProperties = (PFN_wn_vkGetCooperativeMatrixProperties)real;
        return (any)wrap_GetCooperativeMatrixProperties;
    }
    if (strcmp(name, "vkGetPhysicalDeviceCooperativeMatrixFlexibleDimensionsPropertiesNV") == 0)
        return (any)wrap_GetFlexibleMatrixProperties;
    return real;
}

EXPORT VKAPI_ATTR any VKAPI_CALL vkGetInstanceProcAddr(VkInstance instance, const char *name);
VKAPI_ATTR any VKAPI_CALL vkGetInstanceProcAddr(VkInstance instance, const char *name)
{
    if (!real_GetInstanceProcAddr) {
        void *library = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
        if (library)
            *(void **)&real_GetInstanceProcAddr = dlsym(library, "vkGetInstanceProcAddr");
    }
    return real_GetInstanceProcAddr ? stand_in(name, real_GetInstanceProcAddr(instance, name)) : NULL;
}
