/* stats.h - what a run counts while it goes on, from all its threads. */
#ifndef WINNOW_ENGINE_STATS_H
#define WINNOW_ENGINE_STATS_H

#include "base/clock.h"

#include <stdatomic.h>
#include <stdint.h>

struct stats {
    atomic_uint_least64_t velocity_calls;
    atomic_uint_least64_t velocity_items;
    atomic_uint_least64_t velocities_reused; /* of those items: they took less work for what the sample remembered */
    atomic_uint_least64_t nfe_replayed;      /* answered from the ledger */
    atomic_uint_least64_t encodes;
    atomic_uint_least64_t candidates_done;     /* scored by the guide, from the ledger or anew */
    atomic_uint_least64_t candidates_replayed; /* those from the ledger */
    atomic_uint_least64_t nfe_cached;          /* answered from the cache */
    atomic_uint_least64_t candidates_cached;   /* those, finished and not, each picture counted */
    atomic_uint_least64_t scores_cached;       /* words of verifiers that came from there */
    atomic_uint_least64_t candidates_unjudged; /* interrupted before a judge had seen them: not recorded */
    atomic_uint_least64_t states_spilled;      /* to disk, for want of memory */
    atomic_uint_least64_t states_dropped;      /* for the same, to be drawn again */
    atomic_uint_least32_t prompts_done;
    atomic_uint_least32_t prompts_failed;
};

static inline void stats_add(atomic_uint_least64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

#endif
