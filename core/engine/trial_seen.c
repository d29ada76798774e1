/* The candidates a trial has scored: open addressing on the digits of their ids, which are hashes already. */
#include "engine/trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint64_t key_of(const struct identity *id)
{
    uint64_t key;
    memcpy(&key, id->text, sizeof key); /* 8 hex digits: 32 bits of hash in the low nibbles */
    return key * 0x9e3779b97f4a7c15u;
}

static struct seen *slot_of(const struct seen_table *table, const struct identity *id)
{
    uint64_t i = key_of(id) >> 20;
    for (;; i++) {
        struct seen *slot = &table->slots[i & (table->capacity - 1)];
        if (slot->ordinal == 0 || memcmp(slot->id.text, id->text, IDENTITY_DIGITS) == 0)
            return slot;
    }
}

struct seen *seen_find(const struct seen_table *table, const struct identity *id)
{
    if (table->capacity == 0)
        return NULL;
    struct seen *slot = slot_of(table, id);
    return slot->ordinal ? slot : NULL;
}

static bool grow(struct seen_table *table)
{
    struct seen_table larger = { .capacity = table->capacity ? 2 * table->capacity : 64, .count = table->count };
    larger.slots = calloc(larger.capacity, sizeof *larger.slots);
    if (!larger.slots)
        return false;
    for (uint64_t i = 0; i < table->capacity; i++)
        if (table->slots[i].ordinal)
            *slot_of(&larger, &table->slots[i].id) = table->slots[i];
    free(table->slots);
    *table = larger;
    return true;
}

struct seen *seen_add(struct seen_table *table, const struct identity *id)
{
    if (4 * (table->count + 1) > 3 * table->capacity && !grow(table))
        return NULL;
    struct seen *slot = slot_of(table, id);
    if (slot->ordinal == 0)
        *slot = (struct seen){ .id = *id, .ordinal = ++table->count, .score = NAN };
    return slot;
}
