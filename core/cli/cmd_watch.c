/* cmd_watch.c - a live page on a run. */
#include "cli/commands.h"

#include "base/files.h"
#include "cli/signals.h"
#include "cli/terminal.h"

#ifdef WINNOW_HAVE_MHD
#include "watch/watch.h"

/* For programs that start this one, the URL alone is on stdout. */
static void say(void *arg, const char *url)
{
    const struct cli *c = arg;
    printf("%s\n", url);
    fflush(stdout);
    if (!cli_flag(c, "quiet"))
        terminal_message("Ctrl-C ends it.");
}

static int run(struct cli *c)
{
    uint64_t port = 0;
    wn_error err = { 0 };
    if (!cli_u64(c, "port", 0, 65535, &port))
        return EXIT_USAGE;
    signals_install(&c->process.cancelled);
    const struct watch w = {
        .run_dir = c->arguments[0], .port = (uint16_t)port, .cancelled = &c->process.cancelled, .ready = say, .arg = c
    };
    const wn_status status = watch_run(&w, &err);
    return status == WN_OK ? EXIT_FINE : cli_fail(c, status, &err);
}
#else
static int run(struct cli *c)
{
    wn_error err;
    return cli_fail(c,
                    wn_fail(&err, WN_E_UNSUPPORTED,
                            "this winnow was built without libmicrohttpd, so it cannot serve a "
                            "page; install libmicrohttpd-dev and build it again, or use `winnow report %s`",
                            c->arguments[0]),
                    &err);
}
#endif

static const struct cli_option options[] = {
    { "port", 'p', "N", "listen there; 0, or none given: any free one" },
    { NULL, 0, NULL, NULL },
};

const struct command cmd_watch = {
    .name = "watch",
    .arguments = "RUN",
    .summary = "show a run as it goes, on a page in your browser",
    .details = "Prints the page's address, on 127.0.0.1. RUN may have ended, or not have begun. The page only\n"
               "shows: nothing can be changed through it. Everybody who has an account on this machine can see it.",
    .options = options,
    .minimum_arguments = 1,
    .maximum_arguments = 1,
    .run = run,
};
