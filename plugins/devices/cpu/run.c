/* run.c - replays a program: inputs in, steps one after the other, outputs out. */
#include "cpu.h"

#include <device/clock.h>

#include <stdlib.h>
#include <string.h>

/* ---- services for steps -------------------------------------------------------------------------------------- */

void *scratch_take(wn_program *p)
{
    for (uint32_t i = 0;; i = (i + 1) % p->scratch_count) {
        if (!atomic_flag_test_and_set_explicit(&p->scratch_busy[i], memory_order_acquire))
            return p->scratch + i * p->scratch_bytes;
    }
}

void scratch_give(wn_program *p, void *scratch)
{
    uint64_t i = (uint64_t)((char *)scratch - p->scratch) / p->scratch_bytes;
    atomic_flag_clear_explicit(&p->scratch_busy[i], memory_order_release);
}

void parallel_for(wn_program *p, uint64_t n, void (*fn)(void *arg, uint64_t i), void *arg)
{
    p->device->host->parallel_for(p->device->host->ctx, n, fn, arg);
}

/* ---- bindings ----------------------------------------------------------------------------------------------- */

/* data: [slot][item], as bind_take leaves it. */
static void copy_bound(const wn_program *p, void *const *data, uint64_t count, int32_t role)
{
    for (uint64_t k = 0; k < p->bindings.slot_count; k++) {
        const struct bind_slot *slot = &p->bindings.slots[k];
        for (uint64_t item = 0; slot->role == role && item < (slot->is_shared ? 1 : count); item++) {
            void *mine = p->memory + slot->offset + item * slot->stride, *theirs = data[k * count + item];
            memcpy(role == WN_ROLE_INPUT ? mine : theirs, role == WN_ROLE_INPUT ? theirs : mine, slot->bytes);
        }
    }
}

/* ---- run ---------------------------------------------------------------------------------------------------- */

static wn_status run_steps(wn_program *p, uint64_t count, wn_error *err)
{
    const wn_host *host = p->device->host;
    for (uint64_t i = 0; i < p->step_count; i++) {
        struct step *s = &p->steps[i];
        double begin = p->is_measured ? seconds_now() : 0;
        if (host->cancelled(host->ctx))
            return wn_fail(err, WN_E_CANCELLED, "cancelled in graph \"%s\"", p->bindings.graph_name);
        WN_TRY(s->run(p, s, count, err));
        if (p->is_measured) {
            s->seconds += seconds_now() - begin;
            s->items += count;
        }
    }
    return WN_OK;
}

wn_status program_run(wn_program *p, uint64_t count, const wn_binding *bindings, uint64_t binding_count, wn_error *err)
{
    void **data;
    WN_TRY(bind_take(&p->bindings, p->max_items, count, bindings, binding_count, &data, err));
    copy_bound(p, data, count, WN_ROLE_INPUT);
    const wn_status status = run_steps(p, count, err);
    if (status == WN_OK)
        copy_bound(p, data, count, WN_ROLE_OUTPUT);
    free(data);
    return status;
}

/* ---- what it costs ------------------------------------------------------------------------------------------ */

/* Steps that do a part each of one operation use one weight. */
static int is_first_use(const wn_program *p, uint64_t step, int slot)
{
    for (uint64_t i = 0; i < step; i++)
        if (p->steps[i].packed[slot] == p->steps[step].packed[slot])
            return 0;
    return 1;
}

void program_memory(const wn_program *p, uint64_t *activation_bytes, uint64_t *weight_bytes)
{
    *activation_bytes = p->memory_bytes + p->constant_bytes + p->scratch_bytes * p->scratch_count;
    *weight_bytes = 0;
    for (uint64_t i = 0; i < p->step_count; i++)
        for (int k = 0; k < 2; k++)
            if (p->steps[i].packed[k] && is_first_use(p, i, k))
                *weight_bytes += p->steps[i].packed[k]->bytes;
}

uint64_t program_profile(wn_program *p, wn_op_profile *out, uint64_t capacity)
{
    if (out)
        p->is_measured = 1;
    for (uint64_t i = 0; out && i < p->step_count && i < capacity; i++) {
        const struct step *s = &p->steps[i];
        out[i] = (wn_op_profile){ s->name, s->seconds, s->flops * (double)s->items, s->bytes * (double)s->items };
    }
    return p->step_count;
}
