/* GGUF files that lie: every one is refused with its reason, and no count in a header makes the reader allocate or
 * walk past the file. Files are spelt as words: m the magic, 1=, 4=, 8= a number of so many bytes, s= a string with its
 * length, p padding to 32 bytes, d= so many bytes of data.
 */
#include "files.h"

#include "weights/gguf.h"

#include <fcntl.h>
#include <sys/stat.h>

enum { SIZE = 1 << 16 };

static size_t spell(const char *words, unsigned char *out)
{
    size_t n = 0;
    while (*words) {
        const size_t length = strcspn(words, " ");
        const char *value = words + 2;
        if (*words == 'm') {
            memcpy(out + n, "GGUF", 4), n += 4;
        } else if (*words == 'p') {
            while (n % 32)
                out[n++] = 0;
        } else if (*words == 's') {
            const size_t bytes = length - 2;
            for (size_t i = 0; i < 8; i++)
                out[n++] = (unsigned char)((uint64_t)bytes >> 8 * i);
            memcpy(out + n, value, bytes), n += bytes;
        } else if (*words == 'd') {
            memset(out + n, 1, strtoull(value, NULL, 0)), n += strtoull(value, NULL, 0);
        } else {
            for (int i = 0; i < *words - '0'; i++)
                out[n++] = (unsigned char)(strtoull(value, NULL, 0) >> 8 * i);
        }
        words += length + (words[length] == ' ');
    }
    return n;
}

/* A head of n tensors and k keys; a float tensor of 4; one key. */
#define HEAD(n, k)           "m 4=3 8=" n " 8=" k " "
#define TENSOR(name, offset) "s=" name " 4=1 8=4 4=0 8=" offset " "
#define KEY(name, type)      "s=" name " 4=" type " "
#define MANY                 "18446744073709551615"

