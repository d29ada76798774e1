/* feed.h - a thread that looks at a run's directory again and again, and keeps two things for a server: a snapshot of
 * how the run is now, and the last events on the way there.
 *
 * A look reads the ledger whole, in one transaction, as the report does, and compares it with the look before: what
 * is new becomes events. So nothing that winnow ever writes into a ledger is missed, whatever wrote it. A look happens
 * only when the ledger's files have changed, and never takes more than a tenth of one processor's time.
 *
 * Events are server-sent events, ready to be sent, numbered from 1; "EPOCH-NUMBER" is their id, the epoch being this
 * feed's alone. The last FEED_EVENTS are kept. */
#ifndef WINNOW_WATCH_FEED_H
#define WINNOW_WATCH_FEED_H

#include "watch/progress.h"

#include <stdatomic.h>

enum { FEED_EVENTS = 2048, FEED_EPOCH_SIZE = 17, FEED_NEWEST = 24 };

struct feed;

/* Never changed once it is published. */
struct snapshot {
    uint64_t version;  /* 1, 2, ... */
    struct data *data; /* NULL before the run began, or when it cannot be read */
    struct progress progress;
    struct buffer title; /* of the page: plain text */
    struct buffer line;  /* progress, or what is wrong: plain text */
    struct buffer parts; /* what changes on the page: HTML */
    atomic_int holders;
};

/* Starts the thread; the first look is over when this returns. run_dir need not exist. */
wn_status feed_create(const char *run_dir, struct feed **out, wn_error *err);
void feed_destroy(struct feed *f); /* NULL is fine; all snapshots must have been given back */

const char *feed_epoch(const struct feed *f);

/* The newest snapshot, until it is given back. [any] */
struct snapshot *feed_take(struct feed *f);
void feed_give_back(struct snapshot *s);

uint64_t feed_head(struct feed *f); /* the last event's number; 0 before any. [any] */

/* Appends the events after number *after that are still kept, 64 KiB of them or a little more, and moves *after on.
 * When some are no longer kept (or *after is a number that was never given), one "reset" event stands for all. [any] */
void feed_read(struct feed *f, uint64_t *after, struct buffer *out);

/* Appends what a client is told first: a "progress" event, with the number of the last event as its id. Returns that.
 * [any] */
uint64_t feed_hello(struct feed *f, struct buffer *out);

#endif
