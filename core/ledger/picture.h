/* picture.h - reads a picture that a ledger names. A run's directory may be a stranger's: what its ledger calls a
 * picture is opened only where it lies in the directory, on a way without links, and is a PNG. [any] */
#ifndef WINNOW_LEDGER_PICTURE_H
#define WINNOW_LEDGER_PICTURE_H

#include "base/buffer.h"

enum { PICTURE_MAX_BYTES = 64 << 20 };

/* Appends the file. image: relative to run_dir. WN_E_MISSING when there is no such file, WN_E_FORMAT when it is
 * something else than a PNG of at most PICTURE_MAX_BYTES inside the directory. */
wn_status picture_read(const char *run_dir, const char *image, struct buffer *out, wn_error *err);

#endif
