/* lock.h - one writer for a run directory. */
#ifndef WINNOW_LEDGER_LOCK_H
#define WINNOW_LEDGER_LOCK_H

#include <winnow/plugin.h>

#include <stdbool.h>

/* Takes run_dir/lock, which exists as long as *fd is open: a process that dies gives it up. WN_E_ARG names the holder.
 */
wn_status lock_take(const char *run_dir, int *fd, wn_error *err);
void lock_release(int fd); /* -1 is fine */

/* Whether somebody writes the run now. Takes nothing. */
bool lock_is_held(const char *run_dir);

#endif
