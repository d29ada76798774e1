/* checks.c - the report's checks on made-up runs whose answers are known. */
#include "report/checks.h"

#include "base/arena.h"
#include "check.h"
#include "report/family.h"
#include "report/rows.h"

static wn_error err;

/* In [0, 1), from a fixed start. */
static double draw(void)
{
    static uint64_t state = 9;

    state = state * 6364136223846793005u + 1442695040888963407u;
    return (double)(state >> 11) * 0x1p-53;
}

/* ---- made-up runs ---- */

enum { MOST = 64 };

struct made {
    struct data d;
    struct data_metric metrics[2];
    struct data_trial trials[16];
    struct data_candidate candidates[16][MOST];
    double values[16][MOST][2];
    char ids[16][MOST][8];
};

static struct made *begin(int trials)
{
    struct made *m = calloc(1, sizeof *m);

    m->metrics[0] = (struct data_metric){ "g", "m", "g.m", DATA_GUIDE, true, false, 1 };
    m->metrics[1] = (struct data_metric){ "j", "m", "j.m", DATA_JUDGE, true, false, 1 };
    m->d = (struct data){ .directory = "/nowhere",
                          .name = "made",
                          .search = "made",
                          .metrics = m->metrics,
                          .metric_count = 2,
                          .trials = m->trials,
                          .trial_count = (uint64_t)trials };
    for (int i = 0; i < trials; i++)
        m->trials[i] = (struct data_trial){ .id = (uint64_t)i,
                                            .prompt_id = "p",
                                            .prompt = "p",
                                            .category = "c",
                                            .state = "done",
                                            .ended = "",
                                            .candidates = m->candidates[i] };
    return m;
}

/* parent: place, -1 = none */
static void add(struct made *m, int trial, bool finished, uint64_t point, int parent, double guide, double judge)
{
    struct data_trial *t = &m->trials[trial];
    const uint64_t at = t->candidate_count++;
    double *values = m->values[trial][at];

    snprintf(m->ids[trial][at], sizeof m->ids[0][0], "%c%d", (char)('a' + (int)(at * 7 % 13)), (int)at);
    values[0] = guide;
    values[1] = judge;
    t->verifier_calls++;
    t->candidates[at] = (struct data_candidate){ .id = m->ids[trial][at],
                                                 .ordinal = at + 1,
                                                 .point = point,
                                                 .finished = finished,
                                                 .lineage = "",
                                                 .image = "",
                                                 .parent = parent < 0 ? "" : m->ids[trial][parent],
                                                 .nfe = 10,
                                                 .nfe_total = 10 * (at + 1),
                                                 .seconds = 0.25 * (double)(at + 1),
                                                 .values = values };
    if (finished && !t->first)
        t->first = &t->candidates[at];
    if (finished && (!t->winner || guide > t->winner->values[0]))
        t->winner = &t->candidates[at];
}

static struct checks *check_run(const struct made *m, struct numbers **n)
{
    struct checks *k = NULL;

    CHECK_OK(numbers_compute(&m->d, n, &err), err);
    CHECK_OK(checks_compute(&m->d, *n, &k, &err), err);
    return k;
}

static void end(struct made *m, struct numbers *n, struct checks *k)
{
    checks_free(k);
    numbers_free(n);
    free(m);
}

/* Best so far against all three currencies, against looking at every candidate for every point. */
static void test_against(void)
{
    enum { TRIALS = 9, CANDIDATES = 20 };
    struct made *m = begin(TRIALS);
    struct numbers *n = NULL;

    for (int i = 0; i < TRIALS; i++)
        for (int c = 0; c < CANDIDATES; c++)
            add(m, i, c % 3 != 0, 5, -1, floor(draw() * 5), draw());
    CHECK_OK(numbers_compute(&m->d, &n, &err), err);
    for (int metric = 0; metric < 2; metric++) {
        const struct numbers_curve *c = &n->curves[metric];
        CHECK_INT(c->against_nfe_count, c->against_calls_count);
        CHECK_INT(c->against_nfe_count, c->against_seconds_count);
        for (uint64_t p = 0; p < c->against_nfe_count; p++) {
            double want = 0;
            for (int i = 0; i < TRIALS; i++) {
                const struct data_candidate *best = NULL;
                for (int k = 0; k < CANDIDATES; k++) {
                    const struct data_candidate *other = &m->trials[i].candidates[k];
                    if (other->finished && other->nfe_total <= c->against_nfe[p].x &&
                        (!best || other->values[0] > best->values[0]))
                        best = other;
                }
                want += best->values[metric] / TRIALS;
            }
            CHECK_NEAR(c->against_nfe[p].y.mean, want, 1e-12);
            CHECK_NEAR(c->against_calls[p].y.mean, want, 1e-12);
            CHECK_NEAR(c->against_seconds[p].y.mean, want, 1e-12);
            CHECK_INT(c->against_calls[p].x * 10, c->against_nfe[p].x);
            CHECK_INT(c->against_seconds[p].x, c->against_calls[p].x * 250000);
            CHECK(c->against_nfe[p].y.low <= want && want <= c->against_nfe[p].y.high);
        }
    }
    numbers_free(n);
    m->trials[3].verifier_calls++; /* a guide that was asked again: nobody knows when */
    CHECK_OK(numbers_compute(&m->d, &n, &err), err);
    CHECK_INT(n->curves[0].against_calls_count, 0);
    CHECK(n->curves[0].against_seconds_count > 0);
    numbers_free(n);
    free(m);
}

