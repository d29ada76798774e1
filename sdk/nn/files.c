/* files.c - a handful of paths, so the array grows by one. */
#include "files.h"

#include <stdlib.h>

wn_status nn_files_add(nn_files *f, const char *folder, const char *name, wn_error *err)
{
    char **grown = realloc(f->path, (f->count + 1) * sizeof *grown);
    if (grown)
        f->path = grown;
    if (!grown || asprintf(&grown[f->count], "%s%s%s", folder, *name ? "/" : "", name) < 0)
        return wn_fail(err, WN_E_MEMORY, "no memory for the path of %s", *name ? name : folder);
    f->count++;
    return WN_OK;
}

void nn_files_finish(nn_files *f)
{
    for (uint64_t i = 0; i < f->count; i++)
        free(f->path[i]);
    free(f->path);
    *f = (nn_files){ 0 };
}
