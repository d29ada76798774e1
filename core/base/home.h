/* home.h - where the command's own files are: found from the command itself, so a built tree and an installed one,
 * moved or not, work alike. */
#ifndef WINNOW_BASE_HOME_H
#define WINNOW_BASE_HOME_H

#include <winnow/plugin.h>

/* Directory of the running program joined with relative ("../lib/winnow"), real path; "" when it is not there. */
void home_path(char *dst, uint64_t size, const char *relative);

/* The i-th directory with plugins or models that belongs to this command; "" past the last. Not all exist. */
void home_plugins(char *dst, uint64_t size, uint32_t i);
void home_models(char *dst, uint64_t size, uint32_t i);

/* The command itself, and the directory of its Python module. */
void home_command(char *dst, uint64_t size);
void home_python(char *dst, uint64_t size);

/* The directory of `winnow new`'s templates; "" when it is not there. */
void home_templates(char *dst, uint64_t size);

#endif
