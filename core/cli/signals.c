/* signals.c - the handler touches lock-free atomics and, at the second wish, nothing at all. */
#include "cli/signals.h"

#include "base/clock.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

/* Tools like timeout and batch systems send the same signal to the process and to its group: that is one wish. */
#define SECONDS_BETWEEN_WISHES 0.5

static atomic_int *cancelled_flag;
static atomic_llong first_ms; /* when the first wish came; 0 = none yet */

/* The time is there before anybody can see that a wish is: two signals at once are one wish on every thread. */
static void handle(int signal_number)
{
    long long now_ms = (long long)(clock_seconds() * 1000) + 1, before_ms = 0;
    bool is_first = atomic_compare_exchange_strong(&first_ms, &before_ms, now_ms);
    atomic_store(cancelled_flag, 1);
    if (!is_first && (double)(now_ms - before_ms) > SECONDS_BETWEEN_WISHES * 1000)
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
