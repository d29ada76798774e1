/* reuse.h - what a run finds in the cache that its spec names, and leaves there: pictures of candidates, and scores.
 *
 * A picture's key: the candidate's id, and all else that its bits depend on: the sampler's build, options, files (by
 * size and time) and devices, winnow's commit, and the points of the previews that verifiers look at. A score's key:
 * the picture's, the verifier's identity and the prompt's whole record. Verifiers that compare are always asked.
 * Whoever computes otherwise has another key, so nothing has to be invalidated.
 *
 * What is found costs the search's budget what it cost when it was computed, seconds too: results do not depend on what
 * a cache holds.
 *
 * Searches that run side by side may want one candidate at one time. Whoever is first to ask claims it, and the others
 * wait until it is kept, or was given up: then one of them makes it. Nobody waits who has a claim that needs him: all
 * that a call wants is claimed together, when nobody else makes any of it, and from then on is made without him. Other
 * processes are not waited for: what two of them want at one time, both sample.
 */
#ifndef WINNOW_ENGINE_REUSE_H
#define WINNOW_ENGINE_REUSE_H

#include "engine/engine.h"

struct claim;
struct job;
struct reuse;

/* A candidate that is wanted. */
struct wish {
    const char *candidate;
    const wn_canvas *canvas; /* that it is on */
    bool is_finished;
    bool is_known;       /* out: its picture seems to be there */
    struct claim *claim; /* out, where it is not: to be released once. NULL: nobody could be told, for want of memory */
    struct wish *next;
};

/* *out is NULL where the spec names no cache. After the engine's columns are made. */
wn_status reuse_create(struct engine *e, struct reuse **out, wn_error *err);
void reuse_destroy(struct reuse *r); /* NULL is fine */

/* All of these: NULL knows and keeps nothing. [any] */

/* Whether the candidate's picture, of that canvas, seems to be there; never waits. */
bool reuse_knows(struct reuse *r, const char *candidate, const wn_canvas *canvas, bool is_finished);
/* Looks for different candidates, and claims those that are not there; waits while others make one of them. The caller
 * has no part in making what it has claimed before. */
void reuse_ask(struct reuse *r, struct wish *first);
/* The candidate is kept, or will not be. NULL is fine. */
void reuse_release(struct reuse *r, struct claim *claim);
/* Fills the job's image, seconds and the scores that are known. False: it must be sampled after all. */
bool reuse_load(struct reuse *r, struct job *job);
/* Leaves what the job has and the cache has not. Before its scores are handed on. */
void reuse_keep(struct reuse *r, const struct job *job);

#endif
