/* flock.c - see flock.h. */
#include "flock.h"

#include "chance.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- prices ---------------------------------------------------------------------------------------------------- */

static struct wn_price price_of(const wn_env *env, uint64_t count, uint64_t way, uint64_t to, bool is_paid)
{
    const uint64_t preview = to < env->steps ? env->evals_per_velocity : 0;
    const uint64_t paid = is_paid ? env->evals_per_velocity : 0;
    const uint64_t each = way + preview > paid ? way + preview - paid : 0;
    return (struct wn_price){ (double)count * (double)each, (double)count, to == env->steps ? (double)count : 0 };
}

struct wn_price wn_price_advance(const wn_env *env, uint64_t count, uint64_t from, uint64_t to, bool is_paid)
{
    return price_of(env, count, env->cost(env->ctx, from, to), to, is_paid);
}

struct wn_price wn_price_kicks(const wn_env *env, uint64_t count, uint64_t kicks, uint64_t to, bool is_paid)
{
    return price_of(env, count, kicks * env->evals_per_velocity, to, is_paid);
}

struct wn_price wn_price_sum(struct wn_price a, struct wn_price b)
{
    return (struct wn_price){ a.nfe + b.nfe, a.calls + b.calls, a.candidates + b.candidates };
}

struct wn_purse wn_purse_open(const wn_env *env)
{
    const double left = env->budget_left(env->ctx, WN_CURRENCY_SECONDS);
    return (struct wn_purse){ .env = env, .per_nfe = 1, .seconds = left, .left = left };
}

static double weight_of(const struct wn_purse *p, struct wn_price price)
{
    return p->per_nfe * price.nfe + p->per_call * price.calls;
}

/* What has been taken since seconds were last spent is still to come. */
static double seconds_for(const struct wn_purse *p, struct wn_price price, double left)
{
    const bool is_spent = left < p->left;
    const double known = p->known + (is_spent ? p->pending : 0), pending = is_spent ? 0 : p->pending;
    return known > 0 ? (p->seconds - left) / known * (pending + weight_of(p, price)) : 0;
}

static bool has_time(const struct wn_purse *p, struct wn_price price)
{
    const double left = p->env->budget_left(p->env->ctx, WN_CURRENCY_SECONDS);
    return isinf(left) || (left > 0 && seconds_for(p, price, left) <= left);
}

static bool has_rest(const wn_env *env, struct wn_price price)
{
    return price.nfe <= env->budget_left(env->ctx, WN_CURRENCY_NFE) &&
           price.calls <= env->budget_left(env->ctx, WN_CURRENCY_VERIFIER_CALLS) &&
           price.candidates <= env->budget_left(env->ctx, WN_CURRENCY_CANDIDATES);
}

bool wn_purse_affords(const struct wn_purse *purse, struct wn_price price)
{
    return has_rest(purse->env, price) && has_time(purse, price);
}

static void put_down(struct wn_purse *p, struct wn_price price)
{
    const double left = p->env->budget_left(p->env->ctx, WN_CURRENCY_SECONDS);
    if (left < p->left) {
        p->known += p->pending;
        p->pending = 0;
        p->left = left;
    }
    p->pending += weight_of(p, price);
}

bool wn_purse_take(struct wn_purse *purse, struct wn_price price, struct wn_price reserve)
{
    if (!wn_purse_affords(purse, wn_price_sum(price, reserve)))
        return false;
    put_down(purse, price);
    return true;
}

static struct wn_price times(struct wn_price each, uint64_t count)
{
    const double n = (double)count;
    return (struct wn_price){ n * each.nfe, n * each.calls, n * each.candidates };
}

/* At most so many times; a first guess, so that nobody counts down from a million. */
static uint64_t guess(const wn_env *env, uint64_t most, struct wn_price each)
{
    const double nfe = env->budget_left(env->ctx, WN_CURRENCY_NFE) / each.nfe,
                 calls = env->budget_left(env->ctx, WN_CURRENCY_VERIFIER_CALLS) / each.calls,
                 candidates = env->budget_left(env->ctx, WN_CURRENCY_CANDIDATES) / each.candidates;
    return (uint64_t)fmin((double)most, fmin(nfe, fmin(calls, candidates))); // x / 0 limits nothing
}

