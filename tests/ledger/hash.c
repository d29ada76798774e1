/* SHA-256 against the standard's examples and against itself cut in pieces; hashes read from a hub cache's links. */
#include "base/files.h"
#include "base/sha256.h"

#include "scratch.h"

static wn_error err;

static void is(const char *text, uint64_t bytes, const char *want)
{
    char hex[65];
    sha256_of(text, bytes, hex);
    CHECK_STR(hex, want);
}

static void pieces_give_the_same(void)
{
    static uint8_t data[1000];
    char want[65], hex[65];
    for (int i = 0; i < 1000; i++)
        data[i] = (uint8_t)(i * 37);
    sha256_of(data, sizeof data, want);
    for (uint64_t step = 1; step < 200; step++) {
        struct sha256 s;
        sha256_init(&s);
        for (uint64_t at = 0; at < 1000; at += step)
            sha256_add(&s, data + at, at + step < 1000 ? step : 1000 - at);
        sha256_hex(&s, hex);
        CHECK_STR(hex, want);
    }
}

static bool refuse(void *arg, uint64_t done, uint64_t total)
{
    (void)arg, (void)done, (void)total;
    return false;
}

static void files_and_links(void)
{
    char scratch[64], path[128], link[128], target[256], hex[65];
    scratch_make(scratch);
    snprintf(path, sizeof path, "%s/abc", scratch);
    snprintf(link, sizeof link, "%s/link", scratch);
    CHECK_OK(file_write(path, "abc", 3, &err), err);
    CHECK_OK(sha256_file(path, hex, NULL, NULL, &err), err);
    CHECK_STR(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK_INT(sha256_file(path, hex, refuse, NULL, &err), WN_E_CANCELLED);
    CHECK_INT(sha256_file(link, hex, NULL, NULL, &err), WN_E_MISSING);
    CHECK(!sha256_from_link(path, hex));
    snprintf(target, sizeof target, "../../blobs/%064d", 7);
    CHECK_INT(symlink(target, link), 0);
    CHECK(sha256_from_link(link, hex));
    CHECK_STR(hex, target + 12);
    scratch_remove(scratch);
}

int main(void)
{
    is("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    is("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    is("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    char *million = malloc(1000000);
    memset(million, 'a', 1000000);
    is(million, 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(million);
    pieces_give_the_same();
    files_and_links();
    return CHECK_DONE();
}
