/* cmd_schema.c - the JSON Schema of specs, for editors: completion, hover texts and checks while typing. */
#include "cli/commands.h"

#include <stdlib.h>

static int run(struct cli *c)
{
    wn_error err = { 0 };
    struct buffer out = BUFFER_INIT(1 << 24);
    char *json;
    struct registry *r = cli_registry(c);
    if (!r)
        return EXIT_FAILED;
    wn_status status = spec_schema(r, &json, &err);
    if (status)
        return cli_fail(c, status, &err);
    buffer_text(&out, json);
    free(json);
    return cli_print(c, &out);
}

const struct command cmd_schema = {
    .name = "schema",
    .arguments = "",
    .summary = "print the JSON Schema (draft-07) of specs, with every plugin's options",
    .details = "Save it beside your specs and let them name it: \"$schema\": \"./winnow.schema.json\".",
    .run = run,
};
