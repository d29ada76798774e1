/* verifiers.h - the verifiers that a command line names, for commands that score pictures which are there: --verifier
 * NAME with --model MODEL, or --spec SPEC; --set changes either. */
#ifndef WINNOW_CLI_VERIFIERS_H
#define WINNOW_CLI_VERIFIERS_H

#include "cli/cli.h"

enum { VERIFIERS_LABEL_BYTES = 80 };

/* The rows of a command's options; all in one place, since their meaning is. */
#define VERIFIERS_OPTIONS                                                                                              \
    { "verifier", 0, "NAME", "verifier plugin; may be given several times" },                                          \
        { "model", 0, "MODEL", "the verifiers' option \"model\": the n-th for the n-th --verifier" },                  \
        { "spec", 0, "SPEC", "take all verifiers of a spec" },                                                         \
    {                                                                                                                  \
        "set", 0, "KEY=VALUE",                                                                                         \
            "any other key of the spec: verifiers.v1.options.device=cpu for the first --verifier"                      \
    }

/* The spec with at least one verifier; an exit code, after a message. */
int verifiers_load(struct cli *c, struct spec **spec);

/* labels[verifier_count], the caller's to free: under which name a verifier's scores are shown: the spec's, else its
 * plugin's, with a number where that is not the first of its name. NULL when memory ran out. */
char (*verifiers_labels(const struct cli *c, const struct spec *spec))[VERIFIERS_LABEL_BYTES];

#endif
