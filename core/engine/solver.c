/* The problem: searches ask for paths made of deterministic steps, stochastic steps and jumps back to noise, while the
 * sampler only answers velocities, many samples at a time. So a walk is a small program (its moves) whose interpreter
 * stops whenever it needs a velocity, and goes on when it is handed one.
 *
 * Coefficients are computed in double and rounded once; states are float32 as samplers see them. */
#include "engine/solver.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* dst = cosine dst + sqrt(1 - cosine^2) other. */
static void mix_in(const struct noise_source *source, const struct blend *b, float *dst, uint64_t n)
{
    enum { CHUNK = 1024 };
    float other[CHUNK];
    const float old = (float)b->cosine, fresh = (float)sqrt(1 - b->cosine * b->cosine);
    for (uint64_t first = 0; first < n; first += CHUNK) {
        const uint64_t count = n - first < CHUNK ? n - first : CHUNK;
        noise_normal_f32(source->aux_seed, b->with, first, other, count);
        for (uint64_t i = 0; i < count; i++)
            dst[first + i] = old * dst[first + i] + fresh * other[i];
    }
}

/* env lets no stream pass that is not there. */
static void fill_blend(const struct noise_source *source, uint64_t stream, float *dst, uint64_t n)
{
    const struct blend *chain[BLENDS_MAX_DEPTH];
    uint32_t depth = 0;
    for (; stream >= WN_STREAM_BLEND; stream = chain[depth++]->base)
        chain[depth] = blends_find(source->blends, stream);
    noise_source_fill(source, stream, dst, n);
    while (depth > 0)
        mix_in(source, chain[--depth], dst, n);
}

