/* source.h - from a file name and --set options to one tree. */
#ifndef WINNOW_SPEC_SOURCE_H
#define WINNOW_SPEC_SOURCE_H

#include "spec/problems.h"
#include "spec/spec.h"

enum { SOURCE_MAX_EXTENDS = 16, SOURCE_MAX_FILES = 256 };

/* Reads the request's spec, resolves every "extends", applies every --set. NULL with problems reported. *text is the
 * file as given. Everything lives in the arena. */
struct tree_node *source_load(const struct spec_request *request, struct arena *arena, struct problems *problems,
                              const char **text);

/* Puts a copy of value at a path as --set has it ("a.b[2].c" or "/a/b/2/c"); null removes what is there. `name` begins
 * the messages. */
void source_change(struct arena *arena, struct problems *problems, struct tree_node *root, const char *path,
                   const struct tree_node *value, const char *name);

/* The directory of a path: "." for a bare name and for standard input. */
char *source_directory(struct arena *arena, const char *path);

#endif
