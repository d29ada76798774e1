/* stream.c - models larger than the device: weights that stayed in host memory are copied to a ring of two places, each
 * before the command that reads it. The bus is paid once for a run, whatever the number of items in it.
 *
 * Where the device has a second queue, copies run there, beside the kernels. The commands are cut into legs, each with
 * as many streamed weights as one place holds: the copies of a leg are one submission, which waits until the leg before
 * the last has left the place, and the leg's kernels wait for it (submit.c). So the weights of the next leg go up while
 * this one computes.
 *
 * With one queue copies are commands like others: order.c puts the copy of the next weight beside the product of this
 * one, since it waits only until its place in the ring is free.
 */
#include "vulkan.h"

#include <stdlib.h>
#include <string.h>

static uint64_t count_streamed(const wn_program *p, uint64_t *largest)
{
    uint64_t n = 0;
    *largest = 0;
    for (uint64_t i = 0; i < p->command_count; i++) {
        const struct packed *streamed = p->commands[i].streamed;
        n += streamed != NULL;
        if (streamed && streamed->slice.bytes > *largest)
            *largest = streamed->slice.bytes;
    }
    return n;
}

wn_status stream_open(wn_program *p, wn_error *err)
{
    uint64_t place_bytes;
    if (count_streamed(p, &place_bytes) == 0)
        return WN_OK;
    weights_tell_streamed(p->device);
    return memory_get(p->device, MEMORY_DEVICE, RING_PLACES * place_bytes, "streamed weights", &p->ring, err);
}

/* From where k then reads its weight. */
static void read_from(const wn_program *p, struct command *k, uint64_t offset)
{
    const uint64_t address = p->ring.address + offset;
    memcpy(k->push + k->streamed_at, &address, sizeof address);
    k->ring_offset = offset;
}

/* ---- on one queue ------------------------------------------------------------------------------------------- */

/* The copy of k's weight into place number `place`. The ring lies behind all planned memory, so that touches do not
 * meet. */
static struct command copy_for(const wn_program *p, uint64_t place, struct command *k)
{
    const uint64_t place_bytes = p->ring.bytes / RING_PLACES, first = p->plan.memory_bytes + place * place_bytes;
    const struct touch touch = { .first = first, .last = first + place_bytes, .base = WN_NONE };
    read_from(p, k, place * place_bytes);
    k->read[k->reads++] = touch;
    return (struct command){ .is_copy = 1,
                             .streamed = k->streamed,
                             .ring_offset = k->ring_offset,
                             .write = touch,
                             .op = k->op,
                             .rows = 1,
                             .rows_per_group = 1,
                             .columns = 1 };
}

wn_status stream_in_commands(wn_program *p, wn_error *err)
{
    uint64_t largest, n = 0, copies = 0;
    struct command *all = malloc((p->command_count + count_streamed(p, &largest)) * sizeof *all);
    if (!all)
        return wn_fail(err, WN_E_MEMORY, "out of memory");
    for (uint64_t i = 0; i < p->command_count; i++) {
        if (p->commands[i].streamed)
            all[n++] = copy_for(p, copies++ % RING_PLACES, &p->commands[i]);
        all[n++] = p->commands[i];
    }
    free(p->commands);
    p->commands = all;
    p->command_count = p->command_capacity = n;
    return WN_OK;
}

/* ---- on a queue of its own ---------------------------------------------------------------------------------- */

/* A leg begins with the first streamed weight that its predecessor's place has no room for. */
static void cut_legs(wn_program *p)
{
    const uint64_t place_bytes = p->ring.bytes / RING_PLACES;
    uint64_t used = place_bytes;
    for (uint64_t i = 0; i < p->command_count; i++) {
        struct command *k = &p->commands[i];
        if (!k->streamed)
            continue;
        if (used + k->streamed->slice.bytes > place_bytes) {
            p->legs[p->leg_count++].first_command = i;
            used = 0;
        }
        read_from(p, k, (p->leg_count - 1) % RING_PLACES * place_bytes + used);
        used += k->streamed->slice.bytes;
    }
}

static wn_status make_timeline(wn_device *d, VkSemaphore *semaphore, wn_error *err)
{
    const VkSemaphoreTypeCreateInfo type = { .sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
                                             .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE };
    const VkSemaphoreCreateInfo info = { .sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, .pNext = &type };
    return device_check(d, d->vk.CreateSemaphore(d->handle, &info, NULL, semaphore), "a semaphore", err);
}

static wn_status record_leg(wn_program *p, struct leg *leg, uint64_t end, wn_error *err)
{
    wn_device *d = p->device;
    const VkCommandBufferAllocateInfo info = { .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                               .commandPool = p->copy_pool,
                                               .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                               .commandBufferCount = 1 };
    const VkCommandBufferBeginInfo begin = { .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO };
    WN_TRY(device_check(d, d->vk.AllocateCommandBuffers(d->handle, &info, &leg->copies), "a command buffer", err));
    WN_TRY(device_check(d, d->vk.BeginCommandBuffer(leg->copies, &begin), "a command buffer", err));
    for (uint64_t i = leg->first_command; i < end; i++)
        if (p->commands[i].streamed)
            stream_copy(p, &p->commands[i], leg->copies);
    return device_check(d, d->vk.EndCommandBuffer(leg->copies), "a command buffer", err);
}

wn_status stream_in_legs(wn_program *p, wn_error *err)
{
    wn_device *d = p->device;
    uint64_t largest;
    const VkCommandPoolCreateInfo pool = { .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                           .queueFamilyIndex = d->caps->copy_family };
    if (!(p->legs = calloc(count_streamed(p, &largest), sizeof *p->legs)))
        return wn_fail(err, WN_E_MEMORY, "out of memory");
    cut_legs(p);
    WN_TRY(device_check(d, d->vk.CreateCommandPool(d->handle, &pool, NULL, &p->copy_pool), "a command pool", err));
    WN_TRY(make_timeline(d, &p->copied.semaphore, err));
    WN_TRY(make_timeline(d, &p->computed.semaphore, err));
    for (uint64_t i = 0; i < p->leg_count; i++)
        WN_TRY(record_leg(p, &p->legs[i], i + 1 < p->leg_count ? p->legs[i + 1].first_command : p->command_count, err));
    return WN_OK;
}

/* ---- both --------------------------------------------------------------------------------------------------- */

void stream_copy(const wn_program *p, const struct command *k, VkCommandBuffer commands)
{
    const struct slice *from = &k->streamed->slice, *to = &p->ring;
    const VkBufferCopy copy = { from->offset, to->offset + k->ring_offset, from->bytes };
    p->device->vk.CmdCopyBuffer(commands, from->buffer, to->buffer, 1, &copy);
}

void stream_close(wn_program *p)
{
    wn_device *d = p->device;
    if (device_is_there(d)) {
        d->vk.DestroySemaphore(d->handle, p->copied.semaphore, NULL);
        d->vk.DestroySemaphore(d->handle, p->computed.semaphore, NULL);
        d->vk.DestroyCommandPool(d->handle, p->copy_pool, NULL);
    }
    memory_put(d, &p->ring);
    free(p->legs);
    p->legs = NULL;
    p->leg_count = 0;
    p->copy_pool = VK_NULL_HANDLE;
    p->copied = p->computed = (struct timeline){ 0 };
}
