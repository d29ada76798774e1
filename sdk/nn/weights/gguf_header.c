/* gguf_header.c - parses the header of a GGUF file, the part of it that can lie.
 *
 * Everything is read through one cursor that never passes the header's limit, so a length or a count of 2^63 ends at
 * the first byte that is not there; memory is only taken for what was really read. A value is skipped by its type; only
 * those that stand alone are kept, as text.
 */
#include "gguf_header.h"

#include "utf8.h"

#include <device/blocks.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEADER_MAX_BYTES = 64 << 20,
    MAX_ENTRIES = 1 << 16, /* tensors, and keys */
    MAX_NAME = 256,        /* bytes of a tensor's name; ggml itself knows 64 */
    MAX_KEY = 1024,
    MAX_VALUE = 1 << 20,
    MAX_DIMS = 4,
    MAX_DEPTH = 4, /* of arrays in arrays */
    MAX_ALIGNMENT = 1 << 20
};

struct cursor {
    const char *path;
    const unsigned char *file;
    uint64_t at, end;
    wn_error *err;
};

/* ---- bytes -------------------------------------------------------------------------------------------------- */

/* The next n bytes, or NULL with the error said. */
static const unsigned char *take(struct cursor *c, uint64_t n, const char *what)
{
    if (n > c->end - c->at) {
        wn_fail(c->err, WN_E_FORMAT, "%s: header byte %" PRIu64 ": %s of %" PRIu64 " bytes, %" PRIu64 " are left: %s",
                c->path, c->at, what, n, c->end - c->at,
                c->end == HEADER_MAX_BYTES ? "a header of more than 64 MiB is not read" : "the file is cut short");
        return NULL;
    }
    c->at += n;
    return c->file + c->at - n;
}

static wn_status take_number(struct cursor *c, uint32_t bytes, const char *what, uint64_t *out)
{
    const unsigned char *p = take(c, bytes, what);
    if (!p)
        return WN_E_FORMAT;
    *out = 0;
    for (uint32_t i = bytes; i-- > 0;)
        *out = *out << 8 | p[i];
    return WN_OK;
}

static wn_status check_text(const struct cursor *c, const char *what, const unsigned char *text, uint64_t n,
                            int is_value)
{
    for (uint64_t i = 0; i < n;) {
        unsigned char four[4] = { 0 };
        memcpy(four, text + i, n - i < 4 ? n - i : 4);
        const int length = utf8_length(four);
        if (length == 0 || (uint64_t)length > n - i)
            return wn_fail(c->err, WN_E_FORMAT, "%s: header byte %" PRIu64 ": %s is not valid UTF-8", c->path, c->at,
                           what);
        if (*four == 0 || (!is_value && (*four < 0x20 || *four == 0x7f)))
            return wn_fail(c->err, WN_E_FORMAT, "%s: header byte %" PRIu64 ": control character 0x%02x in %s", c->path,
                           c->at, *four, what);
        i += (uint64_t)length;
    }
    return WN_OK;
}

/* A string, copied and ended. Names have 1 to `longest` bytes, values 0 to `longest`. */
static wn_status take_text(struct cursor *c, const char *what, uint64_t longest, int is_value, const char **out)
{
    uint64_t n = 0;
    WN_TRY(take_number(c, 8, "a string's length", &n));
    if (n > longest || (n == 0 && !is_value))
        return wn_fail(c->err, WN_E_FORMAT,
                       "%s: header byte %" PRIu64 ": %s of %" PRIu64 " bytes, expected %d to %" PRIu64, c->path, c->at,
                       what, n, !is_value, longest);
    const unsigned char *text = take(c, n, what);
    if (!text)
        return WN_E_FORMAT;
    WN_TRY(check_text(c, what, text, n, is_value));
    *out = strndup((const char *)text, n);
    return *out ? WN_OK : wn_fail(c->err, WN_E_MEMORY, "%s: no memory for %s", c->path, what);
}

/* ---- values ------------------------------------------------------------------------------------------------- */

enum { U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64, VALUE_TYPES };

static const uint32_t value_bytes[VALUE_TYPES] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };

