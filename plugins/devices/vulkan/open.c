/* open.c - a VkDevice and all that lives under it, from nothing; again after the device was lost. */
#include "vulkan.h"

#include <string.h>

enum { WAIT_SLICE_S = 5, WAIT_LIMIT_S = 600 };

wn_status device_check(wn_device *device, VkResult result, const char *what, wn_error *err)
{
    if (result == VK_SUCCESS)
        return WN_OK;
    if (result == VK_ERROR_DEVICE_LOST)
        device->is_lost = 1;
    return wn_fail(err, api_status(result), "%s: %s: %s (%d)", device->caps->properties.deviceName, what,
                   api_result_name(result), (int)result);
}

/* ---- waiting ------------------------------------------------------------------------------------------------ */

/* Never without end: a hung driver is told after ten minutes, and every five seconds of waiting are logged. */
static wn_status wait_for(wn_device *device, VkFence fence, const char *what, wn_error *err)
{
    VkResult result = VK_TIMEOUT;
    for (int waited = 0; result == VK_TIMEOUT && waited < WAIT_LIMIT_S; waited += WAIT_SLICE_S) {
        result = device->vk.WaitForFences(device->handle, 1, &fence, VK_TRUE, WAIT_SLICE_S * UINT64_C(1000000000));
        if (result == VK_TIMEOUT)
            device->host->log(device->host->ctx, WN_LOG_DEBUG, "vulkan: still waiting for a submission");
    }
    if (result == VK_TIMEOUT)
        device->is_lost = 1;
    return device_check(device, result, what, err);
}

wn_status device_submit(wn_device *device, const VkSubmitInfo *submit, VkFence fence, const char *what, wn_error *err)
{
    pthread_mutex_lock(&device->queue_mutex);
    const VkResult result = device->vk.QueueSubmit(device->queue, 1, submit, fence);
    pthread_mutex_unlock(&device->queue_mutex);
    WN_TRY(device_check(device, result, what, err));
    return wait_for(device, fence, what, err);
}

/* ---- parts -------------------------------------------------------------------------------------------------- */

static wn_status open_staging(wn_device *device, wn_error *err)
{
    const VkCommandPoolCreateInfo pool = { .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                           .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
                                           .queueFamilyIndex = device->caps->queue_family };
    WN_TRY(device_check(device, device->vk.CreateCommandPool(device->handle, &pool, NULL, &device->staging_pool),
                        "a command pool", err));
    const VkCommandBufferAllocateInfo buffer = { .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                                 .commandPool = device->staging_pool,
                                                 .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                                 .commandBufferCount = 1 };
    WN_TRY(device_check(device, device->vk.AllocateCommandBuffers(device->handle, &buffer, &device->staging_commands),
                        "a command buffer", err));
    const VkFenceCreateInfo fence = { .sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO };
    return device_check(device, device->vk.CreateFence(device->handle, &fence, NULL, &device->staging_fence), "a fence",
                        err);
}

static wn_status start_parts(wn_device *device, wn_error *err)
{
    WN_TRY(api_load_device(&device->driver->api, device->handle, &device->vk, err));
    device->vk.GetDeviceQueue(device->handle, device->caps->queue_family, 0, &device->queue);
    WN_TRY(open_staging(device, err));
    return pipeline_open(device, err);
}

wn_status device_start(wn_device *device, wn_error *err)
{
    WN_TRY(caps_create_device(&device->driver->api, device->caps, &device->handle, err));
    device->is_lost = 0;
    const wn_status status = start_parts(device, err);
    if (status != WN_OK)
        device_stop(device);
    return status;
}

/* Vulkan allows all of this on a lost device, and on parts that were never made. */
void device_stop(wn_device *device)
{
    const struct device_api *vk = &device->vk;
    if (!device->handle)
        return;
    if (vk->DestroyDevice) {
        pipeline_close(device);
        device->staging = (struct slice){ 0 };
        memory_close(device);
        vk->DestroyFence(device->handle, device->staging_fence, NULL);
        vk->DestroyCommandPool(device->handle, device->staging_pool, NULL);
        vk->DestroyDevice(device->handle, NULL);
    }
    device->handle = VK_NULL_HANDLE;
    device->staging_fence = VK_NULL_HANDLE;
    device->staging_pool = VK_NULL_HANDLE;
}

static wn_status reopen_locked(wn_device *device, wn_error *err)
{
    device->host->log(device->host->ctx, WN_LOG_WARN, "vulkan: the device was lost; it is opened again");
    device_stop(device);
    device->generation++;
    WN_TRY(device_start(device, err));
    return weights_upload_again(device, err);
}

wn_status device_reopen(wn_device *device, uint64_t seen, wn_error *err)
{
    pthread_rwlock_wrlock(&device->use_lock);
    const wn_status status = device->generation == seen ? reopen_locked(device, err) : WN_OK;
    pthread_rwlock_unlock(&device->use_lock);
    return status;
}
