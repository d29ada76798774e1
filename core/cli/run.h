/* run.h - one experiment from its checked spec to its report: what `winnow run` does once, and a sweep for each point.
 */
#ifndef WINNOW_CLI_RUN_H
#define WINNOW_CLI_RUN_H

#include "cli/cli.h"
#include "engine/experiment.h"

/* What a run leaves to the next one: sampler and verifiers, and the spec that they were made of. All zero: nothing. */
struct run_models {
    struct instances *instances;
    struct spec *spec;
};

void run_models_free(struct run_models *m);

/* The sweep that a run is a point of: it shows how far the run is, in place of the run itself, which then prints no
 * table either; and it has the models from point to point. */
struct run_watch {
    void (*status)(void *arg, const struct experiment_status *s);
    void *arg;
    struct run_models *models;
};

/* Takes the spec, and the run's directory; runs, writes the report. Says what goes wrong; returns an exit code. watch may
 * be NULL. */
int run_experiment(struct cli *c, struct spec *spec, const struct run_watch *watch);

/* Pieces of a progress line: "3/12 prompts  40/96 candidates  best 0.31  55 NFE/s", and "1m05s". */
void run_status(struct buffer *line, const struct experiment_status *s);
void run_time(struct buffer *line, double seconds);

#endif
