/* cmd_compare.c - runs beside each other: a table, a page, and the numbers for other programs. */
#include "cli/commands.h"

#include "base/files.h"
#include "cli/terminal.h"
#include "ledger/sweep_file.h"
#include "report/compare.h"

#include <string.h>

/* A sweep's comparison lies in the sweep; that of several runs beside the first of them. */
static void default_directory(const struct cli *c, char directory[FILE_PATH_SIZE])
{
    char first[FILE_PATH_SIZE];
    uint64_t length;
    snprintf(first, sizeof first, "%s", c->arguments[0]);
    for (length = strlen(first); length > 1 && first[length - 1] == '/'; length--)
        first[length - 1] = '\0';
    if (c->argument_count == 1 && sweep_file_exists(first))
        memcpy(directory, first, sizeof first);
    else
        path_directory(directory, first);
}

static wn_status write_all(const struct cli *c, const struct compare *all, const char *directory, struct buffer *text,
                           wn_error *err)
{
    WN_TRY(dir_make(directory, err));
    WN_TRY(compare_write(all, directory, err));
    if (cli_flag(c, "json"))
        compare_json(all, text);
    else
        compare_table(all, terminal_has_colour(stdout), text);
    return WN_OK;
}

static int run(struct cli *c)
{
    char directory[FILE_PATH_SIZE], line[FILE_PATH_SIZE + 40];
    struct buffer text = BUFFER_INIT(1 << 28);
    struct compare *all = NULL;
    wn_error err = { 0 };
    if (cli_value(c, "output", NULL))
        snprintf(directory, sizeof directory, "%s", cli_value(c, "output", NULL));
    else
        default_directory(c, directory);
    wn_status status = compare_create(c->argument_count, (const char *const *)c->arguments, &all, &err);
    if (status == WN_OK)
        status = write_all(c, all, directory, &text, &err);
    compare_free(all);
    if (status != WN_OK) {
        buffer_free(&text);
        return cli_fail(c, status, &err);
    }
    const int code = cli_print(c, &text);
    snprintf(line, sizeof line, "comparison: %s/compare.html", directory);
    if (code == EXIT_FINE && !cli_flag(c, "quiet"))
        terminal_message(line);
    return code;
}

static const struct cli_option options[] = {
    { "output", 'o', "DIR", "where compare.html and compare.json go; beside the first run, or into the sweep" },
    { "json", 0, NULL, "print the numbers (compare.json) instead of the table" },
    { NULL, 0, NULL, NULL },
};

const struct command cmd_compare = {
    .name = "compare",
    .arguments = "RUN...",
    .summary = "compare runs, or all runs of a sweep: a table, a page, tests",
    .details = "RUN is the directory of a run or of a sweep. Runs that differ in nothing but the seed are one\n"
               "algorithm. Runs of other prompts or other metrics are refused. Differences are paired: taken\n"
               "within each prompt, with bootstrap intervals over prompts and a sign-flip permutation test.",
    .options = options,
    .minimum_arguments = 1,
    .maximum_arguments = UINT32_MAX,
    .run = run,
};
