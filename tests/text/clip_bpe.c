/* CLIP's tokenizer: a toy vocabulary by hand, hostile files, and OpenAI's vocabulary against public cases where the
 * shared data is at hand. */
#include "../shared_data.h"
#include "../weights/files.h"

#include "text/clip_bpe.h"

#include <cjson/cJSON.h>
#include <sys/stat.h>

static wn_error err;

static nn_clip_bpe *must_open(const char *path)
{
    nn_clip_bpe *t = NULL;
    CHECK_OK(nn_clip_bpe_open(path, &t, &err), err);
    if (!t)
        exit(CHECK_DONE());
    return t;
}

static void check_ids(const nn_clip_bpe *t, const char *text, uint32_t max_length, const int32_t *want,
                      uint32_t want_count, bool want_truncated)
{
    int32_t ids[128] = { 0 };
    uint32_t count = 0;
    bool truncated = false;
    CHECK_OK(nn_clip_bpe_encode(t, text, max_length, ids, &count, &truncated, &err), err);
    bool same = count == want_count && truncated == want_truncated;
    for (uint32_t i = 0; same && i < count; i++)
        same = ids[i] == want[i];
    if (same)
        return;
    CHECK_FAIL("\"%s\": %u ids, want %u; truncated %d", text, count, want_count, truncated);
    for (uint32_t i = 0; i < count || i < want_count; i++)
        fprintf(stderr, "  %d want %d\n", i < count ? ids[i] : -1, i < want_count ? want[i] : -1);
}

#define CHECK_IDS(t, text, max_length, truncated, ...)                                                                 \
    check_ids(t, text, max_length, (const int32_t[]){ __VA_ARGS__ },                                                   \
              sizeof((int32_t[]){ __VA_ARGS__ }) / sizeof(int32_t), truncated)

/* ---- a toy ---- */

static const char toy_vocab[] =
    "{\"l\":0,\"o\":1,\"w\":2,\"e\":3,\"r\":4,\"s\":5,\"t\":6,\"i\":7,\"d\":8,\"n\":9,\"lo\":10,\"l</w>\":11,\"w</"
    "w>\":12,"
    "\"r</w>\":13,\"t</w>\":14,\"low</w>\":15,\"er</w>\":16,\"<unk>\":17,\"<|startoftext|>\":18,\"<|endoftext|>\":19}";
static const char toy_merges[] = "#version: 0.2\nl o\nlo w</w>\ne r</w>\n";

/* transformers' own test of its tokenizer. */
static void toy(void)
{
    write_text("vocab.json", toy_vocab);
    write_text("merges.txt", toy_merges);
    write_text("tokenizer_config.json", "{\"unk_token\": {\"content\": \"<unk>\"}, \"model_max_length\": 1e30}");
    nn_clip_bpe *t = must_open(folder);
    CHECK_INT(nn_clip_bpe_files(t)->count, 3); /* tokenizer_config.json, vocab.json, merges.txt */
    CHECK_INT(nn_clip_bpe_start(t), 18);
    CHECK_INT(nn_clip_bpe_end(t), 19);
    CHECK_INT(nn_clip_bpe_pad(t), 19);
    CHECK_INT(nn_clip_bpe_max_length(t), 77);
    CHECK_IDS(t, "lower newer", 77, false, 18, 10, 2, 16, 9, 3, 2, 16, 19);
    CHECK_IDS(t, "LOWER", 77, false, 18, 10, 2, 16, 19);
    CHECK_IDS(t, "low x", 77, false, 18, 15, 17, 19);
    CHECK_IDS(t, "", 77, false, 18, 19);
    CHECK_IDS(t, " \t\n", 77, false, 18, 19);
    CHECK_IDS(t, "lower newer", 5, true, 18, 10, 2, 16, 19);
    CHECK_IDS(t, "low", 3, false, 18, 15, 19);
    CHECK_IDS(t, "low", 2, true, 18, 19);
    CHECK_IDS(t, "low<|endoftext|>low", 9, false, 18, 15, 19, 15, 19);
    int32_t ids[2];
    uint32_t count;
    bool truncated;
    CHECK_INT(nn_clip_bpe_encode(t, "low", 1, ids, &count, &truncated, &err), WN_E_ARG);
    CHECK_INT(nn_clip_bpe_encode(t, "low \xff low", 2, ids, &count, &truncated, &err) == WN_OK, 0);
    CHECK_CONTAINS(err.message, "at byte 4");
    nn_clip_bpe_close(t);
}

static void toy_as_one_file(void)
{
    char json[2048];
    mkdir(in_folder("one"), 0700);
    snprintf(json, sizeof json, "{\"model\":{\"vocab\":%s,\"merges\":[\"l o\",[\"lo\",\"w</w>\"],\"e r</w>\"]}}",
             toy_vocab);
    write_text("one/tokenizer.json", json);
    nn_clip_bpe *t = must_open(in_folder("one"));
    CHECK_INT(nn_clip_bpe_files(t)->count, 1);
    CHECK_STR(nn_clip_bpe_files(t)->path[0], in_folder("one/tokenizer.json"));
    CHECK_IDS(t, "lower newer", 77, false, 18, 10, 2, 16, 9, 3, 2, 16, 19);
    nn_clip_bpe_close(t);
}

