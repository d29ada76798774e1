/* cmd_help.c - `winnow help`, the manual page and bash completion, all from the same tables, so none can be out of
 * date. */
#include "base/build.h"
#include "base/suggest.h"
#include "cli/commands.h"
#include "cli/help.h"

#include <string.h>

static const struct {
    const char *name;
    const char *meaning;
} environment[] = {
    { "WINNOW_PLUGIN_PATH", "directories with plugins, separated by ':', looked at before winnow's own" },
    { "WINNOW_MODEL_PATH", "directories with models and prompt files, separated by ':'" },
    { "HF_HUB_CACHE, HF_HOME", "where models of the Hugging Face hub were downloaded to; read only" },
    { "NO_COLOR", "no colours when not empty" },
};

static const struct {
    int value;
    const char *meaning;
} exits[] = {
#define EXIT_ROW(value, name, meaning) { value, meaning },
    EXIT_TABLE(EXIT_ROW)
#undef EXIT_ROW
};

enum { EXITS = sizeof exits / sizeof exits[0], ENVIRONMENT = sizeof environment / sizeof environment[0] };

/* ---- help ---- */

const struct command *help_find(struct cli *c, const char *name)
{
    char hint[128];
    struct suggest s = suggest_begin(name);
    for (uint32_t i = 0; commands[i]; i++) {
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
        suggest_try(&s, commands[i]->name);
    }
    c->command = NULL;
    cli_usage(c, "unknown command %s%s", name, suggest_text(&s, hint));
    return NULL;
}

static void write_options(struct buffer *out, const struct cli_option *table)
{
    for (const struct cli_option *o = table; o && o->name; o++) {
        char left[80];
        snprintf(left, sizeof left, "%c%c%s --%s%s%s", o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
                 o->letter ? "," : " ", o->name, o->argument ? " " : "", o->argument ? o->argument : "");
        buffer_printf(out, "  %-28s  %s\n", left, o->help);
    }
}

int help_overview(struct cli *c)
{
    struct buffer out = BUFFER_INIT(1 << 16);
    buffer_text(&out, "winnow searches for better noises for diffusion models.\n\n"
                      "usage: winnow COMMAND [OPTIONS] [ARGUMENTS]\n\ncommands:\n");
    for (uint32_t i = 0; commands[i]; i++)
        buffer_printf(&out, "  %-12s %s\n", commands[i]->name, commands[i]->summary);
    buffer_text(&out, "\noptions of every command:\n");
    write_options(&out, cli_common_options);
    buffer_text(&out, "\nexit status:\n");
    for (uint32_t i = 0; i < EXITS; i++)
        buffer_printf(&out, "  %3d  %s\n", exits[i].value, exits[i].meaning);
    buffer_text(&out, "\nenvironment:\n");
    for (uint32_t i = 0; i < ENVIRONMENT; i++)
        buffer_printf(&out, "  %-24s %s\n", environment[i].name, environment[i].meaning);
    buffer_text(&out, "\n`winnow help COMMAND` says more. A first experiment: winnow run configs/quickstart.json\n");
    return cli_print(c, &out);
}

static void write_usage(struct buffer *out, const struct command *command)
{
    buffer_printf(out, "winnow %s%s%s%s", command->name, command->options ? " [OPTIONS]" : "",
                  *command->arguments ? " " : "", command->arguments);
}

int help_command(struct cli *c, const struct command *command)
{
    struct buffer out = BUFFER_INIT(1 << 16);
    buffer_text(&out, "usage: ");
    write_usage(&out, command);
    buffer_printf(&out, "\n\n%s.\n", command->summary);
    if (command->details)
        buffer_printf(&out, "\n%s\n", command->details);
    buffer_text(&out, "\noptions:\n");
    write_options(&out, command->options);
    write_options(&out, cli_common_options);
    return cli_print(c, &out);
}

/* ---- the manual page ---- */

static void write_roff(struct buffer *out, const char *text)
{
    for (bool line_start = true; *text; line_start = *text == '\n', text++) {
        if (line_start && (*text == '.' || *text == '\''))
            buffer_text(out, "\\&");
        if (*text == '\\')
            buffer_text(out, "\\e");
        else if (*text == '-')
            buffer_text(out, "\\-");
        else
            buffer_byte(out, *text);
    }
    buffer_byte(out, '\n');
}

static void write_roff_options(struct buffer *out, const struct cli_option *table)
{
    for (const struct cli_option *o = table; o && o->name; o++) {
        buffer_text(out, ".TP\n.B ");
        char left[100];
        snprintf(left, sizeof left, "%s%.1s%s--%s%s%s", o->letter ? "-" : "", o->letter ? &o->letter : "",
                 o->letter ? ", " : "", o->name, o->argument ? " " : "", o->argument ? o->argument : "");
        write_roff(out, left);
        write_roff(out, o->help);
    }
}

