/* safetensors_header.c - parses the header of a safetensors file, the part of it that can lie.
 *
 * The header is JSON of a fixed form, so this is a parser for that form and no other:
 *
 *     { "__metadata__": { "key": "value", ... },
 *       "name": { "dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12] }, ... }
 *
 * It needs no recursion, allocates two arrays that grow with what was really read, keeps integers exact to 64 bits (a
 * general JSON reader passes them through a double), and unescapes strings in place, because the text of a string is
 * never longer than its JSON. The byte after the text is 0 and matches nothing, so looking one byte ahead is safe.
 */
#include "safetensors_header.h"

#include "utf8.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    const char *path;
    char *start;
    char *at;
    char *end;
    wn_error *err;
};

static wn_status refuse(const struct reader *r, const char *what)
{
    return wn_fail(r->err, WN_E_FORMAT, "%s: header byte %td: %s", r->path, r->at - r->start, what);
}

static void skip_space(struct reader *r)
{
    while (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t')
        r->at++;
}

/* Steps over c and the space before it, or stays. */
static bool take(struct reader *r, char c)
{
    skip_space(r);
    if (*r->at != c)
        return false;
    r->at++;
    return true;
}

static wn_status expect(struct reader *r, char c, const char *what)
{
    return take(r, c) ? WN_OK : refuse(r, what);
}

/* ---- UTF-8 ---- */

static wn_status check_utf8(struct reader *r)
{
    for (r->at = r->start; r->at < r->end;) {
        int n = utf8_length((const unsigned char *)r->at);
        if (n == 0)
            return refuse(r, "not valid UTF-8");
        r->at += n;
    }
    r->at = r->start;
    return WN_OK;
}

static char *put_utf8(char *to, uint32_t c)
{
    int more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const unsigned char lead[] = { 0, 0xc0, 0xe0, 0xf0 };
    *to++ = (char)(lead[more] | (c >> 6 * more));
    while (more-- > 0)
        *to++ = (char)(0x80 | ((c >> 6 * more) & 0x3f));
    return to;
}

/* ---- strings ---- */

static wn_status read_hex4(struct reader *r, uint32_t *value)
{
    *value = 0;
    for (int i = 0; i < 4; i++, r->at++) {
        char c = *r->at;
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                                : 16;
        if (digit == 16)
            return refuse(r, "\\u is not followed by four hexadecimal digits");
        *value = *value << 4 | digit;
    }
    return WN_OK;
}

/* The character of a \u escape, whose "\u" has been read; a pair of surrogates is one character. */
static wn_status read_unicode(struct reader *r, char **to)
{
    uint32_t c, low;
    WN_TRY(read_hex4(r, &c));
    if (c >= 0xd800 && c < 0xdc00 && r->at[0] == '\\' && r->at[1] == 'u') {
        r->at += 2;
        WN_TRY(read_hex4(r, &low));
        if (low < 0xdc00 || low > 0xdfff)
            return refuse(r, "half of a surrogate pair");
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    if (c == 0)
        return refuse(r, "a zero character in a string");
    if (c >= 0xd800 && c < 0xe000)
        return refuse(r, "half of a surrogate pair");
    *to = put_utf8(*to, c);
    return WN_OK;
}

static wn_status read_escape(struct reader *r, char **to)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    char c = *r->at++;
    if (c == 'u')
        return read_unicode(r, to);
    const char *found = c ? strchr(from, c) : NULL;
    if (!found)
        return refuse(r, "unknown escape in a string");
    *(*to)++ = into[found - from];
    return WN_OK;
}

/* Leaves the unescaped, terminated text in place of its JSON. */
static wn_status read_string(struct reader *r, char **out)
{
    WN_TRY(expect(r, '"', "expected a string"));
    char *to = *out = r->at;
    while (*r->at != '"') {
        if ((unsigned char)*r->at < 0x20)
            return refuse(r, r->at < r->end ? "control character in a string" : "unfinished string");
        if (*r->at != '\\')
            *to++ = *r->at++;
        else {
            r->at++;
            WN_TRY(read_escape(r, &to));
        }
    }
    r->at++;
    *to = '\0';
    return WN_OK;
}

/* ---- numbers ---- */

static wn_status read_u64(struct reader *r, uint64_t *out)
{
    skip_space(r);
    const char *first = r->at;
    *out = 0;
    for (; *r->at >= '0' && *r->at <= '9'; r->at++)
        if (__builtin_mul_overflow(*out, 10u, out) || __builtin_add_overflow(*out, (uint64_t)(*r->at - '0'), out))
            return refuse(r, "number above 2^64-1");
    if (r->at == first)
        return refuse(r, "expected a number without sign");
    if (*first == '0' && r->at - first > 1)
        return refuse(r, "number with a leading zero");
    if (*r->at == '.' || *r->at == 'e' || *r->at == 'E')
        return refuse(r, "expected a whole number");
    return WN_OK;
}

/* Reads "[a, b, ...]" of at most `capacity` numbers. */
static wn_status read_list(struct reader *r, uint64_t *out, uint32_t capacity, uint32_t *count)
{
    *count = 0;
    WN_TRY(expect(r, '[', "expected a list"));
    if (take(r, ']'))
        return WN_OK;
    do {
        if (*count == capacity)
            return refuse(r, "list is too long");
        WN_TRY(read_u64(r, &out[(*count)++]));
    } while (take(r, ','));
    return expect(r, ']', "expected , or ] in a list");
}

/* ---- entries ---- */

/* Makes room for one more item of `size` bytes. */
static wn_status grow(const struct reader *r, void **items, uint64_t count, uint64_t *capacity, size_t size)
{
    if (count < *capacity)
        return WN_OK;
    uint64_t more = *capacity ? 2 * *capacity : 64;
    void *p = realloc(*items, more * size); /* bounded by the header: at most 100 MB of text is behind it */
    if (!p)
        return wn_fail(r->err, WN_E_MEMORY, "%s: no memory for the header's %" PRIu64 " entries", r->path, more);
    *items = p;
    *capacity = more;
    return WN_OK;
}

static wn_status read_metadata(struct reader *r, struct st_header *h)
{
    char *key, *value;
    if (h->metadata)
        return refuse(r, "__metadata__ stands there twice");
    WN_TRY(grow(r, (void **)&h->metadata, 0, &h->metadata_capacity, sizeof *h->metadata));
    WN_TRY(expect(r, '{', "__metadata__ is not an object"));
    if (take(r, '}'))
        return WN_OK;
    do {
        WN_TRY(read_string(r, &key));
        WN_TRY(expect(r, ':', "expected : after a key"));
        WN_TRY(read_string(r, &value));
        WN_TRY(grow(r, (void **)&h->metadata, h->metadata_count, &h->metadata_capacity, sizeof *h->metadata));
        h->metadata[h->metadata_count++] = (nn_metadata){ key, value };
    } while (take(r, ','));
    return expect(r, '}', "expected , or } in __metadata__");
}

enum { HAS_DTYPE = 1, HAS_SHAPE = 2, HAS_OFFSETS = 4, HAS_ALL = 7 };

static wn_status read_dtype(struct reader *r, struct st_entry *e)
{
    char *name;
    WN_TRY(read_string(r, &name));
    e->tensor.dtype = nn_dtype_parse(name);
    if (e->tensor.dtype == 0)
        return wn_fail(r->err, WN_E_UNSUPPORTED, "%s: tensor '%.200s': unknown dtype '%.40s'", r->path, e->tensor.name,
                       name);
    return WN_OK;
}

static wn_status read_offsets(struct reader *r, struct st_entry *e)
{
    uint64_t offsets[2];
    uint32_t count;
    WN_TRY(read_list(r, offsets, 2, &count));
    if (count != 2)
        return refuse(r, "data_offsets is not a list of two numbers");
    e->begin = offsets[0];
    e->end = offsets[1];
    return WN_OK;
}

static wn_status read_member(struct reader *r, struct st_entry *e, int *seen)
{
    char *key;
    WN_TRY(read_string(r, &key));
    int member = strcmp(key, "dtype") == 0          ? HAS_DTYPE
                 : strcmp(key, "shape") == 0        ? HAS_SHAPE
                 : strcmp(key, "data_offsets") == 0 ? HAS_OFFSETS
                                                    : 0;
    if (member == 0)
        return wn_fail(r->err, WN_E_FORMAT, "%s: tensor '%.200s': unknown key '%.40s'", r->path, e->tensor.name, key);
    if (*seen & member)
        return wn_fail(r->err, WN_E_FORMAT, "%s: tensor '%.200s': '%s' stands there twice", r->path, e->tensor.name,
                       key);
    *seen |= member;
    WN_TRY(expect(r, ':', "expected : after a key"));
    if (member == HAS_DTYPE)
        return read_dtype(r, e);
    if (member == HAS_SHAPE)
        return read_list(r, e->tensor.shape, NN_MAX_RANK, &e->tensor.rank);
    return read_offsets(r, e);
}

/* Whether the claimed bytes are what shape and type need. */
static wn_status check_size(const struct reader *r, struct st_entry *e)
{
    const char *name = e->tensor.name, *type = nn_dtype_name(e->tensor.dtype);
    uint64_t bits = nn_dtype_bits(e->tensor.dtype);
    if (e->begin > e->end)
        return wn_fail(r->err, WN_E_FORMAT,
                       "%s: tensor '%.200s': data_offsets begin %" PRIu64 " is behind end %" PRIu64, r->path, name,
                       e->begin, e->end);
    for (uint32_t i = 0; i < e->tensor.rank; i++)
        if (__builtin_mul_overflow(bits, e->tensor.shape[i], &bits))
            return wn_fail(r->err, WN_E_FORMAT, "%s: tensor '%.200s': its %s elements pass 2^64 bits at dimension %u",
                           r->path, name, type, i);
    if (bits % 8)
        return wn_fail(r->err, WN_E_FORMAT, "%s: tensor '%.200s': %" PRIu64 " bits of %s are not whole bytes", r->path,
                       name, bits, type);
    e->tensor.bytes = bits / 8;
    if (e->end - e->begin != e->tensor.bytes)
        return wn_fail(r->err, WN_E_FORMAT,
                       "%s: tensor '%.200s': data_offsets span %" PRIu64 " bytes, its shape in %s needs %" PRIu64,
                       r->path, name, e->end - e->begin, type, e->tensor.bytes);
    return WN_OK;
}

/* Names go into messages, so that they must be one printable line. */
static wn_status check_name(const struct reader *r, const char *name)
{
    for (const char *p = name; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return wn_fail(r->err, WN_E_FORMAT, "%s: the name of a tensor holds control character 0x%02x", r->path,
                           (unsigned)(unsigned char)*p);
    return WN_OK;
}

static wn_status read_tensor(struct reader *r, struct st_header *h, char *name)
{
    int seen = 0;
    WN_TRY(check_name(r, name));
    WN_TRY(grow(r, (void **)&h->entries, h->count, &h->capacity, sizeof *h->entries));
    struct st_entry *e = &h->entries[h->count];
    *e = (struct st_entry){ .tensor.name = name };
    WN_TRY(expect(r, '{', "a tensor's description is not an object"));
    do
        WN_TRY(read_member(r, e, &seen));
    while (take(r, ','));
    WN_TRY(expect(r, '}', "expected , or } in a tensor's description"));
    if (seen != HAS_ALL)
        return wn_fail(r->err, WN_E_FORMAT, "%s: tensor '%.200s': no '%s'", r->path, name,
                       !(seen & HAS_DTYPE)   ? "dtype"
                       : !(seen & HAS_SHAPE) ? "shape"
                                             : "data_offsets");
    h->count++;
    return check_size(r, e);
}

static wn_status read_entries(struct reader *r, struct st_header *h)
{
    char *name;
    if (take(r, '}'))
        return WN_OK;
    do {
        WN_TRY(read_string(r, &name));
        WN_TRY(expect(r, ':', "expected : after a name"));
        WN_TRY(strcmp(name, "__metadata__") == 0 ? read_metadata(r, h) : read_tensor(r, h, name));
    } while (take(r, ','));
    return expect(r, '}', "expected , or } between tensors");
}

wn_status st_header_parse(const char *path, char *text, uint64_t size, struct st_header *h, wn_error *err)
{
    struct reader r = { path, text, text, text + size, err };
    if (*r.at != '{')
        return refuse(&r, "does not start with {");
    WN_TRY(check_utf8(&r));
    r.at++;
    WN_TRY(read_entries(&r, h));
    while (*r.at == ' ')
        r.at++;
    return r.at == r.end ? WN_OK : refuse(&r, "something other than spaces after the closing }");
}

void st_header_free(struct st_header *h)
{
    free(h->entries);
    free(h->metadata);
}
