/* view.h - what the search of one stage sees of the env: its own schedule, its part of the budget, and the survivors of
 * the stage before as its first noises. Everything ends in calls of the real env, so evaluations are counted, recorded
 * and resumed there, once, and lineages are those of the real samples.
 *
 * A draft is never finished: its point k is a point of the real schedule some steps on, reached by Euler steps of that
 * stride, and its last step is not taken. The score at its end is that of the preview there, whose x0-prediction is the
 * image that the step would lead to, for the same evaluation; so drafts are neither candidates nor seen by judges, and
 * the real samples stand where a later stage can go on from.
 *
 * On a smaller canvas all is a draft. Its search sees and makes noises of the whole canvas; each is a real sample that
 * stays at point 0, the origin, and what is moved and scored is that sample's draft, env->shrink. So survivors are
 * handed on by their whole noises, as ever.
 */
#ifndef WINNOW_STAGES_VIEW_H
#define WINNOW_STAGES_VIEW_H

#include <winnow/search.h>

#include <stdbool.h>

/* Where a stage runs: its points on the real schedule. */
struct track {
    uint64_t steps; /* of the stage */
    uint64_t first, last;
    uint64_t shrink; /* of its canvas; 1: the whole one */
    bool is_draft;
};

/* asked: steps of a draft, at most those that there are; 0 = all of the schedule from `first` on, finished unless the
 * canvas is shrunk. */
struct track track_of(uint64_t first, uint64_t schedule_steps, uint64_t asked, uint64_t shrink);
uint64_t track_point(const struct track *t, uint64_t step); /* on the real schedule */
/* The last step of the stage, but for its end, that is not beyond `share` of the schedule. */
uint64_t track_step_at(const struct track *t, double share);

/* Samples of the real env that a stage hands on. */
struct survivor {
    wn_sample sample; /* as it was offered */
    wn_sample origin; /* a clone at point 0 */
    wn_sample trail;  /* a clone where the next stage goes on; 0 = it starts again from the noise */
    double score;     /* when it was last asked for */
    uint64_t set;     /* in which of the stage's sets that was */
    bool is_whole;    /* what advancing from the noise to the end gives: nobody needs to do that again */
};

struct crew {
    const wn_env *env;
    uint64_t count, capacity;
    struct survivor *all;
    float *noises; /* [count][latent_values], of crew_settle */
};

/* A clone of a sample of the real env; of 0, 0. */
wn_status view_copy(const wn_env *env, wn_sample from, wn_sample *to, wn_error *err);

wn_status crew_add(struct crew *c, const struct survivor *s, wn_error *err); /* takes clones of its samples */
/* Keeps the `most` best, best first; of those that would start again from one noise, one. Reads their noises. The guide
 * is asked once more where they were not all in one set: a guide that compares has to see them together, any other has
 * answered already. */
wn_status crew_settle(struct crew *c, uint64_t most, wn_error *err);
void crew_finish(struct crew *c);

enum { VIEW_CURRENCIES = WN_CURRENCY_CANDIDATES + 1 };

struct view_sample;

struct view {
    wn_env env; /* for the stage's search */
    const wn_env *real;
    struct track track;
    const struct crew *before; /* NULL: a first stage */
    struct crew *after;        /* NULL: the last stage */
    uint64_t trail;            /* the step that the next stage goes on from; 0 = from the noise */
    uint64_t streams;          /* that stages before have drawn */
    uint64_t drawn;            /* that this one has */
    uint64_t aux;              /* what is added to auxiliary streams */
    double limit[VIEW_CURRENCIES], start[VIEW_CURRENCIES]; /* of this stage; what was left when it began */
    float *sigma;
    uint64_t sets;
    struct view_sample *samples;
    uint64_t sample_count, sample_capacity, free_slot;
};

/* Of a view with real, track, before, after, trail, streams, aux and limit. A view that failed to open may be closed.
 */
wn_status view_open(struct view *v, wn_error *err);
void view_close(struct view *v); /* drops what the search left */

#endif
