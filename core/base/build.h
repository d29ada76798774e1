/* build.h - what this build is, for --version and the manifest. Static strings. */
#ifndef WINNOW_BASE_BUILD_H
#define WINNOW_BASE_BUILD_H

const char *build_version(void);  /* "0.1.0" */
const char *build_commit(void);   /* git's name of the source tree when it was configured, "" when unknown */
const char *build_compiler(void); /* "gcc 12.2.0" */

#endif
