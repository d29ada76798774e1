/* The solver's steps keep what they promise: marginals of stochastic steps, identities, the moves of a walk. */
#include "check.h"
#include "engine/solver.h"

enum { N = 200000, STEPS = 4 };
static const float sigma[STEPS + 1] = { 1.0f, 0.75f, 0.5f, 0.25f, 0.0f };
static float x0[N], eps[N], z[N], x[N], v[N], other[N];

/* x at noise level s of x0 ~ 2 + 0.5 n, with the true conditional velocity eps - x0. */
static void noise_to(float s)
{
    noise_normal_f32(1, 0, 0, x0, N);
    noise_normal_f32(1, 1, 0, eps, N);
    noise_normal_f32(1, 2, 0, z, N);
    for (int i = 0; i < N; i++) {
        x0[i] = 2 + 0.5f * x0[i];
        x[i] = (1 - s) * x0[i] + s * eps[i];
        v[i] = eps[i] - x0[i];
    }
}

/* Mean 2 (1 - s), variance 0.25 (1 - s)^2 + s^2, within 5 standard errors. */
static void check_marginal(const char *what, float s)
{
    double sum = 0, squares = 0;
    for (int i = 0; i < N; i++)
        sum += (double)x[i], squares += (double)x[i] * (double)x[i];
    const double mean = sum / N, variance = squares / N - mean * mean;
    const double clean = 1 - (double)s;
    const double want = 0.25 * clean * clean + (double)s * (double)s;
    fprintf(stderr, "%s at %.2f: mean %.4f, variance %.4f\n", what, (double)s, mean, variance);
    CHECK_NEAR(mean, 2 * clean, 5 * sqrt(want / N));
    CHECK_NEAR(variance, want, 5 * want * sqrt(2.0 / N));
}

static void check_kernels(void)
{
    const float levels[] = { 0.25f, 0.5f, 0.75f };
    for (int i = 0; i < 3; i++) {
        noise_to(0.75f);
        solver_euler(N, x, v, 0.75f, levels[i] - 0.25f);
        check_marginal("euler", levels[i] - 0.25f);
        for (int k = 1; k <= 4; k++) {
            noise_to(0.75f);
            solver_kick(N, x, v, z, 0.75f, levels[i] - 0.25f, (wn_kernel){ WN_KERNEL_CPS, 0.25 * k });
            check_marginal("kick", levels[i] - 0.25f);
        }
        noise_to(0.25f);
        solver_renoise(N, x, z, 0.25f, levels[i]);
        check_marginal("renoise", levels[i]);
    }
    noise_to(0);
    solver_renoise(N, x, z, 0, 1);
    CHECK_INT(memcmp(x, z, sizeof x), 0);
}

static void check_kick_without_eta(void)
{
    noise_to(0.75f);
    memcpy(other, x, sizeof x);
    solver_kick(N, x, v, z, 0.75f, 0.5f, (wn_kernel){ WN_KERNEL_CPS, 0 });
    solver_euler(N, other, v, 0.75f, 0.5f);
    CHECK_INT(memcmp(x, other, sizeof x), 0);
}

/* ---- walks ------------------------------------------------------------------------------------------------------- */

enum { VALUES = 8, GLIMPSES = 2 };

static struct solver solver_of(enum spec_solver method)
{
    return (struct solver){ .method = method,
                            .sigma = sigma,
                            .steps = STEPS,
                            .values = VALUES,
                            .glimpse_count = GLIMPSES,
                            .glimpse = { 0, 2 } };
}

static void field(const float *at, float level, float *velocity)
{
    for (int i = 0; i < VALUES; i++)
        velocity[i] = 0.5f * at[i] + level;
}

/* A sampler that remembers: a part of the velocity is what it was before. */
static void remember(const struct solver *solver, struct walk *w, float *velocity)
{
    float *before = w->memory;
    if (solver->memory_bytes == 0)
        return;
    for (int i = 0; w->has_memory && i < VALUES; i++)
        velocity[i] = 0.7f * velocity[i] + 0.3f * before[i];
    if (!before)
        w->memory = before = malloc(solver->memory_bytes);
    memcpy(before, velocity, solver->memory_bytes);
    w->has_memory = true;
}

