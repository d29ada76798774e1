/* signals.c - the handler touches one lock-free atomic and, at the second wish, nothing at all. */
#include "cli/signals.h"

#include <signal.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

/* Tools like timeout and batch systems send the same signal to the process and to its group: that is one wish. */
#define SECONDS_BETWEEN_WISHES 0.5

static atomic_int *cancelled_flag;
static double first_seconds;

static double now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void handle(int signal_number)
{
    if (!atomic_exchange(cancelled_flag, 1))
        first_seconds = now_seconds();
    else if (now_seconds() - first_seconds > SECONDS_BETWEEN_WISHES)
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
    sigaction(SIGXFSZ, &ignore, NULL); /* a file-size limit shows as a failed write */
    sigaction(SIGXFSZ, &ignore, NULL); /* a file size limit is an error of write, as a full disk is */
}
