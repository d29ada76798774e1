/* Steps on the analytic sampler with one component, where everything is known: x0 ~ N(mu, s^2) for each value, the ODE
 * leads from x to mu + s x, and every step is linear in x, so that what a schedule of n steps makes of the variance can
 * be worked out to the last digit. One latent of many values is as many independent samples. */
#include "base/pool.h"
#include "check.h"
#include "engine/solver.h"
#include "plugin/instance.h"
#include "plugin/registry.h"

#include <winnow/sampler.h>

enum { STEPS_MAX = 200, SIDE = 128, N = SIDE * SIDE };
static const double spread = 0.6;

static struct {
    struct process process;
    struct spec *spec;
    struct instances *instances;
    const wn_sampler *sampler;
    void *self;
    wn_cond *cond;
} s;

static float sigma[STEPS_MAX + 1], mean[N], start[N], z[N], velocity[N];

/* ---- the sampler ------------------------------------------------------------------------------------------------- */

static void open_sampler(void)
{
    static const char text[] = "{ \"winnow\": 0, \"prompts\": { \"list\": [\"one\"] },"
                               "  \"canvas\": { \"width\": 1024, \"height\": 1024, \"steps\": 10 },"
                               "  \"sampler\": { \"use\": \"analytic\", \"options\": "
                               "{ \"components\": 1, \"spread\": 0.6 } } }";
    const struct spec_request request = { .path = "test", .text = text, .without_run = true };
    char *report = NULL;
    wn_error err = { 0 };
    CHECK_OK(registry_create(WINNOW_BUILD_DIR "/lib/winnow", &s.process.registry, &err), err);
    s.process.pool = pool_create(1);
    CHECK_OK(spec_load(&request, s.process.registry, &s.spec, &report, &err), err);
    free(report);
    CHECK_OK(instances_create(s.spec, &s.process, INSTANCES_SAMPLER, &s.instances, &err), err);
    if (check_failures)
        exit(1);
    s.sampler = s.instances->sampler.use->plugin->vtable;
    s.self = s.instances->sampler.self;
    CHECK_OK(s.sampler->encode(s.self, &s.spec->prompts[0], &s.spec->canvas, sigma, &s.cond, &err), err);
}

static void close_sampler(void)
{
    s.sampler->cond_free(s.self, s.cond);
    instances_destroy(s.instances);
    spec_free(s.spec);
    registry_destroy(s.process.registry);
    pool_destroy(s.process.pool);
}

static void ask(const float *x, float level, float *v)
{
    wn_error err;
    const wn_velocity_item item = { .x = x, .v = v, .cond = s.cond, .sigma = level };
    CHECK_OK(s.sampler->velocity(s.self, &s.spec->canvas, 1, &item, &err), err);
}

/* At sigma 1 x tells nothing, and x0 is predicted as mu. */
static void find_mean(void)
{
    noise_normal_f32(4, 0, 0, start, N);
    ask(start, 1, velocity);
    for (int i = 0; i < N; i++)
        mean[i] = start[i] - velocity[i];
}

/* ---- walks ------------------------------------------------------------------------------------------------------- */

static struct solver schedule(enum spec_solver method, uint32_t steps)
{
    for (uint32_t i = 0; i <= steps; i++)
        sigma[i] = (float)(steps - i) / (float)steps;
    return (struct solver){ .method = method, .sigma = sigma, .steps = steps, .values = N };
}

static struct walk new_walk(void)
{
    struct walk w = { .x = malloc(sizeof start), .v = malloc(sizeof start) };
    memcpy(w.x, start, sizeof start);
    return w;
}

static void append(struct walk *w, struct move move)
{
    wn_error err;
    CHECK_OK(walk_append(w, move, &err), err);
}

/* Carries the walk along its moves; returns the velocities it took. */
static uint64_t carry(const struct solver *solver, struct walk *w)
{
    const struct noise_source source = { .mode = SPEC_NOISE_PHILOX, .seed = 1, .aux_seed = 2 };
    uint64_t calls = 0;
    float level;
    for (; solver_wants(solver, &source, w, false, z, &level); calls++) {
        float *v = solver_keeps(solver, w) ? w->v : velocity;
        ask(w->x, level, v);
        solver_take(solver, &source, w, v, z);
    }
    return calls;
}