static wn_status take_type(struct cursor *c, const char *key, uint64_t *type)
{
    WN_TRY(take_number(c, 4, "a value's type", type));
    if (*type >= VALUE_TYPES)
        return wn_fail(c->err, WN_E_FORMAT, "%s: key '%.200s': type %" PRIu64 " is none of GGUF's", c->path, key,
                       *type);
    return WN_OK;
}

static wn_status skip_strings(struct cursor *c, uint64_t count)
{
    for (uint64_t i = 0, n; i < count; i++) {
        WN_TRY(take_number(c, 8, "a string's length", &n));
        if (!take(c, n, "a string"))
            return WN_E_FORMAT;
    }
    return WN_OK;
}

static wn_status skip_array(struct cursor *c, const char *key, int depth, uint64_t *count)
{
    uint64_t type = 0, inner;
    *count = 0;
    if (depth == MAX_DEPTH)
        return wn_fail(c->err, WN_E_FORMAT, "%s: key '%.200s': arrays in arrays, more than %d deep", c->path, key,
                       MAX_DEPTH);
    WN_TRY(take_type(c, key, &type));
    WN_TRY(take_number(c, 8, "an array's length", count));
    if (type == STRING)
        return skip_strings(c, *count);
    for (uint64_t i = 0; type == ARRAY && i < *count; i++)
        WN_TRY(skip_array(c, key, depth + 1, &inner));
    if (type == ARRAY)
        return WN_OK;
    if (*count > UINT64_MAX / 8)
        return wn_fail(c->err, WN_E_FORMAT, "%s: key '%.200s': an array of %" PRIu64 " values", c->path, key, *count);
    return take(c, *count * value_bytes[type], "an array") ? WN_OK : WN_E_FORMAT;
}

static double as_double(uint64_t type, uint64_t bits)
{
    const uint32_t low = (uint32_t)bits;
    float single;
    double value;
    memcpy(&single, &low, sizeof single);
    memcpy(&value, &bits, sizeof value);
    return type == F32 ? (double)single : value;
}

static wn_status number_text(const struct cursor *c, const char *key, uint64_t type, uint64_t bits, char text[64])
{
    const unsigned shift = 64 - 8 * value_bytes[type];
    if (type == BOOL && bits > 1)
        return wn_fail(c->err, WN_E_FORMAT, "%s: key '%.200s': %" PRIu64 " is no truth value", c->path, key, bits);
    if (type == BOOL)
        snprintf(text, 64, "%s", bits ? "true" : "false");
    else if (type == F32 || type == F64)
        snprintf(text, 64, "%.9g", as_double(type, bits));
    else if (type == I8 || type == I16 || type == I32 || type == I64)
        snprintf(text, 64, "%" PRId64, (int64_t)(bits << shift) >> shift);
    else
        snprintf(text, 64, "%" PRIu64, bits);
    return WN_OK;
}

/* A value of type U32, or any number, that decides how the file is read. */
static wn_status use_number(const struct cursor *c, const char *key, uint64_t type, uint64_t value,
                            struct gguf_header *h)
{
    if (strcmp(key, "general.alignment") == 0) {
        if (type != U32 || value == 0 || (value & (value - 1)) || value > MAX_ALIGNMENT)
            return wn_fail(c->err, WN_E_FORMAT,
                           "%s: general.alignment is %" PRIu64 " of type %" PRIu64
                           ", expected a power of two to %d, u32",
                           c->path, value, type, MAX_ALIGNMENT);
        h->alignment = value;
    }
    if (strcmp(key, "split.count") == 0 && value > 1)
        return wn_fail(c->err, WN_E_UNSUPPORTED,
                       "%s: is one of %" PRIu64 " pieces of a model; merge them first (llama-gguf-split --merge)",
                       c->path, value);
    return WN_OK;
}

static wn_status take_value(struct cursor *c, const char *key, struct gguf_header *h, const char **out)
{
    uint64_t type = 0, value = 0;
    char text[64];
    WN_TRY(take_type(c, key, &type));
    if (type == STRING)
        return take_text(c, "a value", MAX_VALUE, 1, out);
    if (type == ARRAY) {
        WN_TRY(skip_array(c, key, 0, &value));
        snprintf(text, sizeof text, "[%" PRIu64 " values]", value);
    } else {
        WN_TRY(take_number(c, value_bytes[type], "a value", &value));
        WN_TRY(number_text(c, key, type, value, text));
        WN_TRY(use_number(c, key, type, value, h));
    }
    *out = strdup(text);
    return *out ? WN_OK : wn_fail(c->err, WN_E_MEMORY, "%s: no memory for its keys", c->path);
}

