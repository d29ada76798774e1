/* A record's file: 16 bytes of magic, the SHA-256 of key and content in hexadecimal, the content. It is not synced:
 * after a power cut a record may be empty or torn, which its hash tells, and then it is computed again. */
#include "ledger/cache.h"

#include "base/files.h"
#include "base/log.h"
#include "base/sha256.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MAGIC_BYTES = 16, HEADER_BYTES = MAGIC_BYTES + 64, HEX = 64, PART_SECONDS = 3600, SAMPLE = 16 };

static const char magic[MAGIC_BYTES + 1] = "winnow cache 1\r\n";

struct cache {
    char directory[FILE_PATH_SIZE - 128];
    uint64_t limit;
    pthread_mutex_t mutex; /* guards what follows */
    uint64_t bytes;        /* of all records when they were counted or estimated last */
    uint64_t written;      /* since */
    atomic_uint parts;
    atomic_bool has_told;
};

static void tell(struct cache *c, const char *what, const char *path)
{
    if (!atomic_exchange(&c->has_told, true))
        log_printf(WN_LOG_WARN, "cache: %s %s; this is told once", path, what);
}

static void path_of(const struct cache *c, const struct cache_key *key, char path[FILE_PATH_SIZE])
{
    snprintf(path, FILE_PATH_SIZE, "%s/%.2s/%s", c->directory, key->hex, key->hex + 2);
}

/* ---- counting and forgetting ----------------------------------------------------------------------------------- */

struct record {
    struct timespec used;
    uint64_t bytes;
    char name[HEX + 2]; /* "ab/REST" */
};

struct survey {
    struct record *all;
    uint64_t count, capacity, bytes;
};

/* Not st_blocks: some file systems count those only after a while. */
static uint64_t on_disk(uint64_t bytes)
{
    return (bytes + 4095) / 4096 * 4096;
}

static bool is_hex(const char *name, size_t length)
{
    return strlen(name) == length && strspn(name, "0123456789abcdef") == length;
}

static bool grow(struct survey *s)
{
    const uint64_t capacity = s->capacity ? 2 * s->capacity : 1024;
    struct record *grown = realloc(s->all, capacity * sizeof *grown);
    if (!grown)
        return false;
    s->all = grown;
    s->capacity = capacity;
    return true;
}

static void note(struct survey *s, const char *folder, const char *name, const struct stat *st)
{
    const uint64_t bytes = on_disk((uint64_t)st->st_size);
    if (s->count == s->capacity && !grow(s))
        return; /* without memory it is forgotten another time */
    s->bytes += bytes;
    struct record *r = &s->all[s->count++];
    r->used = st->st_mtim;
    r->bytes = bytes;
    snprintf(r->name, sizeof r->name, "%.2s/%.62s", folder, name);
}

/* Calls each for the names in a directory. */
static void list(const char *path, void (*each)(void *arg, int at, const char *name), void *arg)
{
    DIR *d = opendir(path);
    for (const struct dirent *e; d && (e = readdir(d)) != NULL;)
        if (e->d_name[0] != '.')
            each(arg, dirfd(d), e->d_name);
    if (d)
        closedir(d);
}

struct folder {
    struct survey *survey;
    const char *name;
};

static void survey_file(void *arg, int at, const char *name)
{
    const struct folder *f = arg;
    struct stat st;
    if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
        return;
    if (is_hex(name, HEX - 2))
        note(f->survey, f->name, name, &st);
    else if (strncmp(name, "part-", 5) == 0 && st.st_mtime + PART_SECONDS < time(NULL))
        unlinkat(at, name, 0); /* of a run that was killed */
}

/* Every step-th folder from the first. Files that are not the cache's own are left alone. */
static void survey(struct cache *c, unsigned first, unsigned step, struct survey *s)
{
    char path[FILE_PATH_SIZE], name[3];
    for (unsigned i = first; i < 256; i += step) {
        snprintf(name, sizeof name, "%02x", i & 0xffu);
        snprintf(path, sizeof path, "%s/%s", c->directory, name);
        list(path, survey_file, &(struct folder){ s, name });
    }
}

static int older_first(const void *a, const void *b)
{
    const struct timespec x = ((const struct record *)a)->used, y = ((const struct record *)b)->used;
    if (x.tv_sec != y.tv_sec)
        return x.tv_sec < y.tv_sec ? -1 : 1;
    return (x.tv_nsec > y.tv_nsec) - (x.tv_nsec < y.tv_nsec);
}

/* Leaves a tenth of room, so that this is rare. */
static void forget_oldest(struct cache *c)
{
    char path[FILE_PATH_SIZE];
    struct survey s = { 0 };
    survey(c, 0, 1, &s);
    const uint64_t aim = s.bytes > c->limit ? c->limit - c->limit / 10 : c->limit;
    if (s.bytes > aim)
        qsort(s.all, s.count, sizeof *s.all, older_first);
    for (uint64_t i = 0; i < s.count && s.bytes > aim; i++) {
        snprintf(path, sizeof path, "%s/%s", c->directory, s.all[i].name);
        if (unlink(path) == 0 || errno == ENOENT)
            s.bytes -= s.all[i].bytes;
    }
    c->bytes = s.bytes;
    c->written = 0;
    free(s.all);
}

/* Keys are hashes, so a part of the folders, another one for each process, tells how much there is in all. */
static void estimate(struct cache *c)
{
    struct survey s = { 0 };
    survey(c, (unsigned)getpid() % SAMPLE, SAMPLE, &s);
    c->bytes = SAMPLE * s.bytes;
    free(s.all);
}