/* Carries a walk to its end through a field; returns the velocities it took. */
static int carry(const struct solver *solver, struct walk *w, bool want_velocity)
{
    const struct noise_source source = { .mode = SPEC_NOISE_PHILOX, .seed = 1, .aux_seed = 2 };
    float velocity[VALUES], scratch[VALUES], level;
    int calls = 0;
    while (solver_wants(solver, &source, w, want_velocity, scratch, &level)) {
        float *into = solver_keeps(solver, w) ? w->v : velocity;
        field(w->x, level, into);
        remember(solver, w, into);
        solver_take(solver, &source, w, into, scratch);
        calls++;
    }
    return calls;
}

static struct walk new_walk(const struct solver *solver)
{
    struct walk w = { .x = calloc(solver_floats(solver), sizeof(float)), .v = malloc(VALUES * sizeof(float)) };
    noise_normal_f32(9, 0, 0, w.x, VALUES);
    return w;
}

static const struct move moves[] = {
    { .kind = MOVE_ADVANCE, .point = 1 },
    { .kind = MOVE_ADVANCE, .point = 3 },
    { .kind = MOVE_RENOISE, .point = 1, .stream = 77 },
    { .kind = MOVE_KICK, .point = 3, .stream = 78, .kernel = { WN_KERNEL_CPS, 0.5 } },
    { .kind = MOVE_RENOISE, .point = 0, .stream = 79 },
    { .kind = MOVE_KICK, .point = 1, .stream = 80, .kernel = { WN_KERNEL_GRPO, 0.7 } },
    { .kind = MOVE_KICK, .point = 2, .stream = 81, .kernel = { WN_KERNEL_RBF_VP, 3 } },
    { .kind = MOVE_ADVANCE, .point = 4 },
};
enum { MOVES = sizeof moves / sizeof moves[0] };

/* In one go, and in pieces with looks in between, a walk leads to the same bits, and looks cost no second velocity. */
static void check_pieces(enum spec_solver method, uint64_t memory_bytes, int velocities)
{
    struct solver solver = solver_of(method);
    const uint64_t bytes = solver_floats(&solver) * sizeof(float);
    solver.memory_bytes = memory_bytes;
    for (int looks = 0; looks < 1 << MOVES; looks++) { /* one bit for each move: whether it is followed by a look */
        struct walk whole = new_walk(&solver), pieces = new_walk(&solver);
        wn_error err;
        int calls = 0;
        for (int i = 0; i < MOVES; i++) {
            CHECK_OK(walk_append(&whole, moves[i], &err), err);
            CHECK_OK(walk_append(&pieces, moves[i], &err), err);
            const bool is_left_by_renoise = i + 1 < MOVES && moves[i + 1].kind == MOVE_RENOISE;
            calls += carry(&solver, &pieces, (looks >> i & 1) && !is_left_by_renoise);
        }
        CHECK_INT(whole.move_count, MOVES - 1); /* the first two are one */
        CHECK_INT(carry(&solver, &whole, true), velocities);
        CHECK_INT(calls, velocities);
        CHECK_INT(whole.point, STEPS);
        CHECK_INT(memcmp(whole.x, pieces.x, bytes), 0);
        CHECK_INT(whole.has_memory, 0); /* at its end */
        walk_finish(&whole);
        walk_finish(&pieces);
    }
}

/* What a walk thought of the image when it passed a point is the prediction from its state there, not from the halfway
 * state that Heun's step asks about, and what a look there shows. */
