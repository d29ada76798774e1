/* blend.h - noises mixed of others, for searches that look near a noise they liked: recipes, not values, so that a
 * lineage can tell them and they can be drawn again.
 *
 * Threads: the search's adds; whoever samples for it, while it waits, only reads.
 */
#ifndef WINNOW_ENGINE_BLEND_H
#define WINNOW_ENGINE_BLEND_H

#include <winnow/search.h>

enum { BLENDS_MAX_DEPTH = 256 };

/* cosine base + sqrt(1 - cosine^2) with. */
struct blend {
    uint64_t stream; /* its name: from WN_STREAM_BLEND up, a hash of what follows */
    uint64_t base;   /* any stream, also a blend */
    uint64_t with;   /* an auxiliary one */
    double cosine;
    uint32_t depth; /* blends that it is made of, itself included */
};

struct blends {
    struct blend *all;
    uint32_t count;
    uint32_t capacity;
};

/* The same recipe has the same name, in every run. WN_E_ARG: a base that is not there, `with` not auxiliary, a cosine
 * that is none, or a chain too long; WN_E_MEMORY. */
wn_status blends_add(struct blends *b, uint64_t base, uint64_t with, double cosine, uint64_t *stream, wn_error *err);
/* NULL: no such blend. */
const struct blend *blends_find(const struct blends *b, uint64_t stream);
/* WN_E_ARG for a stream that says it is a blend and is none. */
wn_status blends_check(const struct blends *b, uint64_t stream, wn_error *err);
void blends_finish(struct blends *b);

#endif