/* A guide that climbs by one at each candidate, and a judge that goes as `judge` says, with noise from prompt to
 * prompt.
 */
static const struct gap *gap_of(struct made *m, double (*judge)(int), double noise, struct numbers **n,
                                struct checks **k)
{
    enum { TRIALS = 12, CANDIDATES = 16 };

    for (int i = 0; i < TRIALS; i++)
        for (int c = 0; c < CANDIDATES; c++)
            add(m, i, true, 5, -1, c + draw() * 0.1, judge(c) + noise * (draw() - 0.5));
    *k = check_run(m, n);
    CHECK_INT((*k)->gap_count, 1);
    return &(*k)->gaps[0];
}

static double falls(int c)
{
    return -c;
}

static double overdone(int c)
{
    return c < 4 ? 3 * c : 12 - 0.5 * c;
}

static double flat(int c)
{
    return 0 * c;
}

static double rises(int c)
{
    return c;
}

static void test_gap(void)
{
    static const struct {
        double (*judge)(int);
        double noise;
        enum gap_verdict verdict;
    } cases[] = {
        { falls, 1, GAP_HACKED }, { overdone, 1, GAP_HACKED_LATE }, { flat, 1, GAP_NONE }, { rises, 1, GAP_NONE }
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct numbers *n;
        struct checks *k;
        struct made *m = begin(12);
        const struct gap *g = gap_of(m, cases[i].judge, cases[i].noise, &n, &k);
        CHECK_INT(g->verdict, cases[i].verdict);
        CHECK_INT(g->count, 16);
        CHECK_INT(g->points[g->late].x, 40); /* a quarter of 160 NFE */
        end(m, n, k);
    }
}

/* Gains, gaps and spreads by hand, from pools of independent candidates; a judge where less is better. */
static void test_gap_numbers(void)
{
    enum { TRIALS = 5, CANDIDATES = 6 };
    struct made *m = begin(TRIALS);
    struct numbers *n;
    double squares[2] = { 0, 0 };

    m->d.pool_is_iid = true;
    m->metrics[1].higher_is_better = false;
    for (int i = 0; i < TRIALS; i++)
        for (int c = 0; c < CANDIDATES; c++)
            add(m, i, true, 5, -1, draw(), draw() + i);
    struct checks *k = check_run(m, &n);
    const struct gap *g = &k->gaps[0];
    for (int i = 0; i < TRIALS; i++)
        for (int metric = 0; metric < 2; metric++) {
            double mean = 0;
            for (int c = 0; c < CANDIDATES; c++)
                mean += m->values[i][c][metric] / CANDIDATES;
            for (int c = 0; c < CANDIDATES; c++)
                squares[metric] += pow(m->values[i][c][metric] - mean, 2);
        }
    const double guide = sqrt(squares[0] / (TRIALS * (CANDIDATES - 1)));
    const double judge = sqrt(squares[1] / (TRIALS * (CANDIDATES - 1)));
    CHECK_NEAR(g->guide_spread, guide, 1e-12);
    CHECK_NEAR(g->judge_spread, judge, 1e-12);
    CHECK(g->is_exact);
    CHECK_INT(g->count, CANDIDATES);
    for (int p = 0; p < CANDIDATES; p++) {
        const double up = (n->curves[0].best_of[p].y.mean - n->curves[0].best_of[0].y.mean) / guide;
        const double down = (n->curves[1].best_of[p].y.mean - n->curves[1].best_of[0].y.mean) / judge;
        CHECK_NEAR(g->points[p].guide.mean, up, 1e-12);
        CHECK_NEAR(g->points[p].judge.mean, -down, 1e-12);
        CHECK_NEAR(g->points[p].gap.mean, up + down, 1e-12);
    }
    end(m, n, k);
}

