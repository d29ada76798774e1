/* record.c - command buffers, recorded once for a count of items and submitted for every run (submit.c).
 *
 * Drivers end what runs for too long (2 s on Windows and on small AMD devices), so a run is cut into buffers of
 * caps->submit_ms at the speed that was seen, and long dispatches into pieces of half of that. Before the speed is
 * known pieces are small; when it turns out to be another, the buffers are recorded again.
 */
#include "vulkan.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_BUDGET 1e9 /* work of a buffer before a speed is known */

enum { KEPT = 4 };

struct recorder {
    wn_program *p;
    struct recording *r;
    VkCommandBuffer now;
    double work; /* of the buffer at hand */
    wn_error *err;
};

/* ---- buffers ------------------------------------------------------------------------------------------------ */

static wn_status begin_buffer(struct recorder *rec)
{
    wn_device *d = rec->p->device;
    VkCommandBuffer *larger = realloc(rec->r->buffers, (rec->r->buffer_count + 1) * sizeof *larger);
    if (!larger)
        return wn_fail(rec->err, WN_E_MEMORY, "out of memory");
    rec->r->buffers = larger;
    const VkCommandBufferAllocateInfo info = { .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                               .commandPool = rec->p->pool,
                                               .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                               .commandBufferCount = 1 };
    WN_TRY(device_check(d, d->vk.AllocateCommandBuffers(d->handle, &info, &rec->now), "a command buffer", rec->err));
    rec->r->buffers[rec->r->buffer_count++] = rec->now;
    rec->work = 0;
    const VkCommandBufferBeginInfo begin = { .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO };
    return device_check(d, d->vk.BeginCommandBuffer(rec->now, &begin), "a command buffer", rec->err);
}

static wn_status end_buffer(struct recorder *rec)
{
    wn_device *d = rec->p->device;
    return device_check(d, d->vk.EndCommandBuffer(rec->now), "a command buffer", rec->err);
}

/* Everything before is seen by everything after. */
static void barrier(struct recorder *rec, VkPipelineStageFlags from, VkAccessFlags written, VkPipelineStageFlags to,
                    VkAccessFlags read)
{
    const VkMemoryBarrier all = { .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                                  .srcAccessMask = written,
                                  .dstAccessMask = read };
    rec->p->device->vk.CmdPipelineBarrier(rec->now, from, to, 0, 1, &all, 0, NULL, 0, NULL);
}

/* Between levels: of kernels, and of copies where weights are streamed. */
static void level_barrier(struct recorder *rec)
{
    const int has_copies = rec->p->ring.bytes && !rec->p->leg_count;
    const VkPipelineStageFlags copies = has_copies ? VK_PIPELINE_STAGE_TRANSFER_BIT : 0;
    const VkPipelineStageFlags stages = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | copies;
    const VkAccessFlags copied = copies ? VK_ACCESS_TRANSFER_WRITE_BIT : 0;
    barrier(rec, stages, VK_ACCESS_SHADER_WRITE_BIT | copied, stages,
            VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT | copied);
}

/* ---- dispatches --------------------------------------------------------------------------------------------- */

static uint64_t groups_of(const struct command *k, uint64_t count)
{
    return ceil_div(count * k->rows, k->rows_per_group) * k->columns;
}

static void dispatch(struct recorder *rec, struct command *k, uint64_t first, uint64_t groups)
{
    const struct device_api *vk = &rec->p->device->vk;
    const struct push_head head = { (uint32_t)first, (uint32_t)rec->r->count };
    memcpy(k->push, &head, sizeof head);
    vk->CmdPushConstants(rec->now, rec->p->device->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, k->push_bytes, k->push);
    vk->CmdDispatch(rec->now, (uint32_t)groups, 1, 1);
}

/* Groups that may go into one dispatch: by the device's limit and by time. */
static uint64_t piece_of(const struct recorder *rec, const struct command *k, uint64_t groups)
{
    const uint64_t most = rec->p->device->caps->properties.limits.maxComputeWorkGroupCount[0];
    const double each = k->work * (double)rec->r->count / (double)groups;
    const double fit = each > 0 ? rec->r->budget / 2 / each : (double)groups;
    const uint64_t piece = fit >= (double)groups ? groups : fit < 1 ? 1 : (uint64_t)fit;
    return smaller(piece, smaller(most, UINT32_MAX));
}

