/* Blends are noises like all, near their base as their cosine says, and the same wherever they are made. */
#include "check.h"
#include "engine/solver.h"

enum { N = 100000 };
static float base[N], mixed[N], again[N];
static struct blends blends;
static const struct noise_source source = { .mode = SPEC_NOISE_PHILOX, .seed = 1, .aux_seed = 2, .blends = &blends };

static double mean_product(const float *a, const float *b)
{
    double sum = 0;
    for (int i = 0; i < N; i++)
        sum += (double)a[i] * (double)b[i];
    return sum / N;
}

static uint64_t make(uint64_t of, uint64_t with, double cosine)
{
    uint64_t stream = 0;
    wn_error err;
    CHECK_OK(blends_add(&blends, of, with, cosine, &stream, &err), err);
    CHECK(stream >= WN_STREAM_BLEND);
    return stream;
}

/* Variance 1 and covariance `cosine`, within 5 standard errors. */
static void check_noise(void)
{
    const double cosines[] = { 1, 0.95, 0, -0.5 };
    noise_source_fill(&source, 3, base, N);
    for (int i = 0; i < 4; i++) {
        const uint64_t stream = make(3, WN_STREAM_AUX + 7, cosines[i]);
        noise_source_fill(&source, stream, mixed, N);
        CHECK_NEAR(mean_product(mixed, mixed), 1, 5 * sqrt(2.0 / N));
        CHECK_NEAR(mean_product(mixed, base), cosines[i], 5 * sqrt(2.0 / N));
    }
}

static void check_chain(void)
{
    const uint64_t first = make(3, WN_STREAM_AUX + 7, 0.9), second = make(first, WN_STREAM_AUX + 8, 0.9);
    noise_source_fill(&source, first, base, N);
    noise_source_fill(&source, second, mixed, N);
    CHECK_NEAR(mean_product(mixed, base), 0.9, 5 * sqrt(2.0 / N));
    CHECK_INT(blends_find(&blends, second)->depth, 2);
    noise_source_fill(&source, second, again, N);
    CHECK_INT(memcmp(again, mixed, sizeof mixed), 0);
}

static void check_names(void)
{
    const uint32_t count = blends.count;
    const uint64_t stream = make(3, WN_STREAM_AUX + 7, 0.95);
    CHECK_INT(blends.count, count);
    CHECK(make(3, WN_STREAM_AUX + 8, 0.95) != stream);
    CHECK(make(4, WN_STREAM_AUX + 7, 0.95) != stream);
    CHECK(make(3, WN_STREAM_AUX + 7, 0.96) != stream);
}

static void check_refusals(void)
{
    uint64_t stream;
    wn_error err;
    CHECK_INT(blends_add(&blends, WN_STREAM_BLEND + 1, WN_STREAM_AUX, 0.5, &stream, &err), WN_E_ARG);
    CHECK_CONTAINS(err.message, "never made");
    CHECK_INT(blends_add(&blends, 1, 5, 0.5, &stream, &err), WN_E_ARG);
    CHECK_CONTAINS(err.message, "not an auxiliary one");
    CHECK_INT(blends_add(&blends, 1, WN_STREAM_AUX, 1.5, &stream, &err), WN_E_ARG);
    CHECK_INT(blends_add(&blends, 1, WN_STREAM_AUX, (double)NAN, &stream, &err), WN_E_ARG);
    for (stream = 1; blends_add(&blends, stream, WN_STREAM_AUX, 0.5, &stream, &err) == WN_OK;)
        CHECK(blends.count < 10000);
    CHECK_CONTAINS(err.message, "are allowed");
}

int main(void)
{
    check_noise();
    check_chain();
    check_names();
    check_refusals();
    blends_finish(&blends);
    return CHECK_DONE();
}
