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

/* A field whose velocity is x / 2, carried along a walk to its end; returns the velocities it took. */
static int carry(struct walk *w, bool want_velocity)
{
    const struct solver solver = { .method = SPEC_SOLVER_EULER, .sigma = sigma, .steps = STEPS, .values = 8 };
    const struct noise_source source = { SPEC_NOISE_PHILOX, 1, 2 };
    float velocity[8], scratch[8], level;
    int calls = 0;
    while (solver_wants(&solver, &source, w, want_velocity, scratch, &level)) {
        for (int i = 0; i < 8; i++)
            velocity[i] = 0.5f * w->x[i] + level;
        solver_take(&solver, &source, w, velocity, scratch);
        calls++;
    }
    return calls;
}

static struct walk new_walk(void)
{
    struct walk w = { .x = malloc(8 * sizeof(float)), .v = malloc(8 * sizeof(float)) };
    noise_normal_f32(9, 0, 0, w.x, 8);
    return w;
}

/* In one go, and in pieces with looks in between, a walk leads to the same bits; looks cost no second velocity. */
static void check_pieces(void)
{
    const struct move moves[] = { { .kind = MOVE_ADVANCE, .point = 1 },
                                  { .kind = MOVE_ADVANCE, .point = 3 },
                                  { .kind = MOVE_RENOISE, .point = 1, .stream = 77 },
                                  { .kind = MOVE_KICK, .point = 3, .stream = 78, .kernel = { WN_KERNEL_CPS, 0.5 } },
                                  { .kind = MOVE_ADVANCE, .point = 4 } };
    struct walk whole = new_walk(), pieces = new_walk();
    wn_error err;
    int calls = 0;
    for (int i = 0; i < 5; i++) {
        CHECK_OK(walk_append(&whole, moves[i], &err), err);
        CHECK_OK(walk_append(&pieces, moves[i], &err), err);
        calls += carry(&pieces, i % 2 == 0);
    }
    CHECK_INT(whole.move_count, 4); /* the two advances are one */
    CHECK_INT(carry(&whole, true), 5);
    CHECK_INT(calls, 5);
    CHECK_INT(whole.point, STEPS);
    CHECK_INT(memcmp(whole.x, pieces.x, 8 * sizeof(float)), 0);
    walk_finish(&whole);
    walk_finish(&pieces);
}

int main(void)
{
    check_kernels();
    check_kick_without_eta();
    check_pieces();
    return CHECK_DONE();
}