void noise_source_fill(const struct noise_source *source, uint64_t stream, float *dst, uint64_t n)
{
    if (stream >= WN_STREAM_BLEND)
        fill_blend(source, stream, dst, n);
    else if (stream >= WN_STREAM_AUX)
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

void walk_move_state(struct walk *to, struct walk *from)
{
    to->x = from->x;
    to->v = from->v;
    to->memory = from->memory;
    to->has_velocity = from->has_velocity;
    to->has_memory = from->has_memory;
    to->is_halfway = from->is_halfway;
    to->point = from->point;
    to->done = from->done;
    from->x = NULL;
    from->v = NULL;
    from->memory = NULL;
    from->has_velocity = from->has_memory = from->is_halfway = false;
    from->point = from->done = 0;
}

void walk_forget(struct walk *w)
{
    free(w->memory);
    w->memory = NULL;
    w->has_memory = false;
}

void walk_finish(struct walk *w)
{
    free(w->x);
    free(w->v);
    free(w->memory);
    free(w->moves);
    memset(w, 0, sizeof *w);
}

uint64_t solver_noise_values(const struct solver *s)
{
    return s->shrink > 1 ? s->values * s->shrink * s->shrink : s->values;
}

static float sum_block(const float *corner, uint64_t stride, uint32_t factor)
{
    double sum = 0;
    for (uint32_t y = 0; y < factor; y++)
        for (uint32_t x = 0; x < factor; x++)
            sum += (double)corner[y * stride + x];
    return (float)(sum / factor);
}

void solver_shrink(uint64_t planes, uint64_t rows, uint64_t columns, uint32_t factor, const float *noise, float *dst)
{
    const uint64_t stride = columns * factor;
    for (uint64_t r = 0; r < planes * rows; r++)
        for (uint64_t c = 0; c < columns; c++)
            dst[r * columns + c] = sum_block(noise + r * factor * stride + c * factor, stride, factor);
}

void solver_begin(const struct solver *s, const float *noise, float *x)
{
    if (s->shrink > 1) {
        solver_shrink(s->values / (s->rows * s->columns), s->rows, s->columns, s->shrink, noise, x);
        return;
    }
    if (x != noise)
        memcpy(x, noise, s->values * sizeof *x);
    if (!s->start)
        return;
    const float sigma = s->sigma[0], signal = 1.0f - sigma;
    for (uint64_t i = 0; i < s->values; i++)
        x[i] = signal * s->start[i] + sigma * x[i];
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

uint64_t solver_velocities(const struct solver *s, uint64_t from, uint64_t to)
{
    if (to <= from)
        return 0;
    return s->method == SPEC_SOLVER_HEUN ? 2 * (to - from) - (to == s->steps) : to - from;
}

bool solver_needs_v(const struct solver *s)
{
    return s->method == SPEC_SOLVER_HEUN;
}

/* A step of Heun asks for a second velocity where Euler's step leads; on the clean end there is none. */
static bool has_second_half(const struct solver *s, const struct walk *w)
{
    return s->method == SPEC_SOLVER_HEUN && w->point + 1 < s->steps;
}

static void end_move(struct walk *w, const struct move *m)
{
    w->point = m->point;
    w->done++;
}

static void kick(const struct solver *s, const struct noise_source *source, struct walk *w, const float *v, float *z)
{
    const struct move *m = &w->moves[w->done];
    const float from = s->sigma[w->point], to = s->sigma[m->point];
    take_glimpses(s, w, v, m->point);
    if (solver_kick_has_noise(m->kernel, to))
        noise_source_fill(source, m->stream, z, s->values);
    solver_kick(s->values, w->x, v, z, from, to, m->kernel);
    end_move(w, m);
}

/* v may be w->v. */
static void advance(const struct solver *s, struct walk *w, const float *v)
{
    const float from = s->sigma[w->point], to = s->sigma[w->point + 1];
    if (w->is_halfway) {
        solver_heun(s->values, w->x, w->v, v, from, to);
    } else {
        take_glimpses(s, w, v, w->point + 1);
        solver_euler(s->values, w->x, v, from, to);
    }
    w->is_halfway = !w->is_halfway && has_second_half(s, w);
    if (w->is_halfway && v != w->v)
        memcpy(w->v, v, s->values * sizeof *v);
    if (!w->is_halfway)
        w->point++;
}

static void step(const struct solver *s, const struct noise_source *source, struct walk *w, const float *v, float *z)
{
    if (w->moves[w->done].kind == MOVE_KICK)
        kick(s, source, w, v, z);
    else
        advance(s, w, v);
    w->has_velocity = false;
    if (w->point == s->steps)
        walk_forget(w);
}

static void jump_back(const struct solver *s, const struct noise_source *source, struct walk *w, float *z)
{
    const struct move *m = &w->moves[w->done];
    noise_source_fill(source, m->stream, z, s->values);
    solver_renoise(s->values, w->x, z, s->sigma[w->point], s->sigma[m->point]);
    w->has_velocity = false;
    walk_forget(w);
    end_move(w, m);
}

bool solver_wants(const struct solver *s, const struct noise_source *source, struct walk *w, bool want_velocity,
                  float *z, float *sigma)
{
    while (w->done < w->move_count) {
        const struct move *m = &w->moves[w->done];
        *sigma = s->sigma[w->point + w->is_halfway];
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

bool solver_keeps(const struct solver *s, const struct walk *w)
{
    if (w->done == w->move_count)
        return true;
    return w->moves[w->done].kind == MOVE_ADVANCE && !w->is_halfway && has_second_half(s, w);
}

void solver_take(const struct solver *s, const struct noise_source *source, struct walk *w, const float *v, float *z)
{
    if (w->done < w->move_count) {
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

void solver_heun(uint64_t n, float *x, const float *v_from, const float *v, float from, float to)
{
    const float half = 0.5f * (to - from);
    for (uint64_t i = 0; i < n; i++)
        x[i] += half * (v[i] - v_from[i]);
}

/* ---- stochastic steps ------------------------------------------------------------------------------------------ */

/* x_b = (1 - b) x0 + old eps + fresh z */
struct mix {
    double old;
    double fresh;
};

static struct mix mix_cps(double b, double eta)
{
    const double half_pi = 1.57079632679489661923;
    return (struct mix){ b * cos(eta * half_pi), b * sin(eta * half_pi) };
}

/* dx = v dt - g^2 / 2 score dt + g dW, backward in time, with score = -eps / a: the drift takes noise away at the rate
 * at which dW brings it. g_dw = g sqrt(dt). */
static struct mix mix_sde(double a, double b, double g_dw)
{
    const double fresh = fmin(g_dw, b);
    return (struct mix){ b - fresh * fresh / (2 * a), fresh };
}

static double grpo_diffusion(double a, double b, double scale)
{
    const double s = a < 1 ? a : b;
    return scale * sqrt(s / (1 - s));
}

/* The variance-preserving process has signal and noise levels p and q with p^2 + q^2 = 1, and q / p = s / (1 - s) where
 * it stands for the flow's noise level s: q = s / h, h = hypot(s, 1 - s), and a state of it is the flow's divided by h.
 * In its time r, -ln p^2 = beta_0 r + (beta_1 - beta_0) r^2 / 2; time ends at r = 1, with a trace of signal. */
static double vp_time(double s)
{
    const double beta = 0.1, growth = 20 - beta;
    const double odds = s / (1 - s); /* +infinity at 1 */
    const double integral = log1p(odds * odds);
    return fmin((sqrt(beta * beta + 2 * growth * integral) - beta) / growth, 1);
}

static struct mix mix_vp(double a, double b, double scale)
{
    const double r = vp_time(a), dr = r - vp_time(b);
    const double h_a = hypot(a, 1 - a), h_b = hypot(b, 1 - b);
    const struct mix vp = mix_sde(a / h_a, b / h_b, scale * r * r * sqrt(dr));
    return (struct mix){ vp.old * h_b, vp.fresh * h_b };
}

static struct mix mix_of(double a, double b, wn_kernel k)
{
    switch (k.kind) {
    case WN_KERNEL_CPS:
        return mix_cps(b, k.scale);
    case WN_KERNEL_CONSTANT:
        return mix_sde(a, b, k.scale * sqrt(a - b));
    case WN_KERNEL_GRPO:
        return mix_sde(a, b, grpo_diffusion(a, b, k.scale) * sqrt(a - b));
    case WN_KERNEL_RBF:
        return mix_sde(a, b, k.scale * a * a * sqrt(a - b));
    default:
        return mix_vp(a, b, k.scale);
    }
}

bool solver_kick_has_noise(wn_kernel kernel, float to)
{
    return kernel.scale > 0 && to > 0;
}

void solver_kick(uint64_t n, float *x, const float *v, const float *z, float from, float to, wn_kernel kernel)
{
    if (!solver_kick_has_noise(kernel, to)) {
        solver_euler(n, x, v, from, to);
        return;
    }
    const struct mix mix = mix_of((double)from, (double)to, kernel);
    const float old = (float)mix.old, fresh = (float)mix.fresh;
    for (uint64_t i = 0; i < n; i++) {
        const float x0 = x[i] - from * v[i];
        x[i] = (1.0f - to) * x0 + old * (x0 + v[i]) + fresh * z[i];
    }
}

/* ---- previews -------------------------------------------------------------------------------------------------- */

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
