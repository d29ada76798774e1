/* recorder.h - the thread that writes candidates down: PNG with recipe, scores, lineage, into the ledger. */
#ifndef WINNOW_ENGINE_RECORDER_H
#define WINNOW_ENGINE_RECORDER_H

#include "engine/engine.h"

struct job;

wn_status recorder_create(struct engine *e, struct recorder **out, wn_error *err);
void recorder_destroy(struct recorder *r);               /* NULL is fine; writes what is queued first */
void recorder_push(struct recorder *r, struct job *job); /* the job is the recorder's now. [any] */

#endif
