/* safetensors_write.c - writes a safetensors file so that a reader never sees half of one.
 *
 * The file grows beside its final name, is synced, renamed into place, and the folder is synced: after a crash there is
 * the old file or the new one. Tensors are laid out as the reference writer does it, largest type first and then by
 * name, so that with a header padded to 8 bytes every tensor is aligned to its type.
 */
#include "safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int by_layout(const void *a, const void *b)
{
    const nn_tensor *x = *(const nn_tensor *const *)a, *y = *(const nn_tensor *const *)b;
    uint32_t x_bits = nn_dtype_bits(x->dtype), y_bits = nn_dtype_bits(y->dtype);
    return x_bits != y_bits ? (x_bits > y_bits ? -1 : 1) : strcmp(x->name, y->name);
}

static wn_status tensor_bytes(const char *path, const nn_tensor *t, uint64_t *bytes, wn_error *err)
{
    uint64_t bits = nn_dtype_bits(t->dtype);
    if (bits == 0)
        return wn_fail(err, WN_E_ARG, "%s: tensor '%s': dtype %d is none of safetensors", path, t->name, t->dtype);
    if (t->rank > NN_MAX_RANK)
        return wn_fail(err, WN_E_ARG, "%s: tensor '%s': rank %u is above %d", path, t->name, t->rank, NN_MAX_RANK);
    for (uint32_t i = 0; i < t->rank; i++)
        if (__builtin_mul_overflow(bits, t->shape[i], &bits))
            return wn_fail(err, WN_E_ARG, "%s: tensor '%s': its shape passes 2^64 bits", path, t->name);
    if (bits % 8)
        return wn_fail(err, WN_E_ARG, "%s: tensor '%s': %" PRIu64 " bits are not whole bytes", path, t->name, bits);
    *bytes = bits / 8;
    return WN_OK;
}

static void put_string(FILE *to, const char *s)
{
    fputc('"', to);
    for (; *s; s++)
        if (*s == '"' || *s == '\\')
            fprintf(to, "\\%c", *s);
        else if ((unsigned char)*s < 0x20)
            fprintf(to, "\\u%04x", (unsigned)*s);
        else
            fputc(*s, to);
    fputc('"', to);
}

static void put_metadata(FILE *to, const nn_metadata *metadata, uint64_t count)
{
    fputs("\"__metadata__\":{", to);
    for (uint64_t i = 0; i < count; i++) {
        fputs(i ? "," : "", to);
        put_string(to, metadata[i].key);
        fputc(':', to);
        put_string(to, metadata[i].value);
    }
    fputc('}', to);
}

static wn_status put_tensor(FILE *to, const char *path, const nn_tensor *t, uint64_t *at, wn_error *err)
{
    uint64_t bytes, end;
    WN_TRY(tensor_bytes(path, t, &bytes, err));
    if (__builtin_add_overflow(*at, bytes, &end))
        return wn_fail(err, WN_E_ARG, "%s: tensor '%s': the file passes 2^64 bytes", path, t->name);
    put_string(to, t->name);
    fprintf(to, ":{\"dtype\":\"%s\",\"shape\":[", nn_dtype_name(t->dtype));
    for (uint32_t i = 0; i < t->rank; i++)
        fprintf(to, "%s%" PRIu64, i ? "," : "", t->shape[i]);
    fprintf(to, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", *at, end);
    *at = end;
    return WN_OK;
}

static wn_status put_header(FILE *to, const char *path, const nn_tensor *const *order, uint64_t count,
                            const nn_metadata *metadata, uint64_t metadata_count, wn_error *err)
{
    uint64_t at = 0;
    fputc('{', to);
    if (metadata_count)
        put_metadata(to, metadata, metadata_count);
    for (uint64_t i = 0; i < count; i++) {
        if (i && strcmp(order[i - 1]->name, order[i]->name) == 0 && order[i - 1]->dtype == order[i]->dtype)
            return wn_fail(err, WN_E_ARG, "%s: tensor '%s' is given twice", path, order[i]->name);
        fputs(i || metadata_count ? "," : "", to);
        WN_TRY(put_tensor(to, path, order[i], &at, err));
    }
    fputc('}', to);
    while (ftell(to) % 8)
        fputc(' ', to);
    return WN_OK;
}

static void put_length(FILE *to, uint64_t n)
{
    for (int i = 0; i < 8; i++)
        fputc((int)(n >> 8 * i & 0xff), to);
}

/* Writes everything to `to`, an open file. */
static wn_status put_file(FILE *to, const char *path, const nn_tensor *const *order, uint64_t count, const char *header,
                          size_t header_bytes, wn_error *err)
{
    put_length(to, header_bytes);
    fwrite(header, 1, header_bytes, to);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t bytes = 0;
        WN_TRY(tensor_bytes(path, order[i], &bytes, err));
        if (bytes && fwrite(order[i]->data, 1, bytes, to) != bytes)
            return wn_fail(err, WN_E_IO, "%s: cannot write tensor '%s': %s", path, order[i]->name, strerror(errno));
    }
    if (fflush(to) != 0 || ferror(to) || fsync(fileno(to)) != 0)
        return wn_fail(err, WN_E_IO, "%s: cannot write: %s", path, strerror(errno));
    return WN_OK;
}

