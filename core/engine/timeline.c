#include "engine/timeline.h"

#include "base/clock.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static const double first_bin_seconds = 0.005;

struct timeline *timeline_create(uint32_t verifiers)
{
    static const char *const names[TIMELINE_VERIFIERS] = { "sampling", "encoding", "decoding", "recording" };
    struct timeline *t = calloc(1, sizeof *t);
    pthread_mutex_t *lock = t ? malloc(sizeof *lock) : NULL;
    if (!lock) {
        free(t);
        return NULL;
    }
    pthread_mutex_init(lock, NULL);
    *t = (struct timeline){ .start = clock_seconds(), .bin_seconds = first_bin_seconds, .lock = lock };
    t->lane_count = TIMELINE_VERIFIERS + verifiers;
    t->lanes = calloc(t->lane_count, sizeof *t->lanes);
    if (!t->lanes) {
        timeline_destroy(t);
        return NULL;
    }
    for (uint32_t i = 0; i < TIMELINE_VERIFIERS; i++)
        snprintf(t->lanes[i].name, sizeof t->lanes[i].name, "%s", names[i]);
    return t;
}

void timeline_destroy(struct timeline *t)
{
    if (!t)
        return;
    pthread_mutex_destroy(t->lock);
    free(t->lock);
    free(t->lanes);
    free(t);
}

/* Bins twice as long, in half of the row. */
static void fold(struct timeline *t)
{
    for (uint32_t i = 0; i < t->lane_count; i++) {
        double *busy = t->lanes[i].busy;
        for (uint32_t k = 0; k < TIMELINE_BINS; k++)
            busy[k] = k < TIMELINE_BINS / 2 ? busy[2 * k] + busy[2 * k + 1] : 0;
    }
    t->bin_seconds *= 2;
}

void timeline_add(struct timeline *t, uint32_t lane, double from, double to, uint64_t items)
{
    if (!t || !(to >= from))
        return;
    pthread_mutex_lock(t->lock);
    while (to - t->start >= t->bin_seconds * TIMELINE_BINS)
        fold(t);
    struct timeline_lane *l = &t->lanes[lane];
    const double first = fmax(from - t->start, 0) / t->bin_seconds, last = (to - t->start) / t->bin_seconds;
    for (uint32_t bin = (uint32_t)first; bin < TIMELINE_BINS && bin < last; bin++)
        l->busy[bin] += (fmin(last, bin + 1) - fmax(first, bin)) * t->bin_seconds;
    l->seconds += to - from;
    l->items += items;
    t->end = fmax(t->end, to);
    pthread_mutex_unlock(t->lock);
}