static void check_glimpses(enum spec_solver method)
{
    const struct solver solver = solver_of(method);
    struct walk through = new_walk(&solver), stops = new_walk(&solver);
    float seen[VALUES], velocity[VALUES];
    wn_error err;
    field(stops.x, 1, velocity);
    for (int i = 0; i < VALUES; i++)
        seen[i] = stops.x[i] - velocity[i];
    CHECK_OK(walk_append(&through, (struct move){ .kind = MOVE_ADVANCE, .point = STEPS }, &err), err);
    CHECK_OK(walk_append(&stops, (struct move){ .kind = MOVE_ADVANCE, .point = 2 }, &err), err);
    carry(&solver, &through, false);
    carry(&solver, &stops, true);
    CHECK_INT(memcmp(solver_glimpse(&solver, &through, 0), seen, sizeof seen), 0);
    solver_x0(&solver, &stops, seen);
    CHECK_INT(memcmp(solver_glimpse(&solver, &through, 1), seen, sizeof seen), 0);
    walk_finish(&through);
    walk_finish(&stops);
}

static void check_velocities(void)
{
    const struct solver euler = solver_of(SPEC_SOLVER_EULER), heun = solver_of(SPEC_SOLVER_HEUN);
    CHECK_INT(solver_velocities(&euler, 0, STEPS), 4);
    CHECK_INT(solver_velocities(&heun, 0, STEPS), 7);
    CHECK_INT(solver_velocities(&heun, 1, 3), 4);
    CHECK_INT(solver_velocities(&heun, 3, 4), 1);
    CHECK_INT(solver_velocities(&heun, 4, 4), 0);
    CHECK_INT(solver_velocities(&heun, 3, 1), 0);
}

/* A noise shrunk is standard normal, its values independent, and each has 1/factor of its blocks' values in it: within
 * 5 standard errors. */
static void check_shrink(void)
{
    enum { PLANES = 8, SIDE = 144 }; /* which every factor but 5 and 7 divides */
    noise_normal_f32(1, 3, 0, eps, PLANES * SIDE * SIDE);
    for (uint32_t factor = 2; factor <= WN_SHRINK_MAX; factor++) {
        const uint64_t side = SIDE / factor;
        const struct solver small = { .values = PLANES * side * side, .shrink = factor, .rows = side, .columns = side };
        double squares = 0, beside = 0, shared = 0;
        if (SIDE % factor)
            continue;
        CHECK_INT(solver_noise_values(&small), PLANES * SIDE * SIDE);
        solver_begin(&small, eps, x);
        for (uint64_t i = 0; i < small.values; i++) {
            const uint64_t row = i / side, column = i % side;
            double sum = 0;
            for (uint64_t k = 0; k < factor * factor; k++)
                sum += (double)eps[(row * factor + k / factor) * SIDE + column * factor + k % factor];
            CHECK_NEAR((double)x[i], sum / factor, 1e-6);
            squares += (double)x[i] * (double)x[i];
            beside += (double)x[i] * (double)x[i ^ 1];
            shared += (double)x[i] * (double)eps[row * factor * SIDE + column * factor];
        }
        const double n = (double)small.values;
        fprintf(stderr, "shrunk by %u: variance %.4f, neighbours %.4f, with a value below %.4f (want %.4f)\n", factor,
                squares / n, beside / n, shared / n, 1.0 / factor);
        CHECK_NEAR(squares / n, 1, 5 * sqrt(2 / n));
        CHECK_NEAR(beside / n, 0, 5 * sqrt(2 / n)); /* each pair counts twice */
        CHECK_NEAR(shared / n, 1.0 / factor, 5 * sqrt(2 / n));
    }
}

int main(void)
{
    check_shrink();
    check_kernels();
    check_kick_without_eta();
    check_pieces(SPEC_SOLVER_EULER, 0, 8);
    check_pieces(SPEC_SOLVER_EULER, VALUES * sizeof(float), 8);
    check_pieces(SPEC_SOLVER_HEUN, 0, 12);
    check_pieces(SPEC_SOLVER_HEUN, VALUES * sizeof(float), 12);
    check_glimpses(SPEC_SOLVER_EULER);
    check_glimpses(SPEC_SOLVER_HEUN);
    check_velocities();
    return CHECK_DONE();
}
