/* pickle_memory.c - the objects of a pickle. They are small and die together, so they lie in blocks; lists and dicts
 * are linked, which makes appending constant and growing unnecessary.
 */
#include "pickle.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct pickle_block {
    struct pickle_block *next;
    uint64_t used, size;
    max_align_t data[];
};

enum { BLOCK_BYTES = 65536 - 64 };

/* A new block that has room for `wanted` bytes. */
static wn_status add_block(const char *path, struct pickle *p, uint64_t wanted, wn_error *err)
{
    const uint64_t size = wanted > BLOCK_BYTES ? wanted : BLOCK_BYTES;
    if (size > PICKLE_MAX_MEMORY - p->block_bytes)
        return wn_fail(err, WN_E_UNSUPPORTED, "%s: its pickle makes more than %d MiB of objects", path,
                       PICKLE_MAX_MEMORY >> 20);
    struct pickle_block *b = calloc(1, sizeof *b + size);
    if (!b)
        return wn_fail(err, WN_E_MEMORY, "%s: no memory for its pickle", path);
    b->size = size;
    b->next = p->blocks;
    p->blocks = b;
    p->block_bytes += size;
    return WN_OK;
}

wn_status pickle_alloc(const char *path, struct pickle *p, uint64_t bytes, void *out, wn_error *err)
{
    const uint64_t unit = sizeof(max_align_t), wanted = (bytes + unit - 1) / unit * unit;
    if (!p->blocks || p->blocks->size - p->blocks->used < wanted)
        WN_TRY(add_block(path, p, wanted, err));
    void *place = (unsigned char *)p->blocks->data + p->blocks->used;
    p->blocks->used += wanted;
    memcpy(out, &place, sizeof place);
    return WN_OK;
}

wn_status pickle_append(struct pickle_machine *m, struct pickle_items *to, struct pickle_value value)
{
    struct pickle_item *i;
    WN_TRY(pickle_alloc(m->path, m->out, sizeof *i, &i, m->err));
    i->value = value;
    *(to->last ? &to->last->next : &to->first) = i;
    to->last = i;
    to->count++;
    return WN_OK;
}

void pickle_finish(struct pickle *p)
{
    for (struct pickle_block *b = p->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    *p = (struct pickle){ 0 };
}
