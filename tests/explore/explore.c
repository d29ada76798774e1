/* What searches share: choices, directions, bands, points, purses, against values that can be worked out on paper. */
#include "check.h"

#include <explore/chance.h>
#include <explore/directions.h>
#include <explore/flock.h>
#include <explore/kernel.h>
#include <explore/schedule.h>

enum { N = 4096 };

/* ---- chance ---------------------------------------------------------------------------------------------------- */

static void check_order(void)
{
    const double scores[] = { 1, (double)NAN, 3, 3, -2 };
    uint64_t order[5];
    double sorted[5];
    wn_rank(5, scores, order);
    const uint64_t want[] = { 2, 3, 0, 4, 1 };
    CHECK(memcmp(order, want, sizeof want) == 0);
    CHECK_INT(wn_best(5, scores), 2);
    CHECK_INT(wn_best(2, scores + 1), 1);
    CHECK(!wn_beats((double)NAN, (double)NAN) && wn_beats(0, (double)NAN) && !wn_beats((double)NAN, -1));
    CHECK_NEAR(wn_quantile(5, scores, 0, sorted), -2, 0);
    CHECK_NEAR(wn_quantile(5, scores, 0.5, sorted), 2, 0);
    CHECK_NEAR(wn_quantile(5, scores, 1, sorted), 3, 0);
    CHECK(isnan(wn_quantile(1, scores + 1, 0.5, sorted)));
}

static void check_weights(void)
{
    double w[3] = { log(1), log(2), log(5) }, rest[3];
    uint64_t children[3];
    wn_softmax(3, w, w);
    CHECK_NEAR(w[0], 0.125, 1e-15);
    CHECK_NEAR(w[2], 0.625, 1e-15);
    CHECK_NEAR(wn_effective(3, w), 1 / (0.125 * 0.125 + 0.25 * 0.25 + 0.625 * 0.625), 1e-12);
    CHECK_INT(wn_pick(3, w, 0.1249), 0);
    CHECK_INT(wn_pick(3, w, 0.1251), 1);
    CHECK_INT(wn_pick(3, w, 1), 2);
    wn_apportion(3, w, 7, children, rest); /* .875, 1.75, 4.375 */
    CHECK(children[0] == 1 && children[1] == 2 && children[2] == 4);
    double large[3] = { 1e6, (double)NAN, 1e6 - 1 };
    wn_softmax(3, large, large);
    CHECK_NEAR(large[0], 1 / (1 + exp(-1)), 1e-15);
    CHECK_NEAR(large[1], 0, 0);
    double none[2] = { (double)NAN, (double)NAN }, infinite[2] = { (double)INFINITY, 3 };
    wn_softmax(2, none, none);
    wn_softmax(2, infinite, infinite);
    CHECK_NEAR(none[1], 0.5, 0);
    CHECK_NEAR(infinite[0], 1, 0);
}

static void check_uniform(void)
{
    CHECK(wn_uniform(0) > 0 && wn_uniform(UINT64_MAX) < 1);
    CHECK_NEAR(wn_uniform((uint64_t)1 << 63), 0.5, 1e-15);
}

/* ---- directions ------------------------------------------------------------------------------------------------ */

static float a[N], b[3 * N];

/* Not normal, but far from any symmetry. */
static void fill(float *x, uint64_t n, uint32_t state)
{
    for (uint64_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        x[i] = (float)((double)state / 2147483648.0 - 0.98);
    }
}

static double dot(const float *x, const float *y)
{
    double sum = 0;
    for (int i = 0; i < N; i++)
        sum += (double)x[i] * (double)y[i];
    return sum;
}

static void check_turn(void)
{
    const double cosines[] = { -1, -0.3, 0, 0.95, 1 };
    for (int i = 0; i < 5; i++) {
        fill(a, N, 1);
        fill(b, N, 2);
        wn_turn(N, a, cosines[i], b);
        CHECK_NEAR(sqrt(dot(b, b) / dot(a, a)), 1, 1e-7);
        CHECK_NEAR(dot(a, b) / dot(a, a), cosines[i], 1e-7);
    }
}

