/* help.h - texts made from the tables of commands and options. */
#ifndef WINNOW_CLI_HELP_H
#define WINNOW_CLI_HELP_H

#include "cli/cli.h"

int help_overview(struct cli *c);
int help_command(struct cli *c, const struct command *command);

#endif
