/* safetensors.c - opens a safetensors file: reads its header, proves that it covers the data, maps it.
 *
 * The header is read with pread into memory of its own (so that nobody can change it between the check and the use) and
 * parsed by safetensors_header.c. What is left to prove here concerns the whole: no name twice, and the tensors, put in
 * the order of their offsets, follow one another from byte 0 to the end of the file without hole or overlap. That
 * also rules out files that are two formats at once.
 */
#include "safetensors_header.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER_MAX_BYTES 100000000u /* the reference reader's limit */

struct nn_safetensors {
    char *path;
    char *text; /* the header; names and metadata point into it */
    struct st_header header;
    unsigned char *map; /* the file; NULL only before it is mapped */
    uint64_t bytes;     /* of the file */
    uint64_t data;      /* where the data begin in the file */
};

/* ---- reading ---- */

static wn_status read_at(int fd, const char *path, void *to, uint64_t bytes, uint64_t at, wn_error *err)
{
    for (uint64_t done = 0; done < bytes;) {
        ssize_t n = pread(fd, (char *)to + done, bytes - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return wn_fail(err, WN_E_IO, "%s: cannot read: %s", path, strerror(errno));
        if (n == 0)
            return wn_fail(err, WN_E_IO, "%s: became shorter while it was read", path);
        done += (uint64_t)n;
    }
    return WN_OK;
}

/* What a file that is no safetensors file is instead: the usual mix-ups deserve their remedy. */
static const char *guess(const unsigned char first[8])
{
    if (memcmp(first, "PK\3\4", 4) == 0 || (first[0] == 0x80 && first[1] >= 2 && first[1] <= 5))
        return "this is a file of torch (.pt, .bin), not of safetensors";
    if (memcmp(first, "GGUF", 4) == 0)
        return "this is a GGUF file; give the safetensors file";
    if (memcmp(first, "version ", 8) == 0)
        return "this is a Git LFS pointer, not the file; run `git lfs pull`";
    if (first[0] == '<')
        return "this is a web page; fetch the file again";
    return "this is no safetensors file, or a damaged one";
}

static wn_status read_header(nn_safetensors *f, int fd, wn_error *err)
{
    unsigned char first[8];
    uint64_t size = 0;
    if (f->bytes < sizeof first)
        return wn_fail(err, WN_E_FORMAT, "%s: has %" PRIu64 " bytes, a safetensors file at least 8; fetch it again",
                       f->path, f->bytes);
    WN_TRY(read_at(fd, f->path, first, sizeof first, 0, err));
    for (int i = 7; i >= 0; i--)
        size = size << 8 | first[i];
    if (size > HEADER_MAX_BYTES)
        return wn_fail(err, WN_E_FORMAT, "%s: header of %" PRIu64 " bytes, at most %u are allowed: %s", f->path, size,
                       HEADER_MAX_BYTES, guess(first));
    if (size > f->bytes - sizeof first)
        return wn_fail(err, WN_E_FORMAT, "%s: header of %" PRIu64 " bytes in a file of %" PRIu64 ": %s", f->path, size,
                       f->bytes, "the file is cut short; fetch it again");
    f->data = sizeof first + size;
    f->text = malloc(size + 1);
    if (!f->text)
        return wn_fail(err, WN_E_MEMORY, "%s: no memory for the header's %" PRIu64 " bytes", f->path, size);
    f->text[size] = '\0';
    WN_TRY(read_at(fd, f->path, f->text, size, sizeof first, err));
    return st_header_parse(f->path, f->text, size, &f->header, err);
}

/* ---- the whole ---- */

static int by_offset(const void *a, const void *b)
{
    const struct st_entry *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

static int by_name(const void *a, const void *b)
{
    const struct st_entry *x = a, *y = b;
    return strcmp(x->tensor.name, y->tensor.name);
}

static int by_key(const void *a, const void *b)
{
    const nn_metadata *x = a, *y = b;
    return strcmp(x->key, y->key);
}

static wn_status check_cover(const nn_safetensors *f, wn_error *err)
{
    uint64_t at = 0, size = f->bytes - f->data;
    for (uint64_t i = 0; i < f->header.count; i++) {
        const struct st_entry *e = &f->header.entries[i];
        if (e->begin != at)
            return wn_fail(err, WN_E_FORMAT,
                           "%s: tensor '%.200s': its data begin at %" PRIu64
                           " where the previous tensor ended at %" PRIu64,
                           f->path, e->tensor.name, e->begin, at);
        if (e->end > size)
            return wn_fail(err, WN_E_FORMAT,
                           "%s: tensor '%.200s': its data end at %" PRIu64 ", the file's at %" PRIu64
                           ": the file is cut short; fetch it again",
                           f->path, e->tensor.name, e->end, size);
        at = e->end;
    }
    if (at != size)
        return wn_fail(err, WN_E_FORMAT, "%s: its tensors end at byte %" PRIu64 ", its data at %" PRIu64, f->path, at,
                       size);
    return WN_OK;
}

/* Leaves entries and metadata sorted by name. */
static wn_status check_whole(nn_safetensors *f, wn_error *err)
{
    struct st_header *h = &f->header;
    if (h->count) {
        qsort(h->entries, h->count, sizeof *h->entries, by_offset);
        WN_TRY(check_cover(f, err));
        qsort(h->entries, h->count, sizeof *h->entries, by_name);
    } else
        WN_TRY(check_cover(f, err));
    for (uint64_t i = 1; i < h->count; i++)
        if (by_name(&h->entries[i - 1], &h->entries[i]) == 0)
            return wn_fail(err, WN_E_FORMAT, "%s: tensor '%.200s' stands there twice", f->path,
                           h->entries[i].tensor.name);
    if (h->metadata_count)
        qsort(h->metadata, h->metadata_count, sizeof *h->metadata, by_key);
    for (uint64_t i = 1; i < h->metadata_count; i++)
        if (by_key(&h->metadata[i - 1], &h->metadata[i]) == 0)
            return wn_fail(err, WN_E_FORMAT, "%s: __metadata__: key '%.200s' stands there twice", f->path,
                           h->metadata[i].key);
    return WN_OK;
}

static wn_status map_file(nn_safetensors *f, int fd, wn_error *err)
{
    void *map = mmap(NULL, f->bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED)
        return wn_fail(err, WN_E_IO, "%s: cannot map %" PRIu64 " bytes: %s", f->path, f->bytes, strerror(errno));
    f->map = map;
    for (uint64_t i = 0; i < f->header.count; i++) {
        f->header.entries[i].tensor.file = f->path;
        f->header.entries[i].tensor.data = f->map + f->data + f->header.entries[i].begin;
    }
    return WN_OK;
}

static wn_status load(nn_safetensors *f, int fd, wn_error *err)
{
    struct stat s;
    if (fstat(fd, &s) != 0)
        return wn_fail(err, WN_E_IO, "%s: cannot stat: %s", f->path, strerror(errno));
    if (!S_ISREG(s.st_mode))
        return wn_fail(err, WN_E_IO, "%s: is not a regular file", f->path);
    f->bytes = (uint64_t)s.st_size;
    WN_TRY(read_header(f, fd, err));
    WN_TRY(check_whole(f, err));
    return map_file(f, fd, err);
}

wn_status nn_safetensors_open(const char *path, nn_safetensors **out, wn_error *err)
{
    *out = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not block */
    if (fd < 0)
        return wn_fail(err, errno == ENOENT ? WN_E_MISSING : WN_E_IO, "%s: cannot open: %s", path, strerror(errno));
    nn_safetensors *f = calloc(1, sizeof *f);
    wn_status status = WN_OK;
    if (!f || !(f->path = strdup(path)))
        status = wn_fail(err, WN_E_MEMORY, "%s: no memory", path);
    else
        status = load(f, fd, err);
    close(fd);
    if (status != WN_OK) {
        nn_safetensors_close(f);
        return status;
    }
    *out = f;
    return WN_OK;
}

void nn_safetensors_close(nn_safetensors *f)
{
    if (!f)
        return;
    if (f->map)
        munmap(f->map, f->bytes);
    st_header_free(&f->header);
    free(f->text);
    free(f->path);
    free(f);
}

/* ---- looking ---- */

const char *nn_safetensors_path(const nn_safetensors *f)
{
    return f->path;
}

uint64_t nn_safetensors_count(const nn_safetensors *f)
{
    return f->header.count;
}

const nn_tensor *nn_safetensors_at(const nn_safetensors *f, uint64_t i)
{
    return &f->header.entries[i].tensor;
}

const nn_tensor *nn_safetensors_find(const nn_safetensors *f, const char *name)
{
    const struct st_entry key = { .tensor.name = name };
    if (f->header.count == 0)
        return NULL;
    const struct st_entry *e = bsearch(&key, f->header.entries, f->header.count, sizeof key, by_name);
    return e ? &e->tensor : NULL;
}

uint64_t nn_safetensors_metadata_count(const nn_safetensors *f)
{
    return f->header.metadata_count;
}

const nn_metadata *nn_safetensors_metadata_at(const nn_safetensors *f, uint64_t i)
{
    return &f->header.metadata[i];
}
