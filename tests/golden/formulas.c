/* formulas.c - the host's share of FLUX: schedules, scalar embeddings, T5's buckets, packing. Values from diffusers and
 * transformers, written down with their digits.
 */
#include "check.h"

#include "../../plugins/samplers/flux/schedule.h"

#include <models/flux.h>
#include <models/t5.h>

static void test_schedules(void)
{
    static const double dev28[] = { 1, .988408625, .976222456, .963394403, .949872553, .93559891 };
    float sigma[65];
    const struct schedule dev = schedule_default(1), schnell = schedule_default(0);
    schedule_fill(&dev, 4096, 28, sigma); /* 1024 x 1024 */
    for (int i = 0; i < 6; i++)
        CHECK_NEAR((double)sigma[i], dev28[i], 6e-9 * 10);
    CHECK_NEAR((double)sigma[25], .274827987, 3e-8);
    CHECK_NEAR((double)sigma[27], .104720898, 1e-8);
    CHECK_NEAR((double)sigma[28], 0, 0);
    schedule_fill(&dev, 4096, 50, sigma);
    CHECK_NEAR((double)sigma[1], .993579507, 6e-8);
    CHECK_NEAR((double)sigma[49], .0605502762, 5e-9);
    schedule_fill(&dev, 1024, 4, sigma);
    CHECK_NEAR((double)sigma[1], .849234819, 6e-8);
    CHECK_NEAR((double)sigma[3], .384944737, 3e-8);
    schedule_fill(&schnell, 1024, 4, sigma);
    for (int i = 0; i <= 4; i++)
        CHECK_NEAR((double)sigma[i], 1 - .25 * i, 0);
    schedule_fill(&dev, 4096, 1, sigma);
    CHECK_NEAR((double)sigma[0], 1, 0);
    CHECK_NEAR((double)sigma[1], 0, 0);
}

static void test_sinusoid(void)
{
    float e[NN_FLUX_SINUSOID];
    nn_flux_sinusoid(1.0f, e);
    CHECK_NEAR((double)e[0], .562379, 1e-4);
    CHECK_NEAR((double)e[128], .826880, 1e-4);
    CHECK_NEAR((double)e[1], .7896, 1e-4);
    CHECK_NEAR((double)e[129], .6136, 1e-4);
    CHECK_NEAR((double)e[64], -.83907, 1e-4);
    CHECK_NEAR((double)e[192], -.54402, 1e-4);
    CHECK_NEAR((double)e[127], .99423, 1e-4);
    CHECK_NEAR((double)e[255], .10725, 1e-4);
    nn_flux_sinusoid(3.5f, e);
    CHECK_NEAR((double)e[0], .964887, 1e-4);
    CHECK_NEAR((double)e[128], .262666, 1e-4);
}

/* transformers' table for 32 buckets up to distance 128: where each bucket begins. */
static void test_buckets(void)
{
    static const int64_t begins[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91 };
    const nn_t5 c = { .buckets = 32, .max_distance = 128 };
    for (int64_t d = 0; d < 600; d++) {
        uint64_t want = 15;
        while (begins[want] > d)
            want--;
        CHECK_INT(nn_t5_bucket(&c, -d), want);
        CHECK_INT(nn_t5_bucket(&c, d), d ? want + 16 : 0);
    }
}

static void test_packing(void)
{
    enum { C = 3, H = 4, W = 6 };
    float x[C * H * W], tokens[C * H * W], back[C * H * W];
    for (int i = 0; i < C * H * W; i++)
        x[i] = (float)i;
    nn_flux_pack(x, C, H, W, tokens);
    nn_flux_unpack(tokens, C, H, W, back);
    CHECK(memcmp(x, back, sizeof x) == 0);
    /* token (row 1, column 2), channel 2, patch (1, 0): feature 2 * 4 + 1 * 2 + 0 */
    CHECK_NEAR((double)tokens[(1 * (W / 2) + 2) * C * 4 + 10], 2 * H * W + 3 * W + 4, 0);
}

int main(void)
{
    test_schedules();
    test_sinusoid();
    test_buckets();
    test_packing();
    return CHECK_DONE();
}
