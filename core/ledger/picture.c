/* picture.c - a path is walked part by part, each opened from the one before with O_NOFOLLOW: neither ".." nor a link,
 * also not one made a moment ago, leads out of the run. */
#include "ledger/picture.h"

#include "base/files.h"
#include "base/png.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static wn_status fail_open(const char *run_dir, const char *image, wn_error *err)
{
    if (errno == ENOENT)
        return wn_fail(err, WN_E_MISSING, "%s/%s is not there", run_dir, image);
    return wn_fail(err, errno == ELOOP || errno == ENOTDIR ? WN_E_FORMAT : WN_E_IO, "cannot open %s/%s: %s", run_dir,
                   image, strerror(errno));
}

/* The next part of *path into part[256]; false when it is no plain name. */
static bool next_part(const char **path, char part[256])
{
    const size_t length = strcspn(*path, "/");
    if (length == 0 || length > 255 || (*path)[0] == '.')
        return false;
    memcpy(part, *path, length);
    part[length] = 0;
    *path += length + ((*path)[length] == '/');
    return true;
}

static wn_status open_inside(const char *run_dir, const char *image, int *file, wn_error *err)
{
    const char *rest = image;
    char part[256];
    int at = open(run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while (at >= 0 && *rest) {
        if (!next_part(&rest, part)) {
            close(at);
            return wn_fail(err, WN_E_FORMAT, "%s/ledger.db: \"%.200s\" is not the name of a picture", run_dir, image);
        }
        /* O_NONBLOCK: a pipe by that name must not hold us up. */
        const int next = openat(at, part, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        const int saved = errno;
        close(at);
        errno = saved;
        at = next;
    }
    if (at < 0)
        return fail_open(run_dir, image, err);
    *file = at;
    return WN_OK;
}

static wn_status read_all(int file, uint64_t bytes, const char *image, struct buffer *out, wn_error *err)
{
    char chunk[16384];
    const uint64_t start = out->size;
    while (out->size - start < bytes && !out->failed) {
        const ssize_t n = read(file, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return wn_fail(err, WN_E_IO, "cannot read %s: %s", image, n < 0 ? strerror(errno) : "it became shorter");
        buffer_append(out, chunk, (uint64_t)n);
    }
    WN_TRY(buffer_status(out, image, err));
    return png_is(out->data + start, out->size - start) ? WN_OK : wn_fail(err, WN_E_FORMAT, "%s is not a PNG", image);
}

wn_status picture_read(const char *run_dir, const char *image, struct buffer *out, wn_error *err)
{
    struct stat st;
    int file = -1;
    wn_status status;
    WN_TRY(open_inside(run_dir, image, &file, err));
    if (fstat(file, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > PICTURE_MAX_BYTES)
        status = wn_fail(err, WN_E_FORMAT, "%s/%s is not a file of 1 to %d bytes", run_dir, image, PICTURE_MAX_BYTES);
    else
        status = read_all(file, (uint64_t)st.st_size, image, out, err);
    close(file);
    return status;
}
