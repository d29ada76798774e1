/* timeline.h - which part of a run was busy when: how well scoring hides behind sampling.
 *
 * Each lane (sampling, decoding, a verifier, ...) has a row of bins that hold its busy seconds. When the run outgrows
 * the row, neighbours are joined and bins become twice as long, so that a run of any length is kept whole in the same
 * memory.
 */
#ifndef WINNOW_ENGINE_TIMELINE_H
#define WINNOW_ENGINE_TIMELINE_H

#include <stdint.h>

enum { TIMELINE_BINS = 512 };

/* Lanes that every run has; its verifiers follow, the guide first. */
enum { TIMELINE_SAMPLE, TIMELINE_ENCODE, TIMELINE_DECODE, TIMELINE_RECORD, TIMELINE_VERIFIERS };

struct timeline_lane {
    char name[80];
    double busy[TIMELINE_BINS]; /* seconds; several threads may be busy at once, so it may exceed bin_seconds */
    double seconds;             /* their sum */
    uint64_t items;
};

struct timeline {
    double start; /* clock_seconds() */
    double end;   /* of the last span */
    double bin_seconds;
    uint32_t lane_count;
    struct timeline_lane *lanes;
    void *lock;
};

/* The fixed lanes are named; the others' names are the caller's to fill in. NULL when memory ran out. */
struct timeline *timeline_create(uint32_t verifiers);
void timeline_destroy(struct timeline *t); /* NULL is fine */

/* `lane` worked on `items` from one clock_seconds() to another. NULL: nothing is kept. [any] */
void timeline_add(struct timeline *t, uint32_t lane, double from, double to, uint64_t items);

#endif
