/* zip.c - reads the directory of a zip archive, from its end as the format wants it.
 *
 * An archive ends with a record that says where the directory is; with ZIP64 a second record, found through a locator
 * just before the first, says it in 64 bits. Strict where readers are known to differ, because a file that two readers
 * understand differently is a way to hide something: the directory ends where the end records begin, the records agree,
 * a comment reaches to the last byte, and members neither overlap nor reach into the directory.
 */
#include "zip.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOCAL_BYTES = 30,
    ENTRY_BYTES = 46,
    END_BYTES = 22,
    END64_BYTES = 56,
    LOCATOR_BYTES = 20,
    COMMENT_MAX = 65535,
    ZIP64_EXTRA = 1,
    FLAG_ENCRYPTED = 1
};

struct archive {
    const char *path;
    const unsigned char *at;
    uint64_t bytes;
    wn_error *err;
};

/* What the end records say. */
struct directory {
    uint64_t count;
    uint64_t begin;
    uint64_t end;
};

/* Little-endian, unaligned. */
static uint64_t get(const unsigned char *p, int bytes)
{
    uint64_t value = 0;
    while (bytes-- > 0)
        value = value << 8 | p[bytes];
    return value;
}

static bool is_record(const unsigned char *p, unsigned char third, unsigned char fourth)
{
    return p[0] == 'P' && p[1] == 'K' && p[2] == third && p[3] == fourth;
}

static wn_status refuse(const struct archive *a, const char *what)
{
    return wn_fail(a->err, WN_E_FORMAT, "%s: damaged archive: %s; fetch it again", a->path, what);
}

/* ---- the end records ---- */

/* Offset of the last record, or `bytes`. */
static uint64_t find_end(const struct archive *a)
{
    if (a->bytes < END_BYTES)
        return a->bytes;
    const uint64_t last = a->bytes - END_BYTES, first = last > COMMENT_MAX ? last - COMMENT_MAX : 0;
    for (uint64_t at = last;; at--) {
        if (is_record(a->at + at, 5, 6) && get(a->at + at + 20, 2) == last - at)
            return at;
        if (at == first)
            return a->bytes;
    }
}

static wn_status read_end64(const struct archive *a, uint64_t locator, struct directory *d)
{
    const uint64_t at = get(a->at + locator + 8, 8);
    if (get(a->at + locator + 4, 4) != 0 || get(a->at + locator + 16, 4) > 1)
        return refuse(a, "it is one of several volumes");
    if (at > locator || locator - at < END64_BYTES || !is_record(a->at + at, 6, 6))
        return refuse(a, "its ZIP64 end record is not where the locator puts it");
    if (get(a->at + at + 4, 8) != locator - at - 12)
        return refuse(a, "its ZIP64 end record does not reach the locator");
    const uint64_t here = get(a->at + at + 24, 8), size = get(a->at + at + 40, 8);
    d->count = get(a->at + at + 32, 8);
    d->begin = get(a->at + at + 48, 8);
    if (here != d->count || d->begin > at || size != at - d->begin)
        return refuse(a, "its directory does not end where its ZIP64 end record begins");
    d->end = at;
    return WN_OK;
}

/* A field of the 32-bit record must be its 64-bit self or all ones. */
static bool agrees(const unsigned char *field, int bytes, uint64_t value)
{
    const uint64_t said = get(field, bytes);
    return said == value || said == (UINT64_C(1) << 8 * bytes) - 1;
}

static wn_status read_directory(const struct archive *a, struct directory *d)
{
    const uint64_t end = find_end(a);
    if (end == a->bytes)
        return refuse(a, "it has no end record, so it is cut short");
    const unsigned char *r = a->at + end;
    if (end >= LOCATOR_BYTES && is_record(r - LOCATOR_BYTES, 6, 7)) {
        WN_TRY(read_end64(a, end - LOCATOR_BYTES, d));
        return agrees(r + 10, 2, d->count) && agrees(r + 12, 4, d->end - d->begin) && agrees(r + 16, 4, d->begin)
                   ? WN_OK
                   : refuse(a, "its two end records contradict each other");
    }
    *d = (struct directory){ .count = get(r + 10, 2), .begin = get(r + 16, 4), .end = end };
    if (get(r + 4, 4) != 0 || get(r + 8, 2) != d->count)
        return refuse(a, "it is one of several volumes");
    if (d->begin > end || get(r + 12, 4) != end - d->begin)
        return refuse(a, "its directory does not end where its end record begins");
    return WN_OK;
}

/* ---- members ---- */

static wn_status refuse_member(const struct archive *a, const struct zip_member *m, const char *what)
{
    return wn_fail(a->err, WN_E_FORMAT, "%s: damaged archive: member '%.*s': %s; fetch it again", a->path,
                   (int)(m->name_bytes < 200 ? m->name_bytes : 200), m->name, what);
}

/* Names go into messages, so that they must be one printable line. */
static wn_status check_name(const struct archive *a, const struct zip_member *m)
{
    for (uint32_t i = 0; i < m->name_bytes; i++)
        if ((unsigned char)m->name[i] < 0x20 || m->name[i] == 0x7f)
            return wn_fail(a->err, WN_E_FORMAT,
                           "%s: damaged archive: the name of a member holds control character "
                           "0x%02x; fetch it again",
                           a->path, (unsigned)(unsigned char)m->name[i]);
    return m->name_bytes ? WN_OK : refuse(a, "a member has no name");
}

