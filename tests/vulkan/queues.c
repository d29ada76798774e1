/* queues.c - a Vulkan driver with two queues: the software driver, which has one, with a second family that only copies
 * (or, where WINNOW_QUEUES holds "same", a second queue of the first family).
 *
 * The loader takes it for a driver (VK_DRIVER_FILES), so the validation layer above it sees two queues. Both are the
 * software driver's one. What is submitted is held back until someone waits, and then runs in one of the orders that
 * semaphores allow: copies as early as they may (WINNOW_QUEUES=early), before kernels that were submitted before them,
 * or as late as they may (late). So a semaphore that is missing shows in results. What waits for something that nobody
 * submitted is a deadlock here: winnow promises that it never does that.
 */
#define VK_NO_PROTOTYPES
#include <vulkan/vulkan.h>

#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "faulty.h"

enum { KERNELS, COPIES, QUEUES, MOST_HELD = 64, MOST_SEMAPHORES = 2, MOST_DEVICES = 8, LOADER_MAGIC = 0x01CDC0DE };

#define FUNCTIONS(X)                                                                                                   \
    X(GetDeviceProcAddr)                                                                                               \
    X(GetPhysicalDeviceQueueFamilyProperties)                                                                          \
    X(GetPhysicalDeviceQueueFamilyProperties2)                                                                         \
    X(CreateDevice)                                                                                                    \
    X(DestroyDevice)                                                                                                   \
    X(GetDeviceQueue)                                                                                                  \
    X(QueueSubmit)                                                                                                     \
    X(DeviceWaitIdle)                                                                                                  \
    X(WaitForFences)                                                                                                   \
    X(WaitSemaphores)

#define REAL(name) static PFN_vk##name real_##name;
FUNCTIONS(REAL)
#undef REAL
static PFN_vkGetSemaphoreCounterValue real_GetSemaphoreCounterValue;

struct held {
    uint64_t number;
    VkSubmitInfo info;
    VkTimelineSemaphoreSubmitInfo values;
    VkSemaphore wait[MOST_SEMAPHORES], signal[MOST_SEMAPHORES];
    uint64_t wait_value[MOST_SEMAPHORES], signal_value[MOST_SEMAPHORES];
    VkPipelineStageFlags stage[MOST_SEMAPHORES];
    VkCommandBuffer buffer;
    VkFence fence;
};

/* A device; what stands for its second queue too, so the loader's word comes first. */
struct device {
    uintptr_t loader;
    VkDevice handle;
    VkQueue queue;
    struct held held[QUEUES][MOST_HELD];
    uint32_t count[QUEUES];
    uint64_t submitted;
};

static struct device devices[MOST_DEVICES];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static uint64_t overtaken;

uint64_t queues_overtaken(void)
{
    return overtaken;
}

static int has_word(const char *word)
{
    const char *text = getenv("WINNOW_QUEUES");
    return text && strstr(text, word) != NULL;
}

static void fail(const char *why)
{
    fprintf(stderr, "queues: %s\n", why);
    abort();
}

static struct device *find(VkDevice handle)
{
    for (int i = 0; i < MOST_DEVICES; i++)
        if (devices[i].handle == handle)
            return &devices[i];
    fail("too many devices, or an unknown one");
    return NULL;
}

static struct device *find_queue(VkQueue queue, int *which)
{
    for (int i = 0; i < MOST_DEVICES; i++) {
        *which = (void *)queue == (void *)&devices[i] ? COPIES : KERNELS;
        if (devices[i].handle && (*which == COPIES || devices[i].queue == queue))
            return &devices[i];
    }
    fail("a submission to an unknown queue");
    return NULL;
}

/* ---- holding and running ------------------------------------------------------------------------------------ */

static void hold(struct device *d, int which, const VkSubmitInfo *s, VkFence fence)
{
    const VkTimelineSemaphoreSubmitInfo *values = s ? s->pNext : NULL;
    if (d->count[which] == MOST_HELD || (s && (s->waitSemaphoreCount > MOST_SEMAPHORES || s->commandBufferCount > 1 ||
                                               s->signalSemaphoreCount > MOST_SEMAPHORES)))
        fail("more than a test should submit");
    struct held *h = &d->held[which][d->count[which]++];
    *h = (struct held){ .number = d->submitted++, .info = { .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO }, .fence = fence };
    if (!s)
        return;
    h->info = *s;
    h->buffer = s->commandBufferCount ? s->pCommandBuffers[0] : VK_NULL_HANDLE;
    for (uint32_t i = 0; i < s->waitSemaphoreCount; i++) {
        h->wait[i] = s->pWaitSemaphores[i];
        h->stage[i] = s->pWaitDstStageMask[i];
        h->wait_value[i] = values ? values->pWaitSemaphoreValues[i] : 0;
    }
    for (uint32_t i = 0; i < s->signalSemaphoreCount; i++) {
        h->signal[i] = s->pSignalSemaphores[i];
        h->signal_value[i] = values ? values->pSignalSemaphoreValues[i] : 0;
    }
    if (values)
        h->values = *values;
}

