/* The one sync comes last, when all names are in place: a crash before it may leave a name with nothing or half a
 * picture behind it, which no row knows, and which the next start writes again. A name that is there already may be
 * known to a row, and so never loses what is behind it: file_lay syncs its picture and renames it. */
#include "ledger/placing.h"

#include "base/files.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Fewer are synced each: syncfs also waits for what others write on the same disk. */
enum { SYNC_TOGETHER_MIN = 4 };

#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342 /* newer than some systems' headers */
#endif

/* Those of which it is known that syncfs returns when the data are durable, and reports what could not be written. A
 * FUSE server, for one, is not even told. */
static bool syncs_at_once(const char *path)
{
    struct statfs fs;
    if (statfs(path, &fs) != 0)
        return false;
    switch ((unsigned long)fs.f_type) {
    case EXT4_SUPER_MAGIC:
    case XFS_SUPER_MAGIC:
    case BTRFS_SUPER_MAGIC:
    case F2FS_SUPER_MAGIC:
    case TMPFS_MAGIC:
        return true;
    default:
        return false;
    }
}

struct placing placing_open(const char *run_dir)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    char images[FILE_PATH_SIZE]; /* which may lie on another disk than the ledger */
    wn_error ignored;
    const bool at_once = path_join(images, run_dir, "images", &ignored) == WN_OK && syncs_at_once(images);
    return (struct placing){ .run_dir = run_dir, .disk = at_once ? open(images, flags) : -1 };
}

void placing_close(struct placing *p)
{
    if (p->disk >= 0)
        close(p->disk);
    p->disk = -1;
}

static bool has_picture(const struct op *op)
{
    return op->kind == OP_CANDIDATE && op->candidate.png;
}

/* ---- together ---- */

static wn_status lay_one(const struct placing *p, const struct op *op, char *made, wn_error *err)
{
    char path[FILE_PATH_SIZE], directory[FILE_PATH_SIZE];
    WN_TRY(path_join(path, p->run_dir, op->candidate.image, err));
    path_directory(directory, path);
    if (strcmp(directory, made) != 0) {
        WN_TRY(dir_make(directory, err));
        memcpy(made, directory, sizeof directory);
    }
    return file_lay(path, op->candidate.png, op->candidate.png_bytes, err);
}

/* What may have failed is left to be told by placing each. */
static bool place_together(const struct placing *p, const struct op *group)
{
    char made[FILE_PATH_SIZE] = "";
    wn_error ignored;
    for (const struct op *op = group; op; op = op->next)
        if (has_picture(op) && lay_one(p, op, made, &ignored) != WN_OK)
            return false;
    return syncfs(p->disk) == 0;
}

/* ---- each by itself ---- */

static wn_status place_one(const struct placing *p, const struct op *op, char *synced, wn_error *err)
{
    char path[FILE_PATH_SIZE], directory[FILE_PATH_SIZE];
    WN_TRY(path_join(path, p->run_dir, op->candidate.image, err));
    path_directory(directory, path);
    if (strcmp(directory, synced) != 0) {
        if (synced[0])
            WN_TRY(dir_sync(synced, err));
        WN_TRY(dir_make(directory, err));
        char parent[FILE_PATH_SIZE];
        path_directory(parent, directory);
        WN_TRY(dir_sync(parent, err));
        memcpy(synced, directory, sizeof directory);
    }
    return file_place(path, op->candidate.png, op->candidate.png_bytes, err);
}

static wn_status place_each(const struct placing *p, const struct op *group, wn_error *err)
{
    char synced[FILE_PATH_SIZE] = ""; /* the directory whose sync is due */
    for (const struct op *op = group; op; op = op->next)
        if (has_picture(op))
            WN_TRY(place_one(p, op, synced, err));
    return synced[0] ? dir_sync(synced, err) : WN_OK;
}

/* Whether there are enough of them to be worth it. */
static bool are_many(const struct op *group)
{
    int count = 0;
    for (const struct op *op = group; op && count < SYNC_TOGETHER_MIN; op = op->next)
        count += has_picture(op);
    return count == SYNC_TOGETHER_MIN;
}

wn_status placing_do(const struct placing *p, const struct op *group, wn_error *err)
{
    if (p->disk >= 0 && are_many(group) && place_together(p, group))
        return WN_OK;
    return place_each(p, group, err);
}
