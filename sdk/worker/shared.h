/* shared.h - memory that the host writes and a worker reads. */
#ifndef WINNOW_WORKER_SHARED_H
#define WINNOW_WORKER_SHARED_H

#include <winnow/plugin.h>

struct wn_shared {
    int fd;     /* -1: none */
    int reader; /* the same for the worker, which cannot write to what it will be shown again if it dies of it */
    void *memory;
    uint64_t bytes;
};

#define WN_SHARED_NONE                                                                                                 \
    {                                                                                                                  \
        -1, -1, NULL, 0                                                                                                \
    }

/* Nothing comes of it where a system has no such memory, or no /proc to open it a second time. */
void wn_shared_open(struct wn_shared *s);
void wn_shared_close(struct wn_shared *s);

/* At least `bytes` of it, valid until the next call; NULL where there is none to be had. */
void *wn_shared_grow(struct wn_shared *s, uint64_t bytes);

#endif
