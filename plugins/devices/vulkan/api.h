/* api.h - Vulkan's functions, looked up at run time, so that the plugin loads and describes itself where no driver is.
 *
 * Tables, not prototypes: all calls go through `struct instance_api` and `struct device_api`, filled from one
 * vkGetInstanceProcAddr. WINNOW_VULKAN_LIBRARY names another library to take it from (a layer, a fault injector).
 */
#ifndef WINNOW_VULKAN_API_H
#define WINNOW_VULKAN_API_H

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan.h>

#include <winnow/plugin.h>

#include "extensions.h"

#define GLOBAL_FUNCTIONS(X) X(CreateInstance) X(EnumerateInstanceVersion) X(EnumerateInstanceExtensionProperties)

#define INSTANCE_FUNCTIONS(X)                                                                                          \
    X(DestroyInstance)                                                                                                 \
    X(EnumeratePhysicalDevices)                                                                                        \
    X(GetPhysicalDeviceProperties2)                                                                                    \
    X(GetPhysicalDeviceFeatures2)                                                                                      \
    X(GetPhysicalDeviceMemoryProperties2)                                                                              \
    X(GetPhysicalDeviceQueueFamilyProperties2)                                                                         \
    X(EnumerateDeviceExtensionProperties)                                                                              \
    X(CreateDevice)                                                                                                    \
    X(GetDeviceProcAddr)

#define DEVICE_FUNCTIONS(X)                                                                                            \
    X(DestroyDevice)                                                                                                   \
    X(GetDeviceQueue)                                                                                                  \
    X(AllocateMemory)                                                                                                  \
    X(FreeMemory)                                                                                                      \
    X(MapMemory)                                                                                                       \
    X(CreateBuffer)                                                                                                    \
    X(DestroyBuffer)                                                                                                   \
    X(GetBufferMemoryRequirements)                                                                                     \
    X(BindBufferMemory)                                                                                                \
    X(GetBufferDeviceAddress)                                                                                          \
    X(CreateShaderModule)                                                                                              \
    X(DestroyShaderModule)                                                                                             \
    X(CreatePipelineLayout)                                                                                            \
    X(DestroyPipelineLayout)                                                                                           \
    X(CreatePipelineCache)                                                                                             \
    X(DestroyPipelineCache)                                                                                            \
    X(GetPipelineCacheData)                                                                                            \
    X(CreateComputePipelines)                                                                                          \
    X(DestroyPipeline)                                                                                                 \
    X(CreateCommandPool)                                                                                               \
    X(DestroyCommandPool)                                                                                              \
    X(AllocateCommandBuffers)                                                                                          \
    X(FreeCommandBuffers)                                                                                              \
    X(BeginCommandBuffer)                                                                                              \
    X(EndCommandBuffer)                                                                                                \
    X(CmdBindPipeline)                                                                                                 \
    X(CmdPushConstants)                                                                                                \
    X(CmdDispatch)                                                                                                     \
    X(CmdPipelineBarrier)                                                                                              \
    X(CmdCopyBuffer)                                                                                                   \
    X(CreateQueryPool)                                                                                                 \
    X(DestroyQueryPool)                                                                                                \
    X(CmdResetQueryPool)                                                                                               \
    X(CmdWriteTimestamp)                                                                                               \
    X(GetQueryPoolResults)                                                                                             \
    X(QueueSubmit)                                                                                                     \
    X(CreateFence)                                                                                                     \
    X(DestroyFence)                                                                                                    \
    X(ResetFences)                                                                                                     \
    X(WaitForFences)                                                                                                   \
    X(CreateSemaphore)                                                                                                 \
    X(DestroySemaphore)                                                                                                \
    X(WaitSemaphores)

#define MEMBER(name) PFN_vk##name name;

/* A library and its instance. All NULL where there is none; why is in `absent`. */
struct instance_api {
    void *library;
    VkInstance instance;
    uint32_t version; /* of the instance */
    char absent[512];
    PFN_vkGetInstanceProcAddr GetInstanceProcAddr;
    GLOBAL_FUNCTIONS(MEMBER)
    INSTANCE_FUNCTIONS(MEMBER)
    /* NULL where no driver has them */
    PFN_wn_vkGetCooperativeMatrixProperties GetCooperativeMatrixProperties;
    PFN_wn_vkGetFlexibleMatrixProperties GetFlexibleMatrixProperties;
};

struct device_api {
    DEVICE_FUNCTIONS(MEMBER)
};
#undef MEMBER

/* Loads the library and makes an instance. Having none is no error: api->absent then says why. */
void api_open(struct instance_api *api);
void api_close(struct instance_api *api);
/* WN_E_MISSING when the driver lacks one of the functions. */
wn_status api_load_device(const struct instance_api *api, VkDevice device, struct device_api *out, wn_error *err);

/* "VK_ERROR_DEVICE_LOST" and so on. */
const char *api_result_name(VkResult result);
/* The status that a result stands for. */
wn_status api_status(VkResult result);
/* Fails with "what: VK_ERROR_..." unless result is VK_SUCCESS. */
wn_status api_check(VkResult result, const char *what, wn_error *err);

#endif
