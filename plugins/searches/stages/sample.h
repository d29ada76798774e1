/* sample.h - what the parts of the view share: view.c keeps samples and looks at them, move.c moves them. */
#ifndef WINNOW_STAGES_SAMPLE_H
#define WINNOW_STAGES_SAMPLE_H

#include "view.h"

struct view_sample {
    struct survivor own; /* 0 = a free slot */
    uint64_t point;      /* of the stage */
    uint32_t generation;
    bool is_live;
    bool is_paid;   /* the velocity where the real sample stands is */
    bool is_scored; /* there, in this stage */
    bool is_offered;
    const struct survivor *known; /* whose noise it begins with, and who has been at the end already */
    uint64_t next_free;
};

/* NULL with *err filled when there is none of that name. Pointers end where a sample is made. */
struct view_sample *view_find(const struct view *v, wn_sample handle, wn_error *err);
/* WN_E_BUDGET when that would pass the stage's part. */
wn_status view_pay(struct view *v, uint64_t nfe, uint64_t calls, wn_error *err);
uint64_t view_cost(void *ctx, uint64_t from, uint64_t to);
uint64_t view_stream(const struct view *v, uint64_t stream);                          /* of the real env */
bool view_is_at_end(const struct view *v, const struct view_sample *s);

/* The env's calls. */
wn_status view_advance(void *ctx, uint64_t count, const wn_sample *samples, uint64_t point, wn_error *err);
wn_status view_renoise(void *ctx, wn_sample sample, uint64_t point, uint64_t stream, wn_error *err);
wn_status view_kick(void *ctx, wn_sample sample, uint64_t point, wn_kernel kernel, uint64_t stream, wn_error *err);
wn_status view_kick_cps(void *ctx, wn_sample sample, uint64_t point, double eta, uint64_t stream, wn_error *err);

#endif
