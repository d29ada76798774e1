/* cli.c - what subcommands share: the registry, the pool, loading a spec, saying what is wrong. */
#include "cli/cli.h"

#include "base/plain.h"
#include "base/pool.h"
#include "cli/signals.h"
#include "cli/sweep.h"
#include "cli/terminal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SETS = 256 };

static void print_error(const char *message)
{
    char line[1200], plain[1150];
    bool colour = terminal_has_colour(stderr);
    plain_copy(plain, sizeof plain, message, 1);
    snprintf(line, sizeof line, "winnow: %s%s%s", colour ? "\x1b[31m" : "", plain, colour ? "\x1b[0m" : "");
    terminal_message(line);
}

int cli_fail(struct cli *c, wn_status status, const wn_error *err)
{
    (void)c;
    print_error(err->message);
    return exit_code_of(status);
}

int cli_usage(struct cli *c, const char *format, ...)
{
    char message[900], line[1100];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    bool has_hint = *message && message[strlen(message) - 1] == '?'; /* "did you mean" is help enough */
    snprintf(line, sizeof line, "%s; see `winnow help%s%s`", message, c->command ? " " : "",
             c->command ? c->command->name : "");
    print_error(has_hint ? message : line);
    return EXIT_USAGE;
}

int cli_print(struct cli *c, struct buffer *text)
{
    wn_error err = { 0 };
    wn_status status = buffer_status(text, "output", &err);
    fflush(stdout);
    if (!status && (fwrite(buffer_string(text), 1, text->size, stdout) != text->size || fflush(stdout) != 0))
        status = wn_fail(&err, WN_E_IO, "cannot write to standard output: %s", strerror(errno));
    buffer_free(text);
    return status ? cli_fail(c, status, &err) : EXIT_FINE;
}

struct registry *cli_registry(struct cli *c)
{
    wn_error err = { 0 };
    if (!c->process.registry &&
        registry_create(cli_value(c, "plugin-dir", NULL), &c->process.registry, &err) != WN_OK)
        cli_fail(c, err.code, &err);
    return c->process.registry;
}

struct process *cli_process(struct cli *c, uint32_t threads)
{
    if (!cli_registry(c))
        return NULL;
    if (!c->process.pool && !(c->process.pool = pool_create(threads))) {
        print_error("no memory or threads for the thread pool");
        return NULL;
    }
    c->process.progress = terminal_setup_progress;
    signals_install(&c->process.cancelled);
    return &c->process;
}

/* Prints what is wrong with a spec; frees the report. */
static int finish_load(wn_status status, char *report, const wn_error *err)
{
    if (status && report && *report) {
        report[strlen(report) - 1] = '\0'; /* terminal_message ends the line */
        struct buffer plain = BUFFER_INIT(1 << 26);
        plain_text(&plain, report, 1);
        terminal_message(buffer_string(&plain));
        buffer_free(&plain);
    } else if (status) {
        print_error(err->message);
    }
    free(report);
    return exit_code_of(status);
}

int cli_load_spec(struct cli *c, const struct spec_request *request, struct spec **spec)
{
    const char *sets[MAX_SETS];
    struct spec_request full = *request;
    wn_error err = { 0 };
    char *report;
    *spec = NULL;
    if (!cli_registry(c))
        return EXIT_FAILED;
    if (!full.set_count) {
        full.set_count = cli_values(c, "set", sets, MAX_SETS);
        full.set = sets;
    }
    wn_status status = spec_load(&full, c->process.registry, spec, &report, &err);
    return finish_load(status, report, &err);
}

int cli_load_sweep(struct cli *c, const struct spec_request *request, struct sweep **sweep)
{
    wn_error err = { 0 };
    char *report = NULL;
    *sweep = NULL;
    if (!cli_registry(c))
        return EXIT_FAILED;
    const wn_status status = sweep_load(request, c->process.registry, sweep, &report, &err);
    return finish_load(status, report, &err);
}

const char *cli_bytes(double bytes, char text[32])
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    int unit = 0;
    for (; bytes >= 1024 && unit < 4; bytes /= 1024)
        unit++;
    snprintf(text, 32, bytes < 10 && unit ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
    return text;
}
