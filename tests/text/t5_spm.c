/* T5's tokenizer against what the Python SentencePiece library made of tests/golden/text/t5_cases.txt. */
#include "../weights/files.h"
#include "cases.h"

#include "text/t5_spm.h"

#include <sys/stat.h>

#define GOLDEN WINNOW_SOURCE_DIR "/tests/golden/text"

static wn_error err;

static void check_row(const nn_t5_spm *t, const char *text, const int32_t *want, uint32_t n, uint32_t length)
{
    int32_t ids[256];
    uint32_t count = 0, kept = n < length - 1 ? n : length - 1;
    bool truncated = false;
    CHECK_OK(nn_t5_spm_encode(t, text, length, ids, &count, &truncated, &err), err);
    CHECK_INT(count, kept + 1);
    CHECK_INT(truncated, n > kept);
    for (uint32_t i = 0; i < length; i++) {
        int32_t expected = i < kept ? want[i] : i == kept ? nn_t5_spm_end(t) : nn_t5_spm_pad(t);
        if (ids[i] != expected)
            CHECK_FAIL("\"%s\": id %u of %u is %d, want %d", text, i, length, ids[i], expected);
    }
}

static uint32_t check_line(const nn_t5_spm *t, char *line)
{
    int32_t want[256];
    uint32_t n;
    const char *text = case_parse(line, want, 256, &n);
    check_row(t, text, want, n, 128);
    check_row(t, text, want, n, 5);
    check_row(t, text, want, n, 1);
    return n;
}

static void check_cases(const nn_t5_spm *t)
{
    char line[2048];
    uint32_t cases = 0, ids = 0;
    FILE *f = fopen(GOLDEN "/t5_cases.txt", "r");
    for (; f && fgets(line, sizeof line, f); cases++)
        ids += check_line(t, line);
    CHECK(cases > 50 && ids > 500);
    if (f)
        fclose(f);
}

static int32_t one_id(const nn_t5_spm *t, const char *text)
{
    int32_t ids[8];
    uint32_t count = 0;
    bool truncated;
    CHECK_OK(nn_t5_spm_encode(t, text, 8, ids, &count, &truncated, &err), err);
    CHECK_INT(count, 2);
    return ids[0];
}

static void check_special_tokens(const nn_t5_spm *t, int32_t extra_end)
{
    CHECK_INT(one_id(t, "</s>"), 1);
    CHECK_INT(one_id(t, "<pad>"), 0);
    CHECK_INT(one_id(t, "<unk>"), 2);
    CHECK_INT(one_id(t, "<extra_id_0>"), extra_end - 1);
    CHECK_INT(one_id(t, "<extra_id_99>"), extra_end - 100);
    int32_t ids[64];
    uint32_t count;
    bool truncated;
    const char *const no_tokens[] = { "<extra_id_100>", "<extra_id_>", "<extra_id_01>", "<extra_id_99999999999999>",
                                      "<extra_id_1" };
    for (int i = 0; i < 5; i++) {
        CHECK_OK(nn_t5_spm_encode(t, no_tokens[i], 64, ids, &count, &truncated, &err), err);
        CHECK(count > 2 && ids[0] < extra_end - 100);
    }
    CHECK_INT(nn_t5_spm_encode(t, "a", 0, ids, &count, &truncated, &err), WN_E_ARG);
}

static void refuses_what_is_no_model(void)
{
    nn_t5_spm *t = NULL;
    CHECK_INT(nn_t5_spm_open(folder, &t, &err), WN_E_MISSING);
    CHECK(t == NULL);
    CHECK_CONTAINS(err.message, "spiece.model");
    write_text("spiece.model", "no model at all");
    CHECK_INT(nn_t5_spm_open(folder, &t, &err), WN_E_FORMAT);
    CHECK_CONTAINS(err.message, "spiece.model");
}

int main(void)
{
    nn_t5_spm *t = NULL;
    wn_status status = nn_t5_spm_open(GOLDEN, &t, &err);
    if (status == WN_E_UNSUPPORTED)
        CHECK_SKIP("%s", err.message);
    CHECK_OK(status, err);
    if (!t)
        return CHECK_DONE();
    CHECK_INT(nn_t5_spm_end(t), 1);
    CHECK_INT(nn_t5_spm_pad(t), 0);
    CHECK_INT(nn_t5_spm_max_length(t), 512);
    check_cases(t);
    check_special_tokens(t, 71 + 100);
    nn_t5_spm_close(t);
    nn_t5_spm_close(NULL);
    scratch_make(folder);
    refuses_what_is_no_model();
    scratch_remove(folder);
    return CHECK_DONE();
}
