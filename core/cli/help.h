/* help.h - texts made from the tables of commands and options. */
#ifndef WINNOW_CLI_HELP_H
#define WINNOW_CLI_HELP_H

#include "cli/cli.h"

/* The command of that name; NULL, with a message, when there is none. */
const struct command *help_find(struct cli *c, const char *name);

int help_overview(struct cli *c);
int help_command(struct cli *c, const struct command *command);

#endif
