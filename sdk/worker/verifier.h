/* verifier.h - a verifier whose work is done by a worker: one that the user wrote, or a plugin that is kept apart. */
#ifndef WINNOW_WORKER_VERIFIER_H
#define WINNOW_WORKER_VERIFIER_H

#include "worker.h"

struct wn_worker_verifier;

/* Starts the worker, and reads what it measures. The host is told of the files that it names. [setup] */
wn_status wn_worker_verifier_open(const struct wn_worker_setup *setup, struct wn_worker_verifier **out, wn_error *err);
void wn_worker_verifier_close(struct wn_worker_verifier *v); /* NULL is fine */

/* As in wn_verifier; self is a struct wn_worker_verifier. */
wn_status wn_worker_verifier_describe(void *self, wn_verifier_info *info, wn_error *err);
wn_status wn_worker_verifier_score(void *self, const wn_score_request *request, wn_error *err);

#endif
