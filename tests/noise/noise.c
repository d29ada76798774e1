/* Random numbers: published vectors of the generators, torch's streams, and the bits and statistics of winnow's own. */
#include "check.h"

#include "engine/mt19937.h"
#include "engine/noise.h"
#include "engine/philox.h"

enum { MILLION = 1000000 };

static float values[MILLION];

/* ---- generators ---- */

/* The known answers of the Random123 distribution (kat_vectors). */
static void philox_known_answers(void)
{
    static const uint32_t cases[][10] = {
        { 0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 },
        { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d, 0x41c83b0e, 0xa20bc7c6,
          0x6d5451fd },
        { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09, 0x94fdcceb, 0x5001e420,
          0x24126ea1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t out[4];
        philox_4x32(cases[i], cases[i] + 4, out);
        for (int j = 0; j < 4; j++)
            CHECK_INT(out[j], cases[i][6 + j]);
    }
}

static void philox_lanes_are_philox(void)
{
    static uint32_t lanes[4][PHILOX_LANES];
    const uint64_t first = 0xfffffff0u, high = 0x123456789abcdefu; /* crosses 2^32 */
    const uint32_t key[2] = { 17, 0xdeadbeef };
    philox_lanes(first, high, key, lanes);
    for (uint32_t i = 0; i < PHILOX_LANES; i++) {
        const uint32_t counter[4] = { (uint32_t)(first + i), (uint32_t)((first + i) >> 32), (uint32_t)high,
                                      (uint32_t)(high >> 32) };
        uint32_t out[4];
        philox_4x32(counter, key, out);
        for (int j = 0; j < 4; j++)
            CHECK_INT(lanes[j][i], out[j]);
    }
}

static void mersenne_twister_known_answer(void)
{
    static struct mt19937 mt;
    uint32_t last = 0;
    mt19937_seed(&mt, 5489);
    for (int i = 0; i < 10000; i++)
        last = mt19937_u32(&mt);
    CHECK_INT(last, 4123659995u); /* C++11 [rand.predef] */
}

/* ---- torch ---- */

static void expect_start(enum spec_noise mode, uint64_t seed, uint64_t n, double bound, int count, const double *want)
{
    noise_fill(mode, seed, 0, values, n);
    for (int i = 0; i < count; i++)
        if (!(fabs((double)values[i] - want[i]) <= bound))
            CHECK_FAIL("mode %d seed %llu n %llu: value %d is %.9g, want %.9g", (int)mode, (unsigned long long)seed,
                       (unsigned long long)n, i, (double)values[i], want[i]);
}

#define EXPECT_START(mode, seed, n, bound, ...)                                                                        \
    expect_start(mode, seed, n, bound, sizeof((double[]){ __VA_ARGS__ }) / sizeof(double), (double[]){ __VA_ARGS__ })

/* Values as people have published them. */
static void torch_published_values(void)
{
    EXPECT_START(SPEC_NOISE_TORCH_CPU, 0, 6, 6e-5, 1.5410, -0.2934, -2.1788, 0.5684, -1.0845, -1.3986);
    EXPECT_START(SPEC_NOISE_TORCH_CPU, 42, 3, 6e-5, 0.3367, 0.1288, 0.2345);
    EXPECT_START(SPEC_NOISE_TORCH_CPU, 0, 16, 5e-9, -1.12583983, -1.1523602, -0.250578582, -0.433878809, 0.848710358,
                 0.692009151, -0.31601277, -2.11521935, 0.322274923, -1.26333475, 0.349983186, 0.30813393, 0.119841509,
                 1.2376579, 1.11677718, -0.247278154);
    EXPECT_START(SPEC_NOISE_TORCH_CPU, 42, 16, 1e-8, 1.92691529, 1.48728406, 0.900717199, -2.10552096, 0.678418458,
                 -1.23454487, -0.0430674776, -1.60466695);
    EXPECT_START(SPEC_NOISE_TORCH_CPU, 0, 20, 6e-5, -1.1258, -1.1524, -0.2506, -0.4339, 0.5988, -1.5551, -0.3414,
                 1.8530, 0.4681, -0.1577, 1.4437, 0.2660, 1.3894, 1.5863, 0.9463, -0.8437, 0.9318, 1.2590, 2.0050,
                 0.0537);
    EXPECT_START(SPEC_NOISE_TORCH_CUDA, 0, 12, 6e-5, -0.9247, -0.4253, -2.6438, 0.1452, -0.1209, -0.5797, -0.6229,
                 -0.3284, -1.0745, -0.3631, -1.6711, 2.2655);
}

static void torch_legacy_bf16_values(void)
{
    const enum spec_noise mode = SPEC_NOISE_TORCH_CPU_BF16_LEGACY;
    EXPECT_START(mode, 0, 16, 0, 1.4609375, 0.291015625, 0.9609375, 1.5703125, 0.494140625, -1.515625, -0.25,
                 0.57421875);
    EXPECT_START(mode, 42, 16, 6e-7, -0.808594, -1.53125, 0.40625, 0.171875, -0.24707, 0.204102, -0.878906, -0.386719);
    EXPECT_START(mode, 1234, 16, 6e-6, -0.59375, -0.671875, 0.478516, 0.578125, -1.42969, 0.816406, -0.671875,
                 -1.99219);
    noise_fill(mode, 5, 0, values, 65536);
    for (int i = 0; i < 65536; i++)
        if (!(fabsf(values[i]) <= 3.34f))
            CHECK_FAIL("value %d is %g: 8-bit uniforms cannot make it", i, (double)values[i]);
}

static uint32_t hash_31(const float *v, uint64_t n)
{
    uint32_t h = 0, bits;
    for (uint64_t i = 0; i < n; i++) {
        memcpy(&bits, v + i, sizeof bits);
        h = h * 31 + bits;
    }
    return h;
}

/* Made by tests/golden/make_noise.py with torch 2.15. */
static const struct {
    enum spec_noise mode;
    uint64_t seed;
    uint64_t n;
    uint32_t hash;
} torch_hashes[] = {
    { SPEC_NOISE_TORCH_CPU, 0u, 1, 0x3fc53f5c },
    { SPEC_NOISE_TORCH_CPU, 0u, 7, 0xf1f5adad },
    { SPEC_NOISE_TORCH_CPU, 0u, 15, 0x6fcbba4c },
    { SPEC_NOISE_TORCH_CPU, 0u, 16, 0xd44a3f30 },
    { SPEC_NOISE_TORCH_CPU, 0u, 17, 0xb4d936dc },
    { SPEC_NOISE_TORCH_CPU, 0u, 31, 0x42ccec6d },
    { SPEC_NOISE_TORCH_CPU, 0u, 100, 0x23c4f089 },
    { SPEC_NOISE_TORCH_CPU, 0u, 4096, 0x978bd01d },
    { SPEC_NOISE_TORCH_CPU, 0u, 16384, 0xde7ee690 },
    { SPEC_NOISE_TORCH_CPU, 0u, 262144, 0x99afe22c },
    { SPEC_NOISE_TORCH_CPU, 42u, 1, 0x3eac62ae },
    { SPEC_NOISE_TORCH_CPU, 42u, 7, 0x6e8055c2 },
    { SPEC_NOISE_TORCH_CPU, 42u, 15, 0xc36a20d8 },
    { SPEC_NOISE_TORCH_CPU, 42u, 16, 0x5392da2b },
    { SPEC_NOISE_TORCH_CPU, 42u, 17, 0x6fc438fa },
    { SPEC_NOISE_TORCH_CPU, 42u, 31, 0x29caf904 },
    { SPEC_NOISE_TORCH_CPU, 42u, 100, 0x2241ddde },
    { SPEC_NOISE_TORCH_CPU, 42u, 4096, 0x7737b69b },
    { SPEC_NOISE_TORCH_CPU, 42u, 16384, 0xe4bdb5fd },
    { SPEC_NOISE_TORCH_CPU, 42u, 262144, 0xad58885b },
    { SPEC_NOISE_TORCH_CPU, 1234u, 1, 0x3d3cf34c },
    { SPEC_NOISE_TORCH_CPU, 1234u, 7, 0x726c3af2 },
    { SPEC_NOISE_TORCH_CPU, 1234u, 15, 0xc1ec64bd },
    { SPEC_NOISE_TORCH_CPU, 1234u, 16, 0x35773fb6 },
    { SPEC_NOISE_TORCH_CPU, 1234u, 17, 0x471cf81c },
    { SPEC_NOISE_TORCH_CPU, 1234u, 31, 0x63f7da45 },
    { SPEC_NOISE_TORCH_CPU, 1234u, 100, 0x73582c94 },
    { SPEC_NOISE_TORCH_CPU, 1234u, 4096, 0x9b86fa1a },
    { SPEC_NOISE_TORCH_CPU, 1234u, 16384, 0x254040b2 },
    { SPEC_NOISE_TORCH_CPU, 1234u, 262144, 0x8aa4b436 },
    { SPEC_NOISE_TORCH_CPU, 1099511627781u, 1, 0xbef93b54 },
    { SPEC_NOISE_TORCH_CPU, 1099511627781u, 7, 0x16f8b374 },
    { SPEC_NOISE_TORCH_CPU, 1099511627781u, 15, 0x869f6a40 },
    { SPEC_NOISE_TORCH_CPU, 1099511627781u, 16, 0x8976c11a },
    { SPEC_NOISE_TORCH_CPU, 1099511627781u, 17, 0x0477fd4f },
    { SPEC_NOISE_TORCH_CPU, 1099511627781u, 31, 0xd6cefb28 },
    { SPEC_NOISE_TORCH_CPU, 1099511627781u, 100, 0xe1245401 },
    { SPEC_NOISE_TORCH_CPU, 1099511627781u, 4096, 0xdd899d9d },
    { SPEC_NOISE_TORCH_CPU, 1099511627781u, 16384, 0x54b5be62 },
    { SPEC_NOISE_TORCH_CPU, 1099511627781u, 262144, 0x68fb4ebc },
    { SPEC_NOISE_TORCH_CPU_BF16, 0u, 1, 0x3fc50000 },
    { SPEC_NOISE_TORCH_CPU_BF16, 0u, 7, 0x57af0000 },
    { SPEC_NOISE_TORCH_CPU_BF16, 0u, 15, 0xa9970000 },
    { SPEC_NOISE_TORCH_CPU_BF16, 0u, 16, 0x2b7e0000 },
    { SPEC_NOISE_TORCH_CPU_BF16, 0u, 17, 0x72010000 },
    { SPEC_NOISE_TORCH_CPU_BF16, 0u, 31, 0xa3500000 },
    { SPEC_NOISE_TORCH_CPU_BF16, 0u, 100, 0xbe990000 },
    { SPEC_NOISE_TORCH_CPU_BF16, 0u, 4096, 0xef440000 },
    { SPEC_NOISE_TORCH_CPU_BF16, 0u, 16384, 0x9dc00000 },
    { SPEC_NOISE_TORCH_CPU_BF16, 0u, 262144, 0x6d810000 },
    { SPEC_NOISE_TORCH_CPU_BF16, 42u, 1, 0x3eac0000 },
    { SPEC_NOISE_TORCH_CPU_BF16, 42u, 7, 0x77ea0000 },
    { SPEC_NOISE_TORCH_CPU_BF16, 42u, 15, 0xa9f70000 },
    { SPEC_NOISE_TORCH_CPU_BF16, 42u, 16, 0x77e40000 },
    { SPEC_NOISE_TORCH_CPU_BF16, 42u, 17, 0xb1a60000 },
    { SPEC_NOISE_TORCH_CPU_BF16, 42u, 31, 0x90ee0000 },
    { SPEC_NOISE_TORCH_CPU_BF16, 42u, 100, 0xee3e0000 },
    { SPEC_NOISE_TORCH_CPU_BF16, 42u, 4096, 0x12770000 },
    { SPEC_NOISE_TORCH_CPU_BF16, 42u, 16384, 0x6e810000 },
    { SPEC_NOISE_TORCH_CPU_BF16, 42u, 262144, 0x40c00000 },
    { SPEC_NOISE_TORCH_CPU_BF16, 1234u, 1, 0x3d3d0000 },
    { SPEC_NOISE_TORCH_CPU_BF16, 1234u, 7, 0x8cbb0000 },
    { SPEC_NOISE_TORCH_CPU_BF16, 1234u, 15, 0xa74b0000 },
    { SPEC_NOISE_TORCH_CPU_BF16, 1234u, 16, 0x62010000 },
    { SPEC_NOISE_TORCH_CPU_BF16, 1234u, 17, 0x9e060000 },
    { SPEC_NOISE_TORCH_CPU_BF16, 1234u, 31, 0x9be30000 },
    { SPEC_NOISE_TORCH_CPU_BF16, 1234u, 100, 0xc6910000 },
    { SPEC_NOISE_TORCH_CPU_BF16, 1234u, 4096, 0x21010000 },
    { SPEC_NOISE_TORCH_CPU_BF16, 1234u, 16384, 0x74f20000 },
    { SPEC_NOISE_TORCH_CPU_BF16, 1234u, 262144, 0x02ee0000 },
    { SPEC_NOISE_TORCH_CPU_BF16, 1099511627781u, 1, 0xbef90000 },
    { SPEC_NOISE_TORCH_CPU_BF16, 1099511627781u, 7, 0xb9260000 },
    { SPEC_NOISE_TORCH_CPU_BF16, 1099511627781u, 15, 0x02050000 },
    { SPEC_NOISE_TORCH_CPU_BF16, 1099511627781u, 16, 0x67c00000 },
    { SPEC_NOISE_TORCH_CPU_BF16, 1099511627781u, 17, 0xc1750000 },
    { SPEC_NOISE_TORCH_CPU_BF16, 1099511627781u, 31, 0x32110000 },
    { SPEC_NOISE_TORCH_CPU_BF16, 1099511627781u, 100, 0xd36f0000 },
    { SPEC_NOISE_TORCH_CPU_BF16, 1099511627781u, 4096, 0xf5920000 },
    { SPEC_NOISE_TORCH_CPU_BF16, 1099511627781u, 16384, 0xdc610000 },
    { SPEC_NOISE_TORCH_CPU_BF16, 1099511627781u, 262144, 0x89d60000 },
};

static void torch_hashes_agree(void)
{
    for (size_t i = 0; i < sizeof torch_hashes / sizeof torch_hashes[0]; i++) {
        noise_fill(torch_hashes[i].mode, torch_hashes[i].seed, 0, values, torch_hashes[i].n);
        uint32_t got = hash_31(values, torch_hashes[i].n);
        if (got != torch_hashes[i].hash)
            CHECK_FAIL("mode %d seed %llu n %llu: hash %08x, want %08x", (int)torch_hashes[i].mode,
                       (unsigned long long)torch_hashes[i].seed, (unsigned long long)torch_hashes[i].n, got,
                       torch_hashes[i].hash);
    }
}

/* A stream is the next seed; the CPU generator knows 32 bits of it, the GPU's 64. */
static void torch_seeds(void)
{
    float a[32], b[32];
    const enum spec_noise modes[] = { SPEC_NOISE_TORCH_CPU, SPEC_NOISE_TORCH_CPU_BF16, SPEC_NOISE_TORCH_CPU_BF16_LEGACY,
                                      SPEC_NOISE_TORCH_CUDA };
    for (int i = 0; i < 4; i++) {
        noise_fill(modes[i], 40, 2, a, 32);
        noise_fill(modes[i], 42, 0, b, 32);
        CHECK(memcmp(a, b, sizeof a) == 0);
        noise_fill(modes[i], 42 + (1ull << 32), 0, a, 32);
        CHECK((memcmp(a, b, sizeof a) == 0) == (modes[i] != SPEC_NOISE_TORCH_CUDA));
    }
}

/* ---- philox ---- */

static uint64_t fnv_1a(const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * 0x100000001b3u;
    return h;
}

/* The same on every machine and with every compiler: if one of these changes, every run ever made changes with it. */
static void philox_bits_are_fixed(void)
{
    noise_fill(SPEC_NOISE_PHILOX, 7, 0, values, MILLION);
    uint64_t hash = fnv_1a(values, sizeof values);
    if (hash != 0x61de5c22d3c42a66u)
        CHECK_FAIL("first million values of seed 7, stream 0: hash %016llx", (unsigned long long)hash);
    EXPECT_START(SPEC_NOISE_PHILOX, 7, 4, 0, -0x1.432adap+0, -0x1.bd7daep-1, -0x1.e342b4p-2, 0x1.a40bdp-1);
    CHECK_INT(noise_random_u64(7, 1, 2), (long long)0xe18274a148a8170du);
}

static void any_range_is_part_of_the_stream(void)
{
    static float part[3000];
    noise_normal_f32(3, 9, 0, values, 10000);
    for (uint64_t first = 0; first < 1200; first += 7) {
        uint64_t n = first % 11 == 0 ? 2500 : first % 13;
        part[n] = 77;
        noise_normal_f32(3, 9, first, part, n);
        CHECK(memcmp(part, values + first, n * sizeof *part) == 0);
        CHECK(part[n] == 77.0f);
    }
    noise_normal_f32(3, 9, (1ull << 34) - 2, part, 4); /* the block number passes 2^32 */
    noise_normal_f32(3, 9, 1ull << 34, part + 4, 2);
    CHECK(memcmp(part + 2, part + 4, 2 * sizeof *part) == 0);
    CHECK(part[2] != values[0]);
}

/* What value i of a stream is, said again in double with the C library. */
static double defined_value(uint64_t seed, uint64_t stream, uint64_t i)
{
    uint64_t z = seed + 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    const uint32_t key[2] = { (uint32_t)z, (uint32_t)(z >> 32) };
    const uint32_t counter[4] = { (uint32_t)(i / 4), (uint32_t)(i / 4 >> 32), (uint32_t)stream,
                                  (uint32_t)(stream >> 32) };
    uint32_t w[4];
    philox_4x32(counter, key, w);
    double u = ((double)(w[i % 4 / 2 * 2] >> 1) + 0.5) * 0x1p-31, turn = w[i % 4 / 2 * 2 + 1] * 0x1p-32;
    double angle = 6.283185307179586 * turn;
    return sqrt(-2 * log(u)) * (i % 2 ? sin(angle) : cos(angle));
}

static void philox_follows_its_definition(void)
{
    noise_normal_f32(1ull << 63, 1ull << 40, 0, values, 200000);
    for (uint64_t i = 0; i < 200000; i++) {
        double want = defined_value(1ull << 63, 1ull << 40, i);
        double r = hypot((double)values[i], (double)values[i ^ 1]); /* dr = du / r, and u has 24 bits next to 1 */
        if (!(fabs((double)values[i] - want) <= 1e-6 + 4e-8 / r))
            CHECK_FAIL("value %llu is %.9g, want %.9g", (unsigned long long)i, (double)values[i], want);
    }
}

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void philox_is_normal(void)
{
    double m[5] = { 0 }, lag = 0, worst = 0;
    noise_normal_f32(123, 456, 0, values, MILLION);
    for (int i = 0; i < MILLION; i++) {
        double x = (double)values[i];
        for (int k = 1; k <= 4; k++)
            m[k] += pow(x, k) / MILLION;
        lag += i ? x * (double)values[i - 1] / MILLION : 0;
    }
    CHECK_NEAR(m[1], 0, 5e-3); /* five standard errors: sqrt(1, 2, 15, 96 / 1e6) */
    CHECK_NEAR(m[2], 1, 7.1e-3);
    CHECK_NEAR(m[3], 0, 0.02);
    CHECK_NEAR(m[4], 3, 0.049);
    CHECK_NEAR(lag, 0, 5e-3);
    qsort(values, MILLION, sizeof *values, by_value);
    for (int i = 0; i < MILLION; i++) {
        double gap = fabs(0.5 * erfc(-(double)values[i] / sqrt(2)) - (i + 0.5) / MILLION);
        worst = gap > worst ? gap : worst;
    }
    CHECK_NEAR(worst, 0, 1.95e-3); /* Kolmogorov-Smirnov at p = 0.001 */
    CHECK(values[0] > -6.7f && values[0] < -4.2f && values[MILLION - 1] < 6.7f && values[MILLION - 1] > 4.2f);
}

/* Neighbouring seeds and streams have nothing to do with one another. */
static void streams_are_independent(void)
{
    enum { N = 100000 };
    static float other[N];
    const uint64_t pairs[][2] = { { 7, 1 }, { 8, 0 }, { 7, 1ull << 32 }, { 7 + (1ull << 32), 0 }, { 0, 7 } };
    noise_normal_f32(7, 0, 0, values, N);
    for (int p = 0; p < 5; p++) {
        double dot = 0;
        noise_normal_f32(pairs[p][0], pairs[p][1], 0, other, N);
        for (int i = 0; i < N; i++)
            dot += (double)values[i] * (double)other[i] / N;
        CHECK_NEAR(dot, 0, 5 / sqrt(N));
    }
}

static void random_words(void)
{
    int ones = 0;
    for (uint64_t i = 0; i < 10000; i++)
        ones += __builtin_popcountll(noise_random_u64(1, 2, i));
    CHECK_NEAR(ones, 320000, 5 * 400); /* sqrt(640000 / 4) = 400 */
    CHECK(noise_random_u64(1, 2, 0) != noise_random_u64(1, 2, 1ull << 32));
    CHECK(noise_random_u64(1, 2, 0) != noise_random_u64(1, 3, 0));
    CHECK(noise_random_u64(1, 2, 0) != noise_random_u64(2, 2, 0));
}

int main(void)
{
    philox_known_answers();
    philox_lanes_are_philox();
    mersenne_twister_known_answer();
    torch_published_values();
    torch_legacy_bf16_values();
    torch_hashes_agree();
    torch_seeds();
    philox_bits_are_fixed();
    any_range_is_part_of_the_stream();
    philox_follows_its_definition();
    philox_is_normal();
    streams_are_independent();
    random_words();
    return CHECK_DONE();
}
