/* shared.c - see shared.h. Memory without a file: it ends with the last who holds it, however that one ends. */
#include "shared.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

void wn_shared_close(struct wn_shared *s)
{
    if (s->memory)
        munmap(s->memory, s->bytes);
    if (s->fd >= 0)
        close(s->fd);
    if (s->reader >= 0)
        close(s->reader);
    *s = (struct wn_shared)WN_SHARED_NONE;
}

void wn_shared_open(struct wn_shared *s)
{
    char path[40];
    s->fd = memfd_create("winnow-pixels", MFD_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", s->fd);
    s->reader = s->fd >= 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (s->reader < 0)
        wn_shared_close(s);
}

void *wn_shared_grow(struct wn_shared *s, uint64_t bytes)
{
    if (s->fd < 0 || bytes == 0)
        return NULL;
    if (bytes <= s->bytes)
        return s->memory;
    if (posix_fallocate(s->fd, 0, (off_t)bytes) != 0)
        return NULL;
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
    if (memory == MAP_FAILED)
        return NULL;
    if (s->memory)
        munmap(s->memory, s->bytes);
    s->memory = memory;
    s->bytes = bytes;
    return memory;
}
