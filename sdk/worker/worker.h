/* worker.h - a program in another process that answers requests, kept alive.
 *
 * A worker may end, crash, hang or write nonsense at any moment. All of these are one to those who ask it: the process
 * is killed, started anew, told who it is, and asked again. What it answers, be it an error, is final. How often one
 * request may cost a process its life is bounded, and so is how often processes may die without any answer.
 *
 * What a worker writes to its standard error goes to the host's log, line by line.
 *
 * Threads: [serial], like the instance that it stands for.
 */
#ifndef WINNOW_WORKER_WORKER_H
#define WINNOW_WORKER_WORKER_H

#include "message.h"

enum { WN_WORKER_PROTOCOL = 0, WN_WORKER_MAX_TEXT = 1 << 20 /* of an answer */ };

struct wn_worker;

struct wn_worker_setup {
    const wn_host *host;
    const char *name;        /* for messages */
    const char *const *argv; /* ends with NULL; valid until wn_worker_stop, as all strings here */
    const char *modules;     /* a directory in which Python programs find modules; NULL = none */
    const char *kind;        /* "verifier", "sampler", "search" */
    const char *options;     /* a JSON object: what the spec gives the program */
    double start_s;          /* the longest silence before it is ready */
    double answer_s;         /* the longest silence on a request */
    uint64_t attempts;       /* processes that one request may cost */
    /* Called after each start but the first, to tell the new process what the old one knew. May be NULL. */
    wn_status (*restarted)(void *arg, struct wn_worker *worker, wn_error *err);
    void *arg;
};

/* Starts the program, waits until it is ready, and tells the host of the files that it names. [setup] */
wn_status wn_worker_start(const struct wn_worker_setup *setup, struct wn_worker **out, wn_error *err);
void wn_worker_stop(struct wn_worker *w);       /* NULL is fine */
int wn_worker_is_up(const struct wn_worker *w); /* whether a process is there that can be asked */

/* What the first process said of itself; valid until wn_worker_stop. */
const cJSON *wn_worker_ready(const struct wn_worker *w);

/* Memory of `bytes` that both processes see, for a request with "shared": bytes; valid until the next call. NULL where
 * the program takes no part in it, or there is none to be had: the pixels then travel in the frame. */
void *wn_worker_share(struct wn_worker *w, uint64_t bytes);

/* One request and the answer that it calls for. */
struct wn_request {
    cJSON *message; /* stays the caller's; the worker puts "id" into it */
    const struct wn_part *parts;
    uint64_t part_count;
    const char *answer;    /* the op of the answer */
    uint64_t answer_bytes; /* its data, exactly */
    void *data;            /* [answer_bytes], out; untouched on failure. May be NULL where that is 0 */
};

wn_status wn_worker_ask(struct wn_worker *w, const struct wn_request *request, wn_error *err);

/* The same, to the process that is there: its end is an error. For `restarted`. */
wn_status wn_worker_ask_once(struct wn_worker *w, const struct wn_request *request, wn_error *err);

/* ---- conversations in which the worker asks: searches ----
 *
 *     for (attempt = 1;; attempt++) {
 *         status = wn_worker_up(...) and then send, receive, send, ...
 *         if (status == WN_OK || !wn_worker_lost(w, attempt, err)) return status;
 *     }
 */

/* A process that is ready: the one there, or a new one. */
wn_status wn_worker_up(struct wn_worker *w, wn_error *err);
wn_status wn_worker_send(struct wn_worker *w, const cJSON *message, const struct wn_part *parts, uint64_t part_count,
                         wn_error *err);
/* The next frame but for log lines, with its text parsed. Frees are the caller's: cJSON_Delete and wn_frame_free. */
wn_status wn_worker_receive(struct wn_worker *w, struct wn_frame_limits limits, cJSON **message, struct wn_frame *frame,
                            wn_error *err);
/* The error that an {"op": "error"} says; one that is not well formed breaks the protocol. */
wn_status wn_worker_refused(struct wn_worker *w, const cJSON *message, wn_error *err);
/* The process broke the protocol: what wn_worker_lost is to say of it. Returns WN_E_FORMAT. */
WN_PRINTF(3, 4) wn_status wn_worker_broken(struct wn_worker *w, wn_error *err, const char *format, ...);
/* After a failure. 1: the process is gone and another attempt is in order. 0: the failure is final, err is complete. */
int wn_worker_lost(struct wn_worker *w, uint64_t attempt, wn_error *err);
/* It has done what it was asked. */
void wn_worker_praise(struct wn_worker *w);

#endif
