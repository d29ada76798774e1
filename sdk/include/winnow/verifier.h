/* verifier.h - scores sets of images against prompts.
 *
 * A request holds a set of candidates, because a rank ensemble or a pairwise judge has no meaning for one image. A
 * verifier that scores each image by itself simply loops. Whether it guides a search or only judges is the spec's
 * business; the verifier does not know.
 */
#ifndef WINNOW_VERIFIER_H
#define WINNOW_VERIFIER_H

#include <winnow/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    WN_METRIC_HIGHER_IS_BETTER = 1 << 0,
    WN_METRIC_ACROSS_PROMPTS = 1 << 1 /* values of different prompts may be compared and averaged */
};

/* One number that the verifier gives. The first metric is the one a search climbs. Frozen. */
typedef struct wn_metric {
    const char *name; /* [a-z0-9_]{1,64}, unique in its verifier */
    const char *help;
    double low; /* expected range; values outside are legal */
    double high;
    uint64_t flags; /* WN_METRIC_... */
} wn_metric;

enum {
    WN_VERIFIER_NEEDS_PROMPT = 1 << 0,
    WN_VERIFIER_COMPARATIVE = 1 << 1, /* an item's score depends on the others of the request */
    WN_VERIFIER_NEEDS_PREVIEW = 1 << 2, /* wants previews at preview_sigma beside the final image */
    WN_VERIFIER_NEEDS_NETWORK = 1 << 3
};

typedef struct wn_score_request {
    uint64_t struct_size;
    uint64_t count;
    const wn_prompt *const *prompts; /* [count]; the same prompt is the same pointer */
    const wn_image *images;          /* [count] */
    /* [count]: what the sampler took each image for when it stood at the point of the schedule nearest to preview_sigma
     * (its x0-prediction, decoded); rgb is NULL for an image that is itself a preview. NULL unless
     * WN_VERIFIER_NEEDS_PREVIEW. */
    const wn_image *previews;
    /* [count][metric_count], out; pre-filled with NaN, which is no opinion on this item. What is infinite is taken for
     * that, with a warning. */
    double *scores;
} wn_score_request;

/* What one instance gives, where its options or inputs decide: a wrapper has its input's metrics, a program in another
 * process says its own. */
typedef struct wn_verifier_info {
    uint64_t struct_size;
    const wn_metric *metrics; /* [metric_count], the instance's own until destroy */
    uint64_t metric_count;    /* 1 .. 64 */
    uint64_t flags;           /* WN_VERIFIER_... */
    uint64_t max_batch;
    double preview_sigma;
    uint64_t reserved[10]; /* 0: later members of a struct that plugins fill */
} wn_verifier_info;

typedef struct wn_verifier {
    uint64_t struct_size;
    const wn_metric *metrics; /* static, so that a spec can be checked without an instance */
    uint64_t metric_count;    /* 1 .. 64; may be 0 where `describe` says them */
    uint64_t flags;           /* WN_VERIFIER_... */
    uint64_t max_batch;       /* largest count of one request; 0 = any */
    uint64_t min_inputs;      /* child verifiers that the spec must, may, give in "inputs" */
    uint64_t max_inputs;
    double preview_sigma;     /* with WN_VERIFIER_NEEDS_PREVIEW */

    /* Scores a set. An error means that nothing of the request is valid. Unless COMPARATIVE, an item's score must
     * not depend, to the last bit, on its batch mates. [serial] */
    wn_status (*score)(void *self, const wn_score_request *request, wn_error *err);

    /* Says what this instance gives. *info comes filled with what the vtable says; the callee changes what differs.
     * NULL: every instance is as the vtable says. Called once, after create. [setup] */
    wn_status (*describe)(void *self, wn_verifier_info *info, wn_error *err);
} wn_verifier;

/* A live verifier, as a wrapper (ensemble, cache, retry) sees its inputs. */
typedef struct wn_verifier_ref {
    uint64_t struct_size;
    const char *name;            /* the spec's name for it */
    const wn_verifier *verifier; /* with the metrics, flags and limits of this instance */
    void *self;
    /* 64 hex digits, the same in every run whose verifier answers the same: a hash of the plugin's name and version,
     * its options, size and time of the files that it told of in create (wn_host.uses_file), and its own inputs. What
     * else may decide an answer (code that changed under one version, a remote service, the run's seed) is not in it. */
    const char *identity;
} wn_verifier_ref;

#ifdef __cplusplus
}
#endif

#endif
