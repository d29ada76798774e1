/* gguf.c - opens a GGUF file: maps it, reads its header, proves that the tensors cover the data.
 *
 * gguf_header.c reads the parts. What is left to prove here concerns the whole: no key and no name twice, and the
 * tensors, put in the order of their offsets, follow one another from byte 0, each padded to the alignment, to the end
 * of the file without hole or overlap, which also rules out files that are two formats at once.
 */
#include "gguf_header.h"
#include "mapping.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct nn_gguf {
    struct mapping file;
    struct gguf_header header;
};

int nn_gguf_is(const unsigned char first[8])
{
    return memcmp(first, "GGUF", 4) == 0;
}

/* ---- the whole ---------------------------------------------------------------------------------------------- */

static int by_offset(const void *a, const void *b)
{
    const struct gguf_entry *x = a, *y = b;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return (x->tensor.bytes > y->tensor.bytes) - (x->tensor.bytes < y->tensor.bytes);
}

static int by_name(const void *a, const void *b)
{
    const struct gguf_entry *x = a, *y = b;
    return strcmp(x->tensor.name, y->tensor.name);
}

static int by_key(const void *a, const void *b)
{
    const nn_metadata *x = a, *y = b;
    return strcmp(x->key, y->key);
}

static uint64_t padded(uint64_t n, uint64_t alignment)
{
    return (n + alignment - 1) & ~(alignment - 1);
}

/* Entries are sorted by offset; their data lie in `size` bytes. */
static wn_status check_cover(const nn_gguf *f, uint64_t size, wn_error *err)
{
    uint64_t at = 0;
    for (uint64_t i = 0; i < f->header.count; i++) {
        const struct gguf_entry *e = &f->header.entries[i];
        if (e->offset != at)
            return wn_fail(err, WN_E_FORMAT,
                           "%s: tensor '%.200s': its data begin at %" PRIu64 ", expected %" PRIu64
                           ", behind the previous tensor",
                           f->file.path, e->tensor.name, e->offset, at);
        if (e->offset > size || e->tensor.bytes > size - e->offset)
            return wn_fail(err, WN_E_FORMAT,
                           "%s: tensor '%.200s': %" PRIu64 " bytes at %" PRIu64 ", the file's data have %" PRIu64
                           ": the file is cut short; fetch it again",
                           f->file.path, e->tensor.name, e->tensor.bytes, e->offset, size);
        at = padded(e->offset + e->tensor.bytes, f->header.alignment);
    }
    if (size > at)
        return wn_fail(err, WN_E_FORMAT, "%s: its tensors end at byte %" PRIu64 " of the data, the file at %" PRIu64,
                       f->file.path, at, size);
    return WN_OK;
}

/* Leaves entries and metadata sorted by name. */
static wn_status check_whole(nn_gguf *f, wn_error *err)
{
    struct gguf_header *h = &f->header;
    const uint64_t data = padded(h->bytes, h->alignment);
    qsort(h->entries, h->count, sizeof *h->entries, by_offset);
    WN_TRY(check_cover(f, f->file.bytes > data ? f->file.bytes - data : 0, err));
    qsort(h->entries, h->count, sizeof *h->entries, by_name);
    for (uint64_t i = 1; i < h->count; i++)
        if (by_name(&h->entries[i - 1], &h->entries[i]) == 0)
            return wn_fail(err, WN_E_FORMAT, "%s: tensor '%.200s' stands there twice", f->file.path,
                           h->entries[i].tensor.name);
    qsort(h->metadata, h->metadata_count, sizeof *h->metadata, by_key);
    for (uint64_t i = 1; i < h->metadata_count; i++)
        if (by_key(&h->metadata[i - 1], &h->metadata[i]) == 0)
            return wn_fail(err, WN_E_FORMAT, "%s: key '%.200s' stands there twice", f->file.path, h->metadata[i].key);
    for (uint64_t i = 0; i < h->count; i++) {
        h->entries[i].tensor.file = f->file.path;
        h->entries[i].tensor.data = f->file.data + (h->entries[i].tensor.bytes ? data + h->entries[i].offset : 0);
    }
    return WN_OK;
}

static wn_status load(nn_gguf *f, const char *path, wn_error *err)
{
    WN_TRY(mapping_open(path, 1, "a GGUF file", &f->file, err));
    WN_TRY(gguf_header_parse(f->file.path, f->file.data, f->file.bytes, &f->header, err));
    return check_whole(f, err);
}

wn_status nn_gguf_open(const char *path, nn_gguf **out, wn_error *err)
{
    *out = NULL;
    nn_gguf *f = calloc(1, sizeof *f);
    if (!f)
        return wn_fail(err, WN_E_MEMORY, "%s: no memory", path);
    const wn_status status = load(f, path, err);
    if (status == WN_OK)
        *out = f;
    else
        nn_gguf_close(f);
    return status;
}

void nn_gguf_close(nn_gguf *f)
{
    if (!f)
        return;
    gguf_header_free(&f->header);
    mapping_close(&f->file);
    free(f);
}

/* ---- looking ------------------------------------------------------------------------------------------------ */

const char *nn_gguf_path(const nn_gguf *f)
{
    return f->file.path;
}

uint64_t nn_gguf_count(const nn_gguf *f)
{
    return f->header.count;
}

const nn_tensor *nn_gguf_at(const nn_gguf *f, uint64_t i)
{
    return &f->header.entries[i].tensor;
}

const nn_tensor *nn_gguf_find(const nn_gguf *f, const char *name)
{
    const struct gguf_entry key = { .tensor.name = name };
    const struct gguf_entry *e = bsearch(&key, f->header.entries, f->header.count, sizeof key, by_name);
    return e ? &e->tensor : NULL;
}

uint64_t nn_gguf_metadata_count(const nn_gguf *f)
{
    return f->header.metadata_count;
}

const nn_metadata *nn_gguf_metadata_at(const nn_gguf *f, uint64_t i)
{
    return &f->header.metadata[i];
}
