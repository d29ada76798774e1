/* Records and fields of CSV, the places of mistakes, and damaged files: whatever the bytes, a field is text without
 * control characters, and the reader ends. WINNOW_FUZZ_ROUNDS sets the rounds (default 20000), WINNOW_FUZZ_SEED the
 * seed.
 */
#include "spec/csv.h"

#include "base/utf8.h"

#include "check.h"

static uint64_t state;

static uint32_t below(size_t n)
{
    state = state * 6364136223846793005u + 1442695040888963407u; /* Knuth's MMIX */
    return n ? (uint32_t)((state >> 33) % n) : 0;
}

/* All fields in one line: "a|b/c|" for two records. */
static const char *shown(const char *text, size_t bytes)
{
    static char show[4096];
    struct csv c;
    struct csv_record r;
    struct arena *a = arena_create();
    size_t n = 0;
    csv_begin(&c, text, bytes);
    for (show[0] = '\0'; csv_next(&c, a, &r);)
        for (uint32_t i = 0; i < r.count; i++)
            n += (size_t)snprintf(show + n, sizeof show - n, "%s%s", r.fields[i], i + 1 < r.count ? "|" : "/");
    if (*c.fault.what)
        snprintf(show + n, sizeof show - n, "%u:%u: %s", c.fault.line, c.fault.column, c.fault.what);
    arena_destroy(a);
    return show;
}

static void reads(const char *text, const char *want)
{
    CHECK_STR(shown(text, strlen(text)), want);
}

static void records(void)
{
    reads("", "");
    reads("\xef\xbb\xbf", "");
    reads("\n\r\n", "");
    reads("a", "a/");
    reads("a,b\nc,\n", "a|b/c|/");
    reads(",\r\n,", "|/|/");
    reads("\"a,\"\"b\"\"\",c", "a,\"b\"|c/");
    reads("\"\"\"\"\r\n\"\"", "\"//");
    reads("\"two\r\nlines\"\n", "two\nlines/");
}

static void mistakes(void)
{
    reads("a\n b,\"c\nd", "a/2:4: a quote that is never closed");
    reads("a \"b\"", "1:3: a quote in a field that does not begin with one");
    reads("\"a\"b", "1:4: text after a closing quote; a quote within a field is written twice");
    reads("\"\xc3\xa9\nx\" y", "2:3: text after a closing quote; a quote within a field is written twice");
    reads("a\rb", "1:2: control character 0x0d");
    reads("\"a\rb\"", "1:3: control character 0x0d");
    reads("\xc3\xa9\xff", "1:2: byte 0xff is not UTF-8");
    CHECK_STR(shown("a,\0", 3), "1:3: control character 0x00");
}

static void limits(void)
{
    char many[2 * CSV_MAX_FIELDS + 1];
    memset(many, ',', CSV_MAX_FIELDS);
    many[CSV_MAX_FIELDS] = '\0';
    CHECK_CONTAINS(shown(many, CSV_MAX_FIELDS), "1:65: more than 64 fields");
    char *large = malloc(CSV_MAX_RECORD_BYTES + 2);
    memset(large, 'x', CSV_MAX_RECORD_BYTES + 1);
    CHECK_CONTAINS(shown(large, CSV_MAX_RECORD_BYTES + 1), "a field of more than 1048576 bytes");
    free(large);
}

static void check_field(const char *field)
{
    const size_t n = strlen(field);
    for (size_t i = 0, length; i < n; i += length) {
        length = utf8_length(field + i, n - i);
        CHECK(length > 0 && ((unsigned char)field[i] >= 0x20 || field[i] == '\t' || field[i] == '\n'));
        if (!length)
            return;
    }
}

static void damaged(void)
{
    static const char good[] =
        "\xef\xbb\xbf\"Prompts\",Category,n\r\n\"A \"\"b\"\", c\",x,1\r\n\"two\r\nlines\",\xc3\xa9,\t\n,,\n";
    const char *rounds = getenv("WINNOW_FUZZ_ROUNDS"), *seed = getenv("WINNOW_FUZZ_SEED");
    const uint64_t first = seed ? strtoull(seed, NULL, 10) : 1;
    for (uint64_t i = 0, n = rounds ? strtoull(rounds, NULL, 10) : 20000; i < n && !check_failures; i++) {
        static const char signs[] = "\",\n\r\t \xff\xc3\xa9x";
        char text[sizeof good];
        struct csv c;
        struct csv_record r;
        struct arena *a = arena_create();
        state = first + i;
        memcpy(text, good, sizeof good);
        for (uint32_t k = 1 + below(4); k > 0; k--)
            text[below(sizeof good - 1)] = below(3) ? signs[below(sizeof signs)] : (char)below(256);
        csv_begin(&c, text, sizeof good - 1 - below(10));
        while (csv_next(&c, a, &r)) {
            CHECK(r.count > 0 && r.count <= CSV_MAX_FIELDS && r.line > 0 && !*c.fault.what);
            for (uint32_t f = 0; f < r.count; f++)
                check_field(r.fields[f]);
        }
        CHECK(c.at == c.end || (*c.fault.what && c.fault.line > 0 && c.fault.column > 0));
        arena_destroy(a);
        if (check_failures)
            fprintf(stderr, "WINNOW_FUZZ_ROUNDS=1 WINNOW_FUZZ_SEED=%llu repeats it\n", (unsigned long long)(first + i));
    }
}

int main(void)
{
    records();
    mistakes();
    limits();
    damaged();
    return CHECK_DONE();
}
