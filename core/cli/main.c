/* main.c - winnow VERB [OPTIONS] [ARGUMENTS]: finds the verb, parses its line, runs it. */
#include "base/build.h"
#include "base/log.h"
#include "base/pool.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/options.h"
#include "cli/terminal.h"

#include <stdlib.h>
#include <string.h>

/* Options that every subcommand has. */
static int apply_common(struct cli *c)
{
    const char *level = cli_value(c, "log-level", "info"), *colour = cli_value(c, "color", "auto");
    static const char *const names[] = { "auto", "never", "always" };
    int wanted = 0;
    for (int i = 0; i < 3; i++)
        if (strcmp(colour, names[i]) == 0)
            wanted = TERMINAL_AUTO + i;
    if (!wanted)
        return cli_usage(c, "--color %s: not one of auto, always, never", colour);
    if (!log_level_from(level))
        return cli_usage(c, "--log-level %s: not one of debug, info, warn, error", level);
    log_set_level(log_level_from(level));
    terminal_start(cli_flag(c, "quiet"), (enum terminal_colour)wanted);
    return EXIT_FINE;
}

static int run_command(struct cli *c, int argc, char **argv)
{
    int code = options_parse(c, argc, argv);
    if (code == EXIT_FINE && cli_flag(c, "help"))
        return help_command(c, c->command);
    if (code == EXIT_FINE)
        code = apply_common(c);
    if (code != EXIT_FINE)
        return code;
    if (c->argument_count < c->command->minimum_arguments)
        return cli_usage(c, "%s needs %s", c->command->name, c->command->arguments);
    if (c->argument_count > c->command->maximum_arguments)
        return cli_usage(c, "%s: what is \"%s\" for?", c->command->name, c->arguments[c->command->maximum_arguments]);
    code = c->command->run(c);
    terminal_stop();
    return code;
}

static int print_version(struct cli *c)
{
    struct buffer text = BUFFER_INIT(1000);
    buffer_printf(&text, "winnow %s%s%s (plugin ABI %d.%d, %s)\n", build_version(), *build_commit() ? " " : "",
                  build_commit(), WN_ABI_MAJOR, WN_ABI_MINOR, build_compiler());
    return cli_print(c, &text);
}

static int dispatch(struct cli *c, int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "help";
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
        return print_version(c);
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    c->command = strcmp(name, cmd_serve.name) == 0 ? &cmd_serve : help_find(c, name);
    if (!c->command)
        return EXIT_USAGE;
    if (argc < 2) {
        help_overview(c);
        return EXIT_USAGE;
    }
    return run_command(c, argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
    static struct cli c; /* a signal may come after main's end, and its handler writes into this */
    int code = dispatch(&c, argc, argv);
    pool_destroy(c.process.pool);
    registry_destroy(c.process.registry);
    free(c.options);
    return code;
}
