/* Throws damaged files at every reader of the toolkit: a reader may refuse or accept, but must return, with a message
 * when it refuses. What is wrong with memory is for the sanitizers to see.
 *
 * Each round takes a good file, damages it in one to four places (a byte, a stretch cut out or doubled, a token that
 * means something to the format) and opens it; what opens is used. WINNOW_FUZZ_ROUNDS sets the rounds for each reader
 * (default 1500), WINNOW_FUZZ_SEED the first seed; a failure prints the seed that repeats it.
 *
 * Built with clang and WINNOW_LIBFUZZER=ON this is a libFuzzer target instead.
 */
#include "../weights/files.h"

#include "config.h"
#include "image/preprocess.h"
#include "text/clip_bpe.h"
#include "text/t5_spm.h"
#include "text/wordpiece.h"
#include "weights/safetensors.h"

#include <sys/stat.h>

enum { FILE_MAX = 1 << 14 };

struct bytes {
    unsigned char data[FILE_MAX];
    size_t size;
};

/* ---- readers ---- */

static void must_have_said_why(wn_status status, const wn_error *err)
{
    if (status != WN_OK)
        CHECK(err->code == status && err->message[0] && strlen(err->message) < sizeof err->message);
}

static volatile unsigned byte_sum; /* so that every byte is really read */

static void use_safetensors(wn_error *err)
{
    nn_safetensors *f;
    must_have_said_why(nn_safetensors_open(in_folder("f/model.safetensors"), &f, err), err);
    for (uint64_t i = 0; f && i < nn_safetensors_count(f); i++) {
        const nn_tensor *t = nn_safetensors_at(f, i);
        for (uint64_t b = 0; b < t->bytes; b++)
            byte_sum += ((const unsigned char *)t->data)[b];
    }
    nn_safetensors_close(f);
}

static void use_weights(wn_error *err)
{
    nn_weights *w;
    must_have_said_why(nn_weights_open(in_folder("f/model.safetensors.index.json"), &w, err), err);
    nn_weights_close(w);
}

static void use_config(wn_error *err)
{
    nn_config *c;
    int64_t values[4];
    uint32_t count = 0;
    const nn_config *object = NULL;
    must_have_said_why(nn_config_open(in_folder("f/config.json"), &c, err), err);
    if (c) {
        must_have_said_why(nn_config_ints(c, "axes", values, 4, &count, err), err);
        must_have_said_why(nn_config_object(c, "text_config", &object, err), err);
        must_have_said_why(nn_config_int(object ? object : c, "layers", 1, values, err), err);
    }
    nn_config_close(c);
}

static void use_preprocess(wn_error *err)
{
    nn_preprocess p;
    uint32_t w = 0, h = 0;
    wn_status status = nn_preprocess_open(in_folder("f"), &p, err);
    if (status == WN_OK)
        status = nn_preprocess_size(&p, 30, 40, &w, &h, err);
    must_have_said_why(status, err);
}

static void use_clip(wn_error *err)
{
    nn_clip_bpe *t;
    int32_t ids[16];
    uint32_t count;
    bool truncated;
    must_have_said_why(nn_clip_bpe_open(in_folder("f"), &t, err), err);
    if (t)
        must_have_said_why(nn_clip_bpe_encode(t, "lower newer slow\xc3\xa9 1's", 16, ids, &count, &truncated, err),
                           err);
    nn_clip_bpe_close(t);
}

static void use_clip_list(wn_error *err)
{
    nn_clip_bpe *t;
    int32_t ids[16];
    uint32_t count;
    bool truncated;
    must_have_said_why(nn_clip_bpe_open_list(in_folder("f/list.txt"), 518, &t, err), err);
    if (t)
        must_have_said_why(nn_clip_bpe_encode(t, "lower newer slow\xc3\xa9 1's", 16, ids, &count, &truncated, err),
                           err);
    nn_clip_bpe_close(t);
}

