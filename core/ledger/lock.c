/* A lock must vanish with its holder, so it is the kernel's, not a file's existence. It is an open-file-description
 * lock: the classic kind belongs to the process and is lost when any part of it opens and closes the same file. The
 * text in the file (pid and host) is for people only. */
#include "ledger/lock.h"

#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static wn_status refuse(int fd, const char *path, wn_error *err)
{
    char holder[300] = "";
    ssize_t n = pread(fd, holder, sizeof holder - 1, 0);
    holder[n > 0 ? (size_t)n : 0] = 0;
    holder[strcspn(holder, "\n")] = 0;
    return wn_fail(err, WN_E_ARG,
                   "%s is held by %s: another winnow writes this run; wait for it, or choose another output", path,
                   holder[0] ? holder : "a process that gave no name");
}

static wn_status set(int fd, const char *path, wn_error *err)
{
    struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    if (fcntl(fd, F_OFD_SETLK, &all) == 0)
        return WN_OK;
    if (errno == EAGAIN || errno == EACCES)
        return refuse(fd, path, err);
    return wn_fail(err, WN_E_IO, "cannot lock %s: %s; choose an output on a file system with locks", path,
                   strerror(errno));
}

static void sign(int fd)
{
    char host[256] = "unknown host", text[300];
    gethostname(host, sizeof host - 1);
    int length = snprintf(text, sizeof text, "pid %ld on %s\n", (long)getpid(), host);
    /* A full disk must not keep a run from being resumed: the lock holds without its text. */
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)length, 0) != length)
        return;
}

wn_status lock_take(const char *run_dir, int *fd, wn_error *err)
{
    char path[FILE_PATH_SIZE];
    WN_TRY(path_join(path, run_dir, "lock", err));
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file < 0)
        return wn_fail(err, WN_E_IO, "cannot open %s: %s; choose an output that can be written", path, strerror(errno));
    wn_status status = set(file, path, err);
    if (status != WN_OK) {
        close(file);
        return status;
    }
    sign(file);
    *fd = file;
    return WN_OK;
}

void lock_release(int fd)
{
    if (fd < 0)
        return;
    (void)!ftruncate(fd, 0);
    close(fd);
}

bool lock_is_held(const char *run_dir)
{
    char path[FILE_PATH_SIZE];
    struct flock all = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
    wn_error ignored;
    if (path_join(path, run_dir, "lock", &ignored) != WN_OK)
        return false;
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    const bool is_held = file >= 0 && fcntl(file, F_OFD_GETLK, &all) == 0 && all.l_type != F_UNLCK;
    if (file >= 0)
        close(file);
    return is_held;
}
