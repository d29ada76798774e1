/* open.c - a VkDevice and all that lives under it, from nothing; again after the device was lost.
 *
 * A lost device (a driver's reset, a watchdog) is opened again and the work repeated with shorter submissions, twice.
 * Then it is the caller's error: a run of winnow ends there, with everything recorded so far kept.
 */
#include "vulkan.h"

#include <string.h>
#include <time.h>

enum { RETRIES = 2, WAIT_SLICE_S = 5, WAIT_LIMIT_S = 600, PAUSE_MS = 100 };

wn_status device_check(wn_device *device, VkResult result, const char *what, wn_error *err)
{
    if (result == VK_SUCCESS)
        return WN_OK;
    if (result == VK_ERROR_DEVICE_LOST)
        device->is_lost = 1;
    return wn_fail(err, api_status(result), "%s: %s: %s (%d)", device->caps->properties.deviceName, what,
                   api_result_name(result), (int)result);
}

int device_is_there(const wn_device *device)
{
    return device->handle && !device->is_hung;
}

/* ---- waiting ------------------------------------------------------------------------------------------------ */

static wn_status give_up(wn_device *device, VkResult result, const char *what, wn_error *err)
{
    device->is_lost = device->is_hung = device->driver->is_abandoned = 1;
    return wn_fail(err, WN_E_DEVICE, "%s: %s: no answer in %d s (%s); the device is given up until the next start",
                   device->caps->properties.deviceName, what, WAIT_LIMIT_S, api_result_name(result));
}

/* For a fence, or a semaphore's value. Never without end. A wait that fails for want of memory, which takes no time, is
 * tried again after a pause: the work goes on all the same. */
static wn_status wait_for(wn_device *device, VkFence fence, const VkSemaphoreWaitInfo *semaphore, const char *what,
                          wn_error *err)
{
    const uint64_t slice_ns = WAIT_SLICE_S * UINT64_C(1000000000);
    VkResult result = VK_TIMEOUT;
    for (int waited_ms = 0; waited_ms < WAIT_LIMIT_S * 1000;) {
        result = semaphore ? device->vk.WaitSemaphores(device->handle, semaphore, slice_ns)
                           : device->vk.WaitForFences(device->handle, 1, &fence, VK_TRUE, slice_ns);
        if (result == VK_SUCCESS || result == VK_ERROR_DEVICE_LOST)
            return device_check(device, result, what, err);
        if (result != VK_TIMEOUT)
            nanosleep(&(struct timespec){ .tv_nsec = PAUSE_MS * 1000000L }, NULL);
        waited_ms += result == VK_TIMEOUT ? WAIT_SLICE_S * 1000 : PAUSE_MS;
        device->host->log(device->host->ctx, WN_LOG_DEBUG, "vulkan: still waiting for a submission");
    }
    return give_up(device, result, what, err);
}

wn_status device_send(wn_device *device, VkQueue queue, uint32_t count, const VkSubmitInfo *submits, VkFence fence,
                      const char *what, wn_error *err)
{
    pthread_mutex_lock(&device->queue_mutex);
    const VkResult result = device->vk.QueueSubmit(queue, count, submits, fence);
    pthread_mutex_unlock(&device->queue_mutex);
    return device_check(device, result, what, err);
}

wn_status device_wait(wn_device *device, const struct timeline *timeline, uint64_t value, const char *what,
                      wn_error *err)
{
    const VkSemaphoreWaitInfo info = { .sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
                                       .semaphoreCount = 1,
                                       .pSemaphores = &timeline->semaphore,
                                       .pValues = &value };
    return wait_for(device, VK_NULL_HANDLE, &info, what, err);
}

