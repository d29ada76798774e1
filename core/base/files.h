/* files.h - what a run leaves on disk appears whole or not at all.
 *
 * Reading is buffer_read_file's. [any] throughout. Errors: WN_E_IO with the path and the system's text; WN_E_ARG for a
 * name that may not be used. */
#ifndef WINNOW_BASE_FILES_H
#define WINNOW_BASE_FILES_H

#include <winnow/plugin.h>

#include <stdbool.h>

struct buffer;

enum { FILE_PATH_SIZE = 4096 };

/* Writes PATH.part, syncs it and renames it to path; then, with file_write, syncs the directory. file_place leaves that
 * to the caller, who places many files and syncs their directory once. Whatever fails or dies, path is old or new.
 * file_lay is for many new files that nobody knows until the caller has synced the file system, since whatever dies
 * before may leave one cut: it writes to path at once. Where there is a file already, it does as file_place. */
wn_status file_write(const char *path, const void *data, uint64_t bytes, wn_error *err);
wn_status file_place(const char *path, const void *data, uint64_t bytes, wn_error *err);
/* directory/name becomes what is in the buffer; a buffer that failed is its own error. */
wn_status file_write_buffer(const char *directory, const char *name, const struct buffer *b, wn_error *err);
wn_status file_lay(const char *path, const void *data, uint64_t bytes, wn_error *err);
wn_status dir_sync(const char *path, wn_error *err);
/* Whether file_write could make path as things stand: asked before long work. */
wn_status file_check(const char *path, wn_error *err);

/* mkdir -p. */
wn_status dir_make(const char *path, wn_error *err);

bool file_exists(const char *path);

/* dst[FILE_PATH_SIZE] = directory/name; the name as given when it is absolute or the directory empty. */
wn_status path_join(char *dst, const char *directory, const char *name, wn_error *err);
/* The same for names that came from outside: absolute ones and ".." parts are refused. */
wn_status path_join_inside(char *dst, const char *directory, const char *name, wn_error *err);
void path_directory(char *dst, const char *path); /* dst[FILE_PATH_SIZE]: "a/b" -> "a", "b" -> "." */

/* What an unprivileged user may still write on path's file system. path or a parent of it must exist. */
wn_status disk_free(const char *path, uint64_t *bytes, wn_error *err);

#endif
