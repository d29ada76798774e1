/* faulty.c - a Vulkan library that fails on demand: the real loader behind vkGetInstanceProcAddr, with the functions
 * that can fail wrapped. WINNOW_VULKAN_LIBRARY makes the vulkan plugin take it.
 *
 * A plan is a list of faults with spaces between: NAME=N:RESULT, the N-th call from now on fails once, or
 * NAME=N:RESULT:K, K times, or NAME=N:RESULT:always. RESULT is lost, device (out of device memory), host (out of host
 * memory), init, pool, timeout or none (no devices). Without a number: missing=vkNAME      the function is not there
 *     version=MINOR       devices speak Vulkan 1.MINOR
 *     no-addresses        devices have no buffer device addresses
 * It comes from the environment (WINNOW_FAULTY), or from faulty_plan().
 *
 * A lost device stays lost, as a real one does: all that is submitted to it or waited for fails, until it is destroyed.
 * The work itself is waited for before that is said: the software driver behind would otherwise go on with it.
 */
#define VK_NO_PROTOTYPES
#include <vulkan/vulkan.h>

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "faulty.h"

/* Functions that give a VkResult and are passed on as they are: name, parameters, arguments. */
#define INSTANCE_LEVEL(X)                                                                                              \
    X(CreateInstance, (const VkInstanceCreateInfo *a, const VkAllocationCallbacks *b, VkInstance *c), (a, b, c))       \
    X(EnumerateInstanceVersion, (uint32_t * a), (a))                                                                   \
    X(EnumerateInstanceExtensionProperties, (const char *a, uint32_t *b, VkExtensionProperties *c), (a, b, c))         \
    X(EnumeratePhysicalDevices, (VkInstance a, uint32_t * b, VkPhysicalDevice * c), (a, b, c))                         \
    X(EnumerateDeviceExtensionProperties, (VkPhysicalDevice a, const char *b, uint32_t *c, VkExtensionProperties *d),  \
      (a, b, c, d))                                                                                                    \
    X(CreateDevice, (VkPhysicalDevice a, const VkDeviceCreateInfo *b, const VkAllocationCallbacks *c, VkDevice *d),    \
      (a, b, c, d))

