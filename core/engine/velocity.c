/* What a walk remembers is replaced, never changed: the sampler writes beside it, and a call that failed, or is tried
 * again with fewer items, finds all as it was. The two change places afterwards, so that a walk on its way costs no
 * allocation. */
#include "engine/velocity.h"

#include <stdlib.h>

static const wn_memory *memory_of(const wn_sampler *s, void *self)
{
    const wn_memory *m = WN_HAS(wn_sampler, s, extension) && s->extension ? s->extension(self, WN_MEMORY) : NULL;
    return m && WN_HAS(wn_memory, m, velocity) && m->bytes && m->velocity ? m : NULL;
}

uint64_t velocity_memory_bytes(const wn_sampler *sampler, void *self, const wn_canvas *canvas)
{
    const wn_memory *m = memory_of(sampler, self);
    return m ? m->bytes(self, canvas) : 0;
}

wn_status velocities_open(const wn_sampler *sampler, void *self, uint32_t capacity, struct velocities *out,
                          wn_error *err)
{
    *out = (struct velocities){
        .sampler = sampler, .self = self, .memory = memory_of(sampler, self), .capacity = capacity
    };
    if (!out->memory)
        return WN_OK;
    out->items = calloc(capacity, sizeof *out->items);
    out->spare = calloc(capacity, sizeof *out->spare);
    if (out->items && out->spare)
        return WN_OK;
    velocities_close(out);
    return wn_fail(err, WN_E_MEMORY, "no memory for batches of %u samples", capacity);
}

void velocities_close(struct velocities *v)
{
    for (uint32_t i = 0; v->spare && i < v->capacity; i++)
        free(v->spare[i].memory);
    free(v->spare);
    free(v->items);
    *v = (struct velocities){ 0 };
}

static bool fit_spare(struct spare *s, uint64_t bytes)
{
    if (s->memory && s->bytes == bytes)
        return true;
    free(s->memory);
    *s = (struct spare){ malloc(bytes), bytes };
    return s->memory != NULL;
}

static wn_status lend_memory(struct velocities *v, uint64_t bytes, uint32_t count, struct walk *const *walks,
                             wn_error *err)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!fit_spare(&v->spare[i], bytes))
            return wn_fail(err, WN_E_MEMORY, "no memory for what a sample remembers, %llu bytes",
                           (unsigned long long)bytes);
        v->items[i] =
            (wn_memory_item){ .before = walks[i]->has_memory ? walks[i]->memory : NULL, .after = v->spare[i].memory };
    }
    return WN_OK;
}

static void take_memory(struct velocities *v, uint32_t i, struct walk *w)
{
    if (!v->items[i].has_after)
        return;
    void *const old = w->memory;
    w->memory = v->spare[i].memory;
    w->has_memory = true;
    v->spare[i].memory = old;
}

wn_status velocities_ask(struct velocities *v, const wn_canvas *canvas, uint32_t count, const wn_velocity_item *items,
                         struct walk *const *walks, uint32_t *reused, wn_error *err)
{
    const uint64_t bytes = v->memory ? v->memory->bytes(v->self, canvas) : 0;
    uint32_t less = 0;
    if (reused)
        *reused = 0;
    if (bytes == 0)
        return v->sampler->velocity(v->self, canvas, count, items, err);
    WN_TRY(lend_memory(v, bytes, count, walks, err));
    WN_TRY(v->memory->velocity(v->self, canvas, count, items, v->items, err));
    for (uint32_t i = 0; i < count; i++) {
        take_memory(v, i, walks[i]);
        less += v->items[i].is_reused != 0;
    }
    if (reused)
        *reused = less;
    return WN_OK;
}