/* Two prompts with previews at points 2 and 4: one foretells, one tells the opposite; a third has no survivors. */
static void test_previews(void)
{
    static const double first[] = { 1, 2, 3, 4 }, finals[2][4] = { { 10, 20, 30, 40 }, { 40, 30, 20, 10 } };
    struct made *m = begin(3);
    struct numbers *n;

    for (int i = 0; i < 2; i++) {
        for (int c = 0; c < 4; c++)
            add(m, i, false, 2, -1, first[c], 0);
        for (int c = 0; c < 4; c++)
            add(m, i, false, 4, c, finals[i][c], 0);
        for (int c = 0; c < 4; c++) { /* two of each, whose mean counts */
            add(m, i, true, 5, 4 + c, finals[i][c] + 7, 0);
            add(m, i, true, 5, 4 + c, finals[i][c] - 7, 0);
        }
    }
    add(m, 2, false, 2, -1, 1, 0);
    add(m, 2, true, 5, -1, 1, 0);
    struct checks *k = check_run(m, &n);
    CHECK_INT(k->preview_count, 2);
    CHECK_INT(k->previews[0].point, 2);
    CHECK_INT(k->previews[0].previews, 8);
    CHECK_INT(k->previews[0].prompts, 2);
    CHECK_NEAR(k->previews[0].rho.mean, 0, 1e-12);
    CHECK_INT(k->previews[1].point, 4);
    CHECK_NEAR(k->previews[1].rho.mean, 1, 1e-12);
    end(m, n, k);
}

static void test_tie_rates(void)
{
    struct made *m = begin(2);
    struct numbers *n;
    static const double guide[] = { 1, 2, 2, 3 }, judge[] = { 0, 1, 1, 1 };

    for (int c = 0; c < 4; c++) {
        add(m, 0, true, 5, -1, guide[c], judge[c]);
        add(m, 1, true, 5, -1, c, 0);
    }
    struct checks *k = check_run(m, &n);
    CHECK_INT(k->tie_count, 2);
    CHECK_NEAR(k->ties[0].share.mean, (1 / 6.0 + 0) / 2, 1e-15);
    CHECK_NEAR(k->ties[0].top.mean, 0, 0);
    CHECK_NEAR(k->ties[1].share.mean, (3 / 6.0 + 1) / 2, 1e-15);
    CHECK_NEAR(k->ties[1].top.mean, 1, 0);
    CHECK_INT(k->whole.prompts, 0); /* no pictures, no diversity */
    end(m, n, k);
}

/* ---- families ---- */

static void test_family(void)
{
    static const char turned[] = "{\"noise\":\"n\",\"moves\":[{\"advance\":4},{\"renoise\":3,\"stream\":2},"
                                 "{\"advance\":6},{\"kick\":7},{\"advance\":10}]}";
    static const char *const lineages[] = {
        "{\"noise\":\"n\",\"moves\":[{\"advance\":10}]}",
        "{\"noise\":\"o\",\"moves\":[{\"advance\":10}]}",
        "{\"noise\":\"n\",\"moves\":[{\"advance\":4},{\"renoise\":3,\"stream\":1},{\"advance\":10}]}",
        "{\"noise\":\"n\",\"moves\":[{\"advance\":4},{\"renoise\":3,\"stream\":2},{\"advance\":10}]}",
        turned,
        "{\"noise\":\"n\",\"moves\":[{\"kick\":1,\"stream\":5},{\"advance\":10}]}",
        "not JSON",
    };
    static const uint64_t want[] = { FAMILY_NONE, FAMILY_NONE, 0, 0, 3, 0, FAMILY_NONE };
    static const uint64_t want_at[] = { FAMILY_NONE, FAMILY_NONE, 4, 4, 6, 0, FAMILY_NONE };
    struct made *m = begin(1);
    uint64_t parents[8], left_at[8];

    for (int i = 0; i < 7; i++) {
        add(m, 0, true, 10, -1, 0, 0);
        m->candidates[0][i].lineage = lineages[i];
    }
    CHECK_OK(family_parents(&m->trials[0], parents, &err), err);
    CHECK_OK(family_branches(&m->trials[0], parents, left_at, &err), err);
    for (int i = 0; i < 7; i++) {
        CHECK_INT(parents[i], want[i]);
        CHECK_INT(left_at[i], want_at[i]);
    }
    m->candidates[0][5].parent = m->ids[0][2];
    m->candidates[0][2].parent = m->ids[0][5]; /* a parent that comes later is none */
    m->candidates[0][1].parent = "unknown";
    CHECK_OK(family_parents(&m->trials[0], parents, &err), err);
    CHECK_INT(parents[5], 2);
    CHECK_INT(parents[2], FAMILY_NONE);
    CHECK_INT(parents[1], FAMILY_NONE);
    free(m);
}

int main(void)
{
    test_against();
    test_gap();
    test_gap_numbers();
    test_previews();
    test_tie_rates();
    test_family();
    return CHECK_DONE();
}
