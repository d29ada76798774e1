/* Throws damaged replies at llm_judge's readers: what comes back is a verdict in range or a reason why not, never a
 * crash.
 *
 * corpus/judge/ is the corpus, one reply a file; its name says who reads it and what it is: openai.verdict.plain is a
 * reply of the openai dialect that holds a verdict, 429.closed.quota the body of an error. Each file is read as it is,
 * then damaged in one to four places again and again. WINNOW_FUZZ_ROUNDS sets the rounds for each file (default 1000),
 * WINNOW_FUZZ_SEED the first seed; a failure prints what repeats it. */
#include "failure.h"
#include "provider.h"

#include "check.h"

#include <dirent.h>

enum { REPLY_MAX = 1 << 13 };

struct reply {
    char *data; /* exactly `size` bytes, so that reading past the end is seen */
    size_t size;
};

static uint64_t state;

static size_t below(size_t n)
{
    state = state * 6364136223846793005u + 1442695040888963407u; /* Knuth's MMIX */
    return n ? (size_t)(state >> 33) % n : 0;
}

/* ---- damage ---- */

static void splice(char *text, size_t *size, size_t at, size_t removed, const char *inserted, size_t n)
{
    removed = removed > *size - at ? *size - at : removed;
    if (*size - removed + n > REPLY_MAX)
        return;
    memmove(text + at + n, text + at + removed, *size - at - removed);
    memcpy(text + at, inserted, n);
    *size += n - removed;
}

static const char *const tokens[] = { "{",
                                      "}",
                                      "[",
                                      "]",
                                      ",",
                                      ":",
                                      "\"",
                                      "\\",
                                      "\\\"",
                                      "\\u0000",
                                      "\\ud800",
                                      "null",
                                      "-1",
                                      "101",
                                      "1e999",
                                      "NaN",
                                      "true",
                                      "\xff",
                                      "\n",
                                      "\\n",
                                      "\"originality\":",
                                      "\\\"originality\\\":1,",
                                      "\"error\":",
                                      "0.5",
                                      "1e-400" };

static void damage(char *text, size_t *size)
{
    char piece[48];
    const size_t at = below(*size + 1), token = below(sizeof tokens / sizeof tokens[0]);
    size_t n = 1 + below(sizeof piece - 1);
    switch (below(5)) {
    case 0:
        splice(text, size, at, below(3), tokens[token], strlen(tokens[token]));
        break;
    case 1:
        splice(text, size, at, n, "", 0);
        break;
    case 2:
        *size = below(4) ? *size : at;
        break;
    case 3: /* a stretch doubled elsewhere */
        n = n > *size - at ? *size - at : n;
        memcpy(piece, text + at, n);
        splice(text, size, below(*size + 1), 0, piece, n);
        break;
    default:
        piece[0] = (char)(below(3) ? '0' + (int)below(10) : (int)below(256));
        splice(text, size, at, 1, piece, 1);
    }
}

/* ---- reading ---- */

static const char *read_answer(const struct provider *p, const struct reply *r)
{
    static const char *const names[] = { "?", "verdict", "unusable", "refused" };
    struct answer a;
    provider_answer(p, r->data, r->size, &a);
    CHECK(a.kind >= ANSWER_VERDICT && a.kind <= ANSWER_REFUSED);
    CHECK(a.tokens_in <= 2000000000u && a.tokens_out <= 2000000000u);
    if (a.kind == ANSWER_VERDICT) {
        for (int i = 0; i < VERDICT_ASPECTS; i++)
            CHECK(a.verdict.value[i] >= 0 && a.verdict.value[i] <= 100);
    } else {
        CHECK(a.why[0] && strlen(a.why) < sizeof a.why);
    }
    return names[a.kind];
}

static const char *read_failure(long status, const struct reply *r)
{
    static const char *const names[] = { "?", "passing", "garbled", "answered", "closed" };
    struct failure f;
    failure_of_status(&f, status, 0, r->data, r->size);
    CHECK(f.kind >= FAILURE_PASSING && f.kind <= FAILURE_CLOSED);
    CHECK(f.wait >= 0 && f.wait <= 1e9 && f.why[0] && strlen(f.why) < sizeof f.why);
    return names[f.kind];
}

/* What the reader that `name` begins with makes of the bytes. */
static const char *read_as(const char *name, const char *text, size_t size)
{
    char reader[32];
    struct reply r = { malloc(size ? size : 1), size };
    snprintf(reader, sizeof reader, "%.*s", (int)strcspn(name, "."), name);
    memcpy(r.data, text, size);
    const struct provider *p = provider_by_name(reader);
    const char *got = p ? read_answer(p, &r) : read_failure(strtol(reader, NULL, 10), &r);
    free(r.data);
    return got;
}

static void fuzz(const char *name, const char *good, size_t good_size)
{
    const char *rounds = getenv("WINNOW_FUZZ_ROUNDS"), *first = getenv("WINNOW_FUZZ_SEED");
    const uint64_t n = rounds ? strtoull(rounds, NULL, 10) : 1000, start = first ? strtoull(first, NULL, 10) : 1;
    char text[REPLY_MAX];
    for (uint64_t i = 0; i < n; i++) {
        const int failed_before = check_failures;
        size_t size = good_size;
        memcpy(text, good, size);
        state = start + i;
        for (size_t times = 1 + below(4); times > 0; times--)
            damage(text, &size);
        read_as(name, text, size);
        if (check_failures != failed_before)
            fprintf(stderr, "%s: repeat with WINNOW_FUZZ_SEED=%llu WINNOW_FUZZ_ROUNDS=1\n", name,
                    (unsigned long long)(start + i));
    }
}

static void replay(const char *folder, const char *name)
{
    char path[1024], text[REPLY_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "rb");
    if (!f) {
        CHECK_FAIL("cannot open %s", path);
        return;
    }
    const size_t size = fread(text, 1, sizeof text, f);
    fclose(f);
    const char *want = strchr(name, '.') + 1, *got = read_as(name, text, size);
    if (strncmp(want, got, strlen(got)) != 0)
        CHECK_FAIL("%s is read as %s", name, got);
    fuzz(name, text, size);
}

int main(void)
{
    const char *folder = WINNOW_SOURCE_DIR "/tests/fuzz/corpus/judge";
    DIR *d = opendir(folder);
    int count = 0;
    if (!d)
        CHECK_FAIL("cannot open %s", folder);
    for (struct dirent *e; d && (e = readdir(d)) != NULL;)
        if (e->d_name[0] != '.') {
            replay(folder, e->d_name);
            count++;
        }
    if (d)
        closedir(d);
    CHECK(count >= 35);
    return CHECK_DONE();
}
