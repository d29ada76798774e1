/* serve.h - the other side: a program that offers a verifier to the winnow that started it. */
#ifndef WINNOW_WORKER_SERVE_H
#define WINNOW_WORKER_SERVE_H

#include "message.h"

struct wn_service;

/* What the program is. open: makes the verifier of the options that the hello brings; *verifier and *self stay valid
 * until close, as do the files[file_count] that it uses. */
struct wn_service_maker {
    wn_status (*open)(void *arg, const cJSON *options, struct wn_service *service, wn_error *err);
    void (*close)(void *arg);
    void *arg;
};

struct wn_service {
    const char *name;
    const char *version;
    const wn_verifier *verifier; /* as this instance is */
    void *self;
    const char *const *files;
    uint64_t file_count;
};

/* Serves on standard input and output until the other side goes away (WN_OK). Standard output is redirected to standard
 * error first and standard input to nothing, so that nobody writes or reads between the frames. */
wn_status wn_serve_verifier(const struct wn_service_maker *maker, wn_error *err);

/* A line for the log of the other side. [any], while wn_serve_verifier runs */
void wn_serve_log(int32_t level, const char *line);
/* How far a long setup is, as wn_host.progress; arg is not looked at. [any] */
void wn_serve_progress(void *arg, double done, double total, const char *what);

#endif
