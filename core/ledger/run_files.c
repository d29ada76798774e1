/* Each file is replaced as a whole, so a run that is started again and killed at once leaves the old or the new one. */
#include "ledger/run_files.h"

#include "base/files.h"
#include "base/pool.h"
#include "ledger/manifest.h"

#include <string.h>

enum { MAX_DEVICES = 64 };

static wn_status write_text(const struct spec *spec, const char *name, const char *text, wn_error *err)
{
    char path[FILE_PATH_SIZE];
    if (!text)
        return WN_OK; /* a spec that was built by a program */
    WN_TRY(path_join(path, spec->output, name, err));
    return file_write(path, text, strlen(text), err);
}

wn_status run_files_write(const struct spec *spec, const struct instances *instances, struct process *process,
                          wn_error *err)
{
    wn_device_info devices[MAX_DEVICES];
    struct manifest_start start = {
        .spec = spec,
        .instances = instances,
        .devices = devices,
        .threads = process->pool ? pool_threads(process->pool) : 1,
        .hash_weights = process->hash_weights,
        .process = process,
    };
    while (start.device_count < MAX_DEVICES &&
           instances_device(instances, start.device_count, &devices[start.device_count]))
        start.device_count++;
    WN_TRY(write_text(spec, "spec.json", spec->text, err));
    WN_TRY(write_text(spec, "spec.resolved.json", spec->resolved, err));
    return manifest_append(spec->output, &start, err);
}
