/* What is put into a cache comes back or is absent, never otherwise: through damage, limits, and many threads at once.
 */
#include "ledger/cache.h"

#include "base/files.h"
#include "base/sha256.h"

#include "scratch.h"

#include <pthread.h>
#include <sys/stat.h>

static wn_error err;
static char scratch[64];

static struct cache_key key_of(const char *name)
{
    struct cache_key key;
    sha256_of(name, strlen(name), key.hex);
    return key;
}

static void path_of(const struct cache_key *key, char path[FILE_PATH_SIZE])
{
    snprintf(path, FILE_PATH_SIZE, "%s/%.2s/%s", scratch, key->hex, key->hex + 2);
}

static void check_records(struct cache *c)
{
    const struct cache_key key = key_of("a"), other = key_of("b");
    char back[16] = "";
    CHECK(!cache_has(c, &key, 6) && !cache_get(c, &key, back, 6));
    cache_put(c, &key, "abc", 3, "def", 3);
    CHECK(cache_has(c, &key, 6) && !cache_has(c, &key, 5) && !cache_has(c, &other, 6));
    CHECK(cache_get(c, &key, back, 6));
    CHECK_STR(back, "abcdef");
    cache_put(c, &key, "ghi", 3, "jkl", 3); /* again: the later one */
    CHECK(cache_get(c, &key, back, 6));
    CHECK_STR(back, "ghijkl");
    cache_put(c, &other, "", 0, NULL, 0);
    CHECK(cache_get(c, &other, back, 0));
}

/* Every byte of the file, and every length. */
static void check_damage(struct cache *c)
{
    const struct cache_key key = key_of("a");
    char path[FILE_PATH_SIZE], back[6];
    struct buffer whole = BUFFER_INIT(4096);
    path_of(&key, path);
    CHECK_OK(buffer_read_file(&whole, path, &err), err);
    for (uint64_t i = 0; i < 2 * whole.size; i++) {
        char bytes[4096];
        const bool is_cut = i >= whole.size;
        memcpy(bytes, whole.data, whole.size);
        if (!is_cut)
            bytes[i] ^= 4;
        CHECK_OK(file_place(path, bytes, is_cut ? i - whole.size : whole.size, &err), err);
        CHECK(!cache_get(c, &key, back, 6));
        CHECK(!file_exists(path));
    }
    const struct cache_key moved = key_of("moved");
    char elsewhere[FILE_PATH_SIZE], directory[FILE_PATH_SIZE];
    path_of(&moved, elsewhere);
    path_directory(directory, elsewhere);
    CHECK_OK(dir_make(directory, &err), err);
    CHECK_OK(file_place(elsewhere, whole.data, whole.size, &err), err);
    CHECK(!cache_get(c, &moved, back, 6)); /* a record under another's name */
    buffer_free(&whole);
}

static void name_of(int i, char name[16])
{
    snprintf(name, 16, "r%d", i);
}

/* 64 records of 8 KiB in a cache of 256 KiB; the first is used all the time, and stays. */
static void check_limit(void)
{
    enum { BYTES = 8000, RECORDS = 64 };
    static char data[BYTES];
    char name[16];
    struct cache *c;
    uint64_t kept = 0;
    CHECK_OK(cache_open(scratch, 256 << 10, &c, &err), err);
    const struct cache_key first = key_of("r0");
    for (int i = 0; i < RECORDS; i++) {
        name_of(i, name);
        const struct cache_key key = key_of(name);
        cache_put(c, &key, data, BYTES, NULL, 0);
        CHECK(cache_get(c, &first, data, BYTES));
        const struct timespec pause = { 0, 2000000 }; /* a file system's clock is coarse */
        nanosleep(&pause, NULL);
    }
    for (int i = 0; i < RECORDS; i++) {
        name_of(i, name);
        const struct cache_key key = key_of(name);
        kept += cache_has(c, &key, BYTES);
        CHECK(i < RECORDS - 8 || cache_has(c, &key, BYTES)); /* the newest are there */
    }
    CHECK(kept >= 16 && kept <= 32);
    cache_close(c);
}

static uint64_t count_kept(struct cache *c, int count)
{
    uint64_t kept = 0;
    char name[16];
    for (int i = 0; i < count; i++) {
        name_of(i, name);
        const struct cache_key key = key_of(name);
        kept += cache_has(c, &key, 3);
    }
    return kept;
}

/* 640 records, each 4 KiB on the disk: opening tells from a part of them that 1 MiB is passed and 8 MiB are not. */
static void check_opening(void)
{
    enum { RECORDS = 640 };
    char name[16];
    struct cache *c;
    CHECK_OK(cache_open(scratch, 0, &c, &err), err);
    for (int i = 0; i < RECORDS; i++) {
        name_of(i, name);
        const struct cache_key key = key_of(name);
        cache_put(c, &key, "abc", 3, NULL, 0);
    }
    cache_close(c);
    CHECK_OK(cache_open(scratch, 8 << 20, &c, &err), err);
    CHECK_INT(count_kept(c, RECORDS), RECORDS);
    cache_close(c);
    CHECK_OK(cache_open(scratch, 1 << 20, &c, &err), err);
    CHECK(count_kept(c, RECORDS) <= 256 && count_kept(c, RECORDS) > 128);
    cache_close(c);
}

static void *work(void *arg)
{
    struct cache *c = arg;
    for (int i = 0; i < 300; i++) {
        uint32_t value = (uint32_t)i % 20, back[300];
        char name[16];
        name_of(1000 + (int)value, name);
        const struct cache_key key = key_of(name);
        uint32_t many[300];
        for (int k = 0; k < 300; k++)
            many[k] = value;
        cache_put(c, &key, many, sizeof many, NULL, 0);
        if (cache_get(c, &key, back, sizeof back))
            CHECK(memcmp(back, many, sizeof many) == 0);
    }
    return NULL;
}

static void check_threads(void)
{
    pthread_t threads[6];
    struct cache *caches[2];
    CHECK_OK(cache_open(scratch, 64 << 10, &caches[0], &err), err);
    CHECK_OK(cache_open(scratch, 64 << 10, &caches[1], &err), err);
    for (int i = 0; i < 6; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, work, caches[i % 2]), 0);
    for (int i = 0; i < 6; i++)
        pthread_join(threads[i], NULL);
    cache_close(caches[0]);
    cache_close(caches[1]);
}

static void check_places(void)
{
    struct cache *c = NULL;
    char path[128];
    snprintf(path, sizeof path, "%s/file", scratch);
    CHECK_OK(file_place(path, "x", 1, &err), err);
    CHECK(cache_open(path, 0, &c, &err) != WN_OK && c == NULL);
    CHECK_CONTAINS(err.message, path);
}

int main(void)
{
    struct cache *c;
    scratch_make(scratch);
    CHECK_OK(cache_open(scratch, 0, &c, &err), err);
    check_records(c);
    check_damage(c);
    cache_close(c);
    check_limit();
    check_opening();
    check_threads();
    check_places();
    scratch_remove(scratch);
    return CHECK_DONE();
}
