/* BERT's tokenizer: transformers' own toy, hostile files, what transformers made of tests/golden/text/
 * wordpiece_cases.txt, and the published vocabulary against public cases where the shared data is at hand.
 *
 * test_wordpiece VOCAB CASES checks other cases of make_wordpiece.py.
 */
#include "../shared_data.h"
#include "../weights/files.h"
#include "cases.h"

#include "text/wordpiece.h"

#include <cjson/cJSON.h>
#include <sys/stat.h>

#define GOLDEN WINNOW_SOURCE_DIR "/tests/golden/text/"

static wn_error err;

static nn_wordpiece *must_open(const char *path)
{
    nn_wordpiece *t = NULL;
    CHECK_OK(nn_wordpiece_open(path, &t, &err), err);
    if (!t)
        exit(CHECK_DONE());
    return t;
}

static void check_ids(const nn_wordpiece *t, const char *text, uint32_t max, const int32_t *want, uint32_t n, bool cut)
{
    static int32_t ids[4096];
    uint32_t count = 0;
    bool is_cut = false;
    CHECK_OK(nn_wordpiece_encode(t, text, max, ids, &count, &is_cut, &err), err);
    bool same = count == n && is_cut == cut;
    for (uint32_t i = 0; same && i < count; i++)
        same = ids[i] == want[i];
    if (same)
        return;
    CHECK_FAIL("\"%s\": %u ids, want %u; cut %d", text, count, n, is_cut);
    for (uint32_t i = 0; i < count || i < n; i++)
        fprintf(stderr, "  %d want %d\n", i < count ? ids[i] : -1, i < n ? want[i] : -1);
}

#define CHECK_IDS(t, text, max, cut, ...)                                                                              \
    check_ids(t, text, max, (const int32_t[]){ __VA_ARGS__ }, sizeof((int32_t[]){ __VA_ARGS__ }) / sizeof(int32_t), cut)

/* ---- a toy ---- */

static const char toy_vocab[] = "[UNK]\n[CLS]\n[SEP]\n[PAD]\n[MASK]\nwant\n##want\n##ed\nwa\nun\nrunn\n##ing\n,\nlow\n"
                                "lowest\n";

static void toy(void)
{
    nn_wordpiece *t = must_open(write_text("vocab.txt", toy_vocab));
    CHECK_INT(nn_wordpiece_files(t)->count, 1);
    CHECK_INT(nn_wordpiece_id(t, "[PAD]"), 3);
    CHECK_INT(nn_wordpiece_id(t, "##ing"), 11);
    CHECK_INT(nn_wordpiece_id(t, "##in"), -1);
    CHECK_INT(nn_wordpiece_id(t, ""), -1);
    CHECK_IDS(t, "unwanted,running", 77, false, 1, 9, 6, 7, 12, 10, 11, 2);
    CHECK_IDS(t, "lowest low wa [MASK]", 77, false, 1, 14, 13, 8, 4, 2);
    CHECK_IDS(t, "lowed lowx , unwan", 77, false, 1, 13, 7, 0, 12, 0, 2);
    CHECK_IDS(t, " \t\n", 77, false, 1, 2);
    CHECK_IDS(t, "low low", 4, false, 1, 13, 13, 2);
    CHECK_IDS(t, "unwanted low", 4, true, 1, 9, 6, 2);
    CHECK_IDS(t, "low", 2, true, 1, 2);
    CHECK_IDS(t, "", 2, false, 1, 2);
    int32_t ids[8];
    uint32_t count;
    bool is_cut;
    CHECK_INT(nn_wordpiece_encode(t, "low", 1, ids, &count, &is_cut, &err), WN_E_ARG);
    CHECK_INT(nn_wordpiece_encode(t, "low \xff low", 8, ids, &count, &is_cut, &err) == WN_OK, 0);
    CHECK_CONTAINS(err.message, "at byte 4");
    nn_wordpiece_close(t);
    nn_wordpiece_close(NULL);
}

static void folders(void)
{
    nn_wordpiece *t;
    write_text("vocab.txt", "[UNK]\r\n[CLS]\r\n[SEP]\r\nlow"); /* no break at the end */
    write_text("tokenizer_config.json", "{\"do_lower_case\": true, \"strip_accents\": null}");
    t = must_open(folder);
    CHECK_INT(nn_wordpiece_files(t)->count, 2);
    CHECK_IDS(t, "LOW [PAD]", 8, false, 1, 3, 0, 0, 0, 2); /* no token here: '[', 'pad', ']' */
    nn_wordpiece_close(t);
    write_text("tokenizer_config.json", "{\"do_lower_case\": false}");
    CHECK_INT(nn_wordpiece_open(folder, &t, &err), WN_E_UNSUPPORTED);
    CHECK_CONTAINS(err.message, "/do_lower_case is false");
    unlink(in_folder("tokenizer_config.json"));
}

