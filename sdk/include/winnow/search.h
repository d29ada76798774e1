/* search.h - a search over noises, as straight-line code.
 *
 * run(env) reads like its paper's pseudo-code: spawn, advance, score, offer. Every prompt's search runs on its own
 * thread and blocks in env; underneath, the engine gathers the requests of all live searches into full batches.
 *
 * A search must be a function of (options, env): no clock, no own randomness, no global state. Then a killed run
 * resumes by running the search again against the ledger: calls whose results are recorded are answered from there.
 *
 *     static wn_status run(void *self, const wn_env *env, wn_error *err)    // best of n
 *     {
 *         const struct options *o = self;
 *         for (i = 0; i < o->candidates; i += n) {
 *             n = wave(env, o, i);
 *             for (k = 0; k < n; k++)
 *                 WN_TRY(env->spawn(env->ctx, WN_NOISE(i + k), &sample[k], err));
 *             WN_TRY(env->advance(env->ctx, n, sample, env->steps, err));
 *             WN_TRY(env->score(env->ctx, n, sample, score, err));
 *             ... env->offer the finished ones, env->drop ...
 *         }
 *     }
 *
 * Samples are small integers, owned by the env; all that are left when run returns are dropped by the host. A call that
 * takes several wants each of them once.
 * Points are indices into sigma: 0 = pure noise, steps = clean image.
 */
#ifndef WINNOW_SEARCH_H
#define WINNOW_SEARCH_H

#include <winnow/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef uint64_t wn_sample; /* 0 is never one */

/* The budget's currencies, per prompt. */
enum { WN_CURRENCY_NFE = 1, WN_CURRENCY_SECONDS = 2, WN_CURRENCY_VERIFIER_CALLS = 3, WN_CURRENCY_CANDIDATES = 4 };

/* Streams: the number space of env->noise. Stream k is the noise a user means by "seed + k" in the torch-like noise
 * modes; auxiliary draws (directions, re-noise, choices) take streams from WN_STREAM_AUX up, which are Philox always. */
#define WN_STREAM_AUX ((uint64_t)1 << 32)
/* Streams from here up are those that env->blend names. */
#define WN_STREAM_BLEND ((uint64_t)1 << 63)

/* How a stochastic step goes from noise level a to b < a. With x0 = x - a v and eps = x0 + v, every kind is
 *     x_b = (1 - b) x0 + old eps + fresh z,   z fresh standard normal noise,
 * and scale 0 is the Euler step (old = b, fresh = 0), to the bit; so is a step to b = 0, which adds no noise.
 *
 * Which one: with many steps, an SDE's, which keeps the distribution of images. With few, old^2 + fresh^2 of its steps
 * is more than b^2, and a model takes the rest for content; a coefficient-preserving step has no rest, but what x0
 * leaves open is lost at each, so that many of them with a large eta make images too much alike. */
enum {
    /* Coefficient-preserving, scale = eta in [0, 1]: old = b cos(eta pi/2), fresh = b sin(eta pi/2). The noise in x_b
     * is of level b exactly, at any eta and over any interval. "Coefficients-Preserving Sampling for Reinforcement
     * Learning with Flow Matching", Wang & Yu 2025. */
    WN_KERNEL_CPS = 1,
    /* The flow's SDE with diffusion g(s), which has the ODE's marginals at every s, by an Euler-Maruyama step:
     * fresh = min(g(a) sqrt(a - b), b), old = b - fresh^2 / (2 a). The minimum keeps coarse steps from adding more
     * noise than x_b may hold. */
    WN_KERNEL_CONSTANT = 2, /* g = scale */
    WN_KERNEL_GRPO = 3,     /* g = scale sqrt(s / (1 - s)), at s = 1 that of b; Flow-GRPO, Liu et al. 2025: 0.7 */
    WN_KERNEL_RBF = 4,      /* g = scale s^2; "Inference-Time Scaling for Flow Models", Kim et al. 2025: 3 */
    /* That step in the coordinates of a variance-preserving process, as Kim et al. do it: g = scale r^2 over its time r
     * (beta 0.1 .. 20), the flow's x and levels divided by h(s) = hypot(s, 1 - s). 3 again. */
    WN_KERNEL_RBF_VP = 5
};

typedef struct wn_kernel {
    int64_t kind; /* WN_KERNEL_... */
    double scale; /* finite, not negative */
} wn_kernel;

/* What a search may do. Every function is called from run's thread only. Functions that may sample or score block;
 * they return WN_E_BUDGET when the call would pass the budget (nothing was done, nothing was charged) and
 * WN_E_CANCELLED when the user interrupts: a search hands both upward with WN_TRY, except that on WN_E_BUDGET it may
 * first offer what it has. The host treats WN_E_BUDGET from run as a normal end. */
