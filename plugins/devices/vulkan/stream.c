/* stream.c - models larger than the device: weights that stayed in host memory are copied to a ring of two places, each
 * before the command that reads it.
 *
 * Copies are commands like others, so order.c puts the copy of the next weight beside the product of this one: it waits
 * only until its place in the ring is free. The bus is paid once for a step, whatever the number of candidates in it.
 */
#include "vulkan.h"

#include <stdlib.h>
#include <string.h>

enum { RING_PLACES = 2 };

struct ring {
    uint64_t place_bytes, first; /* first: behind all planned memory, so that touches do not meet */
    uint64_t next;
};

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

/* The copy of k's weight into the next place, from where k then reads it. */
static struct command copy_for(const wn_program *p, struct ring *ring, struct command *k)
{
    const uint64_t offset = ring->next++ % RING_PLACES * ring->place_bytes, first = ring->first + offset;
    const uint64_t address = p->ring.address + offset;
    const struct touch place = { .first = first, .last = first + ring->place_bytes, .base = WN_NONE };
    memcpy(k->push + k->streamed_at, &address, sizeof address);
    k->read[k->reads++] = place;
    return (struct command){ .is_copy = 1,
                             .streamed = k->streamed,
                             .ring_offset = offset,
                             .write = place,
                             .op = k->op,
                             .rows = 1,
                             .rows_per_group = 1,
                             .columns = 1 };
}

wn_status stream_weights(wn_program *p, wn_error *err)
{
    struct ring ring = { .first = p->plan.memory_bytes };
    const uint64_t streamed = count_streamed(p, &ring.place_bytes);
    if (streamed == 0)
        return WN_OK;
    WN_TRY(memory_get(p->device, MEMORY_DEVICE, RING_PLACES * ring.place_bytes, "streamed weights", &p->ring, err));
    struct command *all = malloc((p->command_count + streamed) * sizeof *all);
    if (!all)
        return wn_fail(err, WN_E_MEMORY, "out of memory");
    uint64_t n = 0;
    for (uint64_t i = 0; i < p->command_count; i++) {
        if (p->commands[i].streamed)
            all[n++] = copy_for(p, &ring, &p->commands[i]);
        all[n++] = p->commands[i];
    }
    free(p->commands);
    p->commands = all;
    p->command_count = p->command_capacity = n;
    return WN_OK;
}
