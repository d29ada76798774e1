/* Only this file is compiled with the version and the commit, so that a commit does not rebuild the tree. */
#include "base/build.h"

const char *build_version(void)
{
    return WINNOW_VERSION;
}

const char *build_commit(void)
{
    return WINNOW_COMMIT;
}

const char *build_compiler(void)
{
#if defined(__clang__)
    return "clang " __clang_version__;
#else
    return "gcc " __VERSION__;
#endif
}