static const struct {
    const char *words;
    const char *reason;
} lies[] = {
    /* the frame */
    { "", "has 0 bytes, a GGUF file more" },
    { "1=71 1=71", "the magic of 4 bytes, 2 are left" },
    { "8=0 8=0 8=0", "does not begin with GGUF" },
    { "m", "the version of 4 bytes, 0 are left" },
    { "m 4=0 8=0 8=0", "version 0" },
    { "m 4=1 8=0 8=0", "convert it again" },
    { "m 4=4 8=0 8=0", "version 4, 2 and 3 are read" },
    { "m 4=0x3000000 8=0 8=0", "big-endian" },
    { "m 4=3 4=1", "the count of tensors of 8 bytes, 4 are left" },
    { "m 4=3 8=1", "the count of keys of 8 bytes, 0 are left" },
    { HEAD(MANY, "0"), "claims " MANY " tensors, at most 65536" },
    { HEAD("65537", "0"), "claims 65537 tensors" },
    { HEAD("0", MANY), "claims " MANY " keys" },
    { HEAD("1", "0"), "a string's length of 8 bytes, 0 are left" },
    { HEAD("0", "1"), "a string's length of 8 bytes, 0 are left" },
    { HEAD("0", "0") "p d=1", "its tensors end at byte 0 of the data, the file at 1" },
    /* the keys */
    { HEAD("0", "1") "8=0 4=4 4=0", "a key of 0 bytes" },
    { HEAD("0", "1") "8=1025 d=1025 4=4 4=0", "a key of 1025 bytes, expected 1 to 1024" },
    { HEAD("0", "1") "8=" MANY, "a key of " MANY " bytes" },
    { HEAD("0", "1") "8=9 d=3", "a key of 9 bytes, 3 are left" },
    { HEAD("0", "1") "s=a\x1f 4=4 4=0", "control character 0x1f in a key" },
    { HEAD("0", "1") "s=\xff 4=4 4=0", "a key is not valid UTF-8" },
    { HEAD("0", "1") "s=\xe2\x82 4=4 4=0", "a key is not valid UTF-8" },
    { HEAD("0", "1") KEY("a", "13"), "key 'a': type 13" },
    { HEAD("0", "1") KEY("a", "4294967295"), "key 'a': type 4294967295" },
    { HEAD("0", "1") KEY("a", "4"), "a value of 4 bytes, 0 are left" },
    { HEAD("0", "1") KEY("a", "7") "1=2", "key 'a': 2 is no truth value" },
    { HEAD("0", "1") KEY("a", "8") "8=1048577", "a value of 1048577 bytes, expected 0 to 1048576" },
    { HEAD("0", "1") KEY("a", "8") "8=1 1=0", "control character 0x00 in a value" },
    { HEAD("0", "1") KEY("a", "8") "s=\xc0\x80", "a value is not valid UTF-8" },
    { HEAD("0", "1") KEY("a", "8") "8=5 1=65", "a value of 5 bytes, 1 are left" },
    { HEAD("0", "1") KEY("a", "9") "4=4 8=" MANY, "an array of " MANY " values" },
    { HEAD("0", "1") KEY("a", "9") "4=4 8=0x1000000000000000", "an array of 4611686018427387904 bytes" },
    { HEAD("0", "1") KEY("a", "9") "4=8 8=" MANY, "a string's length of 8 bytes, 0 are left" },
    { HEAD("0", "1") KEY("a", "9") "4=8 8=1 8=" MANY, "a string of " MANY " bytes" },
    { HEAD("0", "1") KEY("a", "9") "4=13 8=1", "key 'a': type 13" },
    { HEAD("0", "1") KEY("a", "9") "4=9 8=" MANY " 4=0 8=0", "a value's type of 4 bytes, 0 are left" },
    { HEAD("0", "1") KEY("a", "9") "4=9 8=1 4=9 8=1 4=9 8=1 4=9 8=1 4=0 8=0", "more than 4 deep" },
    { HEAD("0", "2") KEY("a", "4") "4=0 " KEY("a", "4") "4=0", "key 'a' stands there twice" },
    { HEAD("0", "1") KEY("general.alignment", "4") "4=0", "general.alignment is 0" },
    { HEAD("0", "1") KEY("general.alignment", "4") "4=48", "general.alignment is 48" },
    { HEAD("0", "1") KEY("general.alignment", "4") "4=0x80000000", "general.alignment is 2147483648" },
    { HEAD("0", "1") KEY("general.alignment", "10") "8=32", "of type 10, expected a power of two" },
    { HEAD("0", "1") KEY("split.count", "2") "2=3", "one of 3 pieces of a model" },
    /* the tensors */
    { HEAD("1", "0") "8=0 4=0 4=0 8=0", "a tensor's name of 0 bytes" },
    { HEAD("1", "0") "8=257 d=257", "a tensor's name of 257 bytes, expected 1 to 256" },
    { HEAD("1", "0") "s=a\x7f 4=0 4=0 8=0", "control character 0x7f in a tensor's name" },
    { HEAD("1", "0") "s=a 4=5 8=1 8=1 8=1 8=1 8=1 4=0 8=0", "has 5 dimensions, at most 4" },
    { HEAD("1", "0") "s=a 4=4294967295", "has 4294967295 dimensions" },
    { HEAD("1", "0") "s=a 4=2 8=4", "a dimension of 8 bytes, 0 are left" },
    { HEAD("1", "0") "s=a 4=1 8=4 4=4 8=0 p d=16", "type 4 is none of GGUF's" },
    { HEAD("1", "0") "s=a 4=1 8=4 4=99 8=0 p d=16", "type 99 is none of GGUF's" },
    { HEAD("1", "0") "s=a 4=1 8=256 4=11 8=0 p d=110", "tensor 'a' is Q3_K; take a file of Q8_0" },
    { HEAD("1", "0") "s=a 4=1 8=33 4=8 8=0 p d=68", "rows of 33 values are not blocks of 32 in Q8_0" },
    { HEAD("1", "0") "s=a 4=2 8=128 8=2 4=12 8=0 p d=144", "rows of 128 values are not blocks of 256 in Q4_K" },
    { HEAD("1", "0") "s=a 4=0 4=2 8=0 p d=18", "rows of 1 values are not blocks of 32 in Q4_0" },
    { HEAD("1", "0") "s=a 4=2 8=0x100000000 8=0x100000000 4=0 8=0 p d=16", "its dimensions pass 2^64" },
    { HEAD("1", "0") "s=a 4=2 8=0x80000000 8=0x80000000 4=0 8=0 p d=16", "its bytes pass 2^64" },
    { HEAD("1", "0") "s=a 4=1 8=" MANY " 4=0 8=0 p d=16", "its bytes pass 2^64" },
    { HEAD("1", "0") "s=a 4=1 8=0x1000000000000000 4=0 8=0 p d=16", "the file's data have 16" },
    { HEAD("2", "0") TENSOR("a", "0") TENSOR("a", "32") "p d=48", "tensor 'a' stands there twice" },
    /* the layout */
    { HEAD("1", "0") TENSOR("a", "0") "p d=15", "16 bytes at 0, the file's data have 15" },
    { HEAD("1", "0") TENSOR("a", "0"), "16 bytes at 0, the file's data have 0" },
    { HEAD("1", "0") TENSOR("a", "32") "p d=48", "begin at 32, expected 0" },
    { HEAD("1", "0") TENSOR("a", MANY) "p d=48", "begin at " MANY ", expected 0" },
    { HEAD("1", "0") TENSOR("a", "1") "p d=48", "begin at 1, expected 0" },
    { HEAD("1", "0") TENSOR("a", "0") "p d=33", "its tensors end at byte 32 of the data, the file at 33" },
    { HEAD("2", "0") TENSOR("a", "0") TENSOR("b", "0") "p d=48", "begin at 0, expected 32" },
    { HEAD("2", "0") TENSOR("a", "0") TENSOR("b", "16") "p d=48", "begin at 16, expected 32" },
    { HEAD("2", "0") TENSOR("a", "0") TENSOR("b", "64") "p d=80", "begin at 64, expected 32" },
};

