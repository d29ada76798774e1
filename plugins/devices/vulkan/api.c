/* api.c - see api.h. */
#include "api.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void say_absent(struct instance_api *api, const char *what, const char *why)
{
    snprintf(api->absent, sizeof api->absent, "%s: %s", what, why);
}

static int open_library(struct instance_api *api)
{
    const char *chosen = getenv("WINNOW_VULKAN_LIBRARY");
    static const char *const usual[] = { "libvulkan.so.1", "libvulkan.so", "libMoltenVK.dylib" };
    if (chosen && *chosen)
        api->library = dlopen(chosen, RTLD_NOW | RTLD_LOCAL);
    for (size_t i = 0; !(chosen && *chosen) && !api->library && i < sizeof usual / sizeof *usual; i++)
        api->library = dlopen(usual[i], RTLD_NOW | RTLD_LOCAL);
    if (!api->library) {
        say_absent(api, "no Vulkan library (package libvulkan1)", dlerror());
        return 0;
    }
    /* dlsym gives an object pointer; POSIX says that it can be made one to a function. */
    *(void **)&api->GetInstanceProcAddr = dlsym(api->library, "vkGetInstanceProcAddr");
    if (!api->GetInstanceProcAddr)
        say_absent(api, chosen && *chosen ? chosen : usual[0], "has no vkGetInstanceProcAddr");
    return api->GetInstanceProcAddr != NULL;
}