uint64_t wn_purse_take_most(struct wn_purse *purse, uint64_t most, struct wn_price each, struct wn_price reserve)
{
    most = guess(purse->env, most, each);
    while (most > 0 && !wn_purse_take(purse, times(each, most), reserve))
        most--;
    return most;
}

uint64_t wn_purse_width(const struct wn_purse *purse, uint64_t most, struct wn_price each, struct wn_price rest)
{
    if (!wn_purse_is_timed(purse))
        return most;
    while (most > 1 && !has_time(purse, wn_price_sum(times(each, most), rest)))
        most--;
    return most;
}

double wn_purse_seconds(const struct wn_purse *purse, struct wn_price price)
{
    const double left = purse->env->budget_left(purse->env->ctx, WN_CURRENCY_SECONDS);
    return isinf(left) ? 0 : seconds_for(purse, price, left);
}

bool wn_purse_is_timed(const struct wn_purse *purse)
{
    return !isinf(purse->seconds);
}

/* ---- a first sample -------------------------------------------------------------------------------------------- */

/* Of two legs, each with a look at its end: two equations for what an evaluation and a look take. */
static void solve(struct wn_purse *p, struct wn_price near, double near_seconds, struct wn_price far,
                  double far_seconds)
{
    const double both = near_seconds + far_seconds, nfe = near.nfe + far.nfe;
    if (both <= 0)
        return; // too fast to be measured
    p->per_nfe = fmax((far_seconds - near_seconds) / (far.nfe - near.nfe), 0);
    p->per_call = fmax((both - p->per_nfe * nfe) / 2, 0);
    if (p->per_call == 0)
        p->per_nfe = both / nfe;
}

static double time_left(const struct wn_purse *p)
{
    return p->env->budget_left(p->env->ctx, WN_CURRENCY_SECONDS);
}

static wn_status go_to(struct wn_flock *one, uint64_t point, wn_error *err)
{
    WN_TRY(wn_flock_advance(one, point, err));
    return wn_flock_score(one, err);
}

/* The first look stands for nothing: with it a verifier reads the prompt. */
static wn_status look(struct wn_purse *p, struct wn_flock *one, double *between, wn_error *err)
{
    WN_TRY(wn_flock_score(one, err));
    p->seconds = time_left(p);
    WN_TRY(go_to(one, 1, err));
    *between = time_left(p);
    return WN_OK;
}

static wn_status gauge(struct wn_purse *p, struct wn_flock *one, bool looks, wn_error *err)
{
    const wn_env *env = p->env;
    const struct wn_price first = wn_price_advance(env, looks, 0, 0, false),
                          near = wn_price_advance(env, looks, 0, looks, true),
                          far = wn_price_advance(env, 1, looks, env->steps, looks), both = wn_price_sum(near, far);
    double between = p->seconds;
    if (!has_rest(env, wn_price_sum(first, both)))
        return WN_OK; // then the search says so
    WN_TRY(wn_flock_draw(one, 0, 1, err));
    wn_status status = looks ? look(p, one, &between, err) : WN_OK;
    if (status == WN_OK)
        status = go_to(one, env->steps, err);
    if (status != WN_OK)
        return status == WN_E_BUDGET ? WN_OK : status; // a look took all the time that there was
    WN_TRY(env->offer(env->ctx, one->samples[0], err));
    p->left = time_left(p);
    if (looks)
        solve(p, near, p->seconds - between, far, between - p->left);
    else if (p->seconds > p->left)
        p->per_nfe = (p->seconds - p->left) / far.nfe;
    p->known = weight_of(p, both);
    return WN_OK;
}

