/* export.h - a run in the formats of other programs, made from its ledger. README.md beside this says what is in them.
 */
#ifndef WINNOW_EXPORT_EXPORT_H
#define WINNOW_EXPORT_EXPORT_H

#include "report/numbers.h"

#include "base/buffer.h"

enum export_format { EXPORT_JSONL = 1, EXPORT_CSV, EXPORT_HF, EXPORT_TENSORBOARD };

struct export
{
    const char *run_dir;
    const char *directory; /* made when absent; files of ours that are there are replaced */
    enum export_format format;
    bool with_images; /* tensorboard: the winners' pictures too */
};

enum export_format export_format_from(const char *name); /* 0 when unknown */

/* Writes the export; path[FILE_PATH_SIZE] = the file a reader opens (for EXPORT_HF, the folder). What is written is a
 * function of the run's results: equal runs give equal files, but for tensorboard's, which carries the time of the
 * run's start. Errors of data_load; WN_E_MISSING, WN_E_FORMAT for a picture that is not there or is none; WN_E_IO. */
wn_status export_run(const struct export *e, char *path, wn_error *err);

/* The parts: each appends one file's bytes. */
void export_csv(const struct data *d, struct buffer *out);
void export_metadata(const struct data *d, struct buffer *out); /* candidates with pictures only */
/* start: unix time in seconds, of every event. with_images reads pictures. */
wn_status export_events(const struct data *d, const struct numbers *n, double start, bool with_images,
                        struct buffer *out, wn_error *err);

#endif
