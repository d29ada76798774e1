/* tree.h - what the three ways through a tree of samples share: their options. */
#ifndef TREE_H
#define TREE_H

#include <winnow/search.h>

#include <explore/pilot.h>

struct options {
    const char *method;
    int64_t samples;
    int64_t levels;
    double lambda;
    int64_t pilots;
    double quantile;
    double back;
    int64_t tries;
    const char *select;
    double breadth;
    double widening;
    const char *kernel;
    double scale;
};

/* Where the tree branches: levels, evenly spread inside the schedule, none beyond `latest`. Returns how many. */
uint64_t tree_levels(const struct options *o, uint64_t steps, uint64_t latest, uint64_t points[WN_STOPS_MAX]);

/* One prompt's search each, and an upper bound of what it takes. */
wn_status tree_bfs(const struct options *o, const wn_env *env, wn_error *err);
wn_status tree_dfs(const struct options *o, const wn_env *env, wn_error *err);
wn_status tree_dts(const struct options *o, const wn_env *env, wn_error *err);
void tree_bfs_plan(const struct options *o, uint64_t steps, uint64_t evals, wn_search_plan *plan);
void tree_dfs_plan(const struct options *o, uint64_t steps, uint64_t evals, wn_search_plan *plan);
void tree_dts_plan(const struct options *o, uint64_t steps, uint64_t evals, wn_search_plan *plan);

#endif
