/* measures.c - ranks, ties, the Vendi score, looks and what drift costs against closed forms and brute force. */
#include "check.h"
#include "report/drift.h"
#include "report/look.h"
#include "report/rank.h"
#include "report/vendi.h"

/* In [0, 1), from a fixed start. */
static double draw(void)
{
    static uint64_t state = 9;

    state = state * 6364136223846793005u + 1442695040888963407u;
    return (double)(state >> 11) * 0x1p-53;
}

/* ---- ranks ---- */

/* Pearson's correlation of mean ranks, each counted one by one. */
static double spearman_by_counting(int n, const double *x, const double *y)
{
    double a[32], b[32], ma = 0, mb = 0, ab = 0, aa = 0, bb = 0;

    for (int i = 0; i < n; i++) {
        a[i] = b[i] = 0;
        for (int k = 0; k < n; k++) {
            a[i] += (x[k] < x[i]) + 0.5 * (x[k] == x[i]);
            b[i] += (y[k] < y[i]) + 0.5 * (y[k] == y[i]);
        }
        ma += a[i] / n;
        mb += b[i] / n;
    }
    for (int i = 0; i < n; i++) {
        ab += (a[i] - ma) * (b[i] - mb);
        aa += (a[i] - ma) * (a[i] - ma);
        bb += (b[i] - mb) * (b[i] - mb);
    }
    return ab / sqrt(aa * bb);
}

static double spearman(int n, const double *x, const double *y)
{
    double rho = 7;
    wn_error err;

    CHECK_OK(rank_spearman((uint64_t)n, x, y, &rho, &err), err);
    return rho;
}

static void test_spearman(void)
{
    static const double up[] = { 1, 2, 3, 4, 5 }, down[] = { 50, 40, 30, 20, 10 }, same[] = { 2, 2, 2, 2, 2 };
    static const double mixed[] = { 2, 1, 4, 3, 5 };
    double x[32], y[32];

    CHECK_NEAR(spearman(5, up, up), 1, 1e-15);
    CHECK_NEAR(spearman(5, up, down), -1, 1e-15);
    CHECK_NEAR(spearman(5, up, mixed), 1 - 6.0 * 4 / (5 * 24), 1e-15); /* 1 - 6 sum d^2 / (n (n^2 - 1)) */
    CHECK(isnan(spearman(5, up, same)));
    CHECK(isnan(spearman(1, up, up)) && isnan(spearman(0, up, up)));
    for (int round = 0; round < 200; round++) {
        const int n = 3 + (int)(draw() * 29), levels = 2 + round % 9;
        for (int i = 0; i < n; i++) {
            x[i] = floor(draw() * levels);
            y[i] = round % 2 ? floor(draw() * levels) : draw();
        }
        const double want = spearman_by_counting(n, x, y);
        if (!isnan(want))
            CHECK_NEAR(spearman(n, x, y), want, 1e-12);
    }
}

static void test_ties(void)
{
    double values[40];

    for (int round = 0; round < 100; round++) {
        const int n = 2 + (int)(draw() * 38);
        int tied = 0;
        for (int i = 0; i < n; i++)
            values[i] = floor(draw() * 6);
        for (int i = 0; i < n; i++)
            for (int k = 0; k < i; k++)
                tied += values[i] == values[k];
        CHECK_NEAR(rank_tied_share((uint64_t)n, values), tied / (n * (n - 1) / 2.0), 1e-15);
    }
    CHECK(isnan(rank_tied_share(1, values)));
}

/* ---- diversity ---- */

static double entropy_of(int n, const double *eigenvalues)
{
    double sum = 0;

    for (int i = 0; i < n; i++)
        sum -= eigenvalues[i] > 1e-300 ? eigenvalues[i] / n * log(eigenvalues[i] / n) : 0;
    return exp(sum);
}

/* Circulant: its eigenvalues are the cosine transform of its first row. */
static void test_circulant(int n)
{
    double row[64], kernel[64 * 64], eigenvalues[64];

    for (int i = 0; i <= n / 2; i++)
        row[i] = row[(n - i) % n] = pow(0.6, i);
    for (int i = 0; i < n; i++) {
        eigenvalues[i] = 0;
        for (int k = 0; k < n; k++) {
            kernel[i * n + k] = row[(k - i + n) % n];
            eigenvalues[i] += row[k] * cos(2 * 3.14159265358979323846 * i * k / n);
        }
    }
    CHECK_NEAR(vendi_score((uint64_t)n, kernel), entropy_of(n, eigenvalues), 1e-9);
}

