/* cmd_export.c - a run's results for other programs. */
#include "cli/commands.h"

#include "base/files.h"
#include "export/export.h"

static int run(struct cli *c)
{
    const char *format = cli_value(c, "format", NULL), *output = cli_value(c, "output", NULL);
    char directory[FILE_PATH_SIZE], path[FILE_PATH_SIZE], name[64];
    struct export e = { .run_dir = c->arguments[0], .directory = directory, .with_images = cli_flag(c, "images") };
    struct buffer line = BUFFER_INIT(FILE_PATH_SIZE + 2);
    wn_error err = { 0 };
    if (!format)
        return cli_usage(c, "export needs --format: jsonl, csv, hf or tensorboard");
    e.format = export_format_from(format);
    if (!e.format)
        return cli_usage(c, "--format %s: not one of jsonl, csv, hf, tensorboard", format);
    if (e.with_images && e.format != EXPORT_TENSORBOARD)
        return cli_usage(c, "--images is for --format tensorboard; hf always has them, %s never", format);
    snprintf(name, sizeof name, "export/%s", format);
    wn_status status = output ? path_join(directory, "", output, &err) : path_join(directory, e.run_dir, name, &err);
    if (status == WN_OK)
        status = export_run(&e, path, &err);
    if (status != WN_OK)
        return cli_fail(c, status, &err);
    buffer_printf(&line, "%s\n", path);
    return cli_print(c, &line);
}

static const struct cli_option options[] = {
    { "format", 'f', "FORMAT", "jsonl, csv, hf (a folder for datasets' imagefolder) or tensorboard" },
    { "output", 'o', "DIR", "where to; RUN/export/FORMAT when not given" },
    { "images", 0, NULL, "tensorboard: with the winners' pictures" },
    { NULL, 0, NULL, NULL },
};

const struct command cmd_export = {
    .name = "export",
    .arguments = "RUN",
    .summary = "write a run's results for other programs",
    .details = "Prints the path of what was written: results.jsonl, results.csv (RFC 4180), a folder with\n"
               "metadata.jsonl and the pictures, or an event file. A run that is still going is exported as it stands.",
    .options = options,
    .minimum_arguments = 1,
    .maximum_arguments = 1,
    .run = run,
};