static void stamp(struct recorder *rec, uint64_t index)
{
    if (rec->r->queries)
        rec->p->device->vk.CmdWriteTimestamp(rec->now, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, rec->r->queries,
                                             (uint32_t)index);
}

static wn_status record_dispatches(struct recorder *rec, struct command *k)
{
    const uint64_t groups = groups_of(k, rec->r->count), piece = piece_of(rec, k, groups);
    const double work = k->work * (double)rec->r->count / (double)groups;
    rec->p->device->vk.CmdBindPipeline(rec->now, VK_PIPELINE_BIND_POINT_COMPUTE, k->pipeline);
    for (uint64_t first = 0; first < groups; first += piece) {
        const uint64_t n = smaller(piece, groups - first);
        if (rec->work > 0 && rec->work + work * (double)n > rec->r->budget) {
            WN_TRY(end_buffer(rec));
            WN_TRY(begin_buffer(rec));
            rec->p->device->vk.CmdBindPipeline(rec->now, VK_PIPELINE_BIND_POINT_COMPUTE, k->pipeline);
        }
        dispatch(rec, k, first, n);
        rec->work += work * (double)n;
    }
    return WN_OK;
}

static wn_status record_command(struct recorder *rec, uint64_t index)
{
    struct command *k = &rec->p->commands[index];
    stamp(rec, 2 * index);
    if (k->is_copy)
        stream_copy(rec->p, k, rec->now);
    else
        WN_TRY(record_dispatches(rec, k));
    stamp(rec, 2 * index + 1);
    return WN_OK;
}

/* ---- inputs and outputs ------------------------------------------------------------------------------------- */

/* Copies between the host's memory and the device's, where they are not the same. */
static void copy_bound(struct recorder *rec, int32_t role)
{
    const wn_program *p = rec->p;
    uint64_t at = 0;
    for (uint64_t i = 0; i < p->bindings.slot_count; i++) {
        const struct bind_slot *slot = &p->bindings.slots[i];
        for (uint64_t item = 0; item < (slot->is_shared ? 1 : p->max_items); item++) {
            const uint64_t host = p->io.offset + at, device = p->memory.offset + slot->offset + item * slot->stride;
            const VkBufferCopy copy = { role == WN_ROLE_INPUT ? host : device, role == WN_ROLE_INPUT ? device : host,
                                        slot->bytes };
            if (slot->role == role && item < rec->r->count)
                p->device->vk.CmdCopyBuffer(rec->now, role == WN_ROLE_INPUT ? p->io.buffer : p->memory.buffer,
                                            role == WN_ROLE_INPUT ? p->memory.buffer : p->io.buffer, 1, &copy);
            at += round_up(slot->bytes, PLAN_ALIGNMENT);
        }
    }
}

static void record_inputs(struct recorder *rec)
{
    if (rec->p->memory.mapped)
        return;
    copy_bound(rec, WN_ROLE_INPUT);
    barrier(rec, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_ACCESS_TRANSFER_WRITE_BIT, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
            VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT);
}

static void record_outputs(struct recorder *rec)
{
    if (rec->p->memory.mapped) {
        barrier(rec, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_ACCESS_SHADER_WRITE_BIT, VK_PIPELINE_STAGE_HOST_BIT,
                VK_ACCESS_HOST_READ_BIT);
        return;
    }
    barrier(rec, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_ACCESS_SHADER_WRITE_BIT, VK_PIPELINE_STAGE_TRANSFER_BIT,
            VK_ACCESS_TRANSFER_READ_BIT);
    copy_bound(rec, WN_ROLE_OUTPUT);
    barrier(rec, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_ACCESS_TRANSFER_WRITE_BIT, VK_PIPELINE_STAGE_HOST_BIT,
            VK_ACCESS_HOST_READ_BIT);
}

/* ---- recording ---------------------------------------------------------------------------------------------- */

