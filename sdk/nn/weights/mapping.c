/* mapping.c - see mapping.h. */
#include "mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static wn_status map(struct mapping *m, int fd, uint64_t least, const char *what, wn_error *err)
{
    struct stat s;
    if (fstat(fd, &s) != 0)
        return wn_fail(err, WN_E_IO, "%s: cannot read: %s", m->path, strerror(errno));
    if (!S_ISREG(s.st_mode))
        return wn_fail(err, WN_E_IO, "%s: is not a regular file", m->path);
    const uint64_t bytes = (uint64_t)s.st_size;
    if (bytes < least)
        return wn_fail(err, WN_E_FORMAT, "%s: has %" PRIu64 " bytes, %s more; fetch it again", m->path, bytes, what);
    void *data = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        return wn_fail(err, WN_E_IO, "%s: cannot map %" PRIu64 " bytes: %s", m->path, bytes, strerror(errno));
    m->data = data;
    m->bytes = bytes;
    return WN_OK;
}

wn_status mapping_open(const char *path, uint64_t least, const char *what, struct mapping *m, wn_error *err)
{
    *m = (struct mapping){ 0 };
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not block */
    if (fd < 0)
        return wn_fail(err, errno == ENOENT ? WN_E_MISSING : WN_E_IO, "%s: cannot open: %s", path, strerror(errno));
    m->path = strdup(path);
    const wn_status status = m->path ? map(m, fd, least, what, err) : wn_fail(err, WN_E_MEMORY, "%s: no memory", path);
    close(fd);
    if (status != WN_OK)
        mapping_close(m);
    return status;
}

void mapping_close(struct mapping *m)
{
    if (m->data)
        munmap(m->data, m->bytes);
    free(m->path);
    *m = (struct mapping){ 0 };
}
