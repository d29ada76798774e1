/* commands.c - the subcommands, in the order in which `winnow help` shows them. */
#include "cli/commands.h"

const struct command *const commands[] = { &cmd_run,     &cmd_check,   &cmd_generate, &cmd_score,    &cmd_report,
                                           &cmd_watch,   &cmd_compare, &cmd_export,   &cmd_replay,   &cmd_rescore,
                                           &cmd_drift,   &cmd_inspect, &cmd_plugins,  &cmd_describe, &cmd_new,
                                           &cmd_conform, &cmd_devices, &cmd_schema,   &cmd_bench,    &cmd_completion,
                                           &cmd_help,    NULL };
