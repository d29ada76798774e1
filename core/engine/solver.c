/* The problem: searches ask for paths made of deterministic steps, stochastic steps and jumps back to noise, while the
 * sampler only answers velocities, many samples at a time. So a walk is a small program (its moves) whose interpreter
 * stops whenever it needs a velocity, and goes on when it is handed one.
 *
 * Coefficients are computed in double and rounded once; states are float32 as samplers see them. */
#include "engine/solver.h"

#include <winnow/search.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

void noise_source_fill(const struct noise_source *source, uint64_t stream, float *dst, uint64_t n)
{
    if (stream >= WN_STREAM_AUX)
        noise_fill(SPEC_NOISE_PHILOX, source->aux_seed, stream, dst, n);
    else
        noise_fill(source->mode, source->seed, stream, dst, n);
}

/* ---- walks ---------------------------------------------------------------------------------------------------- */

static wn_status walk_reserve(struct walk *w, wn_error *err)
{
    if (w->move_count < w->move_capacity)
        return WN_OK;
    const uint32_t capacity = w->move_capacity ? 2 * w->move_capacity : 2;
    struct move *moves = realloc(w->moves, capacity * sizeof *moves);
    if (!moves)
        return wn_fail(err, WN_E_MEMORY, "no memory for %u moves of a sample", capacity);
    w->moves = moves;
    w->move_capacity = capacity;
    return WN_OK;
}

wn_status walk_append(struct walk *w, struct move move, wn_error *err)
{
    struct move *last = w->move_count ? &w->moves[w->move_count - 1] : NULL;
    if (last && last->kind == MOVE_ADVANCE && move.kind == MOVE_ADVANCE) {
        if (w->done == w->move_count)
            w->done--; /* carried out as far as it went; the longer move continues from there */
        last->point = move.point;
        return WN_OK;
    }
    WN_TRY(walk_reserve(w, err));
    w->moves[w->move_count++] = move;
    return WN_OK;
}

void walk_finish(struct walk *w)
{
    free(w->x);
    free(w->v);
    free(w->moves);
    memset(w, 0, sizeof *w);
}

/* ---- glimpses -------------------------------------------------------------------------------------------------- */

uint64_t solver_floats(const struct solver *s)
{
    return s->values * (1 + s->glimpse_count);
}

const float *solver_glimpse(const struct solver *s, const struct walk *w, uint32_t i)
{
    return w->x + s->values * (1 + i);
}

/* Before a step from the walk's point to `next`. */
static void take_glimpses(const struct solver *s, struct walk *w, const float *v, uint32_t next)
{
    const float sigma = s->sigma[w->point];
    for (uint32_t g = 0; g < s->glimpse_count; g++) {
        float *x0 = w->x + s->values * (1 + g);
        if (w->point <= s->glimpse[g] && s->glimpse[g] < next)
            for (uint64_t i = 0; i < s->values; i++)
                x0[i] = w->x[i] - sigma * v[i];
    }
}

/* ---- the interpreter ------------------------------------------------------------------------------------------ */

static void end_move(struct walk *w, const struct move *m)
{
    w->point = m->point;
    w->done++;
}

static void step(const struct solver *s, const struct noise_source *source, struct walk *w, const float *v, float *z)
{
    const struct move *m = &w->moves[w->done];
    const float from = s->sigma[w->point];
    take_glimpses(s, w, v, m->kind == MOVE_KICK ? m->point : w->point + 1);
    if (m->kind == MOVE_KICK) {
        if (m->eta > 0)
            noise_source_fill(source, m->stream, z, s->values);
        solver_kick(s->values, w->x, v, z, from, s->sigma[m->point], m->eta);
        end_move(w, m);
    } else {
        solver_euler(s->values, w->x, v, from, s->sigma[w->point + 1]);
        w->point++;
    }
    w->has_velocity = false;
}

static void jump_back(const struct solver *s, const struct noise_source *source, struct walk *w, float *z)
{
    const struct move *m = &w->moves[w->done];
    noise_source_fill(source, m->stream, z, s->values);
    solver_renoise(s->values, w->x, z, s->sigma[w->point], s->sigma[m->point]);
    w->has_velocity = false;
    end_move(w, m);
}

bool solver_wants(const struct solver *s, const struct noise_source *source, struct walk *w, bool want_velocity,
                  float *z, float *sigma)
{
    while (w->done < w->move_count) {
        const struct move *m = &w->moves[w->done];
        *sigma = s->sigma[w->point];
        if (m->kind == MOVE_RENOISE)
            jump_back(s, source, w, z);
        else if (w->point == m->point)
            w->done++;
        else if (w->has_velocity)
            step(s, source, w, w->v, z);
        else
            return true;
    }
    *sigma = s->sigma[w->point];
    return want_velocity && !w->has_velocity && w->point < s->steps;
}

bool solver_keeps(const struct walk *w)
{
    return w->done == w->move_count;
}

void solver_take(const struct solver *s, const struct noise_source *source, struct walk *w, const float *v, float *z)
{
    if (!solver_keeps(w)) {
        step(s, source, w, v, z);
        return;
    }
    if (v != w->v)
        memcpy(w->v, v, s->values * sizeof *v);
    w->has_velocity = true;
}

/* ---- the kernels ---------------------------------------------------------------------------------------------- */

void solver_euler(uint64_t n, float *x, const float *v, float from, float to)
{
    const float dt = to - from;
    for (uint64_t i = 0; i < n; i++)
        x[i] += dt * v[i];
}

void solver_renoise(uint64_t n, float *x, const float *z, float a, float b)
{
    const double r = (1.0 - (double)b) / (1.0 - (double)a);
    const double kept = r * (double)a;
    const float signal = (float)r;
    const float noise = (float)sqrt(fmax((double)b * (double)b - kept * kept, 0.0));
    for (uint64_t i = 0; i < n; i++)
        x[i] = signal * x[i] + noise * z[i];
}

void solver_kick(uint64_t n, float *x, const float *v, const float *z, float from, float to, double eta)
{
    if (!(eta > 0)) {
        solver_euler(n, x, v, from, to);
        return;
    }
    const double half_pi = 1.57079632679489661923;
    const float old = (float)((double)to * cos(eta * half_pi));
    const float fresh = (float)((double)to * sin(eta * half_pi));
    for (uint64_t i = 0; i < n; i++) {
        const float x0 = x[i] - from * v[i];
        x[i] = (1.0f - to) * x0 + old * (x0 + v[i]) + fresh * z[i];
    }
}

void solver_x0(const struct solver *s, const struct walk *w, float *dst)
{
    const float sigma = s->sigma[w->point];
    if (!w->has_velocity || w->point == s->steps) {
        memcpy(dst, w->x, s->values * sizeof *dst);
        return;
    }
    for (uint64_t i = 0; i < s->values; i++)
        dst[i] = w->x[i] - sigma * w->v[i];
}
