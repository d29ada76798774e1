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
    uint64_t evals_per_velocity; /* NFE of one step of one sample */
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
    /* A copy of a sample at its present point. */
    wn_status (*clone)(void *ctx, wn_sample sample, wn_sample *out, wn_error *err);
    void (*drop)(void *ctx, wn_sample sample); /* 0 is fine */

    /* Brings every sample forward to `point` with the spec's solver (samples may stand at different points; one
     * already there costs nothing). Charges NFE for all of them at once. */
    wn_status (*advance)(void *ctx, uint64_t count, const wn_sample *samples, uint64_t point, wn_error *err);
    /* Back to a noisier point by the forward kernel: x_b = r x_a + sqrt(b^2 - r^2 a^2) z, r = (1-b)/(1-a), z from
     * stream. Costs nothing. */
    wn_status (*renoise)(void *ctx, wn_sample sample, uint64_t point, uint64_t stream, wn_error *err);
    /* One stochastic step to `point` that keeps the marginals: coefficient-preserving (CPS) with eta in [0,1]; eta 0
     * is the Euler step. z from stream. Charges as advance does. */
    wn_status (*kick)(void *ctx, wn_sample sample, uint64_t point, double eta, uint64_t stream, wn_error *err);
    /* The sample's state x and its x0-prediction, each [latent_values]; either may be NULL. At point `steps` both are
     * the clean latent. The velocity that x0 needs is charged once and reused by the next advance. */
    wn_status (*peek)(void *ctx, wn_sample sample, float *x, float *x0, wn_error *err);

    /* The guide's first metric for each sample, turned so that higher is better; NaN = the guide has no opinion.
     * Unfinished samples are scored on the preview of their x0-prediction. One call is one set: a comparative
     * verifier sees the samples together. */
    wn_status (*score)(void *ctx, uint64_t count, const wn_sample *samples, double *scores, wn_error *err);

    /* Names a finished, scored sample as a result. The best offer (by the guide) is the trial's winner; what there would
     * be without search is the first finished sample that was scored, offered or not. May be called again and again;
     * order is kept. Where the spec does not save all images, those of the first finished sample and of each that
     * scored better than all before it are kept: a search that offers what scored best has its winner's picture. */
    wn_status (*offer)(void *ctx, wn_sample sample, wn_error *err);
} wn_env;

enum {
    WN_SEARCH_NEEDS_PREVIEW = 1 << 0, /* scores unfinished samples */
    WN_SEARCH_POOL_IS_IID = 1 << 1    /* its candidates are independent: exact best-of-n curves are valid */
};

/* What a search will take for one prompt, for `winnow check`. */
typedef struct wn_search_plan {
    uint64_t struct_size;
    uint64_t candidates; /* finished samples */
    uint64_t nfe;
    uint64_t verifier_calls;
    uint64_t reserved[12]; /* 0: later members of a struct that plugins fill */
} wn_search_plan;

typedef struct wn_search {
    uint64_t struct_size;
    uint64_t flags; /* WN_SEARCH_... */

    /* An upper bound from options and schedule length alone, before the budget is applied. `options` is the filled
     * options struct: no instance is needed. [any] */
    void (*plan)(const void *options, uint64_t steps, uint64_t evals_per_velocity, wn_search_plan *plan);

    /* One prompt's search. [any]: one instance serves all prompts at once and must not write to itself. */
    wn_status (*run)(void *self, const wn_env *env, wn_error *err);
} wn_search;

#ifdef __cplusplus
}
#endif

#endif
