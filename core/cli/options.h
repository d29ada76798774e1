/* options.h - parsing of a subcommand's line; the getters stand in cli.h. */
#ifndef WINNOW_CLI_OPTIONS_H
#define WINNOW_CLI_OPTIONS_H

#include "cli/cli.h"

/* argv[0] is the subcommand's name. Fills options and arguments; EXIT_FINE, or a message and EXIT_USAGE. */
int options_parse(struct cli *c, int argc, char **argv);

#endif
