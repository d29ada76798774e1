/* sweep.h - one spec, many runs: "sweep" names what changes from point to point.
 *
 *     "sweep": { "list": [ { "search": { "use": "zero_order", ... } }, { "search.use": "random" } ],
 *                "grid": { "seed": [1, 2, 3] } }
 *
 * Keys are paths as --set has them, values are JSON. A point of the list is laid over the spec, then one value of each
 * key of the grid; all combinations are points, the list's slowest, the grid's last key fastest. Either part may be
 * absent. Within a point, whole nodes are laid before their parts, so "search" and "search.guide" go together. A point
 * is what an ordinary spec would be: its id is that spec's hash, so a point that stays, stays itself whatever is added
 * beside it.
 */
#ifndef WINNOW_SPEC_SWEEP_H
#define WINNOW_SPEC_SWEEP_H

#include "spec/bounds.h"
#include "spec/load.h"

/* What one point lays over the spec; values are nodes of the sweep's own tree. */
struct sweep_change {
    const char *path;
    const struct tree_node *value;
};

struct sweep_changes {
    const char *name; /* becomes the spec's name; NULL leaves it */
    const struct sweep_change *changes;
    uint32_t count;
};

struct sweep_point {
    struct sweep_changes changes; /* .name: "zero_order,iterations=4,seed=1", of at most SWEEP_NAME bytes */
    char id[65];                  /* the hash of its spec */
    const char *folder;           /* NAME-ID, with the id's first SWEEP_ID digits and no byte that a shell minds */
    uint32_t prompt_count;
    struct spec_bounds each; /* for each prompt */
    struct spec_disk disk;
    char cost[65]; /* sweep_cost of its resolved spec */
};

enum { SWEEP_NAME = 80, SWEEP_ID = 10 };

struct sweep {
    const char *name;
    const char *output;         /* points are runs in folders of it */
    struct sweep_point *points; /* NULL where the spec has no "sweep" */
    uint32_t count;
    struct spec_request request; /* as given, with the text */
    struct arena *memory;
};

/* Reads the request's spec and checks every point of its sweep; nothing runs before all are right. Mistakes come
 * together, each with the point that it is in, those of all points once. Errors and *report as spec_load's. Of a spec
 * without "sweep" only request.text is filled, for spec_load to go on with. The request's strings are kept by pointer.
 */
wn_status sweep_load(const struct spec_request *request, struct registry *registry, struct sweep **out, char **report,
                     wn_error *err);
void sweep_free(struct sweep *s); /* NULL is fine */

/* The spec of one point, to be written into `output`; lives no longer than the sweep. WN_E_ARG when files that it
 * stands on were changed since sweep_load. */
wn_status sweep_point_load(const struct sweep *s, struct registry *registry, uint32_t point, const char *output,
                           struct spec **out, char **report, wn_error *err);

/* A hash of what decides how long an evaluation takes, the sampler and the size of its images, out of the text of a
 * resolved spec. False when the text is none. */
bool sweep_cost(const char *resolved, char hash[65]);

/* For spec_load: lays the request's changes over the tree and takes "sweep" out of it. A sweep where one experiment is
 * wanted is a mistake. False with problems added. */
bool sweep_settle(struct loader *l);

#endif
