/* tree.h - JSON text as a tree in which every value knows where it stands.
 *
 * The reader is strict (RFC 8259 and no more): UTF-8, no duplicate keys, no comments, no control characters, no leading
 * zeros, nothing behind the value, and no escaped NUL; depth and size are limited. Numbers keep their text, so 64-bit
 * integers stay exact. Nodes live in the arena they were parsed into.
 */
#ifndef WINNOW_SPEC_TREE_H
#define WINNOW_SPEC_TREE_H

#include "base/arena.h"
#include "base/json_text.h"

#include <stdbool.h>

enum { TREE_MAX_DEPTH = 64, TREE_MAX_BYTES = 1 << 20 };

enum tree_type { TREE_NULL = 1, TREE_BOOL, TREE_NUMBER, TREE_STRING, TREE_ARRAY, TREE_OBJECT };

struct tree_node {
    int32_t type;
    bool truth;         /* TREE_BOOL */
    const char *key;    /* of a member of an object, else NULL */
    const char *text;   /* TREE_STRING: decoded; TREE_NUMBER: as written */
    const char *source; /* the file's name, or "--set a.b=1" */
    uint32_t line;      /* 1-based; 0 = the source has no lines */
    uint32_t column;    /* 1-based, in characters */
    uint32_t count;     /* children */
    struct tree_node *parent;
    struct tree_node *child; /* first */
    struct tree_node *last;
    struct tree_node *next; /* sibling */
};

/* Where and why a text is not JSON. */
struct tree_fault {
    uint32_t line;
    uint32_t column;
    char what[200];
};

/* NULL on failure, with *fault filled. source is kept by pointer. */
struct tree_node *tree_parse(struct arena *a, const char *source, const char *text, uint64_t bytes,
                             struct tree_fault *fault);

struct tree_node *tree_get(const struct tree_node *object, const char *key); /* NULL when absent or not an object */
const char *tree_type_name(int32_t type);                                    /* "a string", "an object", ... */
/* The value as a message shows it: its text, shortened; objects and arrays by their type. */
const char *tree_show(const struct tree_node *node, char show[64]);

/* RFC 6901 pointer of node (and of its member `key`, unless NULL) into pointer; cut when it does not fit. */
void tree_pointer(const struct tree_node *node, const char *key, char *pointer, uint64_t size);

/* ---- making and changing; all return NULL when memory ran out ---- */

struct tree_node *tree_new(struct arena *a, int32_t type);
struct tree_node *tree_new_string(struct arena *a, const char *text);
struct tree_node *tree_new_number(struct arena *a, const char *text);
struct tree_node *tree_new_bool(struct arena *a, bool truth);
/* Appends child (a member when key is not NULL), or puts it in the place of the member of that key. */
struct tree_node *tree_put(struct tree_node *parent, const char *key, struct tree_node *child);
void tree_replace(struct tree_node *old, struct tree_node *child); /* old has a parent */
void tree_remove(struct tree_node *parent, struct tree_node *child);
struct tree_node *tree_copy(struct arena *a, const struct tree_node *node);

/* Writes node as one value. sorted: members by key, bytewise. */
void tree_write(struct json_text *j, const struct tree_node *node, bool sorted);

#endif
