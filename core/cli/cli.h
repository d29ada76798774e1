/* cli.h - what every subcommand is made of.
 *
 * A subcommand is one file cmd_NAME.c that defines one `const struct command`, and one line in commands.c. Its options
 * are a table, from which parsing, `winnow help`, the manual page and bash completion are made. Data go to stdout
 * (cli_print), everything else to stderr.
 */
#ifndef WINNOW_CLI_CLI_H
#define WINNOW_CLI_CLI_H

#include "base/json_text.h"
#include "cli/exit.h"
#include "plugin/instance.h"
#include "plugin/registry.h"

struct cli;

/* One option. argument: its name in the help ("FILE"), NULL for a flag. Ends with a row of NULLs. */
struct cli_option {
    const char *name; /* without dashes */
    char letter;      /* 0 = none */
    const char *argument;
    const char *help;
};

struct command {
    const char *name;
    const char *arguments; /* "SPEC", "[IMAGE...]", "" */
    const char *summary;   /* one line, no full stop */
    const char *details;   /* paragraphs for the help, may be NULL */
    const struct cli_option *options;
    uint32_t minimum_arguments;
    uint32_t maximum_arguments;
    int (*run)(struct cli *c); /* returns an exit code */
};

extern const struct command *const commands[]; /* ends with NULL */
extern const struct cli_option cli_common_options[];

struct cli {
    const struct command *command;
    uint32_t argument_count;
    char **arguments; /* what is left after the options */
    struct process process;
    /* parsed options, in order */
    uint32_t option_count;
    struct cli_given {
        const char *name;
        const char *value; /* "" for a flag */
    } *options;
};

/* ---- options ---- */

bool cli_flag(const struct cli *c, const char *name);
const char *cli_value(const struct cli *c, const char *name, const char *fallback); /* the last one given */
/* All values of a repeated option, in order, into values[capacity]; returns how many were filled. */
uint32_t cli_values(const struct cli *c, const char *name, const char **values, uint32_t capacity);
/* An option's value as a number within bounds; a message and false when it is not one. Absent: *value stays. */
bool cli_u64(struct cli *c, const char *name, uint64_t minimum, uint64_t maximum, uint64_t *value);

/* ---- what commands need: made at the first call; on failure a message is printed ---- */

struct registry *cli_registry(struct cli *c);
/* The registry, the thread pool (0 = all processors) and the signal handlers. */
struct process *cli_process(struct cli *c, uint32_t threads);
/* Loads a spec with all --set of the command line; prints every problem. */
int cli_load_spec(struct cli *c, const struct spec_request *request, struct spec **spec);

/* ---- output ---- */

/* "1.2 GiB" into text. */
const char *cli_bytes(double bytes, char text[32]);

/* "winnow: MESSAGE" on stderr; returns the exit code of the status. */
int cli_fail(struct cli *c, wn_status status, const wn_error *err);
/* The same for a mistake on the command line, with a pointer to the help. */
WN_PRINTF(2, 3) int cli_usage(struct cli *c, const char *format, ...);
/* Writes the buffer to stdout and frees it; EXIT_FINE, or a message and EXIT_FAILED. */
int cli_print(struct cli *c, struct buffer *text);

#endif
