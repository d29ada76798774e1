/* cmd_report.c - writes a run's report anew and shows its table: also for a run that is still going, or was merged. */
#include "cli/commands.h"

#include "base/files.h"
#include "cli/terminal.h"
#include "report/report.h"

static int print_summary(struct cli *c, const char *run_dir)
{
    struct buffer out = BUFFER_INIT(64 << 20);
    char path[FILE_PATH_SIZE];
    wn_error err = { 0 };
    wn_status status = path_join(path, run_dir, "summary.json", &err);

    if (status == WN_OK)
        status = buffer_read_file(&out, path, &err);
    if (status == WN_OK)
        return cli_print(c, &out);
    buffer_free(&out);
    return cli_fail(c, status, &err);
}

static int run(struct cli *c)
{
    const char *run_dir = c->arguments[0];
    wn_error err = { 0 };
    wn_status status = report_write(run_dir, &err);

    if (status == WN_OK && cli_flag(c, "json"))
        return print_summary(c, run_dir);
    if (status == WN_OK)
        status = report_table(run_dir, stdout, terminal_has_colour(stdout), &err);
    if (status != WN_OK)
        return cli_fail(c, status, &err);
    printf("\nreport: %s/report.html\n", run_dir);
    return fflush(stdout) == 0 ? EXIT_FINE : EXIT_FAILED;
}

static const struct cli_option options[] = {
    { "json", 0, NULL, "print the numbers (summary.json) instead of the table" },
    { NULL, 0, NULL, NULL },
};

const struct command cmd_report = {
    "report",
    "RUN",
    "write a run's report anew and print its table",
    "Writes report.html, summary.json and results.jsonl in the run's directory from its "
    "ledger. A run that is still going is reported as it stands.",
    options,
    1,
    1,
    run
};