/* Of three steps or fewer the looks would be the greater part, and the legs of one length. */
wn_status wn_purse_gauge(struct wn_purse *purse, bool looks, wn_error *err)
{
    struct wn_flock one;
    if (!wn_purse_is_timed(purse))
        return WN_OK;
    wn_status status = wn_flock_open(purse->env, 1, &one, err);
    if (status == WN_OK)
        status = gauge(purse, &one, looks && purse->env->steps > 3, err);
    wn_flock_close(&one);
    return status;
}

/* ---- a flock --------------------------------------------------------------------------------------------------- */

wn_status wn_flock_open(const wn_env *env, uint64_t capacity, struct wn_flock *flock, wn_error *err)
{
    *flock = (struct wn_flock){ .env = env, .capacity = capacity };
    flock->samples = calloc(capacity, sizeof *flock->samples);
    flock->scores = calloc(capacity, sizeof *flock->scores);
    if (flock->samples && flock->scores)
        return WN_OK;
    return wn_fail(err, WN_E_MEMORY, "no memory for %llu samples", (unsigned long long)capacity);
}

void wn_flock_clear(struct wn_flock *flock)
{
    for (uint64_t i = 0; i < flock->count; i++)
        flock->env->drop(flock->env->ctx, flock->samples[i]);
    flock->count = 0;
    flock->point = 0;
    flock->is_paid = false;
}

void wn_flock_close(struct wn_flock *flock)
{
    wn_flock_clear(flock);
    free(flock->samples);
    free(flock->scores);
    *flock = (struct wn_flock){ 0 };
}

static wn_status check_room(const struct wn_flock *flock, wn_error *err)
{
    if (flock->count < flock->capacity)
        return WN_OK;
    return wn_fail(err, WN_E_INTERNAL, "a flock of %llu is full", (unsigned long long)flock->capacity);
}

wn_status wn_flock_draw(struct wn_flock *flock, uint64_t first, uint64_t count, wn_error *err)
{
    const wn_env *env = flock->env;
    float *noise = malloc(env->latent_values * sizeof *noise);
    wn_status status = noise ? WN_OK : wn_fail(err, WN_E_MEMORY, "no memory for a noise");
    for (uint64_t i = 0; status == WN_OK && i < count; i++) {
        status = check_room(flock, err);
        if (status == WN_OK)
            status = env->noise(env->ctx, first + i, noise, err);
        if (status == WN_OK)
            status = env->spawn(env->ctx, noise, 0, &flock->samples[flock->count], err);
        flock->count += status == WN_OK;
    }
    free(noise);
    return status;
}

wn_status wn_flock_breed(struct wn_flock *flock, const struct wn_flock *parents, uint64_t parent, wn_error *err)
{
    const wn_env *env = flock->env;
    WN_TRY(check_room(flock, err));
    WN_TRY(env->clone(env->ctx, parents->samples[parent], &flock->samples[flock->count], err));
    flock->scores[flock->count++] = parents->scores[parent];
    flock->point = parents->point;
    flock->is_paid = parents->is_paid;
    return WN_OK;
}

wn_status wn_flock_keep(struct wn_flock *flock, uint64_t n, const uint64_t *order, wn_error *err)
{
    struct wn_flock kept;
    wn_status status = wn_flock_open(flock->env, n, &kept, err);
    for (uint64_t i = 0; status == WN_OK && i < n; i++) {
        kept.samples[i] = flock->samples[order[i]];
        kept.scores[i] = flock->scores[order[i]];
        flock->samples[order[i]] = 0;
    }
    for (uint64_t i = 0; status == WN_OK && i < flock->count; i++)
        flock->env->drop(flock->env->ctx, flock->samples[i]);
    if (status == WN_OK) {
        memcpy(flock->samples, kept.samples, n * sizeof *kept.samples);
        memcpy(flock->scores, kept.scores, n * sizeof *kept.scores);
        flock->count = n;
    }
    wn_flock_close(&kept);
    return status;
}