typedef struct wn_env {
    uint64_t struct_size;
    void *ctx;

    const wn_prompt *prompt;
    uint64_t steps;
    const float *sigma;     /* [steps + 1], 1 .. 0 */
    uint64_t latent_values; /* number of floats in one latent, C h w */
    uint64_t latent_channels;
    uint64_t latent_height;
    uint64_t latent_width;
    uint64_t evals_per_velocity; /* NFE of one velocity of one sample; cost() tells that of a way */
    uint64_t batch_hint;         /* samples that the engine likes to see at once */

    /* What is left of the budget in a currency; +infinity where the spec sets none. */
    double (*budget_left)(void *ctx, int32_t currency);

    /* Standard normal noise of a stream into dst[latent_values]. */
    wn_status (*noise)(void *ctx, uint64_t stream, float *dst, wn_error *err);
    /* 64 uniform bits: a function of (seed, prompt, stream, index). */
    uint64_t (*random_u64)(void *ctx, uint64_t stream, uint64_t index);

    /* A new sample at point 0 from noise[latent_values] (copied). parent: the sample it was derived from, for the
     * lineage in the report, or 0. Costs nothing. */
    wn_status (*spawn)(void *ctx, const float *noise, wn_sample parent, wn_sample *out, wn_error *err);
    /* A copy of a sample at its present point, costing nothing. What was done and paid for before is the copy's too, and
     * is sampled once: clones of a sample that was scored or peeked at have its velocity for their next step. */
    wn_status (*clone)(void *ctx, wn_sample sample, wn_sample *out, wn_error *err);
    void (*drop)(void *ctx, wn_sample sample); /* 0 is fine */

    /* Brings every sample forward to `point` with the spec's solver (samples may stand at different points; one
     * already there costs nothing). Charges NFE for all of them at once. */
    wn_status (*advance)(void *ctx, uint64_t count, const wn_sample *samples, uint64_t point, wn_error *err);
    /* Back to a noisier point by the forward kernel: x_b = r x_a + sqrt(b^2 - r^2 a^2) z, r = (1-b)/(1-a), z from
     * stream. Costs nothing. */
    wn_status (*renoise)(void *ctx, wn_sample sample, uint64_t point, uint64_t stream, wn_error *err);
    /* kick with { WN_KERNEL_CPS, eta }: what kick was before 0.3. */
    wn_status (*kick_cps)(void *ctx, wn_sample sample, uint64_t point, double eta, uint64_t stream, wn_error *err);
    /* The sample's state x and its x0-prediction, each [latent_values]; either may be NULL. At point `steps` both are
     * the clean latent. The velocity that x0 needs is charged once and reused by the next advance. */
    wn_status (*peek)(void *ctx, wn_sample sample, float *x, float *x0, wn_error *err);

    /* The guide's first metric for each sample, turned so that higher is better; NaN = the guide has no opinion.
     * Unfinished samples are scored on the preview of their x0-prediction. One call is one set: a comparative
     * verifier sees the samples together. Samples of the same making are one candidate, and are told the same. */
    wn_status (*score)(void *ctx, uint64_t count, const wn_sample *samples, double *scores, wn_error *err);

    /* Names a finished, scored sample as a result. The best offer (by the guide) is the trial's winner. Under a
     * comparative guide that is the best by what it said last of each: a search that goes from set to set scores again
     * what is still in the running, together with what is new (another guide is not asked again). What there would
     * be without search is the first finished sample that was scored, offered or not. May be called again and again;
     * order is kept. Where the spec does not save all images, those of the first finished sample and of each that
     * scored better than all before it, or was compared, are kept: a search that offers what scored best has its winner's picture. */
    wn_status (*offer)(void *ctx, wn_sample sample, wn_error *err);

    /* NFE of advancing one sample from a point to a later one with the spec's solver, when no velocity on the way is
     * paid for yet. 0 where the points are not in that order. */
    uint64_t (*cost)(void *ctx, uint64_t from, uint64_t to);

    /* A stream whose noise is cosine times base's and sqrt(1 - cosine^2) times that of `with`: standard normal as they
     * are, and near base when the cosine is near 1. base: any stream, also one made here; with: an auxiliary one. For
     * noise, kick and renoise. The same three give the same stream. Costs nothing. */
    wn_status (*blend)(void *ctx, uint64_t base, uint64_t with, double cosine, uint64_t *stream, wn_error *err);

    /* One stochastic step to `point`, which may be several points on, z from stream. Whatever the spec's solver, it
     * takes one velocity: that of the state it leaves, which a score or a peek may have paid for already. */
    wn_status (*kick)(void *ctx, wn_sample sample, uint64_t point, wn_kernel kernel, uint64_t stream, wn_error *err);

    /* 1: the guide compares, and to score a sample again is another call of it; 0: it has answered. */
    uint64_t guide_compares;

    /* A draft of a sample that stands at point 0 and was not moved: a new sample at point 0 of a canvas with sides of
     * 1/factor, which may be moved, cloned and scored as any other. Each value of its noise is the sum of factor x
     * factor values of the sample's, divided by factor: standard normal, and what a smaller picture has of that noise.
     * It has that canvas' own sigmas, as many points, latents of latent_values / factor^2 values, and previews of its
     * size; its evaluations count as any. It is never finished: it may not be offered, no judge sees it, and at the
     * last point its score is that of a preview all the same. plan says which factors there will be, from 2 to
     * WN_SHRINK_MAX; any other is WN_E_ARG. Costs nothing. NULL: an env that has no smaller canvas. */
    wn_status (*shrink)(void *ctx, wn_sample sample, uint64_t factor, wn_sample *out, wn_error *err);
    /* The noise levels of that canvas, sigma[steps + 1]; of factor 1, the env's own. */
    wn_status (*shrunk_sigma)(void *ctx, uint64_t factor, float *sigma, wn_error *err);
} wn_env;

