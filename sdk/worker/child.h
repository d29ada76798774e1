/* child.h - a program in a process of its own: started with a socket as its standard input and output, and ended for
 * certain.
 *
 * The child leads a process group, so that what it starts ends with it and a Ctrl-C in the terminal does not reach it:
 * its end is the host's to decide. When the host dies the child reads the end of its standard input.
 */
#ifndef WINNOW_WORKER_CHILD_H
#define WINNOW_WORKER_CHILD_H

#include <winnow/plugin.h>

#include <sys/types.h>

enum { WN_CHILD_SHARED_FD = 3 }; /* where the child finds memory that it shares with the host */

struct wn_child {
    pid_t pid;  /* 0 = none */
    int socket; /* its standard input and output; does not block */
    int errors; /* its standard error; does not block */
};

#define WN_CHILD_NONE                                                                                                  \
    {                                                                                                                  \
        0, -1, -1                                                                                                      \
    }

/* Starts argv[0] (looked for on PATH) with the environment `env`. shared: descriptor that the child gets as
 * WN_CHILD_SHARED_FD, or -1; it inherits no other. WN_E_MISSING: there is no such program. */
wn_status wn_child_start(struct wn_child *c, char *const *argv, char *const *env, int shared, wn_error *err);

/* Kills the group, reaps the child, and says how it ended ("ended with status 1", "died of signal 11, Segmentation
 * fault"). A child that is ending by itself is given half a second to do so where patient. */
void wn_child_kill(struct wn_child *c, int is_patient, char *how, uint64_t how_size);
void wn_child_close(struct wn_child *c); /* its descriptors, once it is killed */

#endif
