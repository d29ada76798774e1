/* watch.h - `winnow watch`: a run's live page on 127.0.0.1. README.md beside this says what is answered and what not.
 */
#ifndef WINNOW_WATCH_WATCH_H
#define WINNOW_WATCH_WATCH_H

#include <winnow/plugin.h>

#include <stdatomic.h>

struct watch {
    const char *run_dir; /* need not exist yet */
    uint16_t port;       /* 0: the system chooses one */
    atomic_int *cancelled;
    /* Called once, when the page is there; url lives until it returns. */
    void (*ready)(void *arg, const char *url);
    void *arg;
};

/* Serves until *cancelled. WN_E_ARG when the port is taken; WN_E_IO, WN_E_MEMORY. */
wn_status watch_run(const struct watch *w, wn_error *err);

#endif
