/* A file that the gguf package wrote (tests/golden/make_gguf.py): values of the quantised types to the last bit, from
 * any element on; the plain types; the metadata.
 */
#include "files.h"

#include "weights/gguf.h"
#include "weights/weights.h"

static const char *const path = WINNOW_SOURCE_DIR "/tests/weights/data/blocks.gguf";
static wn_error err;

static const nn_tensor *must_find(const nn_weights *w, const char *name)
{
    const nn_tensor *t = nn_weights_find(w, name);
    if (!t) {
        CHECK_FAIL("no tensor %s", name);
        exit(1);
    }
    return t;
}

static void reads_blocks(const nn_weights *w)
{
    static const struct {
        const char *name;
        int32_t dtype;
        uint64_t bytes;
    } types[] = { { "Q8_0", WN_Q8_0, 2176 },
                  { "Q4_0", WN_Q4_0, 1152 },
                  { "Q4_K", WN_Q4_K, 1152 },
                  { "Q5_K", WN_Q5_K, 1408 },
                  { "Q6_K", WN_Q6_K, 1680 } };
    enum { N = 2048 };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char name[16];
        float got[N], want[N], some[N];
        snprintf(name, sizeof name, "%s.f32", types[i].name);
        const nn_tensor *t = must_find(w, types[i].name);
        CHECK_INT(t->dtype, types[i].dtype);
        CHECK_INT(t->bytes, types[i].bytes);
        CHECK_STR(nn_dtype_name(t->dtype), types[i].name);
        CHECK(t->rank == 2 && t->shape[0] == 4 && t->shape[1] == 512);
        nn_tensor_to_f32(t, 0, got, N);
        nn_tensor_to_f32(must_find(w, name), 0, want, N);
        CHECK(memcmp(got, want, sizeof want) == 0);
        for (uint64_t first = 0; first < 300; first += 7) {
            const uint64_t n = N - first - first * 3;
            nn_tensor_to_f32(t, first, some, n);
            CHECK(memcmp(some, want + first, n * sizeof *some) == 0);
        }
    }
}

static void reads_plain_types(const nn_weights *w)
{
    float f32[15], f16[15], bf16[15], i8[7], deep;
    nn_tensor_to_f32(must_find(w, "plain.f32"), 0, f32, 15);
    nn_tensor_to_f32(must_find(w, "plain.f16"), 0, f16, 15);
    nn_tensor_to_f32(must_find(w, "plain.bf16"), 0, bf16, 15);
    nn_tensor_to_f32(must_find(w, "plain.i8"), 0, i8, 7);
    for (int i = 0; i < 15; i++) {
        CHECK_NEAR((double)f16[i], (double)f32[i], 1e-3 * fabs((double)f32[i]));
        CHECK_NEAR((double)bf16[i], (double)f32[i], 4e-3 * fabs((double)f32[i]));
    }
    for (int i = 0; i < 7; i++)
        CHECK_INT(i8[i], i - 3);
    const nn_tensor *t = must_find(w, "deep");
    CHECK(t->rank == 4 && t->shape[0] == 2 && t->shape[1] == 1 && t->shape[2] == 3 && t->shape[3] == 4);
    nn_tensor_to_f32(t, 23, &deep, 1);
    CHECK_INT(deep, 23);
}

static const char *value_of(const nn_gguf *f, const char *key)
{
    for (uint64_t i = 0; i < nn_gguf_metadata_count(f); i++)
        if (strcmp(nn_gguf_metadata_at(f, i)->key, key) == 0)
            return nn_gguf_metadata_at(f, i)->value;
    return "(absent)";
}

static void reads_metadata(void)
{
    static const char *const pairs[][2] = { { "general.architecture", "flux" },
                                            { "test.string", "h\xc3\xa9llo" },
                                            { "test.array", "[3 values]" },
                                            { "test.strings", "[2 values]" },
                                            { "test.u8", "250" },
                                            { "test.i8", "-5" },
                                            { "test.u16", "65000" },
                                            { "test.i16", "-3000" },
                                            { "test.u32", "4000000000" },
                                            { "test.i32", "-2000000000" },
                                            { "test.f32", "0.25" },
                                            { "test.bool", "true" },
                                            { "test.u64", "18446744073709551615" },
                                            { "test.i64", "-9223372036854775808" },
                                            { "test.f64", "-1.5" } };
    nn_gguf *f = NULL;
    CHECK_OK(nn_gguf_open(path, &f, &err), err);
    for (size_t i = 0; f && i < sizeof pairs / sizeof *pairs; i++)
        CHECK_STR(value_of(f, pairs[i][0]), pairs[i][1]);
    CHECK(f && !nn_gguf_find(f, "absent"));
    nn_gguf_close(f);
}

int main(void)
{
    nn_weights *w = NULL;
    CHECK_OK(nn_weights_open(path, &w, &err), err);
    if (!w)
        return CHECK_DONE();
    CHECK_INT(nn_weights_count(w), 15);
    CHECK_STR(nn_weights_file(w, 0), path);
    reads_blocks(w);
    reads_plain_types(w);
    reads_metadata();
    nn_weights_close(w);
    return CHECK_DONE();
}
