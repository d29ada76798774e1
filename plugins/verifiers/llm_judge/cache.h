/* cache.h - verdicts that were paid for: a file each, named by the SHA-256 of all that was asked.
 *
 * A file holds the key again, the schema's number and five numbers; no text of the server, no prompt, no key of an API.
 * Several processes may share a directory.
 */
#ifndef LLM_JUDGE_CACHE_H
#define LLM_JUDGE_CACHE_H

#include "verdict.h"

#include <winnow/plugin.h>

struct cache {
    char *directory; /* NULL: nothing is kept */
};

/* "" is $XDG_CACHE_HOME/winnow/llm_judge (or ~/.cache/...), "off" is no cache; else a path, from the working directory.
 * The directory is made. [setup] */
wn_status cache_open(struct cache *c, const char *given, wn_error *err);
void cache_close(struct cache *c);

/* False where there is none; *is_damaged says that there is a file that is not one of ours, which counts as none. */
bool cache_get(const struct cache *c, const char key[65], struct verdict *verdict, bool *is_damaged);
/* Written beside and renamed, so a file is whole or not there. */
wn_status cache_put(const struct cache *c, const char key[65], const struct verdict *verdict, wn_error *err);

#endif
