/* drift_make.h - makes the candidates of a run on two sides, one after the other, so that only one model is in memory
 * at a time; what the first side made waits in a nameless file. The run is only read.
 */
#ifndef WINNOW_CLI_DRIFT_MAKE_H
#define WINNOW_CLI_DRIFT_MAKE_H

#include "cli/rerun.h"
#include "report/drift.h"

struct drift_plan {
    struct cli *c;
    const char *run_dir;
    const char *directory;       /* where the file waits */
    const struct recall *recall; /* the candidates; of each prompt, they stand together */
    const struct spec *spec;     /* the run's, with the sampler as the run computed it: says the model's name */
    const struct spec *side[2];
    const struct spec_budget *spent; /* as struct replay has it */
    struct arena *arena;
};

/* Fills all of *out but its names. out->worst_side is ended by drift_make_finish, whatever was returned.
 * WN_E_CANCELLED; WN_E_MISSING when no candidate could be made, with the first reason. */
wn_status drift_make(const struct drift_plan *plan, struct drift *out, wn_error *err);
void drift_make_finish(struct drift *d);

#endif
