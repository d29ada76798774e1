/* memory.c - device memory in few large blocks, each one buffer with one address.
 *
 * Drivers allow few allocations (4096 at least) and make each costly, so blocks of up to caps->block_bytes are cut into
 * slices, lowest gap first; what is larger gets a block of its own. Weights and programs come and go with models, not
 * with steps, so a list that is searched from its beginning is fast enough.
 */
#include "vulkan.h"

#include <stdlib.h>
#include <string.h>

#define SLICE_ALIGNMENT 256
#define SMALL_BLOCK     (UINT64_C(64) << 20)
#define STAGING_BYTES   (UINT64_C(16) << 20)
#define RESERVE_BYTES   (UINT64_C(3500) << 20)

struct piece {
    struct piece *next;
    uint64_t offset, bytes;
};

struct block {
    struct block *next;
    enum memory_kind kind;
    uint64_t bytes;
    struct piece *pieces; /* in use, by offset */
    VkDeviceMemory memory;
    VkBuffer buffer;
    uint64_t address;
    char *mapped;
};

/* ---- blocks ------------------------------------------------------------------------------------------------- */

/* What a kind must have and must not have, in order of preference. The window of a discrete GPU that the host sees is
 * small or slow, so its own memory is asked for without. That of a unified one is mapped, so it must be seen. */
static uint32_t find_type(const wn_device *device, enum memory_kind kind, uint32_t allowed)
{
    const VkMemoryPropertyFlags local = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, seen = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT;
    const VkMemoryPropertyFlags host = seen | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    const VkMemoryPropertyFlags cached = host | VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
    const struct choice {
        VkMemoryPropertyFlags has, lacks;
    } unified[3] = { { local | cached, 0 }, { local | host, 0 }, { host, 0 } },
      choices[3][3] = { [MEMORY_DEVICE] = { { local, seen }, { local, 0 }, { 0, 0 } },
                        [MEMORY_UPLOAD] = { { host, local }, { host, 0 }, { host, 0 } },
                        [MEMORY_READBACK] = { { cached, local }, { cached, 0 }, { host, 0 } } };
    const struct choice *wanted = kind == MEMORY_DEVICE && device->caps->is_unified ? unified : choices[kind];
    VkPhysicalDeviceMemoryProperties2 m = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2 };
    device->driver->api.GetPhysicalDeviceMemoryProperties2(device->caps->physical, &m);
    for (int k = 0; k < 3; k++) {
        for (uint32_t i = 0; i < m.memoryProperties.memoryTypeCount; i++) {
            const VkMemoryPropertyFlags flags = m.memoryProperties.memoryTypes[i].propertyFlags;
            if (allowed >> i & 1 && (flags & wanted[k].has) == wanted[k].has && !(flags & wanted[k].lacks))
                return i;
        }
    }
    return UINT32_MAX;
}

static wn_status make_buffer(wn_device *device, struct block *b, wn_error *err)
{
    const struct caps *caps = device->caps;
    const int is_shared = caps->has_copy_queue && caps->copy_family != caps->queue_family;
    const uint32_t families[2] = { caps->queue_family, caps->copy_family };
    const VkBufferCreateInfo info = { .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                                      .size = b->bytes,
                                      .sharingMode = is_shared ? VK_SHARING_MODE_CONCURRENT : VK_SHARING_MODE_EXCLUSIVE,
                                      .queueFamilyIndexCount = is_shared ? 2 : 0,
                                      .pQueueFamilyIndices = families,
                                      .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
                                               VK_BUFFER_USAGE_TRANSFER_DST_BIT |
                                               VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT };
    return device_check(device, device->vk.CreateBuffer(device->handle, &info, NULL, &b->buffer), "a buffer", err);
}

