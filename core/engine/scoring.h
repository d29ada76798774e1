/* scoring.h - from latents to scores: a decoder thread, and a lane (a thread) for the guide and each judge.
 *
 * The number of images alive between decoder and recorder is bounded, so a slow judge slows the run down rather than
 * filling memory. A comparative verifier gets whole sets; the others get full batches, across sets and prompts.
 */
#ifndef WINNOW_ENGINE_SCORING_H
#define WINNOW_ENGINE_SCORING_H

#include "engine/engine.h"

struct job;
struct lane;

wn_status scoring_create(struct engine *e, struct scoring **out, wn_error *err);
void scoring_destroy(struct scoring *s); /* NULL is fine; nothing may be under way */

uint32_t scoring_lanes(const struct scoring *s);
uint64_t scoring_image_bytes(const struct engine *e); /* of one picture of the canvas */
/* How many comparative judges read a set with finished samples. */
uint32_t scoring_comparative_judges(const struct scoring *s);
/* Room for the images of a set's jobs, where somebody compares sets; waits until there is. WN_E_ARG for more than there
 * can ever be. Each job gives its share back by itself. [any] */
wn_status scoring_reserve(struct scoring *s, uint32_t count, wn_error *err);
uint32_t scoring_set_max(const struct scoring *s); /* the most that can be reserved */
/* Samples that have arrived where their jobs are scored. [any] */
void scoring_push(struct scoring *s, uint32_t count, struct job *const *jobs);
/* A job whose image came from the cache; waits until there is room for one more. [any] */
void scoring_push_image(struct scoring *s, struct job *job);
/* A job whose sample never arrived. [any] */
void scoring_fail(struct scoring *s, struct job *job, wn_status status, const wn_error *err);
void scoring_image_gone(struct scoring *s); /* an image was freed. [any] */

/* ---- lanes (lane.c), for scoring.c ---- */

struct lane_setup {
    struct engine *engine;
    uint32_t verifier; /* index into spec.verifiers */
    uint32_t first_column;
    uint32_t link; /* its queue's, in job.next */
    bool is_guide;
    pthread_mutex_t *serial; /* shared by lanes whose verifiers have an input in common */
};

wn_status lane_create(const struct lane_setup *setup, struct lane **out, wn_error *err);
void lane_destroy(struct lane *l); /* NULL is fine */
bool lane_is_comparative(const struct lane *l);
/* Jobs with images. A comparative lane is pushed one job for a whole set, in its place. [any] */
void lane_push(struct lane *l, uint32_t count, struct job *const *jobs);

#endif