/* Makes a rename in path's folder durable. */
static wn_status sync_folder(const char *path, wn_error *err)
{
    char *copy = strdup(path);
    int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    int failed = fd < 0 || fsync(fd) != 0;
    int reason = errno;
    free(copy);
    if (fd >= 0)
        close(fd);
    return failed ? wn_fail(err, WN_E_IO, "%s: cannot sync its folder: %s", path, strerror(reason)) : WN_OK;
}

static wn_status write_and_rename(const char *path, const char *beside, const nn_tensor *const *order, uint64_t count,
                                  const char *header, size_t header_bytes, wn_error *err)
{
    FILE *to = fopen(beside, "wbex");
    if (!to)
        return wn_fail(err, WN_E_IO, "%s: cannot create: %s", beside, strerror(errno));
    wn_status status = put_file(to, path, order, count, header, header_bytes, err);
    if (fclose(to) != 0 && status == WN_OK)
        status = wn_fail(err, WN_E_IO, "%s: cannot write: %s", path, strerror(errno));
    if (status == WN_OK && rename(beside, path) != 0)
        status = wn_fail(err, WN_E_IO, "%s: cannot rename to it: %s", path, strerror(errno));
    if (status != WN_OK) {
        unlink(beside);
        return status;
    }
    return sync_folder(path, err);
}

/* Builds the header's text; free() it. */
static wn_status build_header(const char *path, const nn_tensor *const *order, uint64_t count,
                              const nn_metadata *metadata, uint64_t metadata_count, char **text, size_t *bytes,
                              wn_error *err)
{
    *text = NULL;
    FILE *to = open_memstream(text, bytes);
    if (!to)
        return wn_fail(err, WN_E_MEMORY, "%s: no memory for the header", path);
    wn_status status = put_header(to, path, order, count, metadata, metadata_count, err);
    int failed = ferror(to);
    if ((fclose(to) != 0 || failed) && status == WN_OK)
        status = wn_fail(err, WN_E_MEMORY, "%s: no memory for the header", path);
    return status;
}

wn_status nn_safetensors_write(const char *path, const nn_tensor *tensors, uint64_t count, const nn_metadata *metadata,
                               uint64_t metadata_count, wn_error *err)
{
    char *header = NULL, *beside = NULL;
    size_t header_bytes = 0;
    wn_status status = WN_OK;
    const nn_tensor **order = malloc((count + 1) * sizeof(*order));
    if (!order || asprintf(&beside, "%s.tmp.%ld", path, (long)getpid()) < 0) {
        free(order);
        return wn_fail(err, WN_E_MEMORY, "%s: no memory for %" PRIu64 " tensors", path, count);
    }
    for (uint64_t i = 0; i < count; i++)
        order[i] = &tensors[i];
    qsort(order, count, sizeof(*order), by_layout);
    status = build_header(path, order, count, metadata, metadata_count, &header, &header_bytes, err);
    if (status == WN_OK)
        status = write_and_rename(path, beside, order, count, header, header_bytes, err);
    free(order);
    free(header);
    free(beside);
    return status;
}
