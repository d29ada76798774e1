/* The one sync comes last, when all names are in place: a crash before it may leave a name with nothing or half a
 * picture behind it, which no row knows, and which the next start writes again. A name that is there already may be
 * known to a row, and so never loses what is behind it: file_lay syncs its picture and renames it. */
#include "ledger/placing.h"

#include "base/files.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
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
    struct placing p = { .run_dir = run_dir, .images = -1 };
    char images[FILE_PATH_SIZE]; /* which may lie on another disk than the ledger */
    wn_error ignored;
    if (path_join(images, run_dir, "images", &ignored) != WN_OK)
        return p;
    p.images = open(images, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    p.syncs_at_once = p.images >= 0 && syncs_at_once(images);
    return p;
}

void placing_close(struct placing *p)
{
    if (p->images >= 0)
        close(p->images);
    p->images = -1;
}

/* The ledger's file is open and goes where the run goes; pictures go by their paths, and would stay behind. */
static wn_status check_place(const struct placing *p, wn_error *err)
{
    char images[FILE_PATH_SIZE];
    struct stat then, now;
    WN_TRY(path_join(images, p->run_dir, "images", err));
    if (p->images < 0 || fstat(p->images, &then) != 0)
        return WN_OK;
    if (stat(images, &now) == 0 && now.st_dev == then.st_dev && now.st_ino == then.st_ino)
        return WN_OK;
    return wn_fail(
        err, WN_E_IO,
        "%s is not the folder any more that this run writes its pictures to: it was moved or removed; put it "
        "back, or name as output where the run lies now",
        images);
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
    return syncfs(p->images) == 0;
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
    const bool is_together = p->syncs_at_once && are_many(group);
    WN_TRY(check_place(p, err));
    if (!is_together || !place_together(p, group))
        WN_TRY(place_each(p, group, err));
    return check_place(p, err);
}