static int can_run(const struct device *d, const struct held *h)
{
    for (uint32_t i = 0; i < h->info.waitSemaphoreCount; i++) {
        uint64_t value = 0;
        real_GetSemaphoreCounterValue(d->handle, h->wait[i], &value);
        if (value < h->wait_value[i])
            return 0;
    }
    return 1;
}

/* The first that is held for that queue, to its end. */
static int run_first(struct device *d, int which)
{
    struct held *h = &d->held[which][0];
    if (d->count[which] == 0 || !can_run(d, h))
        return 0;
    overtaken += d->count[!which] && d->held[!which][0].number < h->number;
    h->info.pNext = h->values.sType ? &h->values : NULL;
    h->info.pWaitSemaphores = h->wait;
    h->info.pWaitDstStageMask = h->stage;
    h->info.pCommandBuffers = &h->buffer;
    h->info.pSignalSemaphores = h->signal;
    h->values.pWaitSemaphoreValues = h->wait_value;
    h->values.pSignalSemaphoreValues = h->signal_value;
    if (real_QueueSubmit(d->queue, 1, &h->info, h->fence) != VK_SUCCESS || real_DeviceWaitIdle(d->handle) != VK_SUCCESS)
        fail("the driver failed");
    memmove(h, h + 1, --d->count[which] * sizeof *h);
    return 1;
}

static void run_all(struct device *d)
{
    const int first = has_word("late") ? KERNELS : COPIES;
    while (run_first(d, first) || run_first(d, !first))
        ;
    if (d->count[KERNELS] || d->count[COPIES])
        fail("a deadlock");
}

static void run_device(VkDevice device)
{
    pthread_mutex_lock(&mutex);
    run_all(find(device));
    pthread_mutex_unlock(&mutex);
}

/* ---- the driver's functions --------------------------------------------------------------------------------- */

static void add_family(VkQueueFamilyProperties *first, VkQueueFamilyProperties *second)
{
    if (has_word("same"))
        first->queueCount = 2;
    else if (second)
        *second = (VkQueueFamilyProperties){ .queueFlags = VK_QUEUE_TRANSFER_BIT,
                                             .queueCount = 1,
                                             .minImageTransferGranularity = { 1, 1, 1 } };
}

static VKAPI_ATTR void VKAPI_CALL wrap_GetPhysicalDeviceQueueFamilyProperties(VkPhysicalDevice a, uint32_t *count,
                                                                              VkQueueFamilyProperties *out)
{
    const uint32_t room = *count, all = has_word("same") ? 1 : 2;
    real_GetPhysicalDeviceQueueFamilyProperties(a, count, out);
    *count = out && room < all ? room : all;
    if (out && room)
        add_family(out, *count > 1 ? out + 1 : NULL);
}

static VKAPI_ATTR void VKAPI_CALL wrap_GetPhysicalDeviceQueueFamilyProperties2(VkPhysicalDevice a, uint32_t *count,
                                                                               VkQueueFamilyProperties2 *out)
{
    const uint32_t room = *count, all = has_word("same") ? 1 : 2;
    real_GetPhysicalDeviceQueueFamilyProperties2(a, count, out);
    *count = out && room < all ? room : all;
    if (out && room)
        add_family(&out->queueFamilyProperties, *count > 1 ? &out[1].queueFamilyProperties : NULL);
}

static VKAPI_ATTR VkResult VKAPI_CALL wrap_CreateDevice(VkPhysicalDevice a, const VkDeviceCreateInfo *info,
                                                        const VkAllocationCallbacks *b, VkDevice *out)
{
    VkDeviceQueueCreateInfo queue = info->pQueueCreateInfos[0];
    VkDeviceCreateInfo one = *info;
    queue.queueCount = 1;
    one.queueCreateInfoCount = 1;
    one.pQueueCreateInfos = &queue;
    const VkResult result = real_CreateDevice(a, &one, b, out);
    if (result != VK_SUCCESS)
        return result;
    pthread_mutex_lock(&mutex);
    struct device *d = find(VK_NULL_HANDLE);
    *d = (struct device){ .loader = LOADER_MAGIC, .handle = *out };
    pthread_mutex_unlock(&mutex);
    return result;
}

static VKAPI_ATTR void VKAPI_CALL wrap_DestroyDevice(VkDevice device, const VkAllocationCallbacks *a)
{
    pthread_mutex_lock(&mutex);
    struct device *d = find(device);
    if (d->count[KERNELS] || d->count[COPIES])
        fail("a device is destroyed under its work");
    d->handle = VK_NULL_HANDLE;
    pthread_mutex_unlock(&mutex);
    real_DestroyDevice(device, a);
}

