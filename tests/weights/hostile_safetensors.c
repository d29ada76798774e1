/* Safetensors files that lie: every one is refused with its reason, none is mapped, and no size in a header makes the
 * reader allocate. The well-formed relatives of these files stand in safetensors.c. */
#include "files.h"

#include "weights/safetensors.h"

#include <fcntl.h>
#include <sys/stat.h>

#define T(name, shape, begin, end)                                                                                     \
    "\"" name "\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" begin "," end "]}"

static const struct {
    const char *header;
    size_t data_bytes;
    const char *reason;
} lies[] = {
    /* the JSON */
    { "", 0, "does not start with {" },
    { " {}", 0, "does not start with {" },
    { "[]", 0, "does not start with {" },
    { "{", 0, "expected a string" },
    { "{} x", 0, "something other than spaces" },
    { "{}\n", 0, "something other than spaces" },
    { "{}{}", 0, "something other than spaces" },
    { "{\"a\"}", 0, "expected : after a name" },
    { "{\"a\":1}", 0, "is not an object" },
    { "{\"a\":{}}", 0, "expected a string" },
    { "{\"a", 0, "unfinished string" },
    { "{\"a\tb\":{}}", 0, "control character in a string" },
    { "{\"a\\x\":{}}", 0, "unknown escape" },
    { "{\"a\\u12g4\":{}}", 0, "four hexadecimal digits" },
    { "{\"a\\u12", 0, "four hexadecimal digits" },
    { "{\"a\\u0000\":{}}", 0, "zero character" },
    { "{\"a\\ud800\":{}}", 0, "half of a surrogate pair" },
    { "{\"a\\udc00\":{}}", 0, "half of a surrogate pair" },
    { "{\"a\\ud800\\u0041\":{}}", 0, "half of a surrogate pair" },
    { "{\"a\\", 0, "unknown escape" },
    { "{\"\xff\":{}}", 0, "not valid UTF-8" },
    { "{\"\xc0\x80\":{}}", 0, "not valid UTF-8" },
    { "{\"\xed\xa0\x80\":{}}", 0, "not valid UTF-8" },
    { "{\"\xf4\x90\x80\x80\":{}}", 0, "not valid UTF-8" },
    { "{\"\xe2\x82", 0, "not valid UTF-8" },
    { "{\"a\\u001b[2J\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4, "control character 0x1b" },
    { "{" T("a", "[1]", "0", "4") ",}", 4, "expected a string" },
    { "{" T("a", "[1]", "0", "4") " " T("b", "[1]", "4", "8") "}", 8, "between tensors" },
    /* the members */
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "tensor 'a': no 'data_offsets'" },
    { "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "tensor 'a': no 'shape'" },
    { "{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "tensor 'a': no 'dtype'" },
    { "{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
      "'dtype' stands there twice" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}", 4, "unknown key 'x'" },
    { "{\"a\":{\"dtype\":\"Q4_K\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "unknown dtype 'Q4_K'" },
    { "{\"a\":{\"dtype\":1,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "expected a string" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":1,\"data_offsets\":[0,4]}}", 4, "expected a list" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4]}}", 4, "not a list of two numbers" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,2,4]}}", 4, "list is too long" },
    { "{\"__metadata__\":[]}", 0, "__metadata__ is not an object" },
    { "{\"__metadata__\":{\"a\":1}}", 0, "expected a string" },
    { "{\"__metadata__\":{\"a\":{\"b\":\"c\"}}}", 0, "expected a string" },
    { "{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0, "key 'a' stands there twice" },
    { "{\"__metadata__\":{},\"__metadata__\":{}}", 0, "__metadata__ stands there twice" },
    /* the numbers */
    { "{" T("a", "[-1]", "0", "4") "}", 4, "expected a number without sign" },
    { "{" T("a", "[+1]", "0", "4") "}", 4, "expected a number without sign" },
    { "{" T("a", "[1.0]", "0", "4") "}", 4, "expected a whole number" },
    { "{" T("a", "[1e400]", "0", "4") "}", 4, "expected a whole number" },
    { "{" T("a", "[01]", "0", "4") "}", 4, "leading zero" },
    { "{" T("a", "[18446744073709551616]", "0", "4") "}", 4, "above 2^64-1" },
    { "{" T("a", "[18446744073709551617]", "0", "4") "}", 4, "above 2^64-1" },
    { "{" T("a", "[1,1,1,1,1,1,1,1,1]", "0", "4") "}", 4, "list is too long" },
    { "{" T("a", "[4611686018427387904,4]", "0", "0") "}", 0, "pass 2^64 bits" },
    { "{" T("a", "[4294967296,4294967296]", "0", "4") "}", 4, "pass 2^64 bits" },
    { "{\"a\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,1]}}", 1, "not whole bytes" },
    /* the layout */
    { "{" T("a", "[1]", "0", "8") "}", 8, "span 8 bytes, its shape in F32 needs 4" },
    { "{" T("a", "[2]", "0", "4") "}", 4, "span 4 bytes, its shape in F32 needs 8" },
    { "{" T("a", "[0]", "4", "0") "}", 4, "begin 4 is behind end 0" },
    { "{" T("a", "[1]", "4", "8") "}", 8, "begin at 4 where the previous tensor ended at 0" },
    { "{" T("a", "[1]", "0", "4") "," T("b", "[1]", "8", "12") "}", 12,
      "begin at 8 where the previous tensor ended at 4" },
    { "{" T("a", "[2]", "0", "8") "," T("b", "[2]", "4", "12") "}", 12,
      "begin at 4 where the previous tensor ended at 8" },
    { "{" T("a", "[1]", "0", "4") "," T("b", "[1]", "0", "4") "}", 4,
      "begin at 0 where the previous tensor ended at 4" },
    { "{" T("a", "[1]", "0", "4") "," T("a", "[1]", "4", "8") "}", 8, "tensor 'a' stands there twice" },
    { "{" T("a", "[1]", "0", "4") "," T("\\u0061", "[1]", "4", "8") "}", 8, "tensor 'a' stands there twice" },
    { "{" T("a", "[2]", "0", "8") "}", 7, "end at 8, the file's at 7" },
    { "{" T("a", "[1]", "0", "4") "}", 5, "end at byte 4, its data at 5" },
    { "{}", 1, "end at byte 0, its data at 1" },
    { "{" T("a", "[4611686018427387900]", "0", "18446744073709551600") "}", 4, "pass 2^64 bits" },
    { "{" T("a", "[268435456]", "0", "1073741824") "}", 4, "end at 1073741824, the file's at 4" },
};

static void refuse(const char *path, const char *reason)
{
    wn_error err = { 0 };
    nn_safetensors *f = NULL;
    wn_status status = nn_safetensors_open(path, &f, &err);
    if (status == WN_OK)
        CHECK_FAIL("accepted what should be refused: %s", reason);
    CHECK(f == NULL || status == WN_OK);
    CHECK_INT(err.code, status);
    CHECK_CONTAINS(err.message, path);
    CHECK_CONTAINS(err.message, reason);
    CHECK(strchr(err.message, '\n') == NULL);
    nn_safetensors_close(f);
}

static void refuse_bytes(const char *bytes, size_t n, const char *reason)
{
    char path[512];
    snprintf(path, sizeof path, "%s", write_bytes("bytes", bytes, n));
    refuse(path, reason);
}

static void refuses_broken_frames(void)
{
    refuse_bytes("", 0, "has 0 bytes");
    refuse_bytes("\2\0\0\0\0\0\0", 7, "has 7 bytes");
    refuse_bytes("\2\0\0\0\0\0\0\0", 8, "header of 2 bytes in a file of 8");
    refuse_bytes("\3\0\0\0\0\0\0\0{}", 10, "cut short");
    refuse_bytes("\0\0\0\0\0\0\0\0", 8, "does not start with {");
    refuse_bytes("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10, "header of 18446744073709551615 bytes");
    refuse_bytes("\0\0\0\0\0\0\0\x80{}", 10, "header of 9223372036854775808 bytes");
    refuse_bytes("\x01\xe1\xf5\x05\0\0\0\0{}", 10, "header of 100000001 bytes, at most 100000000");
    refuse_bytes("\x02\0\0\0\0\0\0\0{\0}", 11, "expected a string");
    refuse_bytes("PK\3\4aaaaaaaaaaaa", 16, "a file of torch");
    refuse_bytes("\x80\2ctorch._utils\n", 16, "a file of torch");
    refuse_bytes("GGUF\3\0\0\0\0\0\0\0\0\0\0\0", 16, "GGUF");
    refuse_bytes("version https://git-lfs.github.com/spec/v1\n", 43, "git lfs pull");
    refuse_bytes("<!DOCTYPE html><html>", 21, "web page");
}

static void refuses_what_is_no_file(void)
{
    refuse(folder, "is not a regular file");
    refuse(in_folder("absent"), "cannot open");
    char path[512];
    snprintf(path, sizeof path, "%s", in_folder("fifo"));
    if (mkfifo(path, 0600) == 0)
        refuse(path, "is not a regular file");
}

/* A sparse file of 1 TB whose one tensor claims a byte less than it has. */
static void refuses_a_sparse_giant(void)
{
    static const char header[] = "{" T("a", "[1]", "0", "4") "}";
    char path[512];
    snprintf(path, sizeof path, "%s", write_st("giant", header, sizeof header - 1, 0));
    if (truncate(path, (off_t)1 << 40) == 0)
        refuse(path, "its data at");
}

/* A million names is much, not a lie; the lie comes last. */
static void survives_a_crowd(void)
{
    enum { COUNT = 200000 };
    char path[512], *header = NULL;
    size_t n;
    FILE *to = open_memstream(&header, &n);
    for (int i = 0; i < COUNT; i++)
        fprintf(to, "%c\"t%d\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%d,%d]}", i ? ',' : '{', i, i, i + 1);
    fclose(to);
    snprintf(path, sizeof path, "%s", in_folder("crowd"));
    FILE *f = fopen(path, "wb");
    for (int i = 0; f && i < 8; i++)
        fputc((int)((n + 1) >> 8 * i & 0xff), f);
    if (!f || fprintf(f, "%s}", header) < 0 || fclose(f) != 0)
        CHECK_FAIL("cannot write %s", path);
    free(header);
    refuse(path, "cut short");
}

int main(void)
{
    scratch_make(folder);
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s",
                 write_st("lie.safetensors", lies[i].header, strlen(lies[i].header), lies[i].data_bytes));
        refuse(path, lies[i].reason);
    }
    refuses_broken_frames();
    refuses_what_is_no_file();
    refuses_a_sparse_giant();
    survives_a_crowd();
    scratch_remove(folder);
    return CHECK_DONE();
}
