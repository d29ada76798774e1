/* signals.c - the handler touches one lock-free atomic and, at the second signal, nothing at all. */
#include "cli/signals.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static atomic_int *cancelled_flag;

static void handle(int signal_number)
{
    if (atomic_exchange(cancelled_flag, 1))
        _exit(128 + signal_number);
}

void signals_install(atomic_int *cancelled)
{
    cancelled_flag = cancelled;
    struct sigaction action = { .sa_handler = handle, .sa_flags = SA_RESTART };
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    sigemptyset(&ignore.sa_mask);
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGXFSZ, &ignore, NULL); /* a file size limit is an error of write, as a full disk is */
}
