/* drift_maker.h - what the files of `winnow drift` have in common while they make the two sides.
 *
 *   drift_make.c     the sides, one after the other, and their candidates, in batches
 *   drift_compare.c  what the first side made waits in a file; the second is compared with it
 *   drift_score.c    what the verifiers say of the pictures
 */
#ifndef WINNOW_CLI_DRIFT_MAKER_H
#define WINNOW_CLI_DRIFT_MAKER_H

#include "cli/drift_make.h"
#include "engine/replay.h"
#include "engine/spill.h"

#include <winnow/device.h>

struct maker {
    const struct drift_plan *plan;
    struct drift *drift;
    int side;
    struct instances *instances;
    struct ledger *ledger;
    struct replay_prompt kept;
    char model_key[72];
    uint32_t batch; /* candidates that are made at once, as in a run of this side */
    double started; /* of the side, by the clock */
    struct spill *spill;
    uint64_t *place;  // [pair_count]: in the spill; UINT64_MAX: left out
    uint64_t values;  /* of a latent; 0: not known yet */
    float *floats;    // [2][values]: noise and latent of side A
    uint8_t *rgb;     /* of side A */
    wn_image *images; // [pair_count]: of the chunk that is scored next
    uint32_t *asked;  // [asked_count]: verifiers, the guide first
    uint32_t *column; // [asked_count]: the first of their metrics
    uint32_t asked_count;
    double worst; /* the largest square so far */
};

static inline const struct recalled *drift_pair_at(const struct maker *m, uint64_t i)
{
    return &m->plan->recall->all[i];
}

/* The guide and the judges, as the first side has them. */
wn_status drift_list_metrics(struct maker *m, wn_error *err);
bool drift_compares_sets(const struct maker *m); /* some verifier looks at all pictures of a prompt at once */
/* m->images are those of the pairs, all of one prompt; they end here. */
wn_status drift_score(struct maker *m, uint64_t count, const uint64_t *pairs, wn_error *err);

/* What a side made of a pair: kept for the other side, or compared with what that one made. */
wn_status drift_take(struct maker *m, uint64_t pair, const struct replay_result *made, wn_error *err);
/* The noise that the first side began the pair with; values floats, the caller's. */
wn_status drift_noise(const struct maker *m, uint64_t pair, float **noise, wn_error *err);

#endif
