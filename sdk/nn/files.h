/* files.h - the list of files that something was read from: who opens a file notes it, and manifests and model keys need
 * no list of names of their own.
 */
#ifndef WINNOW_NN_FILES_H
#define WINNOW_NN_FILES_H

#include "nn.h"

/* All zero is the empty list. Paths are owned by it. */
typedef struct nn_files {
    char **path; /* [count] */
    uint64_t count;
} nn_files;

/* Appends folder/name, or folder itself when name is "". [serial] */
NN_API wn_status nn_files_add(nn_files *f, const char *folder, const char *name, wn_error *err);
NN_API void nn_files_finish(nn_files *f);

#endif
