/* lineage.h - reads back what trial_lineage.c writes: how a candidate came to be. [any] */
#ifndef WINNOW_ENGINE_LINEAGE_H
#define WINNOW_ENGINE_LINEAGE_H

#include "engine/identity.h"

struct lineage {
    struct identity noise;
    bool has_stream; /* else the search made the noise itself */
    uint64_t stream; /* of the noise, when has_stream */
    uint64_t shrink; /* of the canvas that the moves are on; 1: the run's own */
    uint32_t move_count;
    struct move *moves;
    struct blends blends; /* those that the streams name */
};

/* WN_E_FORMAT names the place of what winnow does not write. lineage_finish ends it whatever was returned. */
wn_status lineage_read(const char *text, struct lineage *out, wn_error *err);
void lineage_finish(struct lineage *l);

#endif