#define DEVICE_LEVEL(X)                                                                                                \
    X(AllocateMemory, (VkDevice a, const VkMemoryAllocateInfo *b, const VkAllocationCallbacks *c, VkDeviceMemory *d),  \
      (a, b, c, d))                                                                                                    \
    X(MapMemory, (VkDevice a, VkDeviceMemory b, VkDeviceSize c, VkDeviceSize d, VkMemoryMapFlags e, void **f),         \
      (a, b, c, d, e, f))                                                                                              \
    X(CreateBuffer, (VkDevice a, const VkBufferCreateInfo *b, const VkAllocationCallbacks *c, VkBuffer *d),            \
      (a, b, c, d))                                                                                                    \
    X(BindBufferMemory, (VkDevice a, VkBuffer b, VkDeviceMemory c, VkDeviceSize d), (a, b, c, d))                      \
    X(CreateShaderModule,                                                                                              \
      (VkDevice a, const VkShaderModuleCreateInfo *b, const VkAllocationCallbacks *c, VkShaderModule *d),              \
      (a, b, c, d))                                                                                                    \
    X(CreatePipelineLayout,                                                                                            \
      (VkDevice a, const VkPipelineLayoutCreateInfo *b, const VkAllocationCallbacks *c, VkPipelineLayout *d),          \
      (a, b, c, d))                                                                                                    \
    X(CreatePipelineCache,                                                                                             \
      (VkDevice a, const VkPipelineCacheCreateInfo *b, const VkAllocationCallbacks *c, VkPipelineCache *d),            \
      (a, b, c, d))                                                                                                    \
    X(GetPipelineCacheData, (VkDevice a, VkPipelineCache b, size_t * c, void *d), (a, b, c, d))                        \
    X(CreateComputePipelines,                                                                                          \
      (VkDevice a, VkPipelineCache b, uint32_t c, const VkComputePipelineCreateInfo *d,                                \
       const VkAllocationCallbacks *e, VkPipeline *f),                                                                 \
      (a, b, c, d, e, f))                                                                                              \
    X(CreateCommandPool,                                                                                               \
      (VkDevice a, const VkCommandPoolCreateInfo *b, const VkAllocationCallbacks *c, VkCommandPool *d), (a, b, c, d))  \
    X(AllocateCommandBuffers, (VkDevice a, const VkCommandBufferAllocateInfo *b, VkCommandBuffer *c), (a, b, c))       \
    X(BeginCommandBuffer, (VkCommandBuffer a, const VkCommandBufferBeginInfo *b), (a, b))                              \
    X(EndCommandBuffer, (VkCommandBuffer a), (a))                                                                      \
    X(CreateQueryPool, (VkDevice a, const VkQueryPoolCreateInfo *b, const VkAllocationCallbacks *c, VkQueryPool *d),   \
      (a, b, c, d))                                                                                                    \
    X(GetQueryPoolResults,                                                                                             \
      (VkDevice a, VkQueryPool b, uint32_t c, uint32_t d, size_t e, void *f, VkDeviceSize g, VkQueryResultFlags h),    \
      (a, b, c, d, e, f, g, h))                                                                                        \
    X(CreateSemaphore, (VkDevice a, const VkSemaphoreCreateInfo *b, const VkAllocationCallbacks *c, VkSemaphore *d),   \
      (a, b, c, d))                                                                                                    \
    X(WaitSemaphores, (VkDevice a, const VkSemaphoreWaitInfo *b, uint64_t c), (a, b, c))                               \
    X(CreateFence, (VkDevice a, const VkFenceCreateInfo *b, const VkAllocationCallbacks *c, VkFence *d), (a, b, c, d)) \
    X(ResetFences, (VkDevice a, uint32_t b, const VkFence *c), (a, b, c))                                              \
    X(QueueSubmit, (VkQueue a, uint32_t b, const VkSubmitInfo *c, VkFence d), (a, b, c, d))                            \
    X(WaitForFences, (VkDevice a, uint32_t b, const VkFence *c, VkBool32 d, uint64_t e), (a, b, c, d, e))

/* How what they make goes: the function that ends it, its handle. */
#define ENDS(X)                                                                                                        \
    X(FreeMemory, VkDeviceMemory, AllocateMemory)                                                                      \
    X(DestroyBuffer, VkBuffer, CreateBuffer)                                                                           \
    X(DestroyShaderModule, VkShaderModule, CreateShaderModule)                                                         \
    X(DestroyPipelineLayout, VkPipelineLayout, CreatePipelineLayout)                                                   \
    X(DestroyPipelineCache, VkPipelineCache, CreatePipelineCache)                                                      \
    X(DestroyPipeline, VkPipeline, CreateComputePipelines)                                                             \
    X(DestroyCommandPool, VkCommandPool, CreateCommandPool)                                                            \
    X(DestroyQueryPool, VkQueryPool, CreateQueryPool)                                                                  \
    X(DestroySemaphore, VkSemaphore, CreateSemaphore)                                                                  \
    X(DestroyFence, VkFence, CreateFence)

enum function {
#define ID(name, parameters, arguments) ID_##name,
    INSTANCE_LEVEL(ID) DEVICE_LEVEL(ID) FUNCTIONS
#undef ID
};

static const char *const names[FUNCTIONS] = {
#define NAME(name, parameters, arguments) #name,
    INSTANCE_LEVEL(NAME) DEVICE_LEVEL(NAME)
#undef NAME
};