static void check_orthonormal(void)
{
    fill(b, 3 * N, 3);
    for (int i = 0; i < N; i++)
        b[N + i] = b[i] + 1e-3f * b[N + i]; /* nearly parallel */
    wn_orthonormalise(3, N, b);
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++)
            CHECK_NEAR(dot(b + i * N, b + k * N), i == k, 3e-7);
}

/* Setting the band changes nothing else: what is orthogonal to it stays, length included. */
static void check_band(uint64_t channels, uint64_t height, uint64_t width, uint64_t levels, uint64_t rows,
                       uint64_t columns)
{
    const wn_env env = { .latent_channels = channels, .latent_height = height, .latent_width = width };
    const struct wn_band band = wn_band_of(&env, levels, 2);
    double old[256], fresh[256], got[256], before = 0, after = 0, old_part = 0, fresh_part = 0;
    const uint64_t n = channels * height * width;
    CHECK_INT(band.rows, rows);
    CHECK_INT(band.columns, columns);
    fill(a, n, 5);
    memcpy(b, a, n * sizeof *a);
    wn_band_get(&band, a, old);
    for (uint64_t i = 0; i < band.values; i++)
        fresh[i] = 0.1 * (double)i - 1;
    wn_band_set(&band, fresh, a);
    wn_band_get(&band, a, got);
    for (uint64_t i = 0; i < band.values; i++) {
        CHECK_NEAR(got[i], fresh[i], 1e-6);
        old_part += old[i] * old[i];
        fresh_part += fresh[i] * fresh[i];
    }
    for (uint64_t i = 0; i < n; i++) {
        before += (double)b[i] * (double)b[i];
        after += (double)a[i] * (double)a[i];
    }
    CHECK_NEAR(after - fresh_part, before - old_part, 1e-4);
    wn_band_set(&band, old, a);
    for (uint64_t i = 0; i < n; i++)
        CHECK_NEAR(a[i], b[i], 1e-6);
}

/* Against Haar steps written out: (p + q) / sqrt 2 along rows, then along columns. */
static void check_haar(void)
{
    const wn_env env = { .latent_channels = 1, .latent_height = 4, .latent_width = 4 };
    const struct wn_band band = wn_band_of(&env, 1, 2);
    double got[4];
    fill(a, 16, 7);
    wn_band_get(&band, a, got);
    for (int y = 0; y < 2; y++)
        for (int x = 0; x < 2; x++) {
            const float *p = a + 8 * y + 2 * x;
            const double upper = ((double)p[0] + (double)p[1]) / sqrt(2),
                         lower = ((double)p[4] + (double)p[5]) / sqrt(2);
            CHECK_NEAR(got[2 * y + x], (upper + lower) / sqrt(2), 1e-12);
        }
}

/* ---- schedule -------------------------------------------------------------------------------------------------- */

static void check_points(void)
{
    const float sigma[] = { 1, 0.75f, 0.5f, 0.25f, 0 };
    const wn_env env = { .steps = 4, .sigma = sigma };
    CHECK_INT(wn_point_of(&env, 2), 0);
    CHECK_INT(wn_point_of(&env, 0.875), 0);
    CHECK_INT(wn_point_of(&env, 0.3), 3);
    CHECK_INT(wn_point_of(&env, -1), 4);
    uint64_t stops[WN_STOPS_MAX];
    CHECK_INT(wn_stops(10, 0.25, 3, 9, stops), 3);
    CHECK(stops[0] == 3 && stops[1] == 5 && stops[2] == 8);
    CHECK_INT(wn_stops(4, 0, 64, 3, stops), 3);
    CHECK(stops[0] == 1 && stops[2] == 3);
    CHECK_INT(wn_stops(100, 0.2, 4, 98, stops), 4);
    CHECK(stops[0] == 20 && stops[3] == 80);
    CHECK_INT(wn_stops(1, 0.3, 2, 0, stops), 1);
    CHECK_INT(stops[0], 0);
}

/* ---- kernels --- */

static void check_kernels(void)
{
    wn_error err;
    CHECK_INT(wn_kernel_of("cps", 0).kind, WN_KERNEL_CPS);
    CHECK_NEAR(wn_kernel_of("grpo", 0).scale, 0.7, 0);
    CHECK_NEAR(wn_kernel_of("rbf_vp", 2).scale, 2, 0);
    CHECK_OK(wn_kernel_check("rbf", 3, &err), err);
    CHECK_INT(wn_kernel_check("cps", 1.5, &err), WN_E_ARG);
    CHECK_CONTAINS(err.message, "scale 1.5 of kernel cps");
}

