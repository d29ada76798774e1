/* sweep.h - a sweep at the command line: what it will take, and its runs one after the other. */
#ifndef WINNOW_CLI_SWEEP_H
#define WINNOW_CLI_SWEEP_H

#include "cli/cli.h"
#include "spec/sweep.h"

/* As cli_load_spec, for a spec that may be a sweep. The request is used as it stands. */
int cli_load_sweep(struct cli *c, const struct spec_request *request, struct sweep **sweep);

/* Prints points, evaluations, time and disk, and what of it is left; as JSON with --json. */
int sweep_plan(struct cli *c, const struct sweep *s);
int run_plan(struct cli *c, const struct spec *spec); /* the same of one run */

/* Runs every point that is not done, then compares all. An interrupt ends it; the same command goes on. */
int sweep_run(struct cli *c, const struct sweep *s);

#endif