static void test_vendi(void)
{
    enum { N = 12 };
    double kernel[N * N];

    for (int groups = 1; groups <= N; groups++) /* groups of alike members, the groups nothing alike */
        if (N % groups == 0) {
            for (int i = 0; i < N * N; i++)
                kernel[i] = i / N % groups == i % N % groups;
            CHECK_NEAR(vendi_score(N, kernel), groups, 1e-9);
        }
    for (double c = 0.1; c < 1; c += 0.2) { /* all equally alike: one eigenvalue 1 + (n - 1) c, the others 1 - c */
        double eigenvalues[N];
        for (int i = 0; i < N * N; i++)
            kernel[i] = i / N == i % N ? 1 : c;
        for (int i = 0; i < N; i++)
            eigenvalues[i] = i ? 1 - c : 1 + (N - 1) * c;
        CHECK_NEAR(vendi_score(N, kernel), entropy_of(N, eigenvalues), 1e-9);
    }
    test_circulant(7);
    test_circulant(64);
    kernel[0] = 1;
    CHECK_NEAR(vendi_score(1, kernel), 1, 0);
}

static struct look look_of(uint32_t size, uint8_t left, uint8_t right, uint32_t edge)
{
    static uint8_t rgb[320 * 320 * 3];
    struct look look;

    for (uint32_t i = 0; i < size * size * 3; i++)
        rgb[i] = i / 3 % size < edge ? left : right;
    look_at(&(wn_image){ size, size, rgb }, &look);
    return look;
}

static void test_look(void)
{
    const struct look black = look_of(32, 0, 0, 0), white = look_of(32, 255, 255, 0);
    const struct look edge = look_of(32, 0, 255, 12), large = look_of(320, 0, 255, 120), tiny = look_of(3, 9, 9, 0);
    const double unit = sqrt(0.5 / LOOK_EDGES);

    CHECK_NEAR(look_distance(&black, &black), 0, 0);
    CHECK_NEAR(look_distance(&black, &white), sqrt(0.5), 1e-6);
    CHECK_NEAR(look_likeness(&black, &black), 1, 0);
    CHECK_NEAR(look_distance(&edge, &large), 0, 1e-6); /* the size of the picture is nothing to it */
    CHECK_NEAR(look_distance(&tiny, &black), 9 / 255.0 * sqrt(0.5), 1e-6);
    for (int cell = 0; cell < LOOK_CELLS; cell++) { /* a whole edge through the second column, level gradient */
        CHECK_NEAR(edge.numbers[LOOK_COLOURS + cell * 4], cell % 4 == 1 ? unit : 0, 1e-6);
        CHECK_NEAR(edge.numbers[LOOK_COLOURS + cell * 4 + 2], 0, 1e-6);
    }
}

/* Three prompts of two candidates. One keeps its winner; one changes it for 3 more on B; of one A's winner has no score
 * on B, and so no cost. */
static void test_drift_cost(void)
{
    double scores[6][2][1] = { { { 2 }, { 2 } }, { { 1 }, { 1 } },   { { 2 }, { 4 } },
                               { { 1 }, { 7 } }, { { 2 }, { NAN } }, { { 1 }, { 1 } } };
    struct drift_pair pairs[6] = { 0 };
    struct drift_prompt prompts[3] = { { "a", "", 0, 2 }, { "b", "", 2, 2 }, { "c", "", 4, 2 } };
    struct data_metric metric = { .title = "m", .higher_is_better = true };
    struct drift d = {
        .metrics = &metric, .metric_count = 1, .pairs = pairs, .pair_count = 6, .prompts = prompts, .prompt_count = 3
    };
    struct arena *arena = arena_create();
    wn_error err;

    for (int i = 0; i < 6; i++)
        for (int side = 0; side < 2; side++)
            pairs[i].scores[side] = scores[i][side];
    CHECK_OK(drift_count(&d, arena, &err), err);
    CHECK_INT(d.choices[0].prompts, 3);
    CHECK_INT(d.choices[0].changed, 2);
    CHECK_NEAR(d.choices[0].cost, 3, 0);
    arena_destroy(arena);
}

int main(void)
{
    test_drift_cost();
    test_spearman();
    test_ties();
    test_vendi();
    test_look();
    return CHECK_DONE();
}