wn_status device_submit(wn_device *device, uint32_t count, const VkSubmitInfo *submits, VkFence fence, const char *what,
                        wn_error *err)
{
    WN_TRY(device_send(device, device->queue, count, submits, fence, what, err));
    return wait_for(device, fence, NULL, what, err);
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

/* A device whose functions are not all there can only be destroyed. */
static wn_status load_functions(wn_device *device, wn_error *err)
{
    struct device_api vk = { 0 };
    const wn_status status = api_load_device(&device->driver->api, device->handle, &vk, err);
    if (status == WN_OK) {
        device->vk = vk;
        return WN_OK;
    }
    if (vk.DestroyDevice)
        vk.DestroyDevice(device->handle, NULL);
    device->handle = VK_NULL_HANDLE;
    return status;
}

static wn_status start_parts(wn_device *device, wn_error *err)
{
    WN_TRY(load_functions(device, err));
    device->vk.GetDeviceQueue(device->handle, device->caps->queue_family, 0, &device->queue);
    if (device->caps->has_copy_queue)
        device->vk.GetDeviceQueue(device->handle, device->caps->copy_family, device->caps->copy_index,
                                  &device->copy_queue);
    WN_TRY(open_staging(device, err));
    return pipeline_open(device, err);
}

wn_status device_start(wn_device *device, wn_error *err)
{
    wn_status status = caps_create_device(&device->driver->api, device->caps, &device->handle, err);
    if (status != WN_OK)
        device->handle = VK_NULL_HANDLE;
    else
        status = start_parts(device, err);
    if (status != WN_OK)
        device_stop(device);
    device->is_lost = status != WN_OK;
    return status;
}

/* Vulkan allows all of this on a lost device, and on parts that were never made. Of one that hangs only what is the
 * host's is freed. */
void device_stop(wn_device *device)
{
    const struct device_api *vk = &device->vk;
    if (!device->handle)
        return;
    while (device->programs)
        program_unbuild(device->programs);
    pipeline_close(device);
    device->staging = (struct slice){ 0 };
    memory_close(device);
    device->slices_used = 0;
    if (device_is_there(device)) {
        vk->DestroyFence(device->handle, device->staging_fence, NULL);
        vk->DestroyCommandPool(device->handle, device->staging_pool, NULL);
        vk->DestroyDevice(device->handle, NULL);
    }
    device->handle = VK_NULL_HANDLE;
    device->staging_fence = VK_NULL_HANDLE;
    device->staging_pool = VK_NULL_HANDLE;
}

/* ---- losing it ---------------------------------------------------------------------------------------------- */

/* `seen` is the generation that was lost. */
static wn_status reopen(wn_device *device, uint64_t seen, wn_error *err)
{
    wn_status status = WN_OK;
    pthread_rwlock_wrlock(&device->use_lock);
    if (device->generation == seen) {
        device->host->log(device->host->ctx, WN_LOG_WARN, "vulkan: the device was lost; it is opened again");
        device_stop(device);
        device->generation++;
        status = device_start(device, err);
    }
    pthread_rwlock_unlock(&device->use_lock);
    return status;
}

struct use {
    uint64_t generation;
    int was_lost;
};

static wn_status use_once(wn_device *device, wn_status (*fn)(void *arg, wn_error *err), void *arg, struct use *use,
                          wn_error *err)
{
    pthread_rwlock_rdlock(&device->use_lock);
    use->generation = device->generation;
    const wn_status status = !device->is_lost ? fn(arg, err)
                                              : wn_fail(err, WN_E_DEVICE, "%s was lost and is not open",
                                                        device->caps->properties.deviceName);
    use->was_lost = status == WN_E_DEVICE && device->is_lost && !device->is_hung;
    pthread_rwlock_unlock(&device->use_lock);
    return status;
}

wn_status device_use(wn_device *device, wn_status (*fn)(void *arg, wn_error *err), void *arg, wn_error *err)
{
    struct use use;
    wn_status status = use_once(device, fn, arg, &use, err);
    for (int i = 0; i < RETRIES && use.was_lost; i++) {
        wn_error why = { 0 };
        const wn_error first = *err;
        device->caution = device->caution / 2; /* shorter submissions */
        if (reopen(device, use.generation, &why) != WN_OK)
            return wn_fail(err, WN_E_DEVICE, "%.400s; it could not be opened again: %.400s", first.message,
                           why.message);
        status = use_once(device, fn, arg, &use, err);
    }
    return status;
}
