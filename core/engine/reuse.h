/* reuse.h - what a run finds in the cache that its spec names, and leaves there: pictures of candidates, and scores.
 *
 * A picture's key: the candidate's id, and all else that its bits depend on: the sampler's build, options, files (by
 * size and time) and devices, winnow's commit, and the points of the previews that verifiers look at. A score's key:
 * the picture's, the verifier's identity and the prompt's whole record. Verifiers that compare are always asked.
 * Whoever computes otherwise has another key, so nothing has to be invalidated.
 *
 * What is found costs the search's budget what it cost when it was computed, seconds too: results do not depend on what
 * a cache holds.
 */
#ifndef WINNOW_ENGINE_REUSE_H
#define WINNOW_ENGINE_REUSE_H

#include "engine/engine.h"

struct job;
struct reuse;

/* *out is NULL where the spec names no cache. After the engine's columns are made. */
wn_status reuse_create(struct engine *e, struct reuse **out, wn_error *err);
void reuse_destroy(struct reuse *r); /* NULL is fine */

/* All of these: NULL knows and keeps nothing. [any] */

/* Whether the candidate's picture, of that canvas, seems to be there. */
bool reuse_knows(struct reuse *r, const char *candidate, const wn_canvas *canvas, bool is_finished);
/* Fills the job's image, seconds and the scores that are known. False: it must be sampled after all. */
bool reuse_load(struct reuse *r, struct job *job);
/* Leaves what the job has and the cache has not. Before its scores are handed on. */
void reuse_keep(struct reuse *r, const struct job *job);

#endif
