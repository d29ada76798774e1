/* home.c - Linux tells a program where it was started from: /proc/self/exe.
 *
 * Both trees have the same shape: bin/winnow, lib/winnow/NAME.so (or the distribution's multiarch lib directory) and
 * share/winnow/{models,template}/NAME.
 */
#include "base/home.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef WINNOW_LIBDIR
#define WINNOW_LIBDIR "lib"
#endif

void home_path(char *dst, uint64_t size, const char *relative)
{
    char path[PATH_MAX + 256], real[PATH_MAX];
    dst[0] = '\0';
    ssize_t length = readlink("/proc/self/exe", path, PATH_MAX);
    if (length <= 0 || length >= PATH_MAX)
        return;
    path[length] = '\0';
    char *slash = strrchr(path, '/');
    if (!slash)
        return;
    snprintf(slash + 1, 256, "%s", relative);
    if (realpath(path, real) && strlen(real) < size)
        memcpy(dst, real, strlen(real) + 1);
}

void home_plugins(char *dst, uint64_t size, uint32_t i)
{
    static const char *const places[] = { "../lib/winnow", "../" WINNOW_LIBDIR "/winnow" };
    dst[0] = '\0';
    if (i == 0 || (i == 1 && strcmp(WINNOW_LIBDIR, "lib") != 0))
        home_path(dst, size, places[i]);
}

void home_command(char *dst, uint64_t size)
{
    home_path(dst, size, "winnow");
}

void home_python(char *dst, uint64_t size)
{
    home_path(dst, size, "../share/winnow/python");
}

void home_models(char *dst, uint64_t size, uint32_t i)
{
    dst[0] = '\0';
    if (i == 0)
        home_path(dst, size, "../share/winnow/models");
}

void home_templates(char *dst, uint64_t size)
{
    home_path(dst, size, "../share/winnow/template");
}
