/* commands.h - one line for each subcommand. */
#ifndef WINNOW_CLI_COMMANDS_H
#define WINNOW_CLI_COMMANDS_H

#include "cli/cli.h"

extern const struct command cmd_run;
extern const struct command cmd_check;
extern const struct command cmd_generate;
extern const struct command cmd_score;
extern const struct command cmd_new;
extern const struct command cmd_conform;
extern const struct command cmd_report;
extern const struct command cmd_replay;
extern const struct command cmd_rescore;
extern const struct command cmd_drift;
extern const struct command cmd_compare;
extern const struct command cmd_watch;
extern const struct command cmd_export;
extern const struct command cmd_inspect;
extern const struct command cmd_plugins;
extern const struct command cmd_describe;
extern const struct command cmd_devices;
extern const struct command cmd_schema;
extern const struct command cmd_serve; /* for winnow itself: not in the list */
extern const struct command cmd_bench;
extern const struct command cmd_completion;
extern const struct command cmd_help;

#endif
