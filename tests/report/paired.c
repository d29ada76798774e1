/* paired.c - the permutation test against all patterns and against the binomial, Holm's numbers against a worked
 * example, and what the intervals promise against simulated prompts and seeds. */
#include "report/paired.h"

#include "report/stats.h"

#include "check.h"

static double by_enumeration(uint64_t count, const double *d)
{
    double observed = 0;
    uint64_t hits = 0;
    for (uint64_t i = 0; i < count; i++)
        observed += d[i];
    for (uint64_t set = 0; set < UINT64_C(1) << count; set++) {
        double sum = 0;
        for (uint64_t i = 0; i < count; i++)
            sum += set >> i & 1 ? -d[i] : d[i];
        hits += fabs(sum) >= fabs(observed) - 1e-9;
    }
    return (double)hits / (double)(UINT64_C(1) << count);
}

static void test_exact(void)
{
    static const double few[] = { 0.3, -0.1, 0.7, 0.2, 0.05, -0.4, 0.9, 0.11, 0.6 }, zeros[5] = { 0 };
    static const double ties[] = { 1, 1, -1, 1, 1, 1, 1, -1, 1, 1 };
    for (uint64_t n = 1; n <= 9; n++)
        CHECK_NEAR(paired_p(n, few), by_enumeration(n, few), 1e-12);
    CHECK_NEAR(paired_p(10, ties), by_enumeration(10, ties), 1e-12);
    CHECK_NEAR(paired_p(10, ties), 2 * (1 + 10 + 45) / 1024.0, 1e-12); /* the sign test's binomial tails */
    CHECK_NEAR(paired_p(5, zeros), 1, 0);
    CHECK_NEAR(paired_p(1, few), 1, 0);
    CHECK(isnan(paired_p(0, few)));
}

/* All of one sign: only the two extreme patterns are as far from 0. */
static void test_largest_exact(void)
{
    double d[PAIRED_EXACT];
    for (int i = 0; i < PAIRED_EXACT; i++)
        d[i] = 0.1 + 0.01 * i;
    CHECK_NEAR(paired_p(PAIRED_EXACT, d), 2 / 65536.0, 1e-15);
}

/* 30 differences of 1 and -1, 20 against 10: P(|X - 15| >= 5) of a fair binomial is 0.0987; 20,000 draws are within 3
 * standard errors, 0.0063. Sure ones reach the smallest p that draws can say. */
static void test_drawn(void)
{
    double d[100];
    for (int i = 0; i < 100; i++)
        d[i] = i % 3 ? 1 : -1;
    CHECK_NEAR(paired_p(30, d), 0.0987, 0.0063);
    CHECK_NEAR(paired_p(30, d), paired_p(30, d), 0);
    for (int i = 0; i < 100; i++)
        d[i] = 1;
    CHECK_NEAR(paired_p(100, d), 1.0 / (1 + PAIRED_FLIPS), 1e-12);
}

/* Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1, made monotone: 0.02, 0.03, 0.06, 0.06. */
static void test_holm(void)
{
    const double p[] = { 0.01, 0.04, NAN, 0.03, 0.005 }, same[] = { 0.4, 0.4, 0.4 };
    const double want[] = { 0.03, 0.06, NAN, 0.06, 0.02 };
    double out[5];
    paired_holm(5, p, out);
    for (int i = 0; i < 5; i++)
        CHECK(isnan(want[i]) ? isnan(out[i]) : fabs(out[i] - want[i]) < 1e-12);
    paired_holm(3, same, out);
    for (int i = 0; i < 3; i++)
        CHECK_NEAR(out[i], 1, 0);
}

static double uniform(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) / 9007199254740992.0;
}

/* The sum of 12 uniforms less 6: near enough to normal, of variance 1. */
static double normal(uint64_t *state)
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += uniform(state);
    return sum;
}

/* 30 prompts whose difference spreads by 1, 3 seeds of each that spread by 2 around it. Rows of seed means hold both:
 * their intervals cover the truth in about 95 % of 300 experiments (3 standard errors of 300 are 4 %), so nothing has
 * to be resampled within a prompt. */
static void test_coverage(void)
{
    enum { PROMPTS = 30, SEEDS = 3, EXPERIMENTS = 300 };
    uint64_t state = 7;
    int covered = 0;
    for (int e = 0; e < EXPERIMENTS; e++) {
        double rows[PROMPTS];
        struct stats_interval y;
        wn_error err;
        for (int p = 0; p < PROMPTS; p++) {
            double seeds = 0;
            for (int s = 0; s < SEEDS; s++)
                seeds += 2 * normal(&state);
            rows[p] = 0.5 + normal(&state) + seeds / SEEDS;
        }
        CHECK_OK(stats_means(PROMPTS, 1, rows, &y, &err), err);
        covered += y.low <= 0.5 && y.high >= 0.5;
    }
    printf("intervals cover the truth in %d of %d experiments\n", covered, EXPERIMENTS);
    CHECK(covered >= 0.91 * EXPERIMENTS && covered <= 0.99 * EXPERIMENTS);
}

int main(void)
{
    test_exact();
    test_largest_exact();
    test_drawn();
    test_holm();
    test_coverage();
    return CHECK_DONE();
}
