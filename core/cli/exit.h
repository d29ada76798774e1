/* exit.h - what the command's exit status says; scripts and cluster engines act on it. */
#ifndef WINNOW_CLI_EXIT_H
#define WINNOW_CLI_EXIT_H

#include <winnow/plugin.h>

/* One row for each: value, name, meaning. `winnow help` prints the table. */
#define EXIT_TABLE(row)                                                                                                \
    row(0, EXIT_FINE, "all was done")                                                                                  \
    row(1, EXIT_FAILED, "some prompts, or the work as a whole, failed")                                                \
    row(2, EXIT_USAGE, "the command line or the spec is wrong; trying again does not help")                            \
    row(3, EXIT_ENVIRONMENT, "a model, device or plugin is missing or cannot be used")                                 \
    row(75, EXIT_INTERRUPTED, "interrupted, or a device failed at work; the same command goes on from there")

enum exit_code {
#define EXIT_ENUM(value, name, meaning) name = value,
    EXIT_TABLE(EXIT_ENUM)
#undef EXIT_ENUM
};

static inline int exit_code_of(wn_status status)
{
    switch (status) {
    case WN_OK:
    case WN_E_BUDGET:
        return EXIT_FINE;
    case WN_E_ARG:
        return EXIT_USAGE;
    case WN_E_MISSING:
    case WN_E_FORMAT:
    case WN_E_UNSUPPORTED:
        return EXIT_ENVIRONMENT;
    case WN_E_CANCELLED:
    case WN_E_DEVICE: /* not one that is missing or cannot be opened */
        return EXIT_INTERRUPTED;
    default:
        return EXIT_FAILED;
    }
}

#endif