/* Mean 0 and a standard deviation of what is left without mu, within 5 standard errors. */
static void check_moments(const char *what, uint32_t steps, const float *x, double want)
{
    double sum = 0, squares = 0;
    for (int i = 0; i < N; i++) {
        const double d = (double)x[i] - (double)mean[i];
        sum += d, squares += d * d;
    }
    const double offset = sum / N, deviation = sqrt(squares / N - offset * offset);
    fprintf(stderr, "%-14s %3u steps: mean %+.4f, deviation %.4f, expected %.4f\n", what, steps, offset, deviation,
            want);
    CHECK_NEAR(offset, 0, 5 * want / sqrt(N));
    CHECK_NEAR(deviation, want, 5 * want / sqrt(2.0 * N));
}

/* ---- what a step makes of the variance --------------------------------------------------------------------------- */

struct mix {
    double old, fresh;
};

/* The variance-preserving process: where its noise-to-signal ratio is the flow's, by bisection. */
static double vp_log_signal(double r)
{
    return -0.25 * r * r * 19.9 - 0.5 * r * 0.1;
}

static double vp_time(double level)
{
    double low = 0, high = 1;
    for (int i = 0; i < 100; i++) {
        const double r = 0.5 * (low + high), signal = exp(vp_log_signal(r));
        if (sqrt(1 - signal * signal) * (1 - level) < level * signal)
            low = r;
        else
            high = r;
    }
    return 0.5 * (low + high);
}

static struct mix expected_vp(double a, double b, double scale)
{
    const double from = vp_time(a), to = vp_time(b);
    const double size_a = sqrt(a * a + (1 - a) * (1 - a)), size_b = sqrt(b * b + (1 - b) * (1 - b));
    const double fresh = fmin(scale * from * from * sqrt(from - to), b / size_b);
    return (struct mix){ b - fresh * fresh * size_a * size_b / (2 * a), fresh * size_b };
}

static struct mix expected(double a, double b, wn_kernel k)
{
    const double s_grpo = a < 1 ? a : b;
    double g = k.scale;
    if (k.kind == WN_KERNEL_CPS)
        return (struct mix){ b * cos(k.scale * acos(0)), b * sin(k.scale * acos(0)) };
    if (k.scale <= 0 || b <= 0)
        return (struct mix){ b, 0 };
    if (k.kind == WN_KERNEL_RBF_VP)
        return expected_vp(a, b, k.scale);
    if (k.kind == WN_KERNEL_GRPO)
        g *= sqrt(s_grpo / (1 - s_grpo));
    if (k.kind == WN_KERNEL_RBF)
        g *= a * a;
    const double fresh = fmin(g * sqrt(a - b), b);
    return (struct mix){ b - fresh * fresh / (2 * a), fresh };
}

/* With d = x - (1 - a) mu: x0 - mu = gain d, eps = (1 - (1 - a) gain) / a d. */
static double variance_after(double variance, double a, double b, wn_kernel k)
{
    const double clean = 1 - a;
    const double gain = clean * spread * spread / (clean * clean * spread * spread + a * a);
    const struct mix mix = expected(a, b, k);
    const double factor = (1 - b) * gain + mix.old * (1 - clean * gain) / a;
    return factor * factor * variance + mix.fresh * mix.fresh;
}

static double variance_renoised(double variance, double a, double b)
{
    const double r = (1 - b) / (1 - a);
    return r * r * variance + b * b - r * r * a * a;
}

/* ---- stochastic steps keep the marginals ------------------------------------------------------------------------- */

/* Deviations after 10, 30 and 200 steps to sigma 0, of 0.6. What is missing is the steps' own error, of order 1: Euler
 * loses 13 %, 5 % and 1 %, and the diffusion of an SDE makes up for most of that. A coefficient-preserving step is
 * exact when x0 is; what x0 leaves open is lost anew at each step, so a fixed eta should go with few steps. */