static wn_status back_buffer(wn_device *device, struct block *b, wn_error *err)
{
    VkMemoryRequirements needs;
    device->vk.GetBufferMemoryRequirements(device->handle, b->buffer, &needs);
    const VkMemoryAllocateFlagsInfo flags = { .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO,
                                              .flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT };
    const VkMemoryAllocateInfo info = { .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                        .pNext = &flags,
                                        .allocationSize = needs.size,
                                        .memoryTypeIndex = find_type(device, b->kind, needs.memoryTypeBits) };
    if (info.memoryTypeIndex == UINT32_MAX)
        return wn_fail(err, WN_E_UNSUPPORTED, "%s has no memory type for buffers", device->caps->properties.deviceName);
    WN_TRY(
        device_check(device, device->vk.AllocateMemory(device->handle, &info, NULL, &b->memory), "device memory", err));
    WN_TRY(device_check(device, device->vk.BindBufferMemory(device->handle, b->buffer, b->memory, 0), "device memory",
                        err));
    const VkBufferDeviceAddressInfo address = { .sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO,
                                                .buffer = b->buffer };
    b->address = device->vk.GetBufferDeviceAddress(device->handle, &address);
    if (b->kind == MEMORY_DEVICE && !device->caps->is_unified)
        return WN_OK;
    void *mapped = NULL;
    WN_TRY(device_check(device, device->vk.MapMemory(device->handle, b->memory, 0, VK_WHOLE_SIZE, 0, &mapped),
                        "mapping device memory", err));
    b->mapped = mapped;
    return WN_OK;
}

static void destroy_block(wn_device *device, struct block *b)
{
    for (struct piece *p = b->pieces, *next; p; p = next) {
        next = p->next;
        free(p);
    }
    if (device_is_there(device)) {
        device->vk.DestroyBuffer(device->handle, b->buffer, NULL);
        device->vk.FreeMemory(device->handle, b->memory, NULL);
    }
    device->memory_used -= b->kind == MEMORY_DEVICE ? b->bytes : 0;
    free(b);
}

static wn_status make_block(wn_device *device, enum memory_kind kind, uint64_t bytes, struct block **out, wn_error *err)
{
    struct block *b = calloc(1, sizeof *b);
    if (!b)
        return wn_fail(err, WN_E_MEMORY, "out of memory");
    b->kind = kind;
    b->bytes = bytes;
    device->memory_used += kind == MEMORY_DEVICE ? bytes : 0;
    wn_status status = make_buffer(device, b, err);
    if (status == WN_OK)
        status = back_buffer(device, b, err);
    if (status != WN_OK) {
        destroy_block(device, b);
        return status;
    }
    b->next = device->blocks;
    device->blocks = b;
    *out = b;
    return WN_OK;
}

/* ---- slices ------------------------------------------------------------------------------------------------- */

/* The link where a piece of so many bytes fits, and its offset; NULL when the block is too full. */
static struct piece **find_gap(struct block *b, uint64_t bytes, uint64_t *offset)
{
    struct piece **link = &b->pieces;
    *offset = 0;
    for (; *link; link = &(*link)->next) {
        if ((*link)->offset - *offset >= bytes)
            return link;
        *offset = (*link)->offset + (*link)->bytes;
    }
    return b->bytes - *offset >= bytes ? link : NULL;
}

static int cut(struct block *b, uint64_t bytes, struct slice *slice)
{
    uint64_t offset;
    struct piece **link = find_gap(b, bytes, &offset), *piece = link ? malloc(sizeof *piece) : NULL;
    if (!piece)
        return 0;
    *piece = (struct piece){ *link, offset, bytes };
    *link = piece;
    *slice = (struct slice){ .block = b,
                             .offset = offset,
                             .bytes = bytes,
                             .buffer = b->buffer,
                             .address = b->address + offset,
                             .mapped = b->mapped ? b->mapped + offset : NULL };
    return 1;
}

static int cut_existing(wn_device *device, enum memory_kind kind, uint64_t bytes, struct slice *slice)
{
    for (struct block *b = device->blocks; b; b = b->next)
        if (b->kind == kind && cut(b, bytes, slice))
            return 1;
    return 0;
}

/* Small blocks while little is used, so that a small model does not hold a gigabyte. */
static uint64_t block_bytes_for(const wn_device *device, uint64_t bytes)
{
    const uint64_t usual = device->memory_used < SMALL_BLOCK * 4 ? SMALL_BLOCK : SMALL_BLOCK * 8;
    const uint64_t total = device->caps->memory_bytes, used = device->memory_used;
    const uint64_t block = smaller(smaller(usual, device->caps->block_bytes), total > used ? total - used : 0);
    return bytes > block ? bytes : block;
}

