/* placing.h - puts the pictures of a group of writes on disk, before the rows that name them are committed.
 *
 * A sync costs the same for one picture and for a thousand, so a group is written under its names and made durable
 * by one syncfs. That is so where the kernel's own file systems keep a run; on any other, and where the one sync fails,
 * each picture is synced by itself. One thread at a time. */
#ifndef WINNOW_LEDGER_PLACING_H
#define WINNOW_LEDGER_PLACING_H

#include "ledger/op.h"

struct placing {
    const char *run_dir;
    int images; /* open on its folder of them; -1 = cannot be */
    bool syncs_at_once;
};

/* run_dir: exists with its folder images, and lives as long. Cannot fail: what is not known to sync at once syncs each.
 */
struct placing placing_open(const char *run_dir);
void placing_close(struct placing *p);

/* When it returns WN_OK, every picture of the group is durable under its name, in the folder that was opened: WN_E_IO
 * when another lies there by now, or none. Whatever fails or dies, a picture that a committed row names is whole.
 * Errors: those of file_write. */
wn_status placing_do(const struct placing *p, const struct op *group, wn_error *err);

#endif
