/* transcript.c - see transcript.h. */
#include "transcript.h"

#include <stdlib.h>

static uint64_t add_bytes(uint64_t hash, const void *data, uint64_t bytes)
{
    const uint8_t *p = data;
    for (uint64_t i = 0; i < bytes; i++)
        hash = (hash ^ p[i]) * UINT64_C(0x100000001b3);
    return hash;
}

uint64_t transcript_hash(const struct wn_frame *frame)
{
    const uint64_t text = add_bytes(UINT64_C(0xcbf29ce484222325), frame->text, frame->text_bytes);
    return add_bytes(text, frame->data, frame->data_bytes);
}

void transcript_rewind(struct transcript *t)
{
    t->next = 0;
}

const struct transcript_entry *transcript_next(struct transcript *t)
{
    return t->next < t->count ? &t->entries[t->next++] : NULL;
}

static int reserve(struct transcript *t)
{
    if (t->count < t->capacity)
        return 1;
    const uint64_t capacity = t->capacity ? 2 * t->capacity : 64;
    struct transcript_entry *entries = realloc(t->entries, capacity * sizeof *entries);
    if (!entries)
        return 0;
    t->entries = entries;
    t->capacity = capacity;
    return 1;
}

wn_status transcript_add(struct transcript *t, const struct wn_frame *call, cJSON *answer, void *data,
                         uint64_t data_bytes)
{
    const bool is_lost = data_bytes > TRANSCRIPT_MAX_BYTES - t->bytes;
    if (!reserve(t)) {
        cJSON_Delete(answer);
        free(data);
        return WN_E_MEMORY;
    }
    if (is_lost) {
        free(data);
        data = NULL;
        data_bytes = 0;
    }
    t->entries[t->count++] = (struct transcript_entry){ transcript_hash(call), answer, data, data_bytes, is_lost };
    t->bytes += data_bytes;
    t->next = t->count;
    return WN_OK;
}

void transcript_free(struct transcript *t)
{
    for (uint64_t i = 0; i < t->count; i++) {
        cJSON_Delete(t->entries[i].answer);
        free(t->entries[i].data);
    }
    free(t->entries);
}
