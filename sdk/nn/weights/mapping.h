/* mapping.h - a weight file in memory, for readers that check it where it lies. */
#ifndef WINNOW_NN_WEIGHTS_MAPPING_H
#define WINNOW_NN_WEIGHTS_MAPPING_H

#include <winnow/plugin.h>

struct mapping {
    char *path;
    unsigned char *data; /* read only */
    uint64_t bytes;
};

/* A regular file of at least `least` bytes (1 or more); `what` it should be stands in the error: "a torch file". m is
 * zeroed, and may be closed, after a failure too. */
wn_status mapping_open(const char *path, uint64_t least, const char *what, struct mapping *m, wn_error *err);
void mapping_close(struct mapping *m);

#endif