static const struct {
    const char *name;
    wn_kernel kernel;
    double deviation[3];
} kernels[] = {
    { "euler", { WN_KERNEL_CPS, 0 }, { 0.5218, 0.5728, 0.5958 } },
    { "cps 0.25", { WN_KERNEL_CPS, 0.25 }, { 0.5132, 0.5619, 0.5836 } },
    { "cps 1", { WN_KERNEL_CPS, 1 }, { 0.3734, 0.4012, 0.4183 } },
    { "constant 0.5", { WN_KERNEL_CONSTANT, 0.5 }, { 0.5421, 0.5806, 0.5971 } },
    { "constant 1", { WN_KERNEL_CONSTANT, 1 }, { 0.5746, 0.5936, 0.5992 } },
    { "grpo 0.7", { WN_KERNEL_GRPO, 0.7 }, { 0.5773, 0.5957, 0.6016 } },
    { "rbf 1", { WN_KERNEL_RBF, 1 }, { 0.5352, 0.5767, 0.5964 } },
    { "rbf 3", { WN_KERNEL_RBF, 3 }, { 0.5929, 0.5955, 0.5992 } },
    { "rbf_vp 1", { WN_KERNEL_RBF_VP, 1 }, { 0.5301, 0.5753, 0.5962 } },
    { "rbf_vp 3", { WN_KERNEL_RBF_VP, 3 }, { 0.5720, 0.6117, 0.6040 } },
};
static const uint32_t counts[] = { 10, 30, 200 };

static void check_kernel(int k, int c)
{
    const uint32_t steps = counts[c];
    const struct solver solver = schedule(SPEC_SOLVER_EULER, steps);
    const wn_kernel kernel = kernels[k].kernel;
    struct walk w = new_walk();
    double variance = 1;
    for (uint32_t i = 0; i < steps; i++) {
        append(&w, (struct move){ MOVE_KICK, i + 1, WN_STREAM_AUX + i, kernel });
        variance = variance_after(variance, (double)sigma[i], (double)sigma[i + 1], kernel);
    }
    CHECK_INT(carry(&solver, &w), steps);
    CHECK_NEAR(sqrt(variance), kernels[k].deviation[c], 1e-4);
    check_moments(kernels[k].name, steps, w.x, sqrt(variance));
    walk_finish(&w);
}

static void check_kernels(void)
{
    for (int k = 0; k < (int)(sizeof kernels / sizeof *kernels); k++) {
        for (int c = 0; c < 3; c++)
            check_kernel(k, c);
        if (kernels[k].kernel.kind != WN_KERNEL_CPS)
            CHECK_NEAR(kernels[k].deviation[2], spread, 0.0041);
    }
}

/* Down to sigma 0.2, back to 0.8, and down again, four times: re-noising keeps what the steps have, so that the
 * marginal is as good as after the last way down alone. */
static void check_renoise(void)
{
    const wn_kernel euler = { WN_KERNEL_CPS, 0 };
    for (int c = 0; c < 3; c++) {
        const uint32_t steps = counts[c], low = steps / 5 * 4, high = steps / 5;
        const struct solver solver = schedule(SPEC_SOLVER_EULER, steps);
        struct walk w = new_walk();
        double variance = 1;
        uint32_t point = 0;
        for (uint32_t round = 0; round <= 4; round++) {
            const uint32_t to = round < 4 ? low : steps;
            append(&w, (struct move){ .kind = MOVE_ADVANCE, .point = to });
            for (; point < to; point++)
                variance = variance_after(variance, (double)sigma[point], (double)sigma[point + 1], euler);
            if (to == steps)
                break;
            append(&w, (struct move){ .kind = MOVE_RENOISE, .point = high, .stream = WN_STREAM_AUX + round });
            variance = variance_renoised(variance, (double)sigma[low], (double)sigma[high]);
            point = high;
        }
        CHECK_INT(carry(&solver, &w), steps + 4 * (low - high));
        check_moments("renoise", steps, w.x, sqrt(variance));
        CHECK_NEAR(sqrt(variance), spread, 0.9 / steps);
        walk_finish(&w);
    }
}