static void refuse(const char *vocab, const char *reason)
{
    nn_wordpiece *t = NULL;
    CHECK(nn_wordpiece_open(write_text("vocab.txt", vocab), &t, &err) != WN_OK);
    CHECK_CONTAINS(err.message, reason);
    CHECK(t == NULL);
}

static void refuses_broken_files(void)
{
    nn_wordpiece *t;
    char text[256];
    uint32_t count;
    bool is_cut;
    static char long_text[70000];
    int32_t ids[8];
    refuse("", "holds no line [UNK]");
    refuse("[UNK]\n[CLS]\n", "holds no line [SEP]");
    refuse("[UNK]\n[CLS]\n[SEP]\nlow\n[CLS]\n", "token '[CLS]' stands twice, in lines");
    refuse("{\"[UNK]\": 0}", "holds no line [UNK]");
    CHECK_INT(nn_wordpiece_open("/nonexistent", &t, &err), WN_E_MISSING);
    snprintf(text, sizeof text, "%s", in_folder("vocab.txt"));
    unlink(text);
    CHECK_INT(nn_wordpiece_open(folder, &t, &err), WN_E_MISSING);
    CHECK_CONTAINS(err.message, "vocab.txt");
    t = must_open(write_text("vocab.txt", toy_vocab));
    memset(long_text, 'a', sizeof long_text - 1);
    CHECK_INT(nn_wordpiece_encode(t, long_text, 8, ids, &count, &is_cut, &err), WN_E_ARG);
    CHECK_CONTAINS(err.message, "69999 bytes");
    nn_wordpiece_close(t);
}

/* ---- transformers ---- */

static uint32_t check_cases(const char *vocab, const char *cases)
{
    static char line[1 << 16];
    static int32_t want[4096];
    uint32_t n, count = 0;
    nn_wordpiece *t = must_open(vocab);
    FILE *f = fopen(cases, "r");
    CHECK(f != NULL);
    for (; f && fgets(line, sizeof line, f); count++) {
        const char *text = case_parse(line, want, 4096, &n);
        check_ids(t, text, 4096, want, n, false);
        if (n > 3) { /* one less has room for all but the last piece */
            want[n - 2] = want[n - 1];
            check_ids(t, text, n - 1, want, n - 1, true);
        }
    }
    if (f)
        fclose(f);
    nn_wordpiece_close(t);
    return count;
}

static void check_public_cases(const nn_wordpiece *t)
{
    static char text[1 << 16];
    FILE *f = fopen(shared_path("tokenizers/transformersjs_tokenizer_cases.json"), "rb");
    CHECK(f != NULL);
    if (!f)
        return;
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    cJSON *root = cJSON_Parse(text);
    const cJSON *cases = cJSON_GetObjectItem(cJSON_GetObjectItem(cJSON_GetObjectItem(root, "sets"), "bert"), "cases");
    CHECK(cJSON_GetArraySize(cases) == 15);
    for (const cJSON *c = cases ? cases->child : NULL; c; c = c->next) {
        int32_t want[128];
        uint32_t n = 0;
        if (strcmp(cJSON_GetObjectItem(c, "name")->valuestring, "CONTROL_TOKENS") == 0)
            continue; /* U+0000 within a text, which is no C string */
        for (const cJSON *id = cJSON_GetObjectItem(c, "ids")->child; id && n < 128; id = id->next)
            want[n++] = id->valueint;
        check_ids(t, cJSON_GetObjectItem(c, "text")->valuestring, 128, want, n, false);
    }
    cJSON_Delete(root);
}

static void published(void)
{
    if (!shared_has("tokenizers/bert-base-uncased-vocab.txt"))
        CHECK_SKIP("the published vocabulary is not at %s (the other cases: %d failures)", shared_path("tokenizers"),
                   check_failures);
    nn_wordpiece *t = must_open(shared_path("tokenizers/bert-base-uncased-vocab.txt"));
    CHECK_INT(nn_wordpiece_id(t, "[PAD]"), 0);
    CHECK_INT(nn_wordpiece_id(t, "yes"), 2748);
    CHECK_INT(nn_wordpiece_id(t, "no"), 2053);
    CHECK_IDS(t, "a painting of an ocean with clouds and birds, day time, low depth field effect", 35, false, 101, 1037,
              4169, 1997, 2019, 4153, 2007, 8044, 1998, 5055, 1010, 2154, 2051, 1010, 2659, 5995, 2492, 3466, 102);
    check_public_cases(t);
    nn_wordpiece_close(t);
}

int main(int argc, char **argv)
{
    if (argc == 3) {
        const uint32_t n = check_cases(argv[1], argv[2]);
        printf("%u cases, %d failures\n", n, check_failures);
        return CHECK_DONE();
    }
    scratch_make(folder);
    toy();
    folders();
    refuses_broken_files();
    scratch_remove(folder);
    CHECK(check_cases(GOLDEN "wordpiece_vocab.txt", GOLDEN "wordpiece_cases.txt") > 150);
    published();
    return CHECK_DONE();
}
