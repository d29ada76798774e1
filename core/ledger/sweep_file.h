/* sweep_file.h - SWEEP/sweep.json: which folders of a sweep's output are its points, and which of them are done.
 *
 *     { "format": 1, "name": ..., "points": [ { "id": HASH, "folder": ..., "name": ..., "state": "open|done|failed" } ]
 * }
 *
 * It is written whole at every change. Folders that the sweep once had and that no longer stand in it stay on disk and
 * come back when their points do: a folder's name ends with the id.
 */
#ifndef WINNOW_LEDGER_SWEEP_FILE_H
#define WINNOW_LEDGER_SWEEP_FILE_H

#include <winnow/plugin.h>

#include <stdbool.h>

struct arena;

enum sweep_state { SWEEP_OPEN = 1, SWEEP_DONE, SWEEP_FAILED };

struct sweep_entry {
    const char *id;
    const char *folder; /* a plain name */
    const char *name;
    int32_t state; /* enum sweep_state */
};

struct sweep_file {
    const char *name;
    struct sweep_entry *entries;
    uint64_t count;
};

const char *sweep_state_name(int32_t state);

bool sweep_file_exists(const char *directory);
/* No file is no entry. WN_E_FORMAT when it is not what winnow writes. Everything in the arena. */
wn_status sweep_file_read(const char *directory, struct arena *memory, struct sweep_file *file, wn_error *err);
/* The entry with an id; NULL when there is none. */
const struct sweep_entry *sweep_file_find(const struct sweep_file *file, const char *id);
wn_status sweep_file_write(const char *directory, const struct sweep_file *file, wn_error *err);

/* The folder in `directory` whose name ends with "-" and the id's first `digits` digits, copied into the arena; NULL
 * when there is none. */
const char *sweep_find_folder(const char *directory, const char *id, uint32_t digits, struct arena *memory);

#endif
