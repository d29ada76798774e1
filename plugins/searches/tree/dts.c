/* dts.c - a tree of states that learns what is below each of them from finished images alone.
 *
 * "Diffusion Tree Sampling", 2025 (arXiv 2506.20701). A node is a state at a level, a leaf a finished image:
 *
 *     descend from the root: a node that has enough children for its visits is left by one of them, drawn with
 *         weights exp(lambda value) (DTS), or by the best (DTS*)
 *     else a new child, by stochastic steps (of the root: a fresh noise), and on to a leaf by new nodes
 *     the leaf's value is its score; back up to the root: value = log(mean of children's exp(lambda value)) / lambda
 *
 * Values come from images, not from previews, so they are right however blurry the levels are, and get better with
 * every sample. Enough children are breadth x visits ^ widening; the defaults 2 and 0.5 are this plugin's own: at 0.8
 * the root takes a fresh noise every time up to 32 samples, which is random search. */
#include "tree.h"

#include <explore/chance.h>
#include <explore/kernel.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct node {
    uint64_t parent;  // of the root: itself, 0
    uint64_t depth;   // 0 the root, then the levels, then leaves
    wn_sample sample; // at its level; 0 of root and leaves
    double value;
    uint64_t visits, children;
};

struct dts {
    const struct options *o;
    const wn_env *env;
    struct wn_purse purse;
    wn_kernel kernel;
    uint64_t levels, points[WN_STOPS_MAX];
    struct node *nodes; // [1 + samples * (levels + 1)]
    uint64_t count;
    uint64_t *children; // [as nodes]: those of one node
    double *values;     // [as nodes]: theirs
    float *noise;       // [latent_values]
    uint64_t noises, stream, choices;
};

/* ---- down ------------------------------------------------------------------------------------------------------- */

/* Lists the children of a node. */
static uint64_t list_children(struct dts *t, uint64_t node)
{
    uint64_t n = 0;
    for (uint64_t i = 1; i < t->count; i++)
        if (t->nodes[i].parent == node) {
            t->values[n] = t->nodes[i].value;
            t->children[n++] = i;
        }
    return n;
}

static uint64_t select_child(struct dts *t, uint64_t node)
{
    const uint64_t n = list_children(t, node);
    if (strcmp(t->o->select, "greedy") == 0)
        return t->children[wn_best(n, t->values)];
    for (uint64_t i = 0; i < n; i++)
        t->values[i] *= t->o->lambda;
    wn_softmax(n, t->values, t->values);
    return t
        ->children[wn_pick(n, t->values, wn_uniform(t->env->random_u64(t->env->ctx, WN_STREAM_CHOICES, t->choices++)))];
}

/* The node that gets a new child. One of the last level always does: its leaves have no children. */
static uint64_t descend(struct dts *t)
{
    uint64_t node = 0;
    for (;;) {
        const struct node *n = &t->nodes[node];
        const double enough = fmax(t->o->breadth * pow((double)n->visits, t->o->widening), 1);
        if (n->depth == t->levels || (double)n->children < enough)
            return node;
        node = select_child(t, node);
    }
}

/* ---- on to a leaf ----------------------------------------------------------------------------------------------- */

static uint64_t add_node(struct dts *t, uint64_t parent, wn_sample sample)
{
    t->nodes[parent].children++;
    t->nodes[t->count] = (struct node){ .parent = parent, .depth = t->nodes[parent].depth + 1, .sample = sample };
    return t->count++;
}

static uint64_t point_of(const struct dts *t, uint64_t node)
{
    const uint64_t depth = t->nodes[node].depth;
    return depth == 0 ? 0 : t->points[depth - 1];
}

static wn_status begin(struct dts *t, uint64_t node, wn_sample *sample, wn_error *err)
{
    const wn_env *env = t->env;
    if (node > 0)
        return env->clone(env->ctx, t->nodes[node].sample, sample, err);
    WN_TRY(env->noise(env->ctx, t->noises++, t->noise, err));
    return env->spawn(env->ctx, t->noise, 0, sample, err);
}

static wn_status step_to(struct dts *t, wn_sample sample, uint64_t from, uint64_t to, wn_error *err)
{
    for (uint64_t p = from + 1; p <= to; p++)
        WN_TRY(t->env->kick(t->env->ctx, sample, p, t->kernel, t->stream++, err));
    return WN_OK;
}