static void refuse(const char *path, const char *reason)
{
    wn_error err = { 0 };
    nn_gguf *f = NULL;
    const wn_status status = nn_gguf_open(path, &f, &err);
    if (status == WN_OK)
        CHECK_FAIL("accepted what should be refused: %s", reason);
    CHECK(f == NULL || status == WN_OK);
    CHECK_INT(err.code, status);
    CHECK_CONTAINS(err.message, path);
    CHECK_CONTAINS(err.message, reason);
    CHECK(strchr(err.message, '\n') == NULL);
    nn_gguf_close(f);
}

static void refuses_lies(void)
{
    static unsigned char bytes[SIZE];
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s", write_bytes("lie", bytes, spell(lies[i].words, bytes)));
        refuse(path, lies[i].reason);
    }
    printf("%zu files refused\n", sizeof lies / sizeof *lies);
}

static void refuses_what_is_no_file(void)
{
    refuse(folder, "is not a regular file");
    refuse(in_folder("absent"), "cannot open");
    char path[512];
    snprintf(path, sizeof path, "%s", in_folder("fifo"));
    CHECK(mkfifo(path, 0600) == 0);
    refuse(path, "is not a regular file");
}

/* The well-formed relatives. */
static void accepts(void)
{
    static const char *const good[] = { HEAD("0", "0"),
                                        HEAD("0", "0") "p",
                                        "m 4=2 8=1 8=0 " TENSOR("a", "0") "p d=16",
                                        HEAD("1", "0") TENSOR("a", "0") "p d=32",
                                        HEAD("2", "0") TENSOR("b", "32") TENSOR("a", "0") "p d=48",
                                        HEAD("1", "0") "s=a 4=2 8=0 8=4 4=0 8=0 p",
                                        HEAD("1", "0") "s=a 4=0 4=0 8=0 p d=4",
                                        HEAD("0", "1") KEY("a", "9") "4=9 8=2 4=0 8=1 1=5 4=8 8=1 s=x",
                                        HEAD("0", "1") KEY("split.count", "2") "2=1",
                                        HEAD("1", "1") KEY("general.alignment", "4") "4=1 " TENSOR("a", "0") "d=16" };
    static unsigned char bytes[SIZE];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        wn_error err = { 0 };
        nn_gguf *f = NULL;
        CHECK_OK(nn_gguf_open(write_bytes("good", bytes, spell(good[i], bytes)), &f, &err), err);
        nn_gguf_close(f);
    }
}

int main(void)
{
    scratch_make(folder);
    refuses_lies();
    refuses_what_is_no_file();
    accepts();
    scratch_remove(folder);
    return CHECK_DONE();
}
