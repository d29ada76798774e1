/* cache.h - a store that runs share: what was computed once, under the hash of all that it depends on.
 *
 * A record is a file DIR/ab/REST of its key's digits, written beside and renamed, so any number of runs may read and
 * write at the same time. It holds a hash of key and content: what is damaged, cut or renamed counts as absent and is
 * removed. A cache never fails a run: what cannot be written is not there the next time. When the records take more
 * than the limit, those used longest ago go; each run counts for itself, so several may pass the limit by an eighth
 * each.
 */
#ifndef WINNOW_LEDGER_CACHE_H
#define WINNOW_LEDGER_CACHE_H

#include "base/buffer.h"

#include <stdbool.h>

struct cache;

struct cache_key {
    char hex[65]; /* 64 lower-case digits */
};

/* Makes the directory where there is none. limit_bytes: 0 = none. */
wn_status cache_open(const char *directory, uint64_t limit_bytes, struct cache **out, wn_error *err);
void cache_close(struct cache *c); /* NULL is fine */

/* Whether a record is there, by its name and size alone. [any] */
bool cache_has(struct cache *c, const struct cache_key *key, uint64_t bytes);
/* The record of exactly so many bytes into dst; it counts as used now. False: absent, of another size, or damaged.
 * [any]
 */
bool cache_get(struct cache *c, const struct cache_key *key, void *dst, uint64_t bytes);
/* Keeps head and data, one behind the other. [any] */
void cache_put(struct cache *c, const struct cache_key *key, const void *head, uint64_t head_bytes, const void *data,
               uint64_t data_bytes);

#endif