wn_status wn_flock_advance(struct wn_flock *flock, uint64_t point, wn_error *err)
{
    WN_TRY(flock->env->advance(flock->env->ctx, flock->count, flock->samples, point, err));
    flock->is_paid = flock->is_paid && flock->point == point;
    flock->point = point;
    return WN_OK;
}

wn_status wn_flock_kick(struct wn_flock *flock, uint64_t point, wn_kernel kernel, uint64_t *stream, wn_error *err)
{
    const wn_env *env = flock->env;
    for (uint64_t i = 0; i < flock->count; i++)
        for (uint64_t p = flock->point + 1; p <= point; p++)
            WN_TRY(env->kick(env->ctx, flock->samples[i], p, kernel, (*stream)++, err));
    flock->is_paid = flock->is_paid && flock->point == point;
    flock->point = point;
    return WN_OK;
}

wn_status wn_flock_score(struct wn_flock *flock, wn_error *err)
{
    WN_TRY(flock->env->score(flock->env->ctx, flock->count, flock->samples, flock->scores, err));
    flock->is_paid = flock->point < flock->env->steps;
    return WN_OK;
}

void wn_flock_swap(struct wn_flock *a, struct wn_flock *b)
{
    const struct wn_flock c = *a;
    *a = *b;
    *b = c;
}

wn_status wn_flock_contest(struct wn_flock *best, struct wn_flock *next, bool *is_better, wn_error *err)
{
    WN_TRY(wn_flock_score(next, err));
    *is_better = best->count == 0 || wn_beats(next->scores[0], best->scores[0]);
    if (*is_better)
        wn_flock_swap(best, next);
    wn_flock_clear(next);
    return WN_OK;
}

/* The last one is tried as long as there is any time: it is what the search is for. */
static bool take_finish(struct wn_flock *flock, struct wn_purse *purse)
{
    const wn_env *env = flock->env;
    const struct wn_price price = wn_price_advance(env, flock->count, flock->point, env->steps, flock->is_paid);
    return wn_purse_take(purse, price, wn_price_nothing) ||
           (flock->count == 1 && has_rest(env, price) && env->budget_left(env->ctx, WN_CURRENCY_SECONDS) > 0);
}

wn_status wn_flock_finish(struct wn_flock *flock, struct wn_purse *purse, wn_error *err)
{
    const wn_env *env = flock->env;
    const uint64_t wanted = flock->count;
    while (flock->count > 0 && !take_finish(flock, purse))
        env->drop(env->ctx, flock->samples[--flock->count]);
    const uint64_t count = flock->count;
    if (count > 0) {
        WN_TRY(wn_flock_advance(flock, env->steps, err));
        WN_TRY(wn_flock_score(flock, err));
    }
    for (uint64_t i = 0; i < count; i++)
        WN_TRY(env->offer(env->ctx, flock->samples[i], err));
    wn_flock_clear(flock);
    if (count < wanted)
        return wn_fail(err, WN_E_BUDGET, "the budget finished %llu of %llu samples", (unsigned long long)count,
                       (unsigned long long)wanted);
    return WN_OK;
}

wn_status wn_flock_finish_by_kicks(struct wn_flock *flock, struct wn_purse *purse, wn_kernel kernel, uint64_t *stream,
                                   wn_error *err)
{
    const wn_env *env = flock->env;
    const uint64_t last = env->steps - 1;
    if (flock->point < last) {
        struct wn_price way = wn_price_kicks(env, flock->count, last - flock->point, env->steps, flock->is_paid);
        way.calls = way.candidates = 0;
        if (!wn_purse_take(purse, way, wn_price_advance(env, 1, last, env->steps, false)))
            return wn_flock_break_off(flock, purse, err);
        WN_TRY(wn_flock_kick(flock, last, kernel, stream, err));
    }
    return wn_flock_finish(flock, purse, err);
}

wn_status wn_flock_break_off(struct wn_flock *flock, struct wn_purse *purse, wn_error *err)
{
    WN_TRY(wn_flock_finish(flock, purse, err));
    return wn_fail(err, WN_E_BUDGET, "the budget ends before the search");
}