static int print_manual(struct cli *c)
{
    struct buffer out = BUFFER_INIT(1 << 18);
    buffer_printf(&out, ".TH WINNOW 1 \"\" \"winnow %s\" \"User Commands\"\n.SH NAME\n"
                  "winnow \\- search for better noises for diffusion models\n.SH SYNOPSIS\n.B winnow\n"
                  ".I COMMAND\n[OPTIONS] [ARGUMENTS]\n.SH COMMANDS\n", build_version());
    for (uint32_t i = 0; commands[i]; i++) {
        buffer_text(&out, ".SS ");
        write_usage(&out, commands[i]);
        buffer_byte(&out, '\n');
        write_roff(&out, commands[i]->summary);
        if (commands[i]->details) {
            buffer_text(&out, ".PP\n");
            write_roff(&out, commands[i]->details);
        }
        write_roff_options(&out, commands[i]->options);
    }
    buffer_text(&out, ".SH OPTIONS OF EVERY COMMAND\n");
    write_roff_options(&out, cli_common_options);
    buffer_text(&out, ".SH EXIT STATUS\n");
    for (uint32_t i = 0; i < EXITS; i++)
        buffer_printf(&out, ".TP\n.B %d\n%s\n", exits[i].value, exits[i].meaning);
    buffer_text(&out, ".SH ENVIRONMENT\n");
    for (uint32_t i = 0; i < ENVIRONMENT; i++)
        buffer_printf(&out, ".TP\n.B %s\n%s\n", environment[i].name, environment[i].meaning);
    return cli_print(c, &out);
}

static int run_help(struct cli *c)
{
    if (cli_flag(c, "man"))
        return print_manual(c);
    if (!c->argument_count)
        return help_overview(c);
    const struct command *command = help_find(c, c->arguments[0]);
    return command ? help_command(c, command) : EXIT_USAGE;
}

static const struct cli_option help_options[] = {
    { "man", 0, NULL, "print the manual page in roff" }, { NULL, 0, NULL, NULL }
};

const struct command cmd_help = {
    .name = "help",
    .arguments = "[COMMAND]",
    .summary = "what there is, and how a command is used",
    .options = help_options,
    .maximum_arguments = 1,
    .run = run_help,
};

/* ---- bash ---- */

static void write_words(struct buffer *out, const struct cli_option *table)
{
    for (const struct cli_option *o = table; o && o->name; o++)
        buffer_printf(out, " --%s", o->name);
}

static int run_completion(struct cli *c)
{
    struct buffer out = BUFFER_INIT(1 << 16);
    if (strcmp(c->arguments[0], "bash") != 0)
        return cli_usage(c, "completion for %s is not there; there is bash", c->arguments[0]);
    buffer_text(&out, "# bash completion for winnow; made by `winnow completion bash`\n_winnow()\n{\n"
                      "    local word=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]} words=\n"
                      "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        words=\"--version");
    for (uint32_t i = 0; commands[i]; i++)
        buffer_printf(&out, " %s", commands[i]->name);
    buffer_text(&out, "\"\n    elif [ \"${word#-}\" != \"$word\" ]; then\n        case $verb in\n");
    for (uint32_t i = 0; commands[i]; i++) {
        buffer_printf(&out, "        %s) words=\"", commands[i]->name);
        write_words(&out, commands[i]->options);
        buffer_text(&out, "\" ;;\n");
    }
    buffer_text(&out, "        esac\n        words=\"$words");
    write_words(&out, cli_common_options);
    buffer_text(&out, "\"\n    elif [ \"$verb\" = describe ]; then\n"
                      "        words=$(winnow plugins --names 2>/dev/null)\n"
                      "    elif [ \"$verb\" = help ]; then\n        words=\"");
    for (uint32_t i = 0; commands[i]; i++)
        buffer_printf(&out, " %s", commands[i]->name);
    buffer_text(&out, "\"\n    fi\n    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n}\n"
                      "complete -o bashdefault -o default -F _winnow winnow\n");
    return cli_print(c, &out);
}

const struct command cmd_completion = {
    .name = "completion",
    .arguments = "bash",
    .summary = "print the shell's completion script",
    .details = "Put it where your shell looks, or try it with: eval \"$(winnow completion bash)\"",
    .minimum_arguments = 1,
    .maximum_arguments = 1,
    .run = run_completion,
};