/* ---- purse ----------------------------------------------------------------------------------------------------- */

static double left_of[5];

static double budget_left(void *ctx, int32_t currency)
{
    (void)ctx;
    return left_of[currency];
}

static uint64_t cost(void *ctx, uint64_t from, uint64_t to)
{
    (void)ctx;
    return 2 * (to - from);
}

static void check_prices(const wn_env *env)
{
    const struct wn_price preview = wn_price_advance(env, 3, 0, 4, false), end = wn_price_advance(env, 3, 4, 10, true);
    CHECK_NEAR(preview.nfe, 3 * (2 * 4 + 2), 0);
    CHECK_NEAR(preview.calls, 3, 0);
    CHECK_NEAR(preview.candidates, 0, 0);
    CHECK_NEAR(end.nfe, 3 * (2 * 6 - 2), 0);
    CHECK_NEAR(end.candidates, 3, 0);
    CHECK_NEAR(wn_price_kicks(env, 5, 1, 7, true).nfe, 5 * 2, 0);
    CHECK_NEAR(wn_price_advance(env, 5, 10, 10, false).nfe, 0, 0);
}

static void check_purse(void)
{
    const wn_env env = { .steps = 10, .evals_per_velocity = 2, .budget_left = budget_left, .cost = cost };
    const struct wn_price ten = { 10, 1, 0 }, one = { 1, 1, 1 };
    for (int i = 0; i < 5; i++)
        left_of[i] = (double)INFINITY;
    check_prices(&env);
    struct wn_purse purse = wn_purse_open(&env);
    CHECK(wn_purse_take(&purse, ten, one));
    left_of[WN_CURRENCY_NFE] = 11;
    CHECK(wn_purse_take(&purse, ten, one));
    left_of[WN_CURRENCY_NFE] = 10.5;
    CHECK(!wn_purse_take(&purse, ten, one));
    left_of[WN_CURRENCY_NFE] = 11, left_of[WN_CURRENCY_VERIFIER_CALLS] = 1;
    CHECK(!wn_purse_take(&purse, ten, one));
    left_of[WN_CURRENCY_VERIFIER_CALLS] = 2, left_of[WN_CURRENCY_CANDIDATES] = 0;
    CHECK(!wn_purse_take(&purse, ten, one) && wn_purse_take(&purse, ten, wn_price_nothing));
    left_of[WN_CURRENCY_CANDIDATES] = 1, left_of[WN_CURRENCY_SECONDS] = 3;
    purse = wn_purse_open(&env);
    CHECK(wn_purse_take(&purse, ten, one)); /* nothing is known of speed yet */
    left_of[WN_CURRENCY_SECONDS] = 2;       /* a second for ten */
    CHECK(wn_purse_take(&purse, ten, one));
    left_of[WN_CURRENCY_SECONDS] = 1; /* eleven would take 1.1 */
    CHECK(!wn_purse_take(&purse, ten, one));
    CHECK(wn_purse_take(&purse, one, wn_price_nothing));
    left_of[WN_CURRENCY_SECONDS] = 0;
    CHECK(!wn_purse_take(&purse, wn_price_nothing, wn_price_nothing));
}

/* ---- gauge: an env in which an evaluation takes 2 s, a call 7 s, and the first call 100 s more --------------------
 */

static uint64_t points[9], spawned, offered;
static bool is_paid, is_warm;

static wn_status toy_noise(void *ctx, uint64_t stream, float *dst, wn_error *err)
{
    (void)ctx, (void)err;
    dst[0] = (float)stream;
    return WN_OK;
}

static wn_status toy_spawn(void *ctx, const float *noise, wn_sample parent, wn_sample *out, wn_error *err)
{
    (void)ctx, (void)noise, (void)parent, (void)err;
    points[spawned] = 0;
    *out = ++spawned;
    return WN_OK;
}

static void toy_drop(void *ctx, wn_sample sample)
{
    (void)ctx, (void)sample;
}

