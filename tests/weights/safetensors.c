/* Legal safetensors files: what is read, what is written, and every type as float32. */
#include "files.h"

#include "weights/safetensors.h"

#include <stdbool.h>

static wn_error err;

static void reads_what_the_format_allows(void)
{
    /* Unsorted, escaped, spaced, an unaligned float, an empty tensor, a scalar, trailing spaces. */
    static const char header[] = "{ \"__metadata__\" : {\"format\":\"pt\", \"a\":\"\\u00e9\\ud83d\\ude00\\n\"},\n"
                                 " \"z\\\"q\" : {\"data_offsets\":[1,13], \"dtype\":\"F32\", \"shape\":[3]},\r\n"
                                 "\t\"byte\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]},"
                                 "\"none\":{\"dtype\":\"BF16\",\"shape\":[4,0,2],\"data_offsets\":[13,13]},"
                                 "\"nibbles\":{\"dtype\":\"F4\",\"shape\":[2,3],\"data_offsets\":[13,16]}}   ";
    nn_safetensors *f = NULL;
    CHECK_OK(nn_safetensors_open(write_st("legal", header, sizeof header - 1, 16), &f, &err), err);
    if (!f)
        return;
    CHECK_INT(nn_safetensors_count(f), 4);
    CHECK_STR(nn_safetensors_at(f, 0)->name, "byte");
    CHECK_STR(nn_safetensors_at(f, 3)->name, "z\"q");
    CHECK_INT(nn_safetensors_metadata_count(f), 2);
    CHECK_STR(nn_safetensors_metadata_at(f, 0)->value, "\xc3\xa9\xf0\x9f\x98\x80\n");
    CHECK_STR(nn_safetensors_metadata_at(f, 1)->key, "format");
    const nn_tensor *t = nn_safetensors_find(f, "z\"q");
    CHECK(t != NULL);
    if (t) {
        CHECK_INT(t->dtype, WN_F32);
        CHECK_INT(t->rank, 1);
        CHECK_INT(t->shape[0], 3);
        CHECK_INT(t->bytes, 12);
        CHECK_INT(*(const unsigned char *)t->data, 1);
    }
    CHECK_INT(nn_safetensors_find(f, "none")->rank, 3);
    CHECK_INT(nn_safetensors_find(f, "none")->bytes, 0);
    CHECK_INT(nn_safetensors_find(f, "byte")->rank, 0);
    CHECK_INT(nn_safetensors_find(f, "byte")->bytes, 1);
    CHECK(nn_safetensors_find(f, "other") == NULL);
    nn_safetensors_close(f);

    CHECK_OK(nn_safetensors_open(write_st("empty", "{}", 2, 0), &f, &err), err);
    CHECK_INT(nn_safetensors_count(f), 0);
    CHECK(nn_safetensors_find(f, "x") == NULL);
    nn_safetensors_close(f);
}

static void writes_what_it_reads(void)
{
    static const float values[6] = { 1, -2, 3.5f, 0, 5, 6 };
    static const unsigned char bytes[3] = { 7, 8, 9 };
    static const uint16_t halves[2] = { 0x3c00, 0xc000 };
    const nn_tensor tensors[] = {
        { .name = "tail", .dtype = WN_U8, .rank = 1, .shape = { 3 }, .data = bytes },
        { .name = "half", .dtype = WN_F16, .rank = 2, .shape = { 1, 2 }, .data = halves },
        { .name = "b \"quoted\" \\ name", .dtype = WN_F32, .rank = 2, .shape = { 2, 3 }, .data = values },
        { .name = "a", .dtype = WN_F32, .rank = 0, .data = values },
        { .name = "void", .dtype = WN_F32, .rank = 1, .shape = { 0 }, .data = NULL },
    };
    const nn_metadata metadata[] = { { "format", "winnow" }, { "note", "line\none" } };
    char path[512];
    nn_safetensors *f = NULL;
    snprintf(path, sizeof path, "%s", in_folder("written.safetensors"));
    CHECK_OK(nn_safetensors_write(path, tensors, 5, metadata, 2, &err), err);
    CHECK_OK(nn_safetensors_write(path, tensors, 5, metadata, 2, &err), err); /* over the old file */
    CHECK_OK(nn_safetensors_open(path, &f, &err), err);
    if (!f)
        return;
    CHECK_INT(nn_safetensors_count(f), 5);
    for (int i = 0; i < 5; i++) {
        const nn_tensor *t = nn_safetensors_find(f, tensors[i].name);
        CHECK(t && t->dtype == tensors[i].dtype && t->rank == tensors[i].rank);
        CHECK(t && memcmp(t->shape, tensors[i].shape, sizeof t->shape) == 0);
        CHECK(t && (t->bytes == 0 || memcmp(t->data, tensors[i].data, t->bytes) == 0));
        CHECK(t && t->bytes ? (uintptr_t)t->data % (nn_dtype_bits(t->dtype) / 8) == 0 : true);
    }
    CHECK_STR(nn_safetensors_metadata_at(f, 1)->value, "line\none");
    nn_safetensors_close(f);
    CHECK_INT(nn_safetensors_write(in_folder("no/such/folder"), tensors, 1, NULL, 0, &err), WN_E_IO);
    const nn_tensor twice[] = { tensors[0], tensors[0] };
    CHECK_INT(nn_safetensors_write(path, twice, 2, NULL, 0, &err), WN_E_ARG);
    CHECK_CONTAINS(err.message, "'tail' is given twice");
}