/* ---- one step ---------------------------------------------------------------------------------------------------- */

/* The coefficients that the solver really uses: of eps alone, and of z alone. */
static struct mix measured(float a, float b, wn_kernel k)
{
    const float none = 0, one = 1;
    float eps = a, fresh = 0;
    solver_kick(1, &eps, &one, &none, a, b, k); /* x0 = 0, eps = 1 */
    solver_kick(1, &fresh, &none, &one, a, b, k);
    return (struct mix){ (double)eps, (double)fresh };
}

static void check_coefficients(float a, float b, wn_kernel k)
{
    const struct mix got = measured(a, b, k), want = expected((double)a, (double)b, k);
    const double level = (double)b, of_a = 1e-6 * (double)a, of_level = 1e-6 * level;
    CHECK_NEAR(got.old, want.old, of_a);
    CHECK_NEAR(got.fresh, want.fresh, of_level);
    CHECK(got.old <= level + of_a && got.fresh >= 0 && got.fresh <= level + of_level);
    if (k.kind == WN_KERNEL_CPS)
        CHECK_NEAR(got.old * got.old + got.fresh * got.fresh, level * level, of_a * level);
    else
        CHECK(got.old >= 0.5 * level - of_a);
}

/* Over the whole schedule, however coarse the step and strong the diffusion, down to an interval that a float can just
 * tell: numbers, and no more noise than the level that is reached. From sigma 1, and to sigma 0, too. */
static void check_guards(void)
{
    static const float levels[] = { 1, 0.99999994f, 0.9f, 0.5f, 0.1f, 1e-3f, 1e-20f, 0 };
    static const double scales[] = { 0, 1e-3, 0.7, 1, 3, 1e6, 1e300 };
    for (int i = 0; i < 8; i++)
        for (int j = i + 1; j < 8; j++)
            for (int64_t kind = WN_KERNEL_CPS; kind <= WN_KERNEL_RBF_VP; kind++)
                for (int n = 0; n < (kind == WN_KERNEL_CPS ? 4 : 7); n++)
                    check_coefficients(levels[i], levels[j], (wn_kernel){ kind, scales[n] });
}

/* Without scale, and on the last step with any, a kick is the Euler step to the bit, and reads no noise. */
static void check_euler_to_the_bit(void)
{
    static float euler[N], kicked[N];
    ask(start, 0.75f, velocity);
    for (int64_t kind = WN_KERNEL_CPS; kind <= WN_KERNEL_RBF_VP; kind++)
        for (int last = 0; last < 2; last++) {
            const float to = last ? 0 : 0.5f;
            memcpy(euler, start, sizeof start);
            memcpy(kicked, start, sizeof start);
            solver_euler(N, euler, velocity, 0.75f, to);
            solver_kick(N, kicked, velocity, NULL, 0.75f, to, (wn_kernel){ kind, last ? 1 : 0 });
            CHECK_INT(memcmp(euler, kicked, sizeof euler), 0);
        }
}

/* Flow-GRPO's step as its authors write it: with D = sd^2 dt / (2 s), dt < 0, the mean is
 * x (1 + D) + v (dt + D (1 - s)). RBF's: x - (v - g^2 score / 2) dt with dt > 0, score = -(x + (1 - s) v) / s. */
