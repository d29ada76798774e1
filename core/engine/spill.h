/* spill.h - a file for states that memory has no room for: records of one size, without a name, gone with the process.
 *
 * Threads: one at a time. Errors: WN_E_IO with the directory and the system's text.
 */
#ifndef WINNOW_ENGINE_SPILL_H
#define WINNOW_ENGINE_SPILL_H

#include <winnow/plugin.h>

struct spill;

wn_status spill_create(const char *directory, uint64_t record_bytes, struct spill **out, wn_error *err);
void spill_destroy(struct spill *s); /* NULL is fine */

struct spill_part {
    void *data; /* not written to by spill_put */
    uint64_t bytes;
};

/* Writes a record of `count` parts, together no more than record_bytes, where there is room: *place. */
wn_status spill_put(struct spill *s, uint32_t count, const struct spill_part *parts, uint64_t *place, wn_error *err);
/* Reads it back as it was put. */
wn_status spill_get(const struct spill *s, uint64_t place, uint32_t count, const struct spill_part *parts,
                    wn_error *err);
void spill_free(struct spill *s, uint64_t place); /* its room is for others */

#endif