static void spend(double seconds)
{
    left_of[WN_CURRENCY_SECONDS] = fmax(left_of[WN_CURRENCY_SECONDS] - seconds, 0);
}

static wn_status toy_advance(void *ctx, uint64_t count, const wn_sample *samples, uint64_t point, wn_error *err)
{
    (void)ctx, (void)count;
    if (left_of[WN_CURRENCY_SECONDS] <= 0)
        return wn_fail(err, WN_E_BUDGET, "no time");
    const uint64_t way = 2 * (point - points[samples[0] - 1]), paid = is_paid && way > 0 ? 2 : 0;
    points[samples[0] - 1] = point;
    is_paid = is_paid && way == 0;
    spend(2 * (double)(way - paid));
    return WN_OK;
}

static wn_status toy_score(void *ctx, uint64_t count, const wn_sample *samples, double *scores, wn_error *err)
{
    (void)ctx, (void)count, (void)err;
    const bool previews = points[samples[0] - 1] < 10 && !is_paid;
    spend((is_warm ? 7 : 107) + (previews ? 4 : 0));
    is_warm = true;
    is_paid = is_paid || previews;
    scores[0] = 1;
    return WN_OK;
}

static wn_status toy_offer(void *ctx, wn_sample sample, wn_error *err)
{
    (void)ctx, (void)sample, (void)err;
    offered++;
    return WN_OK;
}

static struct wn_purse gauge(double seconds, bool looks, bool warm)
{
    static const wn_env env = { .steps = 10,
                                .latent_values = 1,
                                .evals_per_velocity = 2,
                                .budget_left = budget_left,
                                .cost = cost,
                                .noise = toy_noise,
                                .spawn = toy_spawn,
                                .drop = toy_drop,
                                .advance = toy_advance,
                                .score = toy_score,
                                .offer = toy_offer };
    wn_error err;
    for (int i = 0; i < 5; i++)
        left_of[i] = (double)INFINITY;
    left_of[WN_CURRENCY_SECONDS] = seconds;
    spawned = offered = 0;
    is_paid = false, is_warm = warm;
    struct wn_purse purse = wn_purse_open(&env);
    CHECK_OK(wn_purse_gauge(&purse, looks, &err), err);
    return purse;
}

static void check_gauge(void)
{
    const struct wn_price ten = { 10, 1, 0 };
    struct wn_purse purse = gauge(1000, true, false);
    CHECK_INT(offered, 1);
    CHECK_NEAR(purse.per_nfe, 2, 1e-12);
    CHECK_NEAR(purse.per_call, 7, 1e-12);
    CHECK_NEAR(wn_purse_seconds(&purse, ten), 27, 1e-12); /* the first call's 100 s stand for nothing */
    left_of[WN_CURRENCY_SECONDS] = 100;
    purse = gauge(1000, true, true);
    left_of[WN_CURRENCY_SECONDS] = purse.left = 100, purse.seconds = 100 + 2 * 20 + 7 * 2 - 4;
    CHECK_INT(wn_purse_width(&purse, 9, ten, wn_price_nothing), 3);
    CHECK_INT(wn_purse_take_most(&purse, 9, ten, ten), 2);
    CHECK_INT(wn_purse_take_most(&purse, 9, ten, wn_price_nothing), 1); /* what was taken is still to come */
    purse = gauge(1000, false, true);
    CHECK_NEAR(wn_purse_seconds(&purse, ten), 10 * 47.0 / 20, 1e-12);
    purse = gauge((double)INFINITY, true, true);
    CHECK_INT(spawned, 0);
    CHECK_INT(wn_purse_width(&purse, 9, ten, wn_price_nothing), 9);
    gauge(5, true, true); /* the first look takes all */
    CHECK_INT(offered, 0);
}

int main(void)
{
    check_gauge();
    check_order();
    check_weights();
    check_uniform();
    check_turn();
    check_orthonormal();
    check_band(2, 8, 8, 4, 2, 2);
    check_band(3, 16, 24, 2, 4, 6);
    check_band(1, 7, 5, 1, 4, 3);
    check_band(1, 1, 9, 3, 1, 9);
    check_haar();
    check_points();
    check_kernels();
    check_purse();
    return CHECK_DONE();
}