static void check_published(void)
{
    static const float pairs[][2] = { { 1, 0.96f }, { 0.8f, 0.75f }, { 0.5f, 0.48f }, { 0.3f, 0.29f } };
    for (int i = 0; i < 4; i++) {
        const double a = (double)pairs[i][0], dt = a - (double)pairs[i][1], s_sd = a < 1 ? a : a - dt;
        const double x = 0.3, v = -0.7, eps = x + (1 - a) * v, x0 = x - a * v;
        const double sd = 0.7 * sqrt(s_sd / (1 - s_sd)), d = -sd * sd * dt / (2 * a);
        const struct mix grpo = measured(pairs[i][0], pairs[i][1], (wn_kernel){ WN_KERNEL_GRPO, 0.7 });
        CHECK_NEAR((1 - a + dt) * x0 + grpo.old * eps, x * (1 + d) + v * (-dt + d * (1 - a)), 1e-6);
        CHECK_NEAR(grpo.fresh, sd * sqrt(dt), 1e-6);
        const double g = 3 * a * a;
        const struct mix rbf = measured(pairs[i][0], pairs[i][1], (wn_kernel){ WN_KERNEL_RBF, 3 });
        CHECK_NEAR((1 - a + dt) * x0 + rbf.old * eps, x - v * dt - 0.5 * g * g * eps / a * dt, 1e-6);
        CHECK_NEAR(rbf.fresh, g * sqrt(dt), 1e-6);
    }
}

/* Kim et al. step in the process's own coordinates, where Euler's way of x0 and eps is curved and so has an error of
 * order 2 that this step, straight in both, has not: the difference falls with the square of the interval. */
static void check_published_vp(void)
{
    double last = 0;
    for (int i = 0; i < 6; i++) {
        const double r = 0.5, dr = 0.02 / (1 << i), h = 1e-5;
        const double signal = exp(vp_log_signal(r)), noise = sqrt(1 - signal * signal);
        const double signal_to = exp(vp_log_signal(r - dr)), noise_to = sqrt(1 - signal_to * signal_to);
        const double slope = (exp(vp_log_signal(r + h)) - exp(vp_log_signal(r - h))) / (2 * h);
        const double g = 3 * r * r, size = signal_to + noise_to; /* a flow's x is x / size */
        const double old = (noise + signal * slope / noise * dr - 0.5 * g * g / noise * dr) / size;
        const struct mix got =
            measured((float)(noise / (signal + noise)), (float)(noise_to / size), (wn_kernel){ WN_KERNEL_RBF_VP, 3 });
        const double error = fabs(got.old - old);
        CHECK_NEAR(got.fresh, g * sqrt(dr) / size, 1e-4 * got.fresh);
        if (i > 0 && last > 1e-5)
            CHECK_NEAR(last / error, 4, 0.6);
        last = error;
    }
}

/* ---- heun -------------------------------------------------------------------------------------------------------- */

/* Root of the mean squared distance to where the ODE leads. */
static double error_of(enum spec_solver method, uint32_t steps)
{
    const struct solver solver = schedule(method, steps);
    struct walk w = new_walk();
    append(&w, (struct move){ .kind = MOVE_ADVANCE, .point = steps });
    CHECK_INT(carry(&solver, &w), method == SPEC_SOLVER_HEUN ? 2 * steps - 1 : steps);
    double squares = 0;
    for (int i = 0; i < N; i++) {
        const double d = (double)w.x[i] - ((double)mean[i] + spread * (double)start[i]);
        squares += d * d;
    }
    walk_finish(&w);
    return sqrt(squares / N);
}

static void check_order(void)
{
    static const struct {
        enum spec_solver method;
        double order, slack;
    } solvers[] = { { SPEC_SOLVER_EULER, 1, 0.1 }, { SPEC_SOLVER_HEUN, 2, 0.1 } };
    for (int m = 0; m < 2; m++) {
        double last = error_of(solvers[m].method, 25);
        for (uint32_t steps = 50; steps <= STEPS_MAX; steps *= 2) {
            const double error = error_of(solvers[m].method, steps), order = log2(last / error);
            fprintf(stderr, "%s, %u steps: error %.6f, order %.3f\n", m ? "heun" : "euler", steps, error, order);
            CHECK_NEAR(order, solvers[m].order, solvers[m].slack);
            last = error;
        }
    }
    CHECK(error_of(SPEC_SOLVER_HEUN, 5) < error_of(SPEC_SOLVER_EULER, 9)); /* for as many velocities */
}

int main(void)
{
    open_sampler();
    find_mean();
    check_kernels();
    check_renoise();
    check_guards();
    check_euler_to_the_bit();
    check_published();
    check_published_vp();
    check_order();
    close_sampler();
    return CHECK_DONE();
}