static int load_globals(struct instance_api *api)
{
#define LOAD(name)                                                                                                     \
    if (!(api->name = (PFN_vk##name)api->GetInstanceProcAddr(NULL, "vk" #name))) {                                     \
        say_absent(api, "the Vulkan library lacks", "vk" #name);                                                       \
        return 0;                                                                                                      \
    }
    GLOBAL_FUNCTIONS(LOAD)
#undef LOAD
    return 1;
}

static int load_instance(struct instance_api *api)
{
#define LOAD(name)                                                                                                     \
    if (!(api->name = (PFN_vk##name)api->GetInstanceProcAddr(api->instance, "vk" #name))) {                            \
        say_absent(api, "the Vulkan driver lacks", "vk" #name);                                                        \
        return 0;                                                                                                      \
    }
    INSTANCE_FUNCTIONS(LOAD)
#undef LOAD
    api->GetCooperativeMatrixProperties = (PFN_wn_vkGetCooperativeMatrixProperties)api->GetInstanceProcAddr(
        api->instance, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR");
    api->GetFlexibleMatrixProperties = (PFN_wn_vkGetFlexibleMatrixProperties)api->GetInstanceProcAddr(
        api->instance, "vkGetPhysicalDeviceCooperativeMatrixFlexibleDimensionsPropertiesNV");
    return 1;
}

/* MoltenVK and other layered drivers are listed only to those who ask. */
static int has_portability(const struct instance_api *api)
{
    VkExtensionProperties found[64];
    uint32_t count = 64;
    const VkResult result = api->EnumerateInstanceExtensionProperties(NULL, &count, found);
    if (result != VK_SUCCESS && result != VK_INCOMPLETE)
        return 0;
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(found[i].extensionName, VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME) == 0)
            return 1;
    return 0;
}

static int create_instance(struct instance_api *api)
{
    static const char *const portability[] = { VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME };
    const uint32_t is_portable = has_portability(api) ? 1 : 0;
    api->version = VK_API_VERSION_1_0;
    api->EnumerateInstanceVersion(&api->version);
    const VkApplicationInfo app = { .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                                    .pApplicationName = "winnow",
                                    .apiVersion = VK_API_VERSION_1_3 };
    const VkInstanceCreateInfo info = { .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
                                        .flags = is_portable ? VK_INSTANCE_CREATE_ENUMERATE_PORTABILITY_BIT_KHR : 0,
                                        .pApplicationInfo = &app,
                                        .enabledExtensionCount = is_portable,
                                        .ppEnabledExtensionNames = portability };
    const VkResult result = api->CreateInstance(&info, NULL, &api->instance);
    if (result == VK_SUCCESS)
        return 1;
    api->instance = NULL;
    say_absent(api, "no Vulkan driver could be started", api_result_name(result));
    return 0;
}

void api_open(struct instance_api *api)
{
    *api = (struct instance_api){ 0 };
    if (!open_library(api) || !load_globals(api) || !create_instance(api) || !load_instance(api)) {
        char why[sizeof api->absent];
        memcpy(why, api->absent, sizeof why);
        api_close(api);
        memcpy(api->absent, why, sizeof why);
    }
}

void api_close(struct instance_api *api)
{
    if (api->instance && api->DestroyInstance)
        api->DestroyInstance(api->instance, NULL);
    if (api->library)
        dlclose(api->library);
    *api = (struct instance_api){ 0 };
}

wn_status api_load_device(const struct instance_api *api, VkDevice device, struct device_api *out, wn_error *err)
{
#define LOAD(name)                                                                                                     \
    if (!(out->name = (PFN_vk##name)api->GetDeviceProcAddr(device, "vk" #name)))                                       \
        return wn_fail(err, WN_E_MISSING, "the Vulkan 1.2 driver lacks vk" #name ": update it");
    DEVICE_FUNCTIONS(LOAD)
#undef LOAD
    return WN_OK;
}

const char *api_result_name(VkResult result)
{
    switch (result) {
#define NAME(code)                                                                                                     \
    case code:                                                                                                         \
        return #code;
        NAME(VK_SUCCESS)
        NAME(VK_TIMEOUT)
        NAME(VK_INCOMPLETE)
        NAME(VK_ERROR_OUT_OF_HOST_MEMORY)
        NAME(VK_ERROR_OUT_OF_DEVICE_MEMORY)
        NAME(VK_ERROR_INITIALIZATION_FAILED)
        NAME(VK_ERROR_DEVICE_LOST)
        NAME(VK_ERROR_MEMORY_MAP_FAILED)
        NAME(VK_ERROR_EXTENSION_NOT_PRESENT)
        NAME(VK_ERROR_FEATURE_NOT_PRESENT)
        NAME(VK_ERROR_INCOMPATIBLE_DRIVER)
        NAME(VK_ERROR_LAYER_NOT_PRESENT)
        NAME(VK_ERROR_TOO_MANY_OBJECTS)
        NAME(VK_ERROR_FRAGMENTED_POOL)
        NAME(VK_ERROR_FRAGMENTATION)
        NAME(VK_ERROR_OUT_OF_POOL_MEMORY)
        NAME(VK_ERROR_UNKNOWN)
        NAME(VK_ERROR_INVALID_SHADER_NV)
#undef NAME
    default:
        return "an unknown VkResult";
    }
}

wn_status api_status(VkResult result)
{
    switch (result) {
    case VK_SUCCESS:
        return WN_OK;
    case VK_ERROR_OUT_OF_HOST_MEMORY:
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
    case VK_ERROR_MEMORY_MAP_FAILED:
    case VK_ERROR_TOO_MANY_OBJECTS:
    case VK_ERROR_FRAGMENTED_POOL:
    case VK_ERROR_FRAGMENTATION:
    case VK_ERROR_OUT_OF_POOL_MEMORY:
        return WN_E_MEMORY;
    case VK_ERROR_EXTENSION_NOT_PRESENT:
    case VK_ERROR_FEATURE_NOT_PRESENT:
    case VK_ERROR_INCOMPATIBLE_DRIVER:
        return WN_E_UNSUPPORTED;
    default:
        return WN_E_DEVICE;
    }
}

wn_status api_check(VkResult result, const char *what, wn_error *err)
{
    const wn_status status = api_status(result);
    return status == WN_OK ? WN_OK : wn_fail(err, status, "%s: %s (%d)", what, api_result_name(result), (int)result);
}
