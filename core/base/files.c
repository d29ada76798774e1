/* A crash between open and close leaves half a file, and a crash after rename can leave an empty one. So a file is
 * written under another name, synced, renamed, and its directory synced: the order that survives on every file system.
 * A failed fsync is final, because the kernel forgets the pages that it could not write: nothing is retried. */
#include "base/files.h"

#include "base/buffer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static wn_status fail(wn_error *err, const char *what, const char *path)
{
    wn_status code = errno == ENOENT ? WN_E_MISSING : WN_E_IO;
    return wn_fail(err, code, "cannot %s %s: %s", what, path, strerror(errno));
}

static bool write_all(int fd, const char *data, uint64_t bytes)
{
    while (bytes > 0) {
        ssize_t n = write(fd, data, bytes < (1u << 30) ? (size_t)bytes : (size_t)1 << 30);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        data += n;
        bytes -= (uint64_t)n;
    }
    return true;
}

/* Closes and removes what could not be finished, keeping errno for the message. */
static wn_status fail_part(wn_error *err, int fd, const char *what, const char *part)
{
    int saved = errno;
    if (fd >= 0)
        close(fd);
    unlink(part);
    errno = saved;
    return fail(err, what, part);
}

wn_status file_place(const char *path, const void *data, uint64_t bytes, wn_error *err)
{
    char part[FILE_PATH_SIZE];
    int length = snprintf(part, sizeof part, "%s.part", path);
    if (length < 0 || (size_t)length >= sizeof part)
        return wn_fail(err, WN_E_ARG, "path is longer than %d bytes: %.200s...", FILE_PATH_SIZE - 6, path);
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return fail(err, "create", part);
    if (!write_all(fd, data, bytes))
        return fail_part(err, fd, "write", part);
    if (fsync(fd) != 0)
        return fail_part(err, fd, "sync", part);
    if (close(fd) != 0)
        return fail_part(err, -1, "close", part);
    if (rename(part, path) != 0)
        return fail_part(err, -1, "rename", part);
    return WN_OK;
}

wn_status file_lay(const char *path, const void *data, uint64_t bytes, wn_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 && errno == EEXIST)
        return file_place(path, data, bytes, err);
    if (fd < 0)
        return fail(err, "create", path);
    if (!write_all(fd, data, bytes))
        return fail_part(err, fd, "write", path);
    return close(fd) == 0 ? WN_OK : fail_part(err, -1, "close", path);
}

wn_status dir_sync(const char *path, wn_error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail(err, "open directory", path);
    int bad = fsync(fd);
    int saved = errno;
    close(fd);
    errno = saved;
    /* Some network file systems cannot sync a directory and say so; their rename is durable on its own. */
    if (bad && saved != EINVAL && saved != ENOTSUP)
        return fail(err, "sync directory", path);
    return WN_OK;
}

wn_status file_write(const char *path, const void *data, uint64_t bytes, wn_error *err)
{
    char directory[FILE_PATH_SIZE];
    WN_TRY(file_place(path, data, bytes, err));
    path_directory(directory, path);
    return dir_sync(directory, err);
}

wn_status file_write_buffer(const char *directory, const char *name, const struct buffer *b, wn_error *err)
{
    char path[FILE_PATH_SIZE];
    WN_TRY(buffer_status(b, name, err));
    WN_TRY(path_join(path, directory, name, err));
    return file_write(path, b->size ? b->data : "", b->size, err);
}

wn_status file_check(const char *path, wn_error *err)
{
    char directory[FILE_PATH_SIZE];
    struct stat st;
    path_directory(directory, path);
    if (access(directory, W_OK | X_OK) != 0)
        return wn_fail(err, errno == ENOENT ? WN_E_MISSING : WN_E_IO, "cannot write %s: directory %s: %s", path,
                       directory, strerror(errno));
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return wn_fail(err, WN_E_ARG, "cannot write %s: it is a directory", path);
    return WN_OK;
}

/* One level; a directory that is there already is fine, a file of that name is not. */
static wn_status make_one(const char *path, wn_error *err)
{
    struct stat st;
    if (mkdir(path, 0777) == 0)
        return WN_OK;
    int saved = errno;
    if (saved == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return WN_OK;
    errno = saved == EEXIST ? ENOTDIR : saved;
    return fail(err, "make directory", path);
}

wn_status dir_make(const char *path, wn_error *err)
{
    char partial[FILE_PATH_SIZE];
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof partial)
        return wn_fail(err, WN_E_ARG, "directory name has %zu bytes, must have 1..%d", length, FILE_PATH_SIZE - 1);
    memcpy(partial, path, length + 1);
    for (size_t i = 1; i < length; i++) {
        if (partial[i] != '/')
            continue;
        partial[i] = 0;
        WN_TRY(make_one(partial, err));
        partial[i] = '/';
    }
    return make_one(partial, err);
}

bool file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

wn_status path_join(char *dst, const char *directory, const char *name, wn_error *err)
{
    bool alone = name[0] == '/' || directory[0] == 0;
    const char *slash = alone || directory[strlen(directory) - 1] == '/' ? "" : "/";
    int length = snprintf(dst, FILE_PATH_SIZE, "%s%s%s", alone ? "" : directory, slash, name);
    if (length < 0 || length >= FILE_PATH_SIZE)
        return wn_fail(err, WN_E_ARG, "path is longer than %d bytes: %.200s...", FILE_PATH_SIZE - 1, name);
    return WN_OK;
}

static bool climbs(const char *name)
{
    for (const char *part = name; part; part = strchr(part, '/') ? strchr(part, '/') + 1 : NULL)
        if (part[0] == '.' && part[1] == '.' && (part[2] == '/' || part[2] == 0))
            return true;
    return false;
}

wn_status path_join_inside(char *dst, const char *directory, const char *name, wn_error *err)
{
    if (name[0] == 0)
        return wn_fail(err, WN_E_ARG, "a file name is empty");
    if (name[0] == '/')
        return wn_fail(err, WN_E_ARG, "%s is absolute; a path relative to %s is wanted", name, directory);
    if (climbs(name))
        return wn_fail(err, WN_E_ARG, "%s has a .. part; only files inside %s are allowed", name, directory);
    return path_join(dst, directory, name, err);
}

void path_directory(char *dst, const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 0;
    if (!slash)
        snprintf(dst, FILE_PATH_SIZE, ".");
    else if (length == 0)
        snprintf(dst, FILE_PATH_SIZE, "/");
    else
        snprintf(dst, FILE_PATH_SIZE, "%.*s", (int)length, path);
}

wn_status disk_free(const char *path, uint64_t *bytes, wn_error *err)
{
    struct statvfs fs;
    char at[FILE_PATH_SIZE];
    snprintf(at, sizeof at, "%s", path);
    while (statvfs(at, &fs) != 0) {
        char up[FILE_PATH_SIZE];
        path_directory(up, at);
        if (errno != ENOENT || strcmp(up, at) == 0)
            return fail(err, "ask for the free space at", path);
        memcpy(at, up, sizeof at);
    }
    if (__builtin_mul_overflow((uint64_t)fs.f_bavail, (uint64_t)fs.f_frsize, bytes))
        *bytes = UINT64_MAX;
    return WN_OK;
}
