/* writer.h - the ledger's writer: a bounded queue, and one thread that commits what gathers in it. */
#ifndef WINNOW_LEDGER_WRITER_H
#define WINNOW_LEDGER_WRITER_H

#include "ledger/op.h"
#include "ledger/store.h"

struct writer;

/* store and run_dir must outlive the writer, which alone uses the store from now on. */
wn_status writer_create(struct store *store, const char *run_dir, struct writer **out, wn_error *err);
/* Commits what is queued and ends the thread; the first failure of all is returned. NULL is fine. */
wn_status writer_destroy(struct writer *w, wn_error *err);

/* Takes the op; waits while the queue is full. After a failed write it only returns that failure. op may be NULL, which
 * is WN_E_MEMORY. [any] */
wn_status writer_push(struct writer *w, struct op *op, wn_error *err);
/* Waits until everything pushed before is durable. [any] */
wn_status writer_flush(struct writer *w, wn_error *err);
wn_status writer_health(struct writer *w, wn_error *err); /* [any] */

#endif