static void use_clip_text(wn_error *err)
{
    static nn_clip_bpe *t;
    char text[FILE_MAX + 1];
    int32_t ids[16];
    uint32_t count = 0;
    bool truncated;
    FILE *f = fopen(in_folder("f/text"), "rb");
    text[f ? fread(text, 1, FILE_MAX, f) : 0] = '\0';
    if (f)
        fclose(f);
    if (!t)
        CHECK_OK(nn_clip_bpe_open(in_folder("good"), &t, err), *err);
    must_have_said_why(nn_clip_bpe_encode(t, text, 16, ids, &count, &truncated, err), err);
    CHECK(count <= 16);
}

static void use_wordpiece(wn_error *err)
{
    nn_wordpiece *t;
    int32_t ids[16];
    uint32_t count = 0;
    bool is_cut;
    must_have_said_why(nn_wordpiece_open(in_folder("f/vocab.txt"), &t, err), err);
    if (t)
        must_have_said_why(nn_wordpiece_encode(t,
                                               "UNwant\xc3\xa9"
                                               "d,running [SEP] \xe4\xb8\xad",
                                               16, ids, &count, &is_cut, err),
                           err);
    CHECK(count <= 16);
    nn_wordpiece_close(t);
}

static void use_wordpiece_text(wn_error *err)
{
    nn_wordpiece *t;
    char text[FILE_MAX + 1];
    int32_t ids[16];
    uint32_t count = 0;
    bool is_cut;
    FILE *f = fopen(in_folder("f/text"), "rb");
    text[f ? fread(text, 1, FILE_MAX, f) : 0] = '\0';
    if (f)
        fclose(f);
    CHECK_OK(nn_wordpiece_open(in_folder("good/vocab.txt"), &t, err), *err);
    must_have_said_why(nn_wordpiece_encode(t, text, 16, ids, &count, &is_cut, err), err);
    CHECK(count <= 16);
    nn_wordpiece_close(t);
}

static void use_t5(wn_error *err)
{
    nn_t5_spm *t;
    int32_t ids[32];
    uint32_t count;
    bool truncated;
    must_have_said_why(nn_t5_spm_open(in_folder("f"), &t, err), err);
    if (t)
        must_have_said_why(
            nn_t5_spm_encode(t, "a red circle <extra_id_3>\xef\xac\x81", 32, ids, &count, &truncated, err), err);
    nn_t5_spm_close(t);
}

/* ---- good files ---- */

static struct bytes file_seed(const char *path)
{
    struct bytes b = { .size = 0 };
    FILE *f = fopen(path, "rb");
    if (!f)
        CHECK_FAIL("cannot open %s", path);
    b.size = f ? fread(b.data, 1, FILE_MAX, f) : 0;
    if (f)
        fclose(f);
    return b;
}

static struct bytes safetensors_seed(void)
{
    static const float values[6] = { 1, 2, 3, 4, 5, 6 };
    const nn_tensor tensors[] = { { .name = "a.weight", .dtype = WN_F32, .rank = 2, .shape = { 2, 3 }, .data = values },
                                  { .name = "b", .dtype = WN_BF16, .rank = 1, .shape = { 5 }, .data = values },
                                  { .name = "c", .dtype = WN_U8, .rank = 0, .data = values } };
    const nn_metadata metadata[] = { { "format", "pt" } };
    wn_error err;
    CHECK_OK(nn_safetensors_write(in_folder("good.safetensors"), tensors, 3, metadata, 1, &err), err);
    return file_seed(in_folder("good.safetensors"));
}

static const char vocab[] =
    "{\"l\":0,\"o\":1,\"w\":2,\"e\":3,\"r\":4,\"n\":5,\"lo\":6,\"w</w>\":7,\"r</w>\":8,\"low</w>\":9,"
    "\"er</w>\":10,\"<|startoftext|>\":11,\"<|endoftext|>\":12}";
static const char merges[] = "#version: 0.2\nl o\nlo w</w>\ne r</w>\n";

