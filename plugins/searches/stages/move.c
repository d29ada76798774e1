/* move.c - samples of a stage go on and back; see view.h. */
#include "sample.h"

#include <stdlib.h>

static const wn_kernel euler = { WN_KERNEL_CPS, 0 };

static void moved(struct view_sample *s, uint64_t point)
{
    s->point = point;
    s->known = NULL;
    s->is_paid = false;
    s->is_scored = false;
    s->is_offered = false;
}

/* Before the sample goes on beyond the point that the next stage goes on from. */
static wn_status leave_trail(struct view *v, struct view_sample *s, uint64_t to, wn_error *err)
{
    const wn_env *env = v->real;
    if (v->trail == 0 || s->point > v->trail || to <= v->trail)
        return WN_OK;
    env->drop(env->ctx, s->own.trail);
    return view_copy(env, s->own.sample, &s->own.trail, err);
}

/* Of a way, what the real env charges when it is gone. A draft pays its last step with the score at its end. */
static uint64_t price(const struct view *v, const struct view_sample *s, uint64_t to)
{
    const uint64_t last = v->track.is_draft && to == v->track.steps ? to - 1 : to;
    const uint64_t nfe = last > s->point ? view_cost((void *)(uintptr_t)v, s->point, last) : 0;
    const uint64_t paid = s->is_paid ? v->real->evals_per_velocity : 0;
    if (s->known && to == v->track.steps)
        return 0;
    return nfe > paid ? nfe - paid : 0;
}

static wn_status draft(struct view *v, struct view_sample *s, uint64_t to, wn_error *err)
{
    const wn_env *env = v->real;
    const uint64_t last = to == v->track.steps ? to - 1 : to;
    while (s->point < last) {
        WN_TRY(leave_trail(v, s, s->point + 1, err));
        WN_TRY(env->kick(env->ctx, s->own.sample, track_point(&v->track, s->point + 1), euler, WN_STREAM_AUX, err));
        moved(s, s->point + 1);
    }
    s->point = to; /* at its end the sample stands where it stood */
    return WN_OK;
}

/* The whole way at once, where a stage before has gone it. */
static wn_status take_known(struct view *v, struct view_sample *s, wn_error *err)
{
    const wn_env *env = v->real;
    wn_sample whole;
    WN_TRY(env->clone(env->ctx, s->known->sample, &whole, err));
    env->drop(env->ctx, s->own.sample);
    s->own.sample = whole;
    moved(s, v->track.steps);
    return WN_OK;
}

/* All samples that are not beyond `to` yet, in one call of the real env. */
static wn_status carry(struct view *v, uint64_t count, const wn_sample *samples, uint64_t to, wn_sample *scratch,
                       wn_error *err)
{
    const wn_env *env = v->real;
    uint64_t n = 0;
    for (uint64_t i = 0; i < count; i++) {
        struct view_sample *s = view_find(v, samples[i], err);
        if (s && s->known && to == v->track.steps)
            WN_TRY(take_known(v, s, err));
        if (!s || s->point >= to)
            continue;
        WN_TRY(leave_trail(v, s, to, err));
        scratch[n++] = s->own.sample;
    }
    WN_TRY(env->advance(env->ctx, n, scratch, track_point(&v->track, to), err));
    for (uint64_t i = 0; i < count; i++) {
        struct view_sample *s = view_find(v, samples[i], err);
        if (s && s->point < to)
            moved(s, to);
    }
    return WN_OK;
}

static wn_status carry_all(struct view *v, uint64_t count, const wn_sample *samples, uint64_t to, wn_error *err)
{
    wn_sample *scratch = calloc(count + 1, sizeof *scratch);
    wn_status status =
        scratch ? WN_OK : wn_fail(err, WN_E_MEMORY, "no memory for %llu samples", (unsigned long long)count);
    if (status == WN_OK && v->trail > 0 && v->trail < to)
        status = carry(v, count, samples, v->trail, scratch, err);
    if (status == WN_OK)
        status = carry(v, count, samples, to, scratch, err);
    free(scratch);
    return status;
}

wn_status view_advance(void *ctx, uint64_t count, const wn_sample *samples, uint64_t point, wn_error *err)
{
    struct view *v = ctx;
    uint64_t nfe = 0;
    if (point > v->track.steps)
        return wn_fail(err, WN_E_ARG, "it asks for point %llu of %llu steps", (unsigned long long)point,
                       (unsigned long long)v->track.steps);
    for (uint64_t i = 0; i < count; i++) {
        const struct view_sample *s = view_find(v, samples[i], err);
        if (!s)
            return err->code;
        if (s->point > point)
            return wn_fail(err, WN_E_ARG, "a sample at point %llu cannot advance to %llu; renoise leads back",
                           (unsigned long long)s->point, (unsigned long long)point);
        nfe += price(v, s, point);
    }
    WN_TRY(view_pay(v, nfe, 0, err));
    if (!v->track.is_draft)
        return carry_all(v, count, samples, point, err);
    for (uint64_t i = 0; i < count; i++)
        WN_TRY(draft(v, view_find(v, samples[i], err), point, err));
    return WN_OK;
}

/* A draft at its end takes its last step now, which its score has paid for. */
wn_status view_renoise(void *ctx, wn_sample sample, uint64_t point, uint64_t stream, wn_error *err)
{
    struct view *v = ctx;
    const wn_env *env = v->real;
    struct view_sample *s = view_find(v, sample, err);
    if (!s)
        return err->code;
    if (point > s->point)
        return wn_fail(err, WN_E_ARG, "a sample at point %llu cannot be noised to %llu; advance leads on",
                       (unsigned long long)s->point, (unsigned long long)point);
    if (point == s->point)
        return WN_OK;
    if (v->track.is_draft && view_is_at_end(v, s)) {
        WN_TRY(view_pay(v, s->is_paid ? 0 : env->evals_per_velocity, 0, err));
        WN_TRY(env->kick(env->ctx, s->own.sample, v->track.last, euler, WN_STREAM_AUX, err));
    }
    WN_TRY(env->renoise(env->ctx, s->own.sample, track_point(&v->track, point), view_stream(v, stream), err));
    moved(s, point);
    s->own.is_whole = false;
    return WN_OK;
}

wn_status view_kick(void *ctx, wn_sample sample, uint64_t point, wn_kernel kernel, uint64_t stream, wn_error *err)
{
    struct view *v = ctx;
    const wn_env *env = v->real;
    struct view_sample *s = view_find(v, sample, err);
    if (!s)
        return err->code;
    if (point <= s->point || point > v->track.steps)
        return wn_fail(err, WN_E_ARG, "a sample at point %llu of %llu cannot be kicked to %llu",
                       (unsigned long long)s->point, (unsigned long long)v->track.steps, (unsigned long long)point);
    if (v->track.is_draft && point == v->track.steps) { /* to the end no noise is added */
        s->point = point;
        return WN_OK;
    }
    WN_TRY(view_pay(v, s->is_paid ? 0 : env->evals_per_velocity, 0, err));
    WN_TRY(leave_trail(v, s, point, err));
    WN_TRY(env->kick(env->ctx, s->own.sample, track_point(&v->track, point), kernel, view_stream(v, stream), err));
    moved(s, point);
    s->own.is_whole = false;
    return WN_OK;
}

wn_status view_kick_cps(void *ctx, wn_sample sample, uint64_t point, double eta, uint64_t stream, wn_error *err)
{
    return view_kick(ctx, sample, point, (wn_kernel){ WN_KERNEL_CPS, eta }, stream, err);
}