/* The ZIP64 extra field replaces those of the three values that are all ones, in this order. */
static wn_status read_extra(const struct archive *a, struct zip_member *m, const unsigned char *extra, uint64_t bytes)
{
    uint64_t *const wide[] = { &m->bytes, &m->stored_bytes, &m->header };
    for (uint64_t at = 0; at + 4 <= bytes;) {
        const uint64_t id = get(extra + at, 2), size = get(extra + at + 2, 2), next = at + 4 + size;
        if (next > bytes)
            return refuse_member(a, m, "an extra field is longer than its header says");
        uint64_t value = at + 4;
        for (int i = 0; i < 3 && id == ZIP64_EXTRA; i++) {
            if (*wide[i] != UINT32_MAX)
                continue;
            if (next - value < 8)
                return refuse_member(a, m, "its ZIP64 field lacks a value");
            *wide[i] = get(extra + value, 8);
            value += 8;
        }
        at = next;
    }
    return WN_OK;
}

/* Finds the data behind the local header, which has lengths of its own for the name and what follows it. */
static wn_status find_data(const struct archive *a, struct zip_member *m, uint64_t directory)
{
    if (m->header > directory || directory - m->header < LOCAL_BYTES || !is_record(a->at + m->header, 3, 4))
        return refuse_member(a, m, "its header is not where the directory puts it");
    const unsigned char *local = a->at + m->header;
    const uint64_t name = get(local + 26, 2), extra = get(local + 28, 2), room = directory - m->header;
    if (LOCAL_BYTES + name + extra > room || m->stored_bytes > room - LOCAL_BYTES - name - extra)
        return refuse_member(a, m, "its data reach beyond the end of the archive");
    if (name != m->name_bytes || memcmp(local + LOCAL_BYTES, m->name, name) != 0)
        return refuse_member(a, m, "its header and the directory name it differently");
    if (get(local + 8, 2) != m->method)
        return refuse_member(a, m, "its header and the directory name different compressions");
    m->data = local + LOCAL_BYTES + name + extra;
    return WN_OK;
}

static wn_status read_member(const struct archive *a, uint64_t *at, const struct directory *d, struct zip_member *m)
{
    const unsigned char *e = a->at + *at;
    if (d->end - *at < ENTRY_BYTES || !is_record(e, 1, 2))
        return refuse(a, "its directory is shorter than it says");
    const uint64_t name = get(e + 28, 2), extra = get(e + 30, 2), all = ENTRY_BYTES + name + extra + get(e + 32, 2);
    if (d->end - *at < all)
        return refuse(a, "its directory is shorter than it says");
    *m = (struct zip_member){ .name = (const char *)e + ENTRY_BYTES,
                              .name_bytes = (uint32_t)name,
                              .method = (uint32_t)get(e + 10, 2),
                              .header = get(e + 42, 4),
                              .stored_bytes = get(e + 20, 4),
                              .bytes = get(e + 24, 4) };
    WN_TRY(check_name(a, m));
    if (get(e + 8, 2) & FLAG_ENCRYPTED)
        return wn_fail(a->err, WN_E_UNSUPPORTED, "%s: member '%.*s' is encrypted", a->path, (int)name, m->name);
    WN_TRY(read_extra(a, m, e + ENTRY_BYTES + name, extra));
    if (m->method == 0 && m->stored_bytes != m->bytes)
        return refuse_member(a, m, "it is stored as it is, but with two sizes");
    *at += all;
    return find_data(a, m, d->begin);
}

static int by_place(const void *a, const void *b)
{
    const struct zip_member *x = a, *y = b;
    return (x->header > y->header) - (x->header < y->header);
}

static int compare_names(const char *a, uint64_t a_bytes, const char *b, uint64_t b_bytes)
{
    const int order = memcmp(a, b, a_bytes < b_bytes ? a_bytes : b_bytes);
    return order ? order : (a_bytes > b_bytes) - (a_bytes < b_bytes);
}

static int by_name(const void *a, const void *b)
{
    const struct zip_member *x = a, *y = b;
    return compare_names(x->name, x->name_bytes, y->name, y->name_bytes);
}

static wn_status check_all(const struct archive *a, struct zip *z)
{
    qsort(z->members, z->count, sizeof *z->members, by_place);
    for (uint64_t i = 1; i < z->count; i++) {
        const struct zip_member *before = &z->members[i - 1];
        if (before->data + before->stored_bytes > a->at + z->members[i].header)
            return refuse_member(a, &z->members[i], "it shares bytes with another");
    }
    qsort(z->members, z->count, sizeof *z->members, by_name);
    for (uint64_t i = 1; i < z->count; i++)
        if (by_name(&z->members[i - 1], &z->members[i]) == 0)
            return refuse_member(a, &z->members[i], "it is there twice");
    return WN_OK;
}

wn_status zip_read(const char *path, const unsigned char *archive, uint64_t bytes, struct zip *out, wn_error *err)
{
    const struct archive a = { path, archive, bytes, err };
    struct directory d = { 0 };
    *out = (struct zip){ 0 };
    WN_TRY(read_directory(&a, &d));
    if (d.count > (d.end - d.begin) / ENTRY_BYTES)
        return refuse(&a, "its directory is shorter than it says");
    out->members = calloc(d.count + 1, sizeof *out->members);
    if (!out->members)
        return wn_fail(err, WN_E_MEMORY, "%s: no memory for %" PRIu64 " members", path, d.count);
    uint64_t at = d.begin;
    for (; out->count < d.count; out->count++)
        WN_TRY(read_member(&a, &at, &d, &out->members[out->count]));
    return at == d.end ? check_all(&a, out) : refuse(&a, "its directory is longer than it says");
}

void zip_finish(struct zip *z)
{
    free(z->members);
}

const struct zip_member *zip_find(const struct zip *z, const char *name)
{
    const struct zip_member key = { .name = name, .name_bytes = (uint32_t)strlen(name) };
    return z->count ? bsearch(&key, z->members, z->count, sizeof key, by_name) : NULL;
}