static void refuse(const char *vocab, const char *merges, const char *reason)
{
    nn_clip_bpe *t = NULL;
    write_text("vocab.json", vocab);
    write_text("merges.txt", merges);
    CHECK(nn_clip_bpe_open(folder, &t, &err) != WN_OK);
    CHECK_CONTAINS(err.message, reason);
    CHECK(t == NULL);
    nn_clip_bpe_close(t);
}

static void refuses_broken_files(void)
{
    char long_line[3000];
    memset(long_line, 'l', sizeof long_line - 1);
    long_line[sizeof long_line - 1] = '\0';
    refuse(toy_vocab, "l o\nl x\n", "merges.txt: merge 2: 'x' is not in the vocabulary");
    refuse(toy_vocab, "o w\n", "merge 1: 'ow' is not in the vocabulary");
    refuse(toy_vocab, "lo\n", "is not two symbols");
    refuse(toy_vocab, "l o w\n", "is not two symbols");
    refuse(toy_vocab, " o\n", "is not two symbols");
    refuse(toy_vocab, long_line, "line of more than");
    refuse("{\"l\":0}", "", "'<|startoftext|>' is not in the vocabulary");
    refuse("{\"l\":-1}", "", "token 'l': its id is not a whole number");
    refuse("{\"l\":1.5}", "", "token 'l': its id is not a whole number");
    refuse("{\"l\":1e300}", "", "token 'l': its id is not a whole number");
    refuse("{\"l\":\"0\"}", "", "token 'l': its id is not a whole number");
    refuse("{\"l\":0,\"l\":1}", "", "key 'l' stands twice");
    refuse("[]", "", "has no object of tokens");
    refuse("", "", "is not JSON");
    write_text("vocab.json", toy_vocab);
    unlink(in_folder("merges.txt"));
    nn_clip_bpe *t;
    CHECK_INT(nn_clip_bpe_open(folder, &t, &err), WN_E_MISSING);
    CHECK_CONTAINS(err.message, "merges.txt");
    CHECK_INT(nn_clip_bpe_open("/nonexistent", &t, &err), WN_E_MISSING);
}

/* ---- OpenAI's vocabulary ---- */

static void check_case(const nn_clip_bpe *t, const cJSON *c)
{
    int32_t want[128];
    uint32_t n = 0;
    for (const cJSON *id = cJSON_GetObjectItem(c, "ids")->child; id && n < 128; id = id->next)
        want[n++] = id->valueint;
    check_ids(t, cJSON_GetObjectItem(c, "text")->valuestring, 128, want, n, false);
}

static void check_public_cases(const nn_clip_bpe *t)
{
    static char text[1 << 16];
    FILE *f = fopen(shared_path("tokenizers/transformersjs_tokenizer_cases.json"), "rb");
    CHECK(f != NULL);
    if (!f)
        return;
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    cJSON *root = cJSON_Parse(text);
    const cJSON *cases = cJSON_GetObjectItem(cJSON_GetObjectItem(cJSON_GetObjectItem(root, "sets"), "clip"), "cases");
    CHECK(cJSON_GetArraySize(cases) == 13);
    for (const cJSON *c = cases ? cases->child : NULL; c; c = c->next)
        check_case(t, c);
    cJSON_Delete(root);
}

static void openai(void)
{
    char command[4096];
    mkdir(in_folder("clip"), 0700);
    if (access(shared_path("tokenizers/clip_bpe_simple_vocab_16e6.txt.gz"), R_OK) != 0)
        CHECK_SKIP("the public vocabulary is not at %s (the toy cases passed: %d failures)", shared_path("tokenizers"),
                   check_failures);
    snprintf(command, sizeof command, "python3 '%s/tests/text/make_clip_vocab.py' '%s' '%s'", WINNOW_SOURCE_DIR,
             shared_path("tokenizers/clip_bpe_simple_vocab_16e6.txt.gz"), in_folder("clip"));
    if (system(command) != 0)
        CHECK_FAIL("%s failed", command);
    nn_clip_bpe *t = must_open(in_folder("clip"));
    CHECK_IDS(t, "a photo of a cat", 77, false, 49406, 320, 1125, 539, 320, 2368, 49407);
    CHECK_IDS(t, "Hello World!", 77, false, 49406, 3306, 1002, 256, 49407);
    CHECK_IDS(t, "You should've done this", 77, false, 49406, 592, 1535, 1200, 1700, 589, 49407);
    CHECK_IDS(t, "", 77, false, 49406, 49407);
    check_public_cases(t);
    nn_clip_bpe_close(t);
}

int main(void)
{
    scratch_make(folder);
    toy();
    toy_as_one_file();
    refuses_broken_files();
    openai();
    scratch_remove(folder);
    return CHECK_DONE();
}