/* From a node to a new leaf of it; *leaf is that node. */
static wn_status expand(struct dts *t, uint64_t node, uint64_t *leaf, wn_error *err)
{
    const wn_env *env = t->env;
    wn_sample sample, copy;
    double score;
    WN_TRY(begin(t, node, &sample, err));
    while (t->nodes[node].depth < t->levels) {
        const uint64_t from = point_of(t, node), to = t->points[t->nodes[node].depth];
        WN_TRY(step_to(t, sample, from, to, err));
        WN_TRY(env->clone(env->ctx, sample, &copy, err));
        node = add_node(t, node, copy);
    }
    WN_TRY(step_to(t, sample, point_of(t, node), env->steps - 1, err));
    WN_TRY(env->advance(env->ctx, 1, &sample, env->steps, err));
    WN_TRY(env->score(env->ctx, 1, &sample, &score, err));
    WN_TRY(env->offer(env->ctx, sample, err));
    env->drop(env->ctx, sample);
    *leaf = add_node(t, node, 0);
    t->nodes[*leaf].value = isnan(score) ? -(double)INFINITY : score;
    return WN_OK;
}

/* ---- back up ---------------------------------------------------------------------------------------------------- */

/* log(mean exp(lambda v)) / lambda; their mean when lambda is 0. */
static double soft_mean(uint64_t n, const double *values, double lambda)
{
    const double most = values[wn_best(n, values)];
    double sum = 0;
    if (isinf(most))
        return most;
    for (uint64_t i = 0; i < n; i++)
        sum += lambda > 0 ? exp(lambda * (values[i] - most)) : values[i];
    return lambda > 0 ? most + log(sum / (double)n) / lambda : sum / (double)n;
}

static void back_up(struct dts *t, uint64_t leaf)
{
    for (uint64_t node = leaf; node > 0;) {
        node = t->nodes[node].parent;
        const uint64_t n = list_children(t, node);
        t->nodes[node].value = soft_mean(n, t->values, t->o->lambda);
        t->nodes[node].visits++;
    }
}

/* ---- all of it -------------------------------------------------------------------------------------------------- */

static wn_status grow(struct dts *t, wn_error *err)
{
    const wn_env *env = t->env;
    WN_TRY(wn_purse_gauge(&t->purse, false, err));
    for (int64_t i = 0; i < t->o->samples; i++) {
        const uint64_t node = descend(t), from = point_of(t, node);
        uint64_t leaf;
        if (!wn_purse_take(&t->purse, wn_price_kicks(env, 1, env->steps - from, env->steps, false), wn_price_nothing))
            return wn_fail(err, WN_E_BUDGET, "the budget ended after %lld of %lld samples", (long long)i,
                           (long long)t->o->samples);
        WN_TRY(expand(t, node, &leaf, err));
        back_up(t, leaf);
    }
    return WN_OK;
}

wn_status tree_dts(const struct options *o, const wn_env *env, wn_error *err)
{
    struct dts t = { .o = o, .env = env, .purse = wn_purse_open(env), .stream = WN_STREAM_AUX, .count = 1 };
    t.kernel = wn_kernel_of(o->kernel, o->scale);
    t.levels = tree_levels(o, env->steps, env->steps > 2 ? env->steps - 2 : 0, t.points);
    if (env->steps <= 2)
        t.levels = 0;
    const uint64_t most = 1 + (uint64_t)o->samples * (t.levels + 1);
    t.nodes = calloc(most, sizeof *t.nodes);
    t.children = calloc(most, sizeof *t.children);
    t.values = calloc(most, sizeof *t.values);
    t.noise = malloc(env->latent_values * sizeof *t.noise);
    const wn_status status = t.nodes && t.children && t.values && t.noise
                                 ? grow(&t, err)
                                 : wn_fail(err, WN_E_MEMORY, "no memory for %llu nodes", (unsigned long long)most);
    free(t.nodes), free(t.children), free(t.values), free(t.noise);
    return status;
}

/* At most: every sample begins with a fresh noise. */
void tree_dts_plan(const struct options *o, uint64_t steps, uint64_t evals, wn_search_plan *plan)
{
    plan->candidates = (uint64_t)o->samples;
    plan->verifier_calls = plan->candidates;
    plan->across_calls = 1;
    plan->nfe = plan->candidates * steps * evals;
}