#define REAL(name, parameters, arguments) static PFN_vk##name real_##name;
INSTANCE_LEVEL(REAL)
DEVICE_LEVEL(REAL)
#undef REAL
#define REAL(name, handle, maker) static PFN_vk##name real_##name;
ENDS(REAL)
#undef REAL
static PFN_vkDestroyDevice real_DestroyDevice;
static PFN_vkDestroyInstance real_DestroyInstance;
static PFN_vkGetInstanceProcAddr real_GetInstanceProcAddr;
static PFN_vkGetDeviceProcAddr real_GetDeviceProcAddr;
static PFN_vkGetPhysicalDeviceProperties2 real_GetPhysicalDeviceProperties2;
static PFN_vkGetPhysicalDeviceFeatures2 real_GetPhysicalDeviceFeatures2;
static PFN_vkGetDeviceQueue real_GetDeviceQueue;
static PFN_vkDeviceWaitIdle real_DeviceWaitIdle;
static PFN_vkCmdCopyBuffer real_CmdCopyBuffer;

/* ---- the plan ------------------------------------------------------------------------------------------------ */

enum { RESULT_NONE = 1000 };

struct fault {
    uint64_t first, end; /* calls [first, end), counted from 1 */
    int32_t result;
};

static struct {
    struct fault fault[FUNCTIONS];
    char missing[64];
    uint32_t minor; /* 0: the real version */
    int has_no_addresses;
} plan;

static _Atomic uint64_t calls[FUNCTIONS];
static _Atomic int64_t alive[FUNCTIONS]; /* made and not ended */
static _Atomic(VkDevice) lost;           /* the device that is lost, of which there is one at most */

/* What command buffers copy, for each time they are submitted. */
static struct {
    VkCommandBuffer commands;
    uint64_t bytes;
} copies[1024];
static pthread_mutex_t copies_mutex = PTHREAD_MUTEX_INITIALIZER;
static _Atomic uint64_t copied;

static int result_of(const char *word)
{
    static const struct {
        const char *word;
        int result;
    } results[] = { { "lost", VK_ERROR_DEVICE_LOST },
                    { "device", VK_ERROR_OUT_OF_DEVICE_MEMORY },
                    { "host", VK_ERROR_OUT_OF_HOST_MEMORY },
                    { "init", VK_ERROR_INITIALIZATION_FAILED },
                    { "pool", VK_ERROR_OUT_OF_POOL_MEMORY },
                    { "timeout", VK_TIMEOUT },
                    { "none", RESULT_NONE } };
    for (size_t i = 0; i < sizeof results / sizeof *results; i++)
        if (strcmp(results[i].word, word) == 0)
            return results[i].result;
    fprintf(stderr, "faulty: no result \"%s\"\n", word);
    abort(); /* a test that tests nothing */
}

static void plan_fault(const char *word)
{
    char name[64], result[16], times[16] = "1";
    unsigned long long first;
    for (int i = 0; sscanf(word, "%63[^=]=%llu:%15[^:]:%15s", name, &first, result, times) >= 3 && i < FUNCTIONS; i++) {
        if (strcmp(name, names[i]) != 0)
            continue;
        const uint64_t end = strcmp(times, "always") == 0 ? UINT64_MAX : first + strtoull(times, NULL, 10);
        plan.fault[i] = (struct fault){ first, end, result_of(result) };
        return;
    }
    fprintf(stderr, "faulty: no fault \"%s\"\n", word);
    abort();
}

void faulty_plan(const char *text)
{
    char words[512], *rest = NULL;
    memset(&plan, 0, sizeof plan);
    for (int i = 0; i < FUNCTIONS; i++)
        calls[i] = 0;
    lost = VK_NULL_HANDLE;
    copied = 0;
    snprintf(words, sizeof words, "%s", text);
    for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        if (strncmp(word, "missing=", 8) == 0)
            snprintf(plan.missing, sizeof plan.missing, "%.63s", word + 8);
        else if (strncmp(word, "version=", 8) == 0)
            plan.minor = (uint32_t)strtoul(word + 8, NULL, 10) + 1;
        else if (strcmp(word, "no-addresses") == 0)
            plan.has_no_addresses = 1;
        else
            plan_fault(word);
    }
}

uint64_t faulty_calls(uint32_t function, const char **name)
{
    *name = function < FUNCTIONS ? names[function] : NULL;
    return function < FUNCTIONS ? calls[function] : 0;
}

