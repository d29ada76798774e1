/* store.h - the SQLite side of the ledger. [serial]: one thread at a time. */
#ifndef WINNOW_LEDGER_STORE_H
#define WINNOW_LEDGER_STORE_H

#include "ledger/index.h"
#include "ledger/op.h"

struct store;

/* Opens or makes the database and checks that it is a ledger of spec_hash. */
wn_status store_open(const char *path, const char *spec_hash, struct store **out, wn_error *err);
/* The database of a run, for store_load alone. */
wn_status store_open_reading(const char *run_dir, struct store **out, wn_error *err);
/* Checkpoints and closes. NULL is fine. */
wn_status store_close(struct store *s, wn_error *err);

/* Everything recorded, into the index. */
wn_status store_load(struct store *s, struct index *index, wn_error *err);

/* A group: begin, apply what belongs together, commit. Durable when commit returns. On failure the group is undone. */
wn_status store_begin(struct store *s, wn_error *err);
wn_status store_apply(struct store *s, const struct op *op, wn_error *err);
wn_status store_commit(struct store *s, wn_error *err);
void store_undo(struct store *s);

#endif