static const char pieces[] =
    "[UNK]\n[CLS]\n[SEP]\n[PAD]\n[MASK]\nwant\n##want\n##ed\nwa\nun\nrunn\n##ing\n,\nlow\n\xe4\xb8\xad\n";

#ifdef WINNOW_LIBFUZZER
/* The first byte says which reader the rest goes to; the good files that some of them want lie there from the start. */
static const struct {
    const char *file;
    void (*use)(wn_error *err);
} readers[] = {
    { "f/model.safetensors", use_safetensors },
    { "f/model.safetensors.index.json", use_weights },
    { "f/config.json", use_config },
    { "f/preprocessor_config.json", use_preprocess },
    { "f/text", use_clip_text },
    { "f/text", use_wordpiece_text },
    { "f/vocab.txt", use_wordpiece },
    { "f/vocab.json", use_clip },
    { "f/merges.txt", use_clip },
    { "f/list.txt", use_clip_list },
    { "f/spiece.model", use_t5 },
};

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void lay_out(void)
{
    if (*folder)
        return;
    scratch_make(folder);
    mkdir(in_folder("f"), 0700);
    mkdir(in_folder("good"), 0700);
    write_bytes("f/one.safetensors", safetensors_seed().data, safetensors_seed().size);
    write_text("good/vocab.json", vocab);
    write_text("good/merges.txt", merges);
    write_text("good/vocab.txt", pieces);
    write_text("f/vocab.json", vocab);
    write_text("f/merges.txt", merges);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    wn_error err = { 0 };
    lay_out();
    if (size == 0 || size > FILE_MAX)
        return 0;
    const size_t reader = data[0] % (sizeof readers / sizeof readers[0]);
    write_bytes(readers[reader].file, data + 1, size - 1);
    readers[reader].use(&err);
    if (check_failures)
        abort();
    return 0;
}
#else

static uint64_t state;

static uint32_t below(size_t n)
{
    state = state * 6364136223846793005u + 1442695040888963407u; /* Knuth's MMIX */
    return n ? (uint32_t)((state >> 33) % n) : 0;
}

/* ---- damage ---- */

static void splice(struct bytes *b, size_t at, size_t removed, const void *inserted, size_t n)
{
    if (removed > b->size - at)
        removed = b->size - at;
    if (b->size - removed + n > FILE_MAX)
        return;
    memmove(b->data + at + n, b->data + at + removed, b->size - at - removed);
    memcpy(b->data + at, inserted, n);
    b->size += n - removed;
}

static void insert_token(struct bytes *b, size_t at)
{
    static const char *const tokens[] = { "{",
                                          "}",
                                          "[",
                                          "]",
                                          ",",
                                          ":",
                                          "\"",
                                          "\\",
                                          "\\u0000",
                                          "\\ud800",
                                          "null",
                                          "-1",
                                          "1e999",
                                          "18446744073709551616",
                                          "9007199254740993",
                                          "\xff\xfe",
                                          "\n",
                                          " ",
                                          "</w>",
                                          "\"a\":",
                                          "\"shape\"",
                                          "..",
                                          "/",
                                          "0.5",
                                          "\xef\xbb\xbf",
                                          "\x80\x80\x80\x80\x10" };
    const char *token = tokens[below(sizeof tokens / sizeof tokens[0])];
    splice(b, at, 0, token, strlen(token));
}

static void damage(struct bytes *b)
{
    unsigned char copy[64];
    for (uint32_t times = 1 + below(4); times > 0; times--) {
        size_t at = below(b->size + 1), n = 1 + below(sizeof copy - 1);
        switch (below(5)) {
        case 0:
            insert_token(b, at);
            break;
        case 1:
            splice(b, at, n, "", 0);
            break;
        case 2:
            b->size = below(4) ? b->size : at;
            break;
        case 3: /* double a stretch somewhere else */
            n = at + n > b->size ? b->size - at : n;
            memcpy(copy, b->data + at, n);
            splice(b, below(b->size + 1), 0, copy, n);
            break;
        default:
            copy[0] = (unsigned char)(below(3) ? b->data[at % (b->size + 1)] ^ 1u << below(8) : below(256));
            splice(b, at, at < b->size, copy, 1);
        }
    }
}