uint64_t faulty_copied(void)
{
    return copied;
}

int64_t faulty_alive(const char **name)
{
    for (int i = 0; i < FUNCTIONS; i++) {
        *name = names[i];
        if (alive[i] != 0)
            return alive[i];
    }
    return 0;
}

static int makes_something(enum function f)
{
#define IS(name, handle, maker) || f == ID_##maker
    return f == ID_CreateInstance || f == ID_CreateDevice ENDS(IS);
#undef IS
}

/* 0: the call goes through. */
static int32_t fault_of(enum function f)
{
    const uint64_t n = atomic_fetch_add(&calls[f], 1) + 1;
    return n >= plan.fault[f].first && n < plan.fault[f].end ? plan.fault[f].result : 0;
}

/* ---- wrapped ------------------------------------------------------------------------------------------------- */

#define WRAP(name, parameters, arguments)                                                                              \
    static VKAPI_ATTR VkResult VKAPI_CALL plain_##name parameters                                                      \
    {                                                                                                                  \
        const int32_t fault = fault_of(ID_##name);                                                                     \
        const VkResult result = fault ? (VkResult)fault : real_##name arguments;                                       \
        if (result == VK_SUCCESS && makes_something(ID_##name))                                                        \
            alive[ID_##name]++;                                                                                        \
        return result;                                                                                                 \
    }
INSTANCE_LEVEL(WRAP)
DEVICE_LEVEL(WRAP)
#undef WRAP

#define WRAP(name, handle, maker)                                                                                      \
    static VKAPI_ATTR void VKAPI_CALL wrap_##name(VkDevice device, handle h, const VkAllocationCallbacks *a)           \
    {                                                                                                                  \
        alive[ID_##maker] -= h != VK_NULL_HANDLE;                                                                      \
        real_##name(device, h, a);                                                                                     \
    }
ENDS(WRAP)
#undef WRAP

static VKAPI_ATTR void VKAPI_CALL wrap_DestroyDevice(VkDevice device, const VkAllocationCallbacks *a)
{
    alive[ID_CreateDevice]--;
    real_DestroyDevice(device, a);
}

static VKAPI_ATTR void VKAPI_CALL wrap_DestroyInstance(VkInstance instance, const VkAllocationCallbacks *a)
{
    alive[ID_CreateInstance]--;
    real_DestroyInstance(instance, a);
}

static VKAPI_ATTR VkResult VKAPI_CALL wrap_EnumeratePhysicalDevices(VkInstance a, uint32_t *b, VkPhysicalDevice *c)
{
    const VkResult result = plain_EnumeratePhysicalDevices(a, b, c);
    if ((int)result != RESULT_NONE)
        return result;
    *b = 0;
    return VK_SUCCESS;
}

/* The queues of living devices. */
static struct {
    VkQueue queue;
    VkDevice device;
} queues[16];
static _Atomic uint32_t queue_count;

static VKAPI_ATTR void VKAPI_CALL wrap_GetDeviceQueue(VkDevice device, uint32_t family, uint32_t index, VkQueue *queue)
{
    real_GetDeviceQueue(device, family, index, queue);
    const uint32_t n = atomic_fetch_add(&queue_count, 1) % 16;
    queues[n].queue = *queue;
    queues[n].device = device;
}

static VkDevice device_of(VkQueue queue)
{
    VkDevice device = VK_NULL_HANDLE;
    for (uint32_t i = 0, n = queue_count; i < 16; i++) /* the latest last: handles are used again */
        if (queues[(n + i) % 16].queue == queue)
            device = queues[(n + i) % 16].device;
    return device;
}

static VKAPI_ATTR VkResult VKAPI_CALL wrap_CreateDevice(VkPhysicalDevice a, const VkDeviceCreateInfo *b,
                                                        const VkAllocationCallbacks *c, VkDevice *d)
{
    const VkResult result = plain_CreateDevice(a, b, c, d);
    if (result == VK_SUCCESS && *d == lost)
        lost = VK_NULL_HANDLE;        /* another one at the place of the old */
    memset(copies, 0, sizeof copies); /* of the device before: tests have one at a time */
    return result;
}

static VkResult note_lost(VkDevice device, VkResult result)
{
    if (result == VK_ERROR_DEVICE_LOST) {
        real_DeviceWaitIdle(device);
        lost = device;
    }
    return result;
}

/* The entry of these commands, or a free one. */
static uint32_t copies_of(VkCommandBuffer commands)
{
    const uint32_t size = sizeof copies / sizeof *copies;
    uint32_t i = (uint32_t)((uintptr_t)commands >> 4) % size;
    while (copies[i].commands && copies[i].commands != commands)
        i = (i + 1) % size;
    copies[i].commands = commands;
    return i;
}

static VKAPI_ATTR VkResult VKAPI_CALL wrap_BeginCommandBuffer(VkCommandBuffer a, const VkCommandBufferBeginInfo *b)
{
    pthread_mutex_lock(&copies_mutex);
    copies[copies_of(a)].bytes = 0;
    pthread_mutex_unlock(&copies_mutex);
    return plain_BeginCommandBuffer(a, b);
}

static VKAPI_ATTR void VKAPI_CALL wrap_CmdCopyBuffer(VkCommandBuffer a, VkBuffer b, VkBuffer c, uint32_t d,
                                                     const VkBufferCopy *e)
{
    pthread_mutex_lock(&copies_mutex);
    for (uint32_t i = 0; i < d; i++)
        copies[copies_of(a)].bytes += e[i].size;
    pthread_mutex_unlock(&copies_mutex);
    real_CmdCopyBuffer(a, b, c, d, e);
}

static void count_copied(uint32_t count, const VkSubmitInfo *submits)
{
    pthread_mutex_lock(&copies_mutex);
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < submits[i].commandBufferCount; k++)
            copied += copies[copies_of(submits[i].pCommandBuffers[k])].bytes;
    pthread_mutex_unlock(&copies_mutex);
}

static VKAPI_ATTR VkResult VKAPI_CALL wrap_QueueSubmit(VkQueue a, uint32_t b, const VkSubmitInfo *c, VkFence d)
{
    const VkDevice device = device_of(a);
    count_copied(b, c);
    return device == lost ? VK_ERROR_DEVICE_LOST : note_lost(device, plain_QueueSubmit(a, b, c, d));
}

static VKAPI_ATTR VkResult VKAPI_CALL wrap_WaitForFences(VkDevice a, uint32_t b, const VkFence *c, VkBool32 d,
                                                         uint64_t e)
{
    const int32_t fault = a == lost ? VK_ERROR_DEVICE_LOST : fault_of(ID_WaitForFences);
    if (fault == VK_TIMEOUT)
        return VK_TIMEOUT;
    const VkResult result = real_WaitForFences(a, b, c, d, e);
    return fault ? note_lost(a, (VkResult)fault) : result;
}

static VKAPI_ATTR VkResult VKAPI_CALL wrap_WaitSemaphores(VkDevice a, const VkSemaphoreWaitInfo *b, uint64_t c)
{
    const int32_t fault = a == lost ? VK_ERROR_DEVICE_LOST : fault_of(ID_WaitSemaphores);
    if (fault == VK_TIMEOUT)
        return VK_TIMEOUT;
    const VkResult result = real_WaitSemaphores(a, b, c);
    return fault ? note_lost(a, (VkResult)fault) : result;
}

static VKAPI_ATTR void VKAPI_CALL wrap_GetPhysicalDeviceProperties2(VkPhysicalDevice a, VkPhysicalDeviceProperties2 *b)
{
    real_GetPhysicalDeviceProperties2(a, b);
    if (plan.minor)
        b->properties.apiVersion = VK_MAKE_API_VERSION(0, 1, plan.minor - 1, 7);
}

static VKAPI_ATTR void VKAPI_CALL wrap_GetPhysicalDeviceFeatures2(VkPhysicalDevice a, VkPhysicalDeviceFeatures2 *b)
{
    real_GetPhysicalDeviceFeatures2(a, b);
    for (VkBaseOutStructure *s = (VkBaseOutStructure *)b; s; s = s->pNext)
        if (plan.has_no_addresses && s->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES)
            ((VkPhysicalDeviceVulkan12Features *)s)->bufferDeviceAddress = VK_FALSE;
}

/* ---- look-up ------------------------------------------------------------------------------------------------- */

typedef PFN_vkVoidFunction any;

static VKAPI_ATTR any VKAPI_CALL wrap_GetDeviceProcAddr(VkDevice device, const char *name);

/* What stands in for `name`; remembers the real one. */
static any stand_in(const char *name, any real)
{
#define FIND(f, parameters, arguments)                                                                                 \
    if (strcmp(name, "vk" #f) == 0 && real) {                                                                          \
        real_##f = (PFN_vk##f)real;                                                                                    \
        real = (any)plain_##f;                                                                                         \
    }
    INSTANCE_LEVEL(FIND)
    DEVICE_LEVEL(FIND)
#undef FIND
#define KEEP(f)                                                                                                        \
    if (strcmp(name, "vk" #f) == 0 && real) {                                                                          \
        real_##f = (PFN_vk##f)real;                                                                                    \
        return (any)wrap_##f;                                                                                          \
    }
    KEEP(GetDeviceProcAddr)
    KEEP(GetPhysicalDeviceProperties2)
    KEEP(GetPhysicalDeviceFeatures2)
    KEEP(GetDeviceQueue)
    KEEP(CmdCopyBuffer)
    KEEP(DestroyDevice)
    KEEP(DestroyInstance)
#define KEEP_END(f, handle, maker) KEEP(f)
    ENDS(KEEP_END)
#undef KEEP_END
#undef KEEP
    const struct {
        any plain, wrapped;
    } special[] = { { (any)plain_EnumeratePhysicalDevices, (any)wrap_EnumeratePhysicalDevices },
                    { (any)plain_CreateDevice, (any)wrap_CreateDevice },
                    { (any)plain_QueueSubmit, (any)wrap_QueueSubmit },
                    { (any)plain_BeginCommandBuffer, (any)wrap_BeginCommandBuffer },
                    { (any)plain_WaitSemaphores, (any)wrap_WaitSemaphores },
                    { (any)plain_WaitForFences, (any)wrap_WaitForFences } };
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        if (real == special[i].plain)
            real = special[i].wrapped;
    return real;
}

static VKAPI_ATTR any VKAPI_CALL wrap_GetDeviceProcAddr(VkDevice device, const char *name)
{
    if (strcmp(name, "vkDestroyDevice") == 0)
        real_DeviceWaitIdle = (PFN_vkDeviceWaitIdle)real_GetDeviceProcAddr(device, "vkDeviceWaitIdle");
    return strcmp(name, plan.missing) == 0 ? NULL : stand_in(name, real_GetDeviceProcAddr(device, name));
}

static void load(void)
{
    void *library = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    (void)dlopen("libvulkan_lvp.so", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE); /* so that leaks can be told apart */
    const char *text = getenv("WINNOW_FAULTY");
    if (library)
        *(void **)&real_GetInstanceProcAddr = dlsym(library, "vkGetInstanceProcAddr");
    if (text)
        faulty_plan(text);
}

FAULTY_EXPORT VKAPI_ATTR any VKAPI_CALL vkGetInstanceProcAddr(VkInstance instance, const char *name);
VKAPI_ATTR any VKAPI_CALL vkGetInstanceProcAddr(VkInstance instance, const char *name)
{
    if (!real_GetInstanceProcAddr)
        load(); /* by the first of all calls, before there are threads */
    if (!real_GetInstanceProcAddr || strcmp(name, plan.missing) == 0)
        return NULL;
    return stand_in(name, real_GetInstanceProcAddr(instance, name));
}