static wn_status take_metadata(struct cursor *c, uint64_t count, struct gguf_header *h)
{
    h->metadata = calloc(count + 1, sizeof *h->metadata);
    if (!h->metadata)
        return wn_fail(c->err, WN_E_MEMORY, "%s: no memory for %" PRIu64 " keys", c->path, count);
    while (h->metadata_count < count) {
        nn_metadata *m = &h->metadata[h->metadata_count++];
        WN_TRY(take_text(c, "a key", MAX_KEY, 0, &m->key));
        WN_TRY(take_value(c, m->key, h, &m->value));
    }
    return WN_OK;
}

/* ---- tensors ------------------------------------------------------------------------------------------------ */

/* Types of the format; dtype 0: nothing here computes with them. */
static const struct {
    uint32_t id;
    int32_t dtype;
    const char *name;
} types[] = { { 0, WN_F32, "F32" },    { 1, WN_F16, "F16" },  { 2, WN_Q4_0, "Q4_0" },      { 3, 0, "Q4_1" },
              { 6, 0, "Q5_0" },        { 7, 0, "Q5_1" },      { 8, WN_Q8_0, "Q8_0" },      { 9, 0, "Q8_1" },
              { 10, 0, "Q2_K" },       { 11, 0, "Q3_K" },     { 12, WN_Q4_K, "Q4_K" },     { 13, WN_Q5_K, "Q5_K" },
              { 14, WN_Q6_K, "Q6_K" }, { 15, 0, "Q8_K" },     { 16, 0, "IQ2_XXS" },        { 17, 0, "IQ2_XS" },
              { 18, 0, "IQ3_XXS" },    { 19, 0, "IQ1_S" },    { 20, 0, "IQ4_NL" },         { 21, 0, "IQ3_S" },
              { 22, 0, "IQ2_S" },      { 23, 0, "IQ4_XS" },   { 24, NN_DTYPE_I8, "I8" },   { 25, NN_DTYPE_I16, "I16" },
              { 26, WN_I32, "I32" },   { 27, WN_I64, "I64" }, { 28, NN_DTYPE_F64, "F64" }, { 29, 0, "IQ1_M" },
              { 30, WN_BF16, "BF16" }, { 34, 0, "TQ1_0" },    { 35, 0, "TQ2_0" },          { 39, 0, "MXFP4" },
              { 40, 0, "NVFP4" } };

static wn_status dtype_of(const struct cursor *c, const char *name, uint64_t id, int32_t *dtype)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (types[i].id != id)
            continue;
        if (types[i].dtype == 0)
            return wn_fail(c->err, WN_E_UNSUPPORTED,
                           "%s: tensor '%.200s' is %s; take a file of Q8_0, Q6_K, Q5_K, Q4_K, Q4_0, BF16, F16 or F32",
                           c->path, name, types[i].name);
        *dtype = types[i].dtype;
        return WN_OK;
    }
    return wn_fail(c->err, WN_E_FORMAT, "%s: tensor '%.200s': type %" PRIu64 " is none of GGUF's", c->path, name, id);
}

/* Bytes of the shape in its type; a row must be whole blocks. */
static wn_status measure(const struct cursor *c, nn_tensor *t)
{
    const uint64_t cols = t->rank ? t->shape[t->rank - 1] : 1;
    const struct weight_block b = weight_is_quantised(t->dtype)
                                      ? weight_block_of(t->dtype)
                                      : (struct weight_block){ 1, nn_dtype_bits(t->dtype) / 8 };
    if (cols % b.values)
        return wn_fail(c->err, WN_E_FORMAT,
                       "%s: tensor '%.200s': rows of %" PRIu64 " values are not blocks of %u in %s", c->path, t->name,
                       cols, b.values, nn_dtype_name(t->dtype));
    uint64_t values = 1;
    for (uint32_t i = 0; i < t->rank; i++)
        if (__builtin_mul_overflow(values, t->shape[i], &values))
            return wn_fail(c->err, WN_E_FORMAT, "%s: tensor '%.200s': its dimensions pass 2^64", c->path, t->name);
    if (__builtin_mul_overflow(values / b.values, b.bytes, &t->bytes))
        return wn_fail(c->err, WN_E_FORMAT, "%s: tensor '%.200s': its bytes pass 2^64", c->path, t->name);
    return WN_OK;
}

