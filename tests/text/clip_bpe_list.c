/* CLIP's tokenizer from a list of merges alone, as OpenAI publishes it: ids follow from the order. With "openai" as
 * argument, OpenAI's own file and the ids that its tests and readme give; skipped where the file is not there.
 */
#include "../weights/files.h"

#include "text/clip_bpe.h"

#include <unistd.h>
#include <zlib.h>

static wn_error err;

static void check_ids(const nn_clip_bpe *t, const char *text, const int32_t *want)
{
    int32_t ids[77];
    uint32_t count = 0, i = 0;
    bool is_cut;
    CHECK_OK(nn_clip_bpe_encode(t, text, 77, ids, &count, &is_cut, &err), err);
    for (; want[i] >= 0 && i < count; i++)
        if (ids[i] != want[i])
            CHECK_FAIL("\"%s\": token %u is %d, want %d", text, i, ids[i], want[i]);
    CHECK(i == count && want[i] < 0);
}

#define IDS(...) ((const int32_t[]){ __VA_ARGS__, -1 })

static const char list[] = "\"bpe#version: 0.2 - of a test\nl o\nlo w</w>\ne r</w>\nn e\nnot read\n";

/* Bytes come first, "!" as 0; 256 more end a word; then the merges, the start and the end. */
static void check_small(const char *path)
{
    nn_clip_bpe *t = NULL;
    CHECK_OK(nn_clip_bpe_open_list(path, 512 + 4 + 2, &t, &err), err);
    if (!t)
        return;
    CHECK_INT(nn_clip_bpe_start(t), 516);
    CHECK_INT(nn_clip_bpe_end(t), 517);
    CHECK_INT(nn_clip_bpe_files(t)->count, 1);
    check_ids(t, "low", IDS(516, 513, 517));
    check_ids(t, "lower!", IDS(516, 512, 'w' - '!', 514, 256, 517));
    check_ids(t, "\xc3\xa9", IDS(516, 127, 256 + 102, 517)); /* the bytes 0xc3, 0xa9: 94 printables, 12, then others */
    nn_clip_bpe_close(t);
}

static void must_fail(const char *path, uint64_t tokens, const char *reason)
{
    nn_clip_bpe *t;
    CHECK(nn_clip_bpe_open_list(path, tokens, &t, &err) != WN_OK);
    CHECK_CONTAINS(err.message, reason);
    CHECK(t == NULL);
}

static void test_small(void)
{
    char path[512];
    snprintf(path, sizeof path, "%s", write_text("list.txt", list));
    check_small(path);
    must_fail(path, 512 + 7 + 2, "has 5 merges (or is damaged), the model's vocabulary needs 7");
    must_fail(path, 100, "makes at least 514");
    snprintf(path, sizeof path, "%s", in_folder("list.gz"));
    gzFile file = gzopen(path, "wb");
    CHECK(file && gzputs(file, list) > 0 && gzclose(file) == Z_OK);
    check_small(path);
    CHECK(truncate(path, 40) == 0);
    must_fail(path, 512 + 4 + 2, path);
    must_fail(write_text("no", "l o\n"), 515, "no list of merges");
    must_fail(write_text("one", "#version\nl\n"), 515, "not two symbols");
    must_fail(in_folder("absent"), 515, "cannot open");
}

static void test_openai(void)
{
    static const char path[] = WINNOW_SOURCE_DIR "/../shared/data/tokenizers/clip_bpe_simple_vocab_16e6.txt.gz";
    nn_clip_bpe *t = NULL;
    if (access(path, R_OK) != 0)
        CHECK_SKIP("no %s", path);
    CHECK_OK(nn_clip_bpe_open_list(path, 49408, &t, &err), err);
    if (!t)
        return;
    CHECK_INT(nn_clip_bpe_start(t), 49406);
    CHECK_INT(nn_clip_bpe_end(t), 49407);
    check_ids(t, "Hello World!", IDS(49406, 3306, 1002, 256, 49407));
    check_ids(t, "a photo of a cat", IDS(49406, 320, 1125, 539, 320, 2368, 49407));
    check_ids(t, "You should've done this", IDS(49406, 592, 1535, 1200, 1700, 589, 49407));
    nn_clip_bpe_close(t);
}

int main(int argc, char **argv)
{
    (void)argv;
    scratch_make(folder);
    if (argc > 1)
        test_openai();
    else
        test_small();
    scratch_remove(folder);
    return CHECK_DONE();
}
