/* store.c - FOLDER/NAME/ab/abcdef..., each file one row.
 *
 * bytes 0..7 "wnscore1", 8..39 the key, 40..47 the count of values, then the values (little-endian), then 32 digits of
 * a hash of all before. A file is written under another name and renamed. It is not synced: should the machine stop, a
 * file that lost its bytes fails its hash, and its row is asked for again. */
#include "store.h"

#include <hash.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char magic[] = "wnscore1";

enum { MAGIC = 8, DIGITS = 32, HEAD = MAGIC + DIGITS + 8, MAX_ENTRY = HEAD + 8 * STORE_MAX_VALUES + DIGITS };

static uint64_t entry_bytes(const struct store *s)
{
    return HEAD + 8 * s->values + DIGITS;
}

/* ---- folders ----------------------------------------------------------------------------------------------------- */

static wn_status make_folder(const char *path, wn_error *err)
{
    struct stat st;
    if (mkdir(path, 0777) == 0 || (errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode)))
        return WN_OK;
    return wn_fail(err, WN_E_IO, "cannot make the folder %s: %s", path, strerror(errno == EEXIST ? ENOTDIR : errno));
}

wn_status store_open(const char *folder, const char *name, uint64_t values, struct store *out, wn_error *err)
{
    const int length = snprintf(out->folder, sizeof out->folder, "%s/%s", folder, name);
    out->values = values;
    if (!*folder || length < 0 || (size_t)length >= sizeof out->folder)
        return wn_fail(err, WN_E_ARG, "folder: a path of %zu bytes; it must have 1 to %zu", strlen(folder),
                       sizeof out->folder - strlen(name) - 2);
    for (char *slash = out->folder + 1; (slash = strchr(slash, '/')) != NULL; *slash++ = '/') {
        *slash = '\0';
        WN_TRY(make_folder(out->folder, err));
    }
    return make_folder(out->folder, err);
}

static void entry_path(const struct store *s, const char *key, char path[STORE_PATH])
{
    snprintf(path, STORE_PATH, "%s/%.2s/%s", s->folder, key, key);
}

/* ---- bytes ------------------------------------------------------------------------------------------------------- */

static void put_u64(unsigned char *at, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        at[i] = (unsigned char)(value >> (8 * i));
}

static uint64_t get_u64(const unsigned char *at)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

static void seal(const unsigned char *entry, uint64_t bytes, char digits[STORE_KEY])
{
    nn_hash hash = nn_hash_begin();
    nn_hash_add(&hash, entry, bytes);
    nn_hash_text(&hash, digits);
}

static void encode(const struct store *s, const char *key, const double *row, unsigned char *entry)
{
    char digits[STORE_KEY];
    memcpy(entry, magic, MAGIC);
    memcpy(entry + MAGIC, key, DIGITS);
    put_u64(entry + MAGIC + DIGITS, s->values);
    for (uint64_t i = 0; i < s->values; i++) {
        uint64_t bits;
        memcpy(&bits, &row[i], sizeof bits);
        put_u64(entry + HEAD + 8 * i, bits);
    }
    seal(entry, HEAD + 8 * s->values, digits);
    memcpy(entry + HEAD + 8 * s->values, digits, DIGITS);
}

static wn_status decode(const struct store *s, const char *key, const unsigned char *entry, uint64_t bytes, double *row,
                        wn_error *why)
{
    char digits[STORE_KEY];
    if (bytes != entry_bytes(s))
        return wn_fail(why, WN_E_FORMAT, "%llu bytes, not %llu", (unsigned long long)bytes,
                       (unsigned long long)entry_bytes(s));
    seal(entry, HEAD + 8 * s->values, digits);
    if (memcmp(entry + HEAD + 8 * s->values, digits, DIGITS) != 0)
        return wn_fail(why, WN_E_FORMAT, "its hash does not match its bytes");
    if (memcmp(entry, magic, MAGIC) != 0 || memcmp(entry + MAGIC, key, DIGITS) != 0 ||
        get_u64(entry + MAGIC + DIGITS) != s->values)
        return wn_fail(why, WN_E_FORMAT, "it is an entry of another key or kind");
    for (uint64_t i = 0; i < s->values; i++) {
        const uint64_t bits = get_u64(entry + HEAD + 8 * i);
        memcpy(&row[i], &bits, sizeof bits);
    }
    return WN_OK;
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

int store_read(const struct store *s, const char *key, double *row, wn_error *why)
{
    char path[STORE_PATH];
    unsigned char entry[MAX_ENTRY + 1]; /* one more: a longer file is told from a whole one */
    entry_path(s, key, path);
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 && errno == ENOENT)
        return STORE_ABSENT;
    const ssize_t got = file < 0 ? -1 : read(file, entry, sizeof entry);
    if (got < 0)
        wn_fail(why, WN_E_IO, "%.900s: %s", path, strerror(errno));
    if (file >= 0)
        close(file);
    if (got < 0)
        return STORE_DAMAGED;
    wn_error inner;
    if (decode(s, key, entry, (uint64_t)got, row, &inner) == WN_OK)
        return STORE_FOUND;
    wn_fail(why, inner.code, "%.900s: %.100s", path, inner.message);
    return STORE_DAMAGED;
}

static wn_status write_part(const char *part, const unsigned char *entry, uint64_t bytes, wn_error *err)
{
    const int file = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file < 0)
        return wn_fail(err, WN_E_IO, "cannot write %.900s: %s", part, strerror(errno));
    errno = ENOSPC; /* what a short write means */
    const int is_whole = write(file, entry, bytes) == (ssize_t)bytes;
    const int saved = errno;
    if (close(file) == 0 && is_whole)
        return WN_OK;
    return wn_fail(err, WN_E_IO, "cannot write %.900s: %s", part, strerror(is_whole ? errno : saved));
}

wn_status store_write(const struct store *s, const char *key, const double *row, wn_error *err)
{
    char path[STORE_PATH], part[STORE_PATH];
    unsigned char entry[MAX_ENTRY];
    snprintf(path, sizeof path, "%s/%.2s", s->folder, key);
    WN_TRY(make_folder(path, err));
    entry_path(s, key, path);
    snprintf(part, sizeof part, "%s/%.2s/%s.%ld-%llx", s->folder, key, key, (long)getpid(),
             (unsigned long long)(uintptr_t)s); /* another for every writer of the key */
    encode(s, key, row, entry);
    wn_status status = write_part(part, entry, entry_bytes(s), err);
    if (status == WN_OK && rename(part, path) != 0)
        status = wn_fail(err, WN_E_IO, "cannot rename %.900s: %s", part, strerror(errno));
    if (status != WN_OK)
        unlink(part);
    return status;
}
