/* export.c - which files an export is made of, and where they go. */
#include "export/export.h"

#include "base/files.h"
#include "ledger/picture.h"
#include "report/results.h"

#include <cjson/cJSON.h>
#include <string.h>
#include <time.h>

enum { EXPORT_MAX = 1 << 30 };

static const char *const format_names[] = {
    [EXPORT_JSONL] = "jsonl", [EXPORT_CSV] = "csv", [EXPORT_HF] = "hf", [EXPORT_TENSORBOARD] = "tensorboard"
};

enum export_format export_format_from(const char *name)
{
    for (int i = EXPORT_JSONL; i <= EXPORT_TENSORBOARD; i++)
        if (strcmp(name, format_names[i]) == 0)
            return (enum export_format)i;
    return 0;
}

static wn_status place(const struct export *e, const char *name, const struct buffer *b, char *path, wn_error *err)
{
    WN_TRY(path_join(path, e->directory, name, err));
    return file_write_buffer(e->directory, name, b, err);
}

/* ---- hf: pictures first, so that what metadata.jsonl names is there ---- */

static wn_status copy_picture(const struct export *e, const struct data_candidate *c, wn_error *err)
{
    char path[FILE_PATH_SIZE], directory[FILE_PATH_SIZE];
    struct buffer b = BUFFER_INIT(PICTURE_MAX_BYTES);
    wn_status status = picture_read(e->run_dir, c->image, &b, err);
    if (status == WN_OK)
        status = path_join_inside(path, e->directory, c->image, err);
    if (status == WN_OK) {
        path_directory(directory, path);
        status = dir_make(directory, err);
    }
    if (status == WN_OK)
        status = file_place(path, b.data, b.size, err);
    buffer_free(&b);
    return status;
}

static wn_status write_folder(const struct export *e, const struct data *d, struct buffer *b, char *path, wn_error *err)
{
    for (uint64_t i = 0; i < d->trial_count; i++)
        for (uint64_t k = 0; k < d->trials[i].candidate_count; k++)
            if (d->trials[i].candidates[k].image[0])
                WN_TRY(copy_picture(e, &d->trials[i].candidates[k], err));
    export_metadata(d, b);
    if (b->size == 0 && !b->failed)
        return wn_fail(err, WN_E_MISSING,
                       "%s has no pictures (engine.save_images): there is nothing to show; "
                       "--format csv has the scores",
                       e->run_dir);
    WN_TRY(place(e, "metadata.jsonl", b, path, err));
    return path_join(path, "", e->directory, err);
}

/* ---- tensorboard ---- */

/* When the run was first started; 0 when its manifest does not say. */
static double start_of(const struct data *d)
{
    struct tm at = { 0 };
    cJSON *manifest = cJSON_Parse(d->manifest);
    const cJSON *first = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(manifest, "starts"), 0);
    const char *time = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(first, "time"));
    const char *end = time ? strptime(time, "%Y-%m-%dT%H:%M:%SZ", &at) : NULL;
    const double seconds = end ? (double)timegm(&at) : 0;
    cJSON_Delete(manifest);
    return seconds;
}

static wn_status write_events(const struct export *e, const struct data *d, struct buffer *b, char *path, wn_error *err)
{
    struct numbers *n = NULL;
    WN_TRY(numbers_compute(d, &n, err));
    wn_status status = export_events(d, n, start_of(d), e->with_images, b, err);
    numbers_free(n);
    /* TensorBoard reads every file with "tfevents" in its name: one name, so that a new export takes the old one's
     * place. */
    return status ? status : place(e, "events.out.tfevents.winnow", b, path, err);
}

/* ---- all ---- */

static wn_status write_format(const struct export *e, const struct data *d, struct buffer *b, char *path, wn_error *err)
{
    WN_TRY(dir_make(e->directory, err));
    switch (e->format) {
    case EXPORT_JSONL:
        results_lines(d, b);
        return place(e, "results.jsonl", b, path, err);
    case EXPORT_CSV:
        export_csv(d, b);
        return place(e, "results.csv", b, path, err);
    case EXPORT_HF:
        return write_folder(e, d, b, path, err);
    case EXPORT_TENSORBOARD:
        return write_events(e, d, b, path, err);
    default:
        return wn_fail(err, WN_E_INTERNAL, "no export format %d", (int)e->format);
    }
}

wn_status export_run(const struct export *e, char *path, wn_error *err)
{
    struct buffer b = BUFFER_INIT(EXPORT_MAX);
    struct data *d = NULL;
    WN_TRY(data_load(e->run_dir, &d, err));
    const wn_status status = write_format(e, d, &b, path, err);
    buffer_free(&b);
    data_free(d);
    return status;
}