enum { WN_SHRINK_MAX = 8 };

enum {
    WN_SEARCH_NEEDS_PREVIEW = 1 << 0, /* scores unfinished samples */
    WN_SEARCH_POOL_IS_IID = 1 << 1    /* its candidates are independent: exact best-of-n curves are valid */
};

/* What a search will take for one prompt, for `winnow check`. */
typedef struct wn_search_plan {
    uint64_t struct_size;
    uint64_t candidates; /* finished samples */
    uint64_t nfe;
    uint64_t verifier_calls; /* each sample once */
    uint64_t calls_again;    /* under a guide that compares, those of samples that were scored before */
    uint64_t shrinks;        /* bit f: env->shrink by f, so that sizes are checked before anything runs */
    uint64_t across_calls; /* 1: it compares scores of different calls of env->score, which a guide that compares gives no
                              common scale; then the user is warned */
    uint64_t reserved[9];  /* 0: later members of a struct that plugins fill */
} wn_search_plan;

typedef struct wn_search {
    uint64_t struct_size;
    uint64_t flags; /* WN_SEARCH_... */

    /* An upper bound from options and schedule length alone, before the budget is applied; one sample more, looked at
     * twice on its way, is allowed for where the budget is in seconds, to learn what samples take. `options` is the
     * filled options struct: no instance is needed. A step is planned as one velocity; where the spec's solver takes more, the
     * host scales the plan. [any] */
    void (*plan)(const void *options, uint64_t steps, uint64_t evals_per_velocity, wn_search_plan *plan);

    /* One prompt's search. [any]: one instance serves all prompts at once and must not write to itself. */
    wn_status (*run)(void *self, const wn_env *env, wn_error *err);

    /* Since 0.3. A search made of searches has an option of type WN_OPTION_SEARCHES; this table describes what each
     * element of it may have beside "use" and "options". Ends with WN_OPTIONS_END; NULL: nothing more. */
    const wn_option *part_options;
    uint64_t part_options_size;

    /* Since 0.4. What is wrong with filled options of which each is fine by itself, so that `winnow check` tells what
     * create would: WN_E_ARG with a message that begins with the option's name. NULL: nothing can be. [any] */
    wn_status (*check)(const void *options, wn_error *err);
} wn_search;

/* One search of an option of type WN_OPTION_SEARCHES: {"use": NAME, "options": {...}, what part_options says}. The host
 * has checked all of it, and that the search is not made of searches itself. Frozen. */
typedef struct wn_search_part {
    /* Every member may be read, also those of its vtable, a wn_search; create and destroy are never NULL. Its instance
     * is made, with the host's table of the outer one, and ended by the outer one. */
    const wn_plugin *plugin;
    const void *options; /* for plan and create */
    const void *own;     /* the filled struct of part_options; NULL without */
} wn_search_part;

/* Owned by the host, valid until after destroy. */
typedef struct wn_search_parts {
    uint64_t struct_size;
    uint64_t count; /* at least 1 */
    const wn_search_part *parts;
} wn_search_parts;

#ifdef __cplusplus
}
#endif

#endif
