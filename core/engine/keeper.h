/* keeper.h - keeps the states of a search's samples within a limit on memory. Between two calls of the search every
 * state is at rest; when they take more than the limit, those used longest ago are put away: the noise that a stream
 * gives again is dropped, all else goes to a file, since to write and read a state costs less than the one velocity
 * that it takes to make it anew. States come back as they were, to the bit.
 *
 * Threads: one at a time.
 */
#ifndef WINNOW_ENGINE_KEEPER_H
#define WINNOW_ENGINE_KEEPER_H

#include "engine/solver.h"
#include "engine/stats.h"

struct spill;

/* One walk's state as the keeper knows it; it does not move while it lives. Zeroed but for `walk` and the stream: none.
 */
struct kept {
    struct walk *walk;
    bool has_stream;
    bool is_away; /* the walk's x, v and memory are NULL; has_velocity and has_memory stay */
    bool is_on_disk;
    uint64_t stream; /* of the noise that the walk began with, when has_stream */
    uint64_t place;  /* on disk */
    uint64_t bytes;  /* that it counts for; 0 = not in the list */
    struct kept *newer;
    struct kept *older;
};

struct keeper {
    const struct solver *largest; /* of the canvas whose states are */
    const struct noise_source *source;
    const char *directory; /* for the file */
    struct stats *stats;
    uint64_t limit; /* bytes */
    uint64_t held;
    struct kept *newest;
    struct kept *oldest;
    struct spill *file; /* NULL until it is needed */
};

void keeper_finish(struct keeper *k); /* every state is forgotten by now */

/* The state was made or used, or has another size: it is the newest. */
void keeper_touch(struct keeper *k, struct kept *state);
/* The state is to be used: brings it back, touched. A walk without a state has nothing to bring. */
wn_status keeper_fetch(struct keeper *k, struct kept *state, wn_error *err);
/* Moves the state, wherever it is, from one walk to another, which has none. */
void keeper_move(struct keeper *k, struct kept *to, struct kept *from);
/* The state is of no more use; x and v are the walk's to free. */
void keeper_forget(struct keeper *k, struct kept *state);
/* Puts states away until the rest is within the limit. */
wn_status keeper_settle(struct keeper *k, wn_error *err);

#endif
