/* submit.c - recorded buffers to the queues, and waiting for them.
 *
 * Where weights are streamed by a queue of their own, two timelines order it against the kernels': `copied` counts legs
 * of weights that went up, `computed` buffers of kernels that ended. Nothing is submitted that waits for what is not,
 * so all that is under way comes to its end whatever fails after it.
 */
#include "vulkan.h"

#include <device/clock.h>

#include <stdlib.h>

enum { WAIT_MS = 1000, MOST_SUBMITS = 64 };

static wn_status check_cancelled(const wn_program *p, wn_error *err)
{
    const wn_host *host = p->device->host;
    return host->cancelled(host->ctx)
               ? wn_fail(err, WN_E_CANCELLED, "cancelled in graph \"%s\"", p->bindings.graph_name)
               : WN_OK;
}

/* Buffers of about a second, so that an interruption is heard. */
static uint64_t most_under_way(const wn_device *d)
{
    return smaller(1 + WAIT_MS / d->caps->submit_ms, MOST_SUBMITS);
}

/* ---- one queue ---------------------------------------------------------------------------------------------- */

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

static wn_status submit_plain(wn_program *p, const struct recording *r, wn_error *err)
{
    const uint64_t batch = p->device->work_per_s > 0 ? most_under_way(p->device) : 1;
    for (uint64_t i = 0; i < r->buffer_count; i += batch) {
        WN_TRY(check_cancelled(p, err));
        WN_TRY(submit_some(p, r, i, smaller(batch, r->buffer_count - i), err));
    }
    return WN_OK;
}

/* ---- two queues --------------------------------------------------------------------------------------------- */

/* A run under way. */
struct pass {
    wn_program *p;
    const struct recording *r;
    uint64_t copied, computed; /* the timelines' values before it */
    uint64_t sent, begun;      /* legs whose copies were submitted; whose kernels were */
};

/* A submission that waits until `after` has reached `value` (0: for nothing), and then adds one to `adds`. */
static wn_status send(wn_program *p, VkQueue queue, const VkCommandBuffer *buffer, const struct timeline *after,
                      uint64_t value, struct timeline *adds, wn_error *err)
{
    wn_device *d = p->device;
    const VkPipelineStageFlags stage =
        queue == d->copy_queue ? VK_PIPELINE_STAGE_TRANSFER_BIT : VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT;
    const uint64_t signal = adds->value + 1;
    const VkTimelineSemaphoreSubmitInfo values = { .sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
                                                   .waitSemaphoreValueCount = value > 0,
                                                   .pWaitSemaphoreValues = &value,
                                                   .signalSemaphoreValueCount = 1,
                                                   .pSignalSemaphoreValues = &signal };
    const VkSubmitInfo submit = { .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                                  .pNext = &values,
                                  .waitSemaphoreCount = value > 0,
                                  .pWaitSemaphores = &after->semaphore,
                                  .pWaitDstStageMask = &stage,
                                  .commandBufferCount = 1,
                                  .pCommandBuffers = buffer,
                                  .signalSemaphoreCount = 1,
                                  .pSignalSemaphores = &adds->semaphore };
    WN_TRY(device_send(d, queue, 1, &submit, VK_NULL_HANDLE, "a submission", err));
    adds->value = signal;
    return WN_OK;
}

/* The copies of all legs whose place is left by a buffer before b. */
static wn_status send_copies(struct pass *s, uint64_t b, wn_error *err)
{
    wn_program *p = s->p;
    for (; s->sent < p->leg_count; s->sent++) {
        const uint64_t left = s->sent < RING_PLACES ? 0 : s->r->leg_buffer[s->sent - RING_PLACES + 1];
        if (left > b)
            return WN_OK;
        WN_TRY(send(p, p->device->copy_queue, &p->legs[s->sent].copies, &p->computed, s->computed + left, &p->copied,
                    err));
    }
    return WN_OK;
}

static wn_status send_kernels(struct pass *s, uint64_t b, wn_error *err)
{
    wn_program *p = s->p;
    const int is_first = s->begun < p->leg_count && s->r->leg_buffer[s->begun] == b;
    s->begun += is_first ? 1 : 0;
    return send(p, p->device->queue, &s->r->buffers[b], &p->copied, is_first ? s->copied + s->begun : 0, &p->computed,
                err);
}

static wn_status send_all(struct pass *s, wn_error *err)
{
    const uint64_t most = most_under_way(s->p->device) + RING_PLACES;
    for (uint64_t b = 0; b < s->r->buffer_count; b++) {
        WN_TRY(check_cancelled(s->p, err));
        if (b >= most)
            WN_TRY(device_wait(s->p->device, &s->p->computed, s->computed + b - most + 1, "a submission", err));
        WN_TRY(send_copies(s, b, err));
        WN_TRY(send_kernels(s, b, err));
    }
    return device_wait(s->p->device, &s->p->computed, s->p->computed.value, "a submission", err);
}

static wn_status submit_legs(wn_program *p, const struct recording *r, wn_error *err)
{
    struct pass s = { .p = p, .r = r, .copied = p->copied.value, .computed = p->computed.value };
    const wn_status status = send_all(&s, err);
    wn_error second = { 0 };
    if (status != WN_OK && !p->device->is_lost && /* what was submitted ends all the same */
        device_wait(p->device, &p->copied, p->copied.value, "a submission", &second) == WN_OK)
        device_wait(p->device, &p->computed, p->computed.value, "a submission", &second);
    return status;
}

/* ---- both --------------------------------------------------------------------------------------------------- */

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

wn_status record_submit(wn_program *p, struct recording *r, wn_error *err)
{
    wn_device *d = p->device;
    const double begin = seconds_now();
    WN_TRY(p->leg_count ? submit_legs(p, r, err) : submit_plain(p, r, err));
    const double seconds = seconds_now() - begin, seen = seconds > 0 ? r->work / seconds : 0;
    if (seen > d->work_per_s)
        d->work_per_s = seen;
    return add_times(p, r, err);
}