static double budget_of(const wn_device *d)
{
    return d->work_per_s > 0 ? d->caution * d->work_per_s * d->caps->submit_ms / 1000.0 : FIRST_BUDGET;
}

static wn_status make_queries(struct recorder *rec)
{
    wn_device *d = rec->p->device;
    if (!rec->p->is_measured || d->caps->timestamp_bits == 0)
        return WN_OK;
    const VkQueryPoolCreateInfo info = { .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
                                         .queryType = VK_QUERY_TYPE_TIMESTAMP,
                                         .queryCount = (uint32_t)(2 * rec->p->command_count) };
    return device_check(d, d->vk.CreateQueryPool(d->handle, &info, NULL, &rec->r->queries), "a query pool", rec->err);
}

/* A leg waits for its weights, so it begins a buffer. */
static wn_status begin_leg(struct recorder *rec, uint64_t command, uint64_t *leg)
{
    if (*leg == rec->p->leg_count || rec->p->legs[*leg].first_command != command)
        return WN_OK;
    WN_TRY(end_buffer(rec));
    rec->r->leg_buffer[(*leg)++] = rec->r->buffer_count;
    return begin_buffer(rec);
}

static wn_status record_all(struct recorder *rec)
{
    wn_program *p = rec->p;
    uint64_t leg = 0;
    if (p->leg_count && !(rec->r->leg_buffer = calloc(p->leg_count, sizeof *rec->r->leg_buffer)))
        return wn_fail(rec->err, WN_E_MEMORY, "out of memory");
    WN_TRY(make_queries(rec));
    WN_TRY(begin_buffer(rec));
    if (rec->r->queries)
        p->device->vk.CmdResetQueryPool(rec->now, rec->r->queries, 0, (uint32_t)(2 * p->command_count));
    record_inputs(rec);
    for (uint64_t i = 0; i < p->command_count; i++) {
        WN_TRY(begin_leg(rec, i, &leg));
        if (i > 0 && (p->commands[i].level != p->commands[i - 1].level || rec->r->queries))
            level_barrier(rec);
        WN_TRY(record_command(rec, i));
        rec->r->work += p->commands[i].work * (double)rec->r->count;
    }
    record_outputs(rec);
    return end_buffer(rec);
}

static void release(wn_program *p, struct recording *r)
{
    wn_device *d = p->device;
    const int is_alive = device_is_there(d);
    if (is_alive && r->buffer_count)
        d->vk.FreeCommandBuffers(d->handle, p->pool, (uint32_t)r->buffer_count, r->buffers);
    if (is_alive)
        d->vk.DestroyQueryPool(d->handle, r->queries, NULL);
    free(r->buffers);
    free(r->leg_buffer);
    *r = (struct recording){ 0 };
}

void record_free_all(wn_program *p)
{
    for (int i = 0; p->recordings && i < KEPT; i++)
        release(p, &p->recordings[i]);
    free(p->recordings);
    p->recordings = NULL;
}

/* The one for count items, or a free one, or the one that was used longest ago: the list is kept in order of use. */
static struct recording *choose(wn_program *p, uint64_t count)
{
    int i = 0;
    while (i < KEPT - 1 && p->recordings[i].count != count && p->recordings[i].count != 0)
        i++;
    struct recording chosen = p->recordings[i];
    memmove(&p->recordings[1], &p->recordings[0], (size_t)i * sizeof chosen);
    p->recordings[0] = chosen;
    return &p->recordings[0];
}

wn_status record_get(wn_program *p, uint64_t count, struct recording **out, wn_error *err)
{
    const double budget = budget_of(p->device);
    if (!p->recordings && !(p->recordings = calloc(KEPT, sizeof *p->recordings)))
        return wn_fail(err, WN_E_MEMORY, "out of memory");
    struct recording *r = *out = choose(p, count);
    if (r->count == count && r->budget < 2 * budget && budget < 2 * r->budget)
        return WN_OK;
    release(p, r);
    *r = (struct recording){ .count = count, .budget = budget };
    struct recorder rec = { .p = p, .r = r, .err = err };
    const wn_status status = record_all(&rec);
    if (status != WN_OK)
        release(p, r);
    return status;
}
