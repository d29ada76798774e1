/* tree - searches the tree whose nodes are noisy states and whose leaves are images: in breadth (bfs.c), in depth with
 * backtracking (dfs.c), or by values that finished images pass up (dts.c). */
#include "tree.h"

#include <explore/kernel.h>

#include <string.h>

static const wn_option options[] = {
    WN_ENUM(struct options, method, "\"bfs\"", "bfs|dfs|dts", "how the tree is searched"),
    WN_INT(struct options, samples, "8", 1, 4096, "images that are finished, beside the pilots of dfs"),
    WN_INT(struct options, levels, "3", 1, WN_STOPS_MAX, "points where the tree branches, evenly spread on the way"),
    WN_NUMBER(struct options, lambda, "10", 0, 1e9,
              "bfs, dts: weight of the scores, in 1 / units of the guide's score"),
    WN_INT(struct options, pilots, "4", 1, 4096, "dfs: plain samples that the thresholds are found with"),
    WN_NUMBER(struct options, quantile, "0.5", 0, 1, "dfs: of the pilots' scores at a level that is its threshold"),
    WN_NUMBER(struct options, back, "0.25", 0, 1, "dfs: share of the schedule that a backtrack leads back"),
    WN_INT(struct options, tries, "4", 0, 1e6, "dfs: backtracks of one sample"),
    WN_ENUM(struct options, select, "\"sample\"", "sample|greedy", "dts: draw a child by its value, or take the best"),
    WN_NUMBER(struct options, breadth, "2", 0, 1e6, "dts: a node has breadth x visits ^ widening children"),
    WN_NUMBER(struct options, widening, "0.5", 0, 1, "dts: see breadth"),
    WN_KERNEL_OPTIONS(struct options, "cps"),
    WN_OPTIONS_END
};

uint64_t tree_levels(const struct options *o, uint64_t steps, uint64_t latest, uint64_t points[WN_STOPS_MAX])
{
    const uint64_t levels = (uint64_t)o->levels;
    return wn_stops(steps, 1 / (double)(levels + 1), levels, latest, points);
}

static wn_status run(void *self, const wn_env *env, wn_error *err)
{
    const struct options *o = self;
    if (strcmp(o->method, "bfs") == 0)
        return tree_bfs(o, env, err);
    return strcmp(o->method, "dfs") == 0 ? tree_dfs(o, env, err) : tree_dts(o, env, err);
}

static void plan(const void *values, uint64_t steps, uint64_t evals_per_velocity, wn_search_plan *p)
{
    const struct options *o = values;
    if (strcmp(o->method, "bfs") == 0)
        tree_bfs_plan(o, steps, evals_per_velocity, p);
    else if (strcmp(o->method, "dfs") == 0)
        tree_dfs_plan(o, steps, evals_per_velocity, p);
    else
        tree_dts_plan(o, steps, evals_per_velocity, p);
}

static wn_status create(const wn_host *host, const void *values, void **self, wn_error *err)
{
    const struct options *o = values;
    (void)host;
    WN_TRY(wn_kernel_check(o->kernel, o->scale, err));
    *self = (void *)(uintptr_t)values; // the options are all there is, and they are only read
    return WN_OK;
}

static const wn_search search = {
    .struct_size = sizeof search,
    .flags = WN_SEARCH_NEEDS_PREVIEW,
    .plan = plan,
    .run = run,
};

static const wn_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = WN_KIND_SEARCH,
    .name = "tree",
    .version = "1.0",
    .summary = "breadth first, depth first with backtracking, or by values backed up from images",
    .source = "Zhang et al. 2025, arXiv 2505.23614 (bfs, dfs); arXiv 2506.20701, Diffusion Tree Sampling (dts)",
    .options = options,
    .options_size = sizeof(struct options),
    .create = create,
    .vtable = &search,
};

WN_MODULE(&plugin);