static wn_status take_entry(struct cursor *c, struct gguf_entry *e)
{
    nn_tensor *t = &e->tensor;
    uint64_t rank = 0, type = 0;
    WN_TRY(take_text(c, "a tensor's name", MAX_NAME, 0, &t->name));
    WN_TRY(take_number(c, 4, "a tensor's rank", &rank));
    if (rank > MAX_DIMS)
        return wn_fail(c->err, WN_E_FORMAT, "%s: tensor '%.200s' has %" PRIu64 " dimensions, at most %d can be",
                       c->path, t->name, rank, MAX_DIMS);
    t->rank = (uint32_t)rank;
    for (uint32_t i = t->rank; i-- > 0;)
        WN_TRY(take_number(c, 8, "a dimension", &t->shape[i]));
    WN_TRY(take_number(c, 4, "a tensor's type", &type));
    WN_TRY(take_number(c, 8, "a tensor's offset", &e->offset));
    WN_TRY(dtype_of(c, t->name, type, &t->dtype));
    return measure(c, t);
}

static wn_status take_entries(struct cursor *c, uint64_t count, struct gguf_header *h)
{
    h->entries = calloc(count + 1, sizeof *h->entries);
    if (!h->entries)
        return wn_fail(c->err, WN_E_MEMORY, "%s: no memory for %" PRIu64 " tensors", c->path, count);
    while (h->count < count)
        WN_TRY(take_entry(c, &h->entries[h->count++]));
    return WN_OK;
}

/* ---- the whole ---------------------------------------------------------------------------------------------- */

static wn_status check_version(const struct cursor *c, uint64_t version)
{
    if (version == 2 || version == 3)
        return WN_OK;
    return wn_fail(c->err, WN_E_UNSUPPORTED, "%s: GGUF version %" PRIu64 ", 2 and 3 are read: %s", c->path, version,
                   version == 1              ? "convert it again with a current converter"
                   : (version & 0xffff) == 0 ? "it was written for a big-endian machine"
                                             : "take a file of version 3");
}

static wn_status check_count(const struct cursor *c, const char *what, uint64_t count)
{
    if (count > MAX_ENTRIES)
        return wn_fail(c->err, WN_E_FORMAT, "%s: claims %" PRIu64 " %s, at most %d are read", c->path, count, what,
                       MAX_ENTRIES);
    return WN_OK;
}

wn_status gguf_header_parse(const char *path, const unsigned char *file, uint64_t size, struct gguf_header *h,
                            wn_error *err)
{
    struct cursor c = { path, file, 0, size < HEADER_MAX_BYTES ? size : HEADER_MAX_BYTES, err };
    uint64_t version = 0, tensors = 0, keys = 0;
    *h = (struct gguf_header){ .alignment = 32 };
    const unsigned char *magic = take(&c, 4, "the magic");
    if (!magic)
        return WN_E_FORMAT;
    if (memcmp(magic, "GGUF", 4) != 0)
        return wn_fail(err, WN_E_FORMAT, "%s: does not begin with GGUF", path);
    WN_TRY(take_number(&c, 4, "the version", &version));
    WN_TRY(check_version(&c, version));
    WN_TRY(take_number(&c, 8, "the count of tensors", &tensors));
    WN_TRY(take_number(&c, 8, "the count of keys", &keys));
    WN_TRY(check_count(&c, "tensors", tensors));
    WN_TRY(check_count(&c, "keys", keys));
    WN_TRY(take_metadata(&c, keys, h));
    WN_TRY(take_entries(&c, tensors, h));
    h->bytes = c.at;
    return WN_OK;
}

void gguf_header_free(struct gguf_header *h)
{
    for (uint64_t i = 0; h->entries && i < h->count; i++)
        free((char *)h->entries[i].tensor.name);
    for (uint64_t i = 0; h->metadata && i < h->metadata_count; i++) {
        free((char *)h->metadata[i].key);
        free((char *)h->metadata[i].value);
    }
    free(h->entries);
    free(h->metadata);
}
