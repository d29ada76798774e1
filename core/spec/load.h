/* load.h - what the parts of spec_load share. Internal to core/spec. */
#ifndef WINNOW_SPEC_LOAD_H
#define WINNOW_SPEC_LOAD_H

#include "plugin/registry.h"
#include "spec/problems.h"
#include "spec/spec.h"

struct loader {
    const struct spec_request *request;
    struct registry *registry;
    struct arena *arena;
    struct problems problems;
    struct tree_node *root;     /* as read */
    struct tree_node *resolved; /* as it is written: every default in it */
    struct spec *spec;
};

/* The member `key` of object as an object. NULL when it is absent (reported if required) or something else (reported).
 */
struct tree_node *load_object(struct loader *l, const struct tree_node *object, const char *key, bool required);
/* The same for a list; absent is never an error. */
struct tree_node *load_list(struct loader *l, const struct tree_node *object, const char *key);

/* A new object under `key` of a resolved object. */
struct tree_node *load_resolved(struct loader *l, struct tree_node *parent, const char *key);

/* Binds object by table into zeroed memory of the arena and writes all values into resolved. */
void *load_bind(struct loader *l, const wn_option *table, uint64_t size, const struct tree_node *object,
                const struct tree_node *at, const char *at_key, struct tree_node *resolved);

/* Arena memory; a shortage is reported as a problem and NULL returned. */
void *load_memory(struct loader *l, uint64_t count, uint64_t size);

/* The sampler and the search, and the graph of verifiers: load_use.c, load_verifiers.c. */
void load_use(struct loader *l, const struct tree_node *object, int64_t kind, struct spec_use *use,
              struct tree_node *resolved);
void load_verifiers(struct loader *l);
/* load_devices.c */
void load_devices(struct loader *l);
/* The keys of the canvas that name a picture to start from; load_start.c. After the canvas' own. */
void load_start(struct loader *l, const struct tree_node *object, struct tree_node *resolved);
/* The lists of searches among the options of a search, into its filled options; load_parts.c. written: its resolved
 * options. */
void load_parts(struct loader *l, const struct tree_node *options, struct spec_use *use, void *filled,
                struct tree_node *written);

#endif