static wn_status tell_out_of_memory(const wn_device *device, uint64_t bytes, const char *what, wn_error *err)
{
    return wn_fail(err, WN_E_MEMORY,
                   "%s: no device memory for %s of %.1f MiB (%.1f MiB are in use, the device has %.1f MiB). What needs "
                   "less: a smaller engine.batch, dtype bf16, quantised weights, a smaller canvas",
                   device->caps->properties.deviceName, what, (double)bytes / (1 << 20),
                   (double)device->memory_used / (1 << 20), (double)device->caps->memory_bytes / (1 << 20));
}

/* A slice is a part of one buffer. */
static wn_status tell_too_large(const wn_device *device, uint64_t bytes, const char *what, wn_error *err)
{
    return wn_fail(err, WN_E_MEMORY,
                   "%s: %s of %.1f MiB are one buffer, which its driver allows to have %.1f MiB. What needs less: a "
                   "smaller engine.batch, dtype bf16, quantised weights, a smaller canvas",
                   device->caps->properties.deviceName, what, (double)bytes / (1 << 20),
                   (double)device->caps->buffer_bytes / (1 << 20));
}

/* Of the heap that weights and activations live in: what the system grants this process where it tells, else what the
 * device has. */
static uint64_t memory_limit(const wn_device *device)
{
    VkPhysicalDeviceMemoryBudgetPropertiesEXT budget = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT
    };
    VkPhysicalDeviceMemoryProperties2 m = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2,
                                            .pNext = &budget };
    uint64_t most = 0;
    if (!device->caps->has_budget)
        return device->caps->memory_bytes;
    device->driver->api.GetPhysicalDeviceMemoryProperties2(device->caps->physical, &m);
    for (uint32_t i = 0; i < m.memoryProperties.memoryHeapCount; i++)
        if (m.memoryProperties.memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT && budget.heapBudget[i] > most)
            most = budget.heapBudget[i];
    return smaller(most, device->caps->memory_bytes);
}

/* A seventh, but what an autoencoder takes for a picture of 1024 px (3.2 GB) where that is no more than two fifths. */
int memory_has_room(wn_device *device, uint64_t bytes)
{
    const uint64_t limit = memory_limit(device), most = limit / 5 * 2;
    const uint64_t reserve = limit / 7 > RESERVE_BYTES ? limit / 7 : smaller(RESERVE_BYTES, most);
    pthread_mutex_lock(&device->memory_mutex);
    const uint64_t used = device->slices_used;
    pthread_mutex_unlock(&device->memory_mutex);
    return used + bytes + reserve <= limit;
}

static wn_status get_locked(wn_device *device, enum memory_kind kind, uint64_t bytes, const char *what,
                            struct slice *slice, wn_error *err)
{
    struct block *b = NULL;
    if (cut_existing(device, kind, bytes, slice))
        return WN_OK;
    uint64_t size = block_bytes_for(device, bytes);
    wn_status status = WN_E_MEMORY;
    const uint64_t limit = kind == MEMORY_DEVICE ? memory_limit(device) : UINT64_MAX;
    const uint64_t left = limit > device->memory_used ? limit - device->memory_used : 0;
    if (size <= left)
        status = make_block(device, kind, size, &b, err);
    if (status == WN_E_MEMORY && size > bytes && bytes <= left)
        status = make_block(device, kind, bytes, &b, err);
    if (status == WN_E_MEMORY && kind != MEMORY_DEVICE)
        return wn_fail(err, WN_E_MEMORY, "%s: no host memory that it can reach for %s of %.1f MiB",
                       device->caps->properties.deviceName, what, (double)bytes / (1 << 20));
    if (status == WN_E_MEMORY)
        return tell_out_of_memory(device, bytes, what, err);
    if (status == WN_OK && !cut(b, bytes, slice))
        return wn_fail(err, WN_E_MEMORY, "out of memory");
    return status;
}

