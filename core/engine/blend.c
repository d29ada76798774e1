/* blend.c - see blend.h. */
#include "engine/blend.h"

#include "base/sha256.h"

#include <stdlib.h>
#include <string.h>

const struct blend *blends_find(const struct blends *b, uint64_t stream)
{
    for (uint32_t i = b->count; i > 0; i--) /* those asked for are mostly new */
        if (b->all[i - 1].stream == stream)
            return &b->all[i - 1];
    return NULL;
}

wn_status blends_check(const struct blends *b, uint64_t stream, wn_error *err)
{
    if (stream < WN_STREAM_BLEND || blends_find(b, stream))
        return WN_OK;
    return wn_fail(err, WN_E_ARG, "the search names stream %llu, a blend that it never made",
                   (unsigned long long)stream);
}

static wn_status check(const struct blends *b, const struct blend *fresh, wn_error *err)
{
    WN_TRY(blends_check(b, fresh->base, err));
    if (fresh->with < WN_STREAM_AUX || fresh->with >= WN_STREAM_BLEND)
        return wn_fail(err, WN_E_ARG, "the search blends with stream %llu, which is not an auxiliary one",
                       (unsigned long long)fresh->with);
    if (!(fresh->cosine >= -1 && fresh->cosine <= 1))
        return wn_fail(err, WN_E_ARG, "cosine %g of a blend is not within -1 and 1", fresh->cosine);
    if (fresh->depth > BLENDS_MAX_DEPTH)
        return wn_fail(err, WN_E_ARG, "a blend of %u blends; %d are allowed", fresh->depth, BLENDS_MAX_DEPTH);
    return WN_OK;
}

static uint64_t name_of(const struct blend *blend)
{
    char hex[65], first[17];
    uint64_t recipe[3] = { blend->base, blend->with, 0 };
    memcpy(&recipe[2], &blend->cosine, sizeof recipe[2]);
    sha256_of(recipe, sizeof recipe, hex);
    memcpy(first, hex, 16);
    first[16] = '\0';
    return WN_STREAM_BLEND | strtoull(first, NULL, 16);
}

static wn_status reserve(struct blends *b, wn_error *err)
{
    if (b->count < b->capacity)
        return WN_OK;
    const uint32_t capacity = b->capacity ? 2 * b->capacity : 64;
    struct blend *grown = realloc(b->all, capacity * sizeof *grown);
    if (!grown)
        return wn_fail(err, WN_E_MEMORY, "no memory for %u blends", capacity);
    b->all = grown;
    b->capacity = capacity;
    return WN_OK;
}

wn_status blends_add(struct blends *b, uint64_t base, uint64_t with, double cosine, uint64_t *stream, wn_error *err)
{
    const struct blend *below = blends_find(b, base);
    struct blend fresh = { .base = base, .with = with, .cosine = cosine, .depth = below ? below->depth + 1 : 1 };
    WN_TRY(check(b, &fresh, err));
    fresh.stream = name_of(&fresh);
    *stream = fresh.stream;
    if (blends_find(b, fresh.stream))
        return WN_OK;
    WN_TRY(reserve(b, err));
    b->all[b->count++] = fresh;
    return WN_OK;
}

void blends_finish(struct blends *b)
{
    free(b->all);
    memset(b, 0, sizeof *b);
}