static void count_in(struct cache *c, uint64_t bytes)
{
    pthread_mutex_lock(&c->mutex);
    c->written += bytes;
    if (c->limit > 0 && (c->bytes + c->written > c->limit || c->written > c->limit / 8))
        forget_oldest(c);
    pthread_mutex_unlock(&c->mutex);
}

/* ---- opening --------------------------------------------------------------------------------------------------- */

wn_status cache_open(const char *directory, uint64_t limit_bytes, struct cache **out, wn_error *err)
{
    struct cache *c = calloc(1, sizeof *c);
    if (!c)
        return wn_fail(err, WN_E_MEMORY, "no memory for a cache");
    wn_status status = strlen(directory) < sizeof c->directory
                           ? dir_make(directory, err)
                           : wn_fail(err, WN_E_ARG, "a cache's directory of %zu bytes; %zu are possible",
                                     strlen(directory), sizeof c->directory - 1);
    if (status == WN_OK && access(directory, W_OK | X_OK) != 0)
        status = wn_fail(err, WN_E_IO, "cannot write into the cache %s: %s", directory, strerror(errno));
    if (status != WN_OK) {
        free(c);
        return status;
    }
    snprintf(c->directory, sizeof c->directory, "%s", directory);
    c->limit = limit_bytes;
    pthread_mutex_init(&c->mutex, NULL);
    pthread_mutex_lock(&c->mutex);
    if (c->limit > 0)
        estimate(c);
    if (c->limit > 0 && c->bytes > c->limit)
        forget_oldest(c);
    pthread_mutex_unlock(&c->mutex);
    *out = c;
    return WN_OK;
}

void cache_close(struct cache *c)
{
    if (c)
        pthread_mutex_destroy(&c->mutex);
    free(c);
}

/* ---- records --------------------------------------------------------------------------------------------------- */

static void hash(const struct cache_key *key, const void *head, uint64_t head_bytes, const void *data,
                 uint64_t data_bytes, char hex[65])
{
    struct sha256 h;
    sha256_init(&h);
    sha256_add(&h, key->hex, HEX);
    sha256_add(&h, head, head_bytes);
    if (data_bytes > 0)
        sha256_add(&h, data, data_bytes);
    sha256_hex(&h, hex);
}

bool cache_has(struct cache *c, const struct cache_key *key, uint64_t bytes)
{
    char path[FILE_PATH_SIZE];
    struct stat st;
    path_of(c, key, path);
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == HEADER_BYTES + bytes;
}

static bool read_all(int fd, void *dst, uint64_t bytes)
{
    char *at = dst;
    while (bytes > 0) {
        const ssize_t n = read(fd, at, bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        bytes -= (uint64_t)n;
    }
    return true;
}

static bool write_all(int fd, const void *src, uint64_t bytes)
{
    const char *at = src;
    while (bytes > 0) {
        const ssize_t n = write(fd, at, bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        bytes -= (uint64_t)n;
    }
    return true;
}

/* Exactly so many bytes, and of this hash. */
static bool read_record(int fd, const struct cache_key *key, void *dst, uint64_t bytes)
{
    char header[HEADER_BYTES], hex[65], more;
    if (!read_all(fd, header, sizeof header) || !read_all(fd, dst, bytes) || read(fd, &more, 1) != 0)
        return false;
    hash(key, dst, bytes, NULL, 0, hex);
    return memcmp(header, magic, MAGIC_BYTES) == 0 && memcmp(header + MAGIC_BYTES, hex, HEX) == 0;
}

bool cache_get(struct cache *c, const struct cache_key *key, void *dst, uint64_t bytes)
{
    char path[FILE_PATH_SIZE];
    path_of(c, key, path);
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return false;
    const bool is_whole = read_record(fd, key, dst, bytes);
    if (is_whole)
        futimens(fd, NULL);
    close(fd);
    if (!is_whole) {
        unlink(path);
        tell(c, "is damaged, so it was removed and is computed again", path);
    }
    return is_whole;
}

static bool write_record(const char *part, const struct cache_key *key, const void *head, uint64_t head_bytes,
                         const void *data, uint64_t data_bytes)
{
    char hex[65];
    const int fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return false;
    hash(key, head, head_bytes, data, data_bytes, hex);
    bool is_fine = write_all(fd, magic, MAGIC_BYTES) && write_all(fd, hex, HEX) && write_all(fd, head, head_bytes) &&
                   write_all(fd, data, data_bytes);
    is_fine &= close(fd) == 0;
    return is_fine;
}

void cache_put(struct cache *c, const struct cache_key *key, const void *head, uint64_t head_bytes, const void *data,
               uint64_t data_bytes)
{
    char path[FILE_PATH_SIZE], part[FILE_PATH_SIZE], folder[FILE_PATH_SIZE];
    wn_error ignored;
    path_of(c, key, path);
    path_directory(folder, path);
    snprintf(part, sizeof part, "%s/%.2s/part-%ld-%u-%.16s", c->directory, key->hex, (long)getpid(),
             atomic_fetch_add(&c->parts, 1), key->hex + 2);
    const bool is_fine = dir_make(folder, &ignored) == WN_OK &&
                         write_record(part, key, head, head_bytes, data, data_bytes) && rename(part, path) == 0;
    if (is_fine) {
        count_in(c, on_disk(HEADER_BYTES + head_bytes + data_bytes));
        return;
    }
    unlink(part);
    tell(c, "cannot be written, so it will be computed again", path);
}