static struct bytes text_seed(const char *text)
{
    struct bytes b = { .size = strlen(text) };
    memcpy(b.data, text, b.size);
    return b;
}

/* ---- rounds ---- */

static void fuzz(const char *file, struct bytes seed, void (*use)(wn_error *err))
{
    const char *rounds = getenv("WINNOW_FUZZ_ROUNDS"), *first = getenv("WINNOW_FUZZ_SEED");
    uint64_t n = rounds ? strtoull(rounds, NULL, 10) : 1500, start = first ? strtoull(first, NULL, 10) : 1;
    for (uint64_t i = 0; i < n; i++) {
        struct bytes b = seed;
        wn_error err = { 0 };
        int failures = check_failures;
        state = start + i;
        below(1);
        if (i > 0) /* round 0 is the good file */
            damage(&b);
        write_bytes(file, b.data, b.size);
        use(&err);
        if (i == 0 && err.code != WN_E_UNSUPPORTED)
            CHECK_STR(err.message, "");
        if (check_failures != failures)
            fprintf(stderr, "%s: repeat with WINNOW_FUZZ_SEED=%llu WINNOW_FUZZ_ROUNDS=1\n", file,
                    (unsigned long long)(start + i));
    }
    unlink(in_folder(file));
}

int main(void)
{
    scratch_make(folder);
    mkdir(in_folder("f"), 0700);
    mkdir(in_folder("good"), 0700);
    fuzz("f/model.safetensors", safetensors_seed(), use_safetensors);
    write_bytes("f/one.safetensors", safetensors_seed().data, safetensors_seed().size);
    fuzz("f/model.safetensors.index.json",
         text_seed("{\"metadata\":{},\"weight_map\":{\"a.weight\":\"one.safetensors\",\"b\":\"one.safetensors\"}}"),
         use_weights);
    fuzz("f/config.json", text_seed("{\"axes\":[8,12,12],\"eps\":1e-6,\"text_config\":{\"layers\":4,\"x\":null}}"),
         use_config);
    fuzz("f/preprocessor_config.json",
         text_seed("{\"size\":{\"shortest_edge\":64},\"crop_size\":50,\"resample\":3,\"image_mean\":[0.1,0.2,0.3]}"),
         use_preprocess);
    write_text("good/vocab.json", vocab);
    write_text("good/merges.txt", merges);
    fuzz("f/text", text_seed("A photo's \xc3\x89t\xc3\xa9, 3 \xe4\xb8\xad <|endoftext|> \xf0\x9f\x98\x80 o\xcc\x88"),
         use_clip_text);
    write_text("good/vocab.txt", pieces);
    fuzz("f/text",
         text_seed("UNwant\xc3\xa9\x64, [SEP]\xe4\xb8\xad[MASK] lowed\xe2\x80\x9d \xf0\x9f\x98\x80 o\xcc\x88"),
         use_wordpiece_text);
    fuzz("f/vocab.txt", text_seed(pieces), use_wordpiece);
    write_text("f/merges.txt", merges);
    fuzz("f/vocab.json", text_seed(vocab), use_clip);
    write_text("f/vocab.json", vocab);
    fuzz("f/merges.txt", text_seed(merges), use_clip);
    fuzz("f/list.txt", text_seed("#version: 0.2\nl o\nlo w</w>\ne r</w>\nn e\n"), use_clip_list);
    fuzz("f/spiece.model", file_seed(WINNOW_SOURCE_DIR "/tests/golden/text/spiece.model"), use_t5);
    scratch_remove(folder);
    return CHECK_DONE();
}
#endif