static float one_f32(int32_t dtype, uint64_t bits)
{
    unsigned char unaligned[9];
    float value;
    memcpy(unaligned + 1, &bits, 8);
    const nn_tensor t = { .name = "t", .dtype = dtype, .rank = 1, .shape = { 1 }, .data = unaligned + 1 };
    nn_tensor_to_f32(&t, 0, &value, 1);
    return value;
}

/* The textbook reading of a small float: sign, exponent and fraction bits. */
static double small_float(uint32_t bits, int exponent_bits, int fraction_bits)
{
    int bias = (1 << (exponent_bits - 1)) - 1;
    int exponent = (int)(bits >> fraction_bits) & ((1 << exponent_bits) - 1);
    double fraction = (double)(bits & ((1u << fraction_bits) - 1)) / (1 << fraction_bits);
    double sign = bits >> (exponent_bits + fraction_bits) & 1 ? -1 : 1;
    return sign * (exponent ? ldexp(1 + fraction, exponent - bias) : ldexp(fraction, 1 - bias));
}

static void converts_every_type(void)
{
    for (uint32_t h = 0; h < 0x10000; h++) {
        double want = (h & 0x7c00) != 0x7c00 ? small_float(h, 5, 10)
                      : h & 0x3ff            ? (double)NAN
                      : h & 0x8000           ? -INFINITY
                                             : INFINITY;
        double got = (double)one_f32(WN_F16, h);
        if (!(got == want || (isnan(got) && isnan(want))) || !signbit(got) != !(h >> 15))
            CHECK_FAIL("half %04x is %g, want %g", h, got, want);
    }
    for (uint32_t b = 0; b < 256; b++) {
        double e4m3 = (double)one_f32(WN_F8_E4M3, b), e5m2 = (double)one_f32(WN_F8_E5M2, b);
        if ((b & 0x7f) == 0x7f ? !isnan(e4m3) : e4m3 != small_float(b, 4, 3))
            CHECK_FAIL("E4M3 %02x is %g", b, e4m3);
        if ((b & 0x7c) != 0x7c && e5m2 != small_float(b, 5, 2))
            CHECK_FAIL("E5M2 %02x is %g", b, e5m2);
    }
    CHECK(isinf(one_f32(WN_F8_E5M2, 0x7c)) && isnan(one_f32(WN_F8_E5M2, 0x7d)));
    CHECK_NEAR((double)one_f32(WN_F8_E4M3, 0x7e), 448, 0);
    CHECK_NEAR((double)one_f32(WN_BF16, 0xc048), -3.125, 0);
    CHECK_NEAR((double)one_f32(WN_F32, 0x40490fdb), 3.14159274, 1e-7);
    CHECK_NEAR((double)one_f32(NN_DTYPE_F64, 0x3fb999999999999a), (double)0.1f, 0);
    CHECK_NEAR((double)one_f32(WN_I64, (uint64_t)-5), -5, 0);
    CHECK_NEAR((double)one_f32(WN_U8, 0x1ff), 255, 0);
    CHECK_NEAR((double)one_f32(NN_DTYPE_I8, 0x80), -128, 0);
    CHECK(isnan(one_f32(NN_DTYPE_F4, 0)));
}

int main(void)
{
    scratch_make(folder);
    reads_what_the_format_allows();
    writes_what_it_reads();
    converts_every_type();
    scratch_remove(folder);
    return CHECK_DONE();
}
