/* program.h - what a spec says of a program that the user brings: the options that the worker plugins of all kinds
 * have.
 *
 *     "options": { "script": "brightness.py", "options": { "weight": 2 } }
 */
#ifndef WINNOW_WORKER_PROGRAM_H
#define WINNOW_WORKER_PROGRAM_H

#include "worker.h"

struct wn_program_options {
    const char *script;
    const char *command;
    const char *options;
    double patience_s;
    double start_s;
    int64_t attempts;
};

extern const wn_option wn_program_table[]; /* of struct wn_program_options */

struct wn_program {
    struct wn_worker_setup setup; /* ready for wn_worker_start; valid until wn_program_free */
    cJSON *command;
    const char **argv;
    char script[4096];
};

/* Resolves the script, tells the host of it, and lays out the command line: `command`, then the script. [setup] */
wn_status wn_program_init(struct wn_program *p, const wn_host *host, const struct wn_program_options *options,
                          const char *kind, wn_error *err);
void wn_program_free(struct wn_program *p); /* a zeroed one is fine */

#endif
