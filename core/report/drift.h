/* drift.h - the same candidates made twice, on two devices or in two types: how far apart they are, and whether
 * anything that a search would have chosen is another one. Filled by whoever makes them, counted and shown here.
 * [serial]
 */
#ifndef WINNOW_REPORT_DRIFT_H
#define WINNOW_REPORT_DRIFT_H

#include "base/arena.h"
#include "base/buffer.h"
#include "report/data.h"

struct drift_side {
    const char *name;     /* "cpu, bf16": how it was computed, as the spec says it */
    const char *machines; /* what the devices say of themselves */
};

/* One candidate, made on both sides. */
struct drift_pair {
    const char *id;
    uint64_t prompt;     /* in drift.prompts */
    double latent_share; /* |b - a| / |a|, Euclidean */
    double latent_most;  /* largest |b_i - a_i| */
    double square;       /* mean of (b - a)^2 over the pixels' values, which go from 0 to 255 */
    double pixel_most;   /* largest |b_i - a_i| of 255 */
    double *scores[2];   // [metric_count] each; NaN = no opinion
};

struct drift_prompt {
    const char *id, *text;
    uint64_t first, count; /* its pairs */
};

/* How a difference is spread over the pairs. p95 and worst are on the bad side: low for PSNR, high for all others. */
struct drift_spread {
    const char *title, *unit;
    bool is_psnr;   /* higher is better; infinite for equal pictures; the mean is that of the mean square */
    uint64_t count; /* pairs that have it */
    uint64_t equal; /* those without a difference */
    double mean, median, p95, worst;
    double bias;    /* of scores: mean of b - a, else NaN */
    double *values; // [count], rising
};

/* What a metric would have chosen on each side, of the same candidates. */
struct drift_choice {
    uint64_t prompts; /* in which it has an opinion on both sides */
    uint64_t changed; /* in which B prefers another than A's */
    double cost; /* of those: how much better B's choice is than A's, on B; mean over those that have a score there, NaN
                  * without */
};

enum { DRIFT_LATENT_SHARE, DRIFT_LATENT_MOST, DRIFT_PSNR, DRIFT_PIXEL_MOST, DRIFT_SCORES };

struct drift {
    const char *run_dir, *name, *model;
    struct drift_side side[2];
    struct data_metric *metrics; // [metric_count]
    uint64_t metric_count;
    struct drift_pair *pairs; // [pair_count]: by prompt, in the order in which the run's search scored them
    uint64_t pair_count;
    struct drift_prompt *prompts; // [prompt_count]
    uint64_t prompt_count;
    uint64_t left_out; /* candidates that could not be made; why: of the first */
    const char *why;
    const char **silent; // [silent_count]: verifiers that could not be asked, with the reason
    uint64_t silent_count;
    uint64_t worst;         /* the pair whose pictures differ most */
    wn_image worst_side[2]; /* the caller's */
    /* by drift_count */
    struct drift_spread *spreads; // [DRIFT_SCORES + metric_count]
    struct drift_choice *choices; // [metric_count]
    uint64_t *chosen[2];          // [prompt_count][metric_count] pairs; UINT64_MAX = none
};

/* Fills what is counted. Needs at least one pair. WN_E_MEMORY. */
wn_status drift_count(struct drift *d, struct arena *arena, wn_error *err);

double drift_psnr(double square); /* dB; infinite for 0 */
/* What metric m would have chosen of a prompt on side 0 or 1, and whether side 1 prefers another than side 0. */
uint64_t drift_chosen(const struct drift *d, uint64_t prompt, uint64_t metric, int side);
bool drift_is_changed(const struct drift *d, uint64_t prompt, uint64_t metric);

void drift_table(const struct drift *d, struct buffer *out);
void drift_json(const struct drift *d, struct buffer *out);
/* drift.html: one self-contained file. */
wn_status drift_page(const struct drift *d, struct buffer *out, wn_error *err);

#endif
