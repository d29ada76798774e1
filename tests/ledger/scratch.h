/* scratch.h - a directory for one test, made fresh and removed at the end. */
#ifndef WINNOW_TESTS_SCRATCH_H
#define WINNOW_TESTS_SCRATCH_H

#include "check.h"

#include <ftw.h>
#include <unistd.h>

static int scratch_remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

__attribute__((unused)) static void scratch_remove(const char *path)
{
    nftw(path, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* path[64]; in memory where there is such a place: the tests sync often. */
__attribute__((unused)) static void scratch_make(char *path)
{
    snprintf(path, 64, "%s/winnow-test-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(path))
        CHECK_SKIP("no scratch directory in /dev/shm or /tmp");
}

#endif
