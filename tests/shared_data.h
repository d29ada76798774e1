/* shared_data.h - public data that tests read where it is at hand and that is no part of this project. */
#ifndef WINNOW_TESTS_SHARED_DATA_H
#define WINNOW_TESTS_SHARED_DATA_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Path of a file below data/: in the folder that WINNOW_SHARED names, or beside the source tree. Good until the call
 * after next. */
__attribute__((unused)) static const char *shared_path(const char *name)
{
    static char paths[2][1024];
    static int turn;
    const char *root = getenv("WINNOW_SHARED");
    turn = !turn;
    snprintf(paths[turn], sizeof paths[0], "%s/data/%s", root ? root : WINNOW_SOURCE_DIR "/../shared", name);
    return paths[turn];
}

__attribute__((unused)) static int shared_has(const char *name)
{
    return access(shared_path(name), R_OK) == 0;
}

#endif