static VKAPI_ATTR void VKAPI_CALL wrap_GetDeviceQueue(VkDevice device, uint32_t family, uint32_t index, VkQueue *queue)
{
    struct device *d = find(device);
    if (family || index)
        *queue = (VkQueue)(void *)d;
    else
        real_GetDeviceQueue(device, 0, 0, queue);
    d->queue = family || index ? d->queue : *queue;
}

static VKAPI_ATTR VkResult VKAPI_CALL wrap_QueueSubmit(VkQueue queue, uint32_t count, const VkSubmitInfo *submits,
                                                       VkFence fence)
{
    int which;
    pthread_mutex_lock(&mutex);
    struct device *d = find_queue(queue, &which);
    for (uint32_t i = 0; i < count; i++)
        hold(d, which, &submits[i], i + 1 == count ? fence : VK_NULL_HANDLE);
    if (count == 0)
        hold(d, which, NULL, fence);
    pthread_mutex_unlock(&mutex);
    return VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL wrap_DeviceWaitIdle(VkDevice device)
{
    run_device(device);
    return real_DeviceWaitIdle(device);
}

static VKAPI_ATTR VkResult VKAPI_CALL wrap_WaitForFences(VkDevice device, uint32_t count, const VkFence *fences,
                                                         VkBool32 all, uint64_t timeout)
{
    run_device(device);
    return real_WaitForFences(device, count, fences, all, timeout);
}

static VKAPI_ATTR VkResult VKAPI_CALL wrap_WaitSemaphores(VkDevice device, const VkSemaphoreWaitInfo *info,
                                                          uint64_t timeout)
{
    run_device(device);
    return real_WaitSemaphores(device, info, timeout);
}

/* ---- look-up ------------------------------------------------------------------------------------------------- */

typedef PFN_vkVoidFunction any;

static VKAPI_ATTR any VKAPI_CALL wrap_GetDeviceProcAddr(VkDevice device, const char *name);

static any stand_in(const char *name, any real)
{
#define KEEP(f)                                                                                                        \
    if (real && (strcmp(name, "vk" #f) == 0 || strcmp(name, "vk" #f "KHR") == 0)) {                                    \
        real_##f = (PFN_vk##f)real;                                                                                    \
        return (any)wrap_##f;                                                                                          \
    }
    FUNCTIONS(KEEP)
#undef KEEP
    return real;
}

static VKAPI_ATTR any VKAPI_CALL wrap_GetDeviceProcAddr(VkDevice device, const char *name)
{
    if (!real_GetSemaphoreCounterValue)
        real_GetSemaphoreCounterValue =
            (PFN_vkGetSemaphoreCounterValue)real_GetDeviceProcAddr(device, "vkGetSemaphoreCounterValue");
    return stand_in(name, real_GetDeviceProcAddr(device, name));
}

/* A function of the software driver's library. */
static any driver_function(const char *name)
{
    any function = NULL;
    void *driver = dlopen("libvulkan_lvp.so", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (driver)
        *(void **)&function = dlsym(driver, name);
    return function;
}

FAULTY_EXPORT VKAPI_ATTR VkResult VKAPI_CALL vk_icdNegotiateLoaderICDInterfaceVersion(uint32_t *version);
VKAPI_ATTR VkResult VKAPI_CALL vk_icdNegotiateLoaderICDInterfaceVersion(uint32_t *version)
{
    const any real = driver_function("vk_icdNegotiateLoaderICDInterfaceVersion");
    return real ? ((VkResult(VKAPI_PTR *)(uint32_t *))real)(version) : VK_ERROR_INITIALIZATION_FAILED;
}

FAULTY_EXPORT VKAPI_ATTR any VKAPI_CALL vk_icdGetInstanceProcAddr(VkInstance instance, const char *name);
VKAPI_ATTR any VKAPI_CALL vk_icdGetInstanceProcAddr(VkInstance instance, const char *name)
{
    const any real = driver_function("vk_icdGetInstanceProcAddr");
    return real ? stand_in(name, ((PFN_vkGetInstanceProcAddr)real)(instance, name)) : NULL;
}

FAULTY_EXPORT VKAPI_ATTR any VKAPI_CALL vk_icdGetPhysicalDeviceProcAddr(VkInstance instance, const char *name);
VKAPI_ATTR any VKAPI_CALL vk_icdGetPhysicalDeviceProcAddr(VkInstance instance, const char *name)
{
    const any real = driver_function("vk_icdGetPhysicalDeviceProcAddr");
    return real ? stand_in(name, ((PFN_vkGetInstanceProcAddr)real)(instance, name)) : NULL;
}