wn_status memory_get(wn_device *device, enum memory_kind kind, uint64_t bytes, const char *what, struct slice *slice,
                     wn_error *err)
{
    wn_status status = WN_OK;
    *slice = (struct slice){ 0 };
    if (bytes == 0)
        return WN_OK;
    bytes = round_up(bytes, SLICE_ALIGNMENT);
    if (bytes > device->caps->buffer_bytes)
        return tell_too_large(device, bytes, what, err);
    do {
        pthread_mutex_lock(&device->memory_mutex);
        status = get_locked(device, kind, bytes, what, slice, err);
        device->slices_used += kind == MEMORY_DEVICE ? slice->bytes : 0;
        pthread_mutex_unlock(&device->memory_mutex);
    } while (status == WN_E_MEMORY && room_make(device));
    return status;
}

static void drop_empty(wn_device *device, struct block *b)
{
    struct block **link = &device->blocks;
    while (*link != b)
        link = &(*link)->next;
    *link = b->next;
    destroy_block(device, b);
}

void memory_put(wn_device *device, struct slice *slice)
{
    struct block *b = slice->block;
    if (!b)
        return;
    pthread_mutex_lock(&device->memory_mutex);
    struct piece **link = &b->pieces;
    while ((*link)->offset != slice->offset)
        link = &(*link)->next;
    struct piece *gone = *link;
    device->slices_used -= b->kind == MEMORY_DEVICE ? gone->bytes : 0;
    *link = gone->next;
    free(gone);
    if (!b->pieces)
        drop_empty(device, b);
    pthread_mutex_unlock(&device->memory_mutex);
    *slice = (struct slice){ 0 };
}

void memory_close(wn_device *device)
{
    while (device->blocks)
        drop_empty(device, device->blocks);
}

/* ---- upload ------------------------------------------------------------------------------------------------- */

/* One copy at a time through the staging slice, waiting for each. */
static wn_status copy_staged(wn_device *device, const struct slice *to, uint64_t offset, uint64_t bytes, wn_error *err)
{
    const VkCommandBufferBeginInfo begin = { .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
                                             .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT };
    const VkBufferCopy copy = { device->staging.offset, to->offset + offset, bytes };
    const VkSubmitInfo submit = { .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                                  .commandBufferCount = 1,
                                  .pCommandBuffers = &device->staging_commands };
    const struct device_api *vk = &device->vk;
    WN_TRY(device_check(device, vk->BeginCommandBuffer(device->staging_commands, &begin), "an upload", err));
    vk->CmdCopyBuffer(device->staging_commands, device->staging.buffer, to->buffer, 1, &copy);
    WN_TRY(device_check(device, vk->EndCommandBuffer(device->staging_commands), "an upload", err));
    WN_TRY(device_check(device, vk->ResetFences(device->handle, 1, &device->staging_fence), "an upload", err));
    return device_submit(device, 1, &submit, device->staging_fence, "an upload", err);
}

static wn_status upload_locked(wn_device *device, const struct slice *to, uint64_t offset, const char *data,
                               uint64_t bytes, wn_error *err)
{
    if (!device->staging.bytes)
        WN_TRY(memory_get(device, MEMORY_UPLOAD, STAGING_BYTES, "staging", &device->staging, err));
    for (uint64_t done = 0; done < bytes; done += STAGING_BYTES) {
        const uint64_t n = smaller(STAGING_BYTES, bytes - done);
        memcpy(device->staging.mapped, data + done, n);
        WN_TRY(copy_staged(device, to, offset + done, n, err));
    }
    return WN_OK;
}

wn_status memory_upload(wn_device *device, const struct slice *to, uint64_t offset, const void *data, uint64_t bytes,
                        wn_error *err)
{
    if (to->mapped) {
        memcpy(to->mapped + offset, data, bytes);
        return WN_OK;
    }
    pthread_mutex_lock(&device->staging_mutex);
    wn_status status = upload_locked(device, to, offset, data, bytes, err);
    pthread_mutex_unlock(&device->staging_mutex);
    return status;
}
