/* memory_plan.h - the part of `winnow check` that says what will lie on the device. */
#ifndef WINNOW_CLI_MEMORY_PLAN_H
#define WINNOW_CLI_MEMORY_PLAN_H

#include "cli/workload.h"

struct memory_plan {
    struct workload now, tiled, single; /* as the options say, decoded in tiles, and one picture at a time too */
    const char *model;                  /* its name for people */
    const char *dtype;                  /* the sampler's option, or NULL */
    double devices[WORKLOAD_DEVICES];
    uint32_t device_count;
    wn_error why; /* code WN_OK: there is a plan; else the reason why not */
};

/* --device-memory and --synthetic of the command line; a message and an exit code when they are wrong. A model that is
 * not there is no failure: *plan says why there is no plan. False in *is_there: the sampler has no plans. */
int memory_plan_make(struct cli *c, const struct spec *spec, struct memory_plan *plan, bool *is_there);
void memory_plan_end(struct memory_plan *plan);

void memory_plan_text(const struct memory_plan *plan, struct buffer *out);
void memory_plan_json(const struct memory_plan *plan, struct json_text *j);

#endif
