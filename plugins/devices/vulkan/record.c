/* record.c - command buffers, recorded once for a count of items and submitted for every run.
 *
 * Drivers end what runs for too long (2 s on Windows and on small AMD devices), so a run is cut into buffers of
 * caps->submit_ms at the speed that was seen, and long dispatches into pieces of half of that. Before the speed is
 * known pieces are small; when it turns out to be another, the buffers are recorded again.
 */
#include "vulkan.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FIRST_BUDGET 1e9 /* work of a buffer before a speed is known */

enum { KEPT = 4, WAIT_MS = 1000, MOST_SUBMITS = 64 };

struct recording {
    uint64_t count; /* items; 0: free */
    double budget;  /* work of a buffer, as it was recorded */
    double work;    /* of all */
    VkCommandBuffer *buffers;
    uint64_t buffer_count;
    VkQueryPool queries; /* begin and end of every command; only where times are measured */
};

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
    const VkPipelineStageFlags copies = rec->p->ring.bytes ? VK_PIPELINE_STAGE_TRANSFER_BIT : 0;
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

static void record_copy(struct recorder *rec, const struct command *k)
{
    const struct slice *from = &k->streamed->slice, *to = &rec->p->ring;
    const VkBufferCopy copy = { from->offset, to->offset + k->ring_offset, from->bytes };
    rec->p->device->vk.CmdCopyBuffer(rec->now, from->buffer, to->buffer, 1, &copy);
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
        record_copy(rec, k);
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

static wn_status record_all(struct recorder *rec)
{
    wn_program *p = rec->p;
    WN_TRY(make_queries(rec));
    WN_TRY(begin_buffer(rec));
    if (rec->r->queries)
        p->device->vk.CmdResetQueryPool(rec->now, rec->r->queries, 0, (uint32_t)(2 * p->command_count));
    record_inputs(rec);
    for (uint64_t i = 0; i < p->command_count; i++) {
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

/* ---- submitting --------------------------------------------------------------------------------------------- */

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Buffers first .. first+n-1, each a submission of its own, and a wait for the last. */
static wn_status submit_some(wn_program *p, const struct recording *r, uint64_t first, uint64_t n, wn_error *err)
{
    wn_device *d = p->device;
    VkSubmitInfo submits[MOST_SUBMITS];
    for (uint64_t i = 0; i < n; i++)
        submits[i] = (VkSubmitInfo){ .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                                     .commandBufferCount = 1,
                                     .pCommandBuffers = &r->buffers[first + i] };
    WN_TRY(device_check(d, d->vk.ResetFences(d->handle, 1, &p->fence), "a fence", err));
    return device_submit(d, (uint32_t)n, submits, p->fence, "a submission", err);
}

static wn_status add_times(wn_program *p, const struct recording *r, wn_error *err)
{
    wn_device *d = p->device;
    uint64_t *stamps = r->queries ? malloc(p->command_count * 2 * sizeof *stamps) : NULL;
    if (!stamps)
        return WN_OK;
    const VkResult result = d->vk.GetQueryPoolResults(d->handle, r->queries, 0, (uint32_t)(2 * p->command_count),
                                                      2 * p->command_count * sizeof *stamps, stamps, sizeof *stamps,
                                                      VK_QUERY_RESULT_64_BIT);
    const uint64_t mask = d->caps->timestamp_bits < 64 ? (UINT64_C(1) << d->caps->timestamp_bits) - 1 : UINT64_MAX;
    for (uint64_t i = 0; result == VK_SUCCESS && i < p->command_count; i++)
        p->ops[p->commands[i].op].seconds += 1e-9 * (double)d->caps->properties.limits.timestampPeriod *
                                             (double)((stamps[2 * i + 1] - stamps[2 * i]) & mask);
    for (uint64_t i = 0; result == VK_SUCCESS && i < p->graph->op_count; i++)
        p->ops[i].items += r->count;
    free(stamps);
    return device_check(d, result, "times", err);
}

/* In batches of about a second, so that an interruption is heard. */
wn_status record_submit(wn_program *p, struct recording *r, wn_error *err)
{
    wn_device *d = p->device;
    const wn_host *host = d->host;
    const uint64_t batch = d->work_per_s > 0 ? smaller(1 + WAIT_MS / d->caps->submit_ms, MOST_SUBMITS) : 1;
    const double begin = now_s();
    for (uint64_t i = 0; i < r->buffer_count; i += batch) {
        if (host->cancelled(host->ctx))
            return wn_fail(err, WN_E_CANCELLED, "cancelled in graph \"%s\"", p->bindings.graph_name);
        WN_TRY(submit_some(p, r, i, smaller(batch, r->buffer_count - i), err));
    }
    const double seconds = now_s() - begin, seen = seconds > 0 ? r->work / seconds : 0;
    if (seen > d->work_per_s)
        d->work_per_s = seen;
    return add_times(p, r, err);
}
