/* flock.h - samples that go together, and what can be paid for: what searches that look at unfinished samples share.
 *
 * A search that starts what its budget cannot finish has nothing to offer. So each round is taken out of a purse only
 * if what it would leave can still bring at least one sample to the end; when that fails the search finishes its best
 * and ends. Seconds are judged by what has been taken so far and what it took; all other currencies are exact.
 *
 * Under a budget of seconds nothing is known of speed at first. So a search begins with one sample of its own accord
 * (wn_purse_gauge), which is then its first offer, and plans with what that took. All of it follows from what the
 * ledger records, so that a search that was interrupted plans again what it planned.
 *
 * All functions are called from run's thread, as those of wn_env.
 */
#ifndef WINNOW_EXPLORE_FLOCK_H
#define WINNOW_EXPLORE_FLOCK_H

#include <winnow/search.h>

#include <stdbool.h>

struct wn_price {
    double nfe, calls, candidates;
};

/* Bringing count samples from one point to another and scoring them there, by advance or by `kicks` stochastic steps.
 * is_paid: the velocity at `from` is paid for, by a score there. */
struct wn_price wn_price_advance(const wn_env *env, uint64_t count, uint64_t from, uint64_t to, bool is_paid);
struct wn_price wn_price_kicks(const wn_env *env, uint64_t count, uint64_t kicks, uint64_t to, bool is_paid);
struct wn_price wn_price_sum(struct wn_price a, struct wn_price b);
static const struct wn_price wn_price_nothing = { 0, 0, 0 };

struct wn_purse {
    const wn_env *env;
    double per_nfe, per_call; /* what an evaluation and a verifier's call take, in proportion */
    double seconds;           /* that were left when they began to be counted */
    double left;              /* when they were last spent */
    double known, pending;    /* taken until then and since, by these weights */
};

struct wn_purse wn_purse_open(const wn_env *env);
/* Under a budget of seconds: brings the noise of stream 0 to the end and offers it. looks: scores it twice on
 * the way too, so that looks at unfinished samples can be priced. No other budget: nothing is done. Errors: those of
 * the env; a budget that does not reach is no error. */
wn_status wn_purse_gauge(struct wn_purse *purse, bool looks, wn_error *err);
bool wn_purse_is_timed(const struct wn_purse *purse); /* whether seconds are limited */
/* What price, and what was taken and not done yet, is thought to take; 0 when nothing is known of that. */
double wn_purse_seconds(const struct wn_purse *purse, struct wn_price price);
bool wn_purse_affords(const struct wn_purse *purse, struct wn_price price);
/* True when price can be paid and leaves the reserve; then it is taken. */
bool wn_purse_take(struct wn_purse *purse, struct wn_price price, struct wn_price reserve);
/* Takes each as often as it can be paid, at most `most` times; returns how often. */
uint64_t wn_purse_take_most(struct wn_purse *purse, uint64_t most, struct wn_price each, struct wn_price reserve);
/* How wide a search may be that costs `each` times its width and the rest: at most `most`, and 1 at least. Under a
 * budget of seconds what there is time for, as far as is known; under any other `most`. */
uint64_t wn_purse_width(const struct wn_purse *purse, uint64_t most, struct wn_price each, struct wn_price rest);

/* Samples at one point. */
struct wn_flock {
    const wn_env *env;
    uint64_t capacity, count;
    wn_sample *samples; /* [capacity] */
    double *scores;     /* [capacity], of the last wn_flock_score */
    uint64_t point;
    bool is_paid; /* the velocities at point are */
};

/* WN_E_MEMORY; a flock that failed to open, or is zeroed, may be closed. */
wn_status wn_flock_open(const wn_env *env, uint64_t capacity, struct wn_flock *flock, wn_error *err);
void wn_flock_close(struct wn_flock *flock); /* drops its samples */
void wn_flock_clear(struct wn_flock *flock); /* drops its samples */

/* Adds `count` fresh samples from streams first ... to an empty flock. */
wn_status wn_flock_draw(struct wn_flock *flock, uint64_t first, uint64_t count, wn_error *err);
/* Adds a copy of a sample of another flock, whose point and paid velocity the children take over. */
wn_status wn_flock_breed(struct wn_flock *flock, const struct wn_flock *parents, uint64_t parent, wn_error *err);
/* Keeps those named, in that order; drops the others. order [n]: indices, each once. Scores move along. */
wn_status wn_flock_keep(struct wn_flock *flock, uint64_t n, const uint64_t *order, wn_error *err);

wn_status wn_flock_advance(struct wn_flock *flock, uint64_t point, wn_error *err);
/* One stochastic step for each point up to `point`, for every sample its own streams from *stream on. */
wn_status wn_flock_kick(struct wn_flock *flock, uint64_t point, wn_kernel kernel, uint64_t *stream, wn_error *err);
wn_status wn_flock_score(struct wn_flock *flock, wn_error *err);

/* Scores the one sample of next; it takes the place of best's, unless that one is there and scores as high. next is
 * empty then. */
wn_status wn_flock_contest(struct wn_flock *best, struct wn_flock *next, bool *is_better, wn_error *err);
void wn_flock_swap(struct wn_flock *a, struct wn_flock *b);

/* Brings as many as can be paid for, the first ones first, to the end, scores them as one set, offers and drops all.
 * WN_E_BUDGET when it could not be all. */
wn_status wn_flock_finish(struct wn_flock *flock, struct wn_purse *purse, wn_error *err);
/* The same by stochastic steps, but for the last one, which adds no noise. */
wn_status wn_flock_finish_by_kicks(struct wn_flock *flock, struct wn_purse *purse, wn_kernel kernel, uint64_t *stream,
                                   wn_error *err);
/* wn_flock_finish when what the search would do next cannot be paid for: WN_E_BUDGET also when it could be all. */
wn_status wn_flock_break_off(struct wn_flock *flock, struct wn_purse *purse, wn_error *err);

#endif
