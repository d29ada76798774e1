/* synthetic.c - see synthetic.h. */
#include "synthetic.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Two blocks of one file in memory: random values, and values near one. */
static const uint64_t block_bytes = UINT64_C(16) << 20;
static const uint64_t page = 65536; /* a multiple of every page size there is */

struct made {
    nn_tensor tensor; /* with a name of its own */
    void *address;
    uint64_t mapped;
};

struct nn_synthetic {
    char *name;
    int32_t dtype;
    int fd;
    struct made **all;
    uint64_t count, capacity;
};

/* ---- values ---- */

static uint16_t bf16_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (uint16_t)(bits >> 16);
}

static void put(const struct nn_synthetic *s, void *block, uint64_t i, float value)
{
    if (s->dtype == WN_F32)
        ((float *)block)[i] = value;
    else
        ((uint16_t *)block)[i] = bf16_of(value);
}

static uint64_t element_bytes(const struct nn_synthetic *s)
{
    return s->dtype == WN_F32 ? 4 : 2;
}

static void fill(const struct nn_synthetic *s, char *block)
{
    uint32_t state = 1;
    for (uint64_t i = 0; i < block_bytes / element_bytes(s); i++) {
        state = state * 1664525u + 1013904223u;
        const float unit = (float)(state >> 8) / (float)(1 << 23) - 1.0f;
        put(s, block, i, 0.04f * unit);
        put(s, block + block_bytes, i, 1.0f + 0.1f * unit);
    }
}

static wn_status make_block(struct nn_synthetic *s, wn_error *err)
{
    s->fd = memfd_create("winnow-weights", MFD_CLOEXEC);
    if (s->fd < 0 || ftruncate(s->fd, (off_t)(2 * block_bytes)) != 0)
        return wn_fail(err, WN_E_MEMORY, "%s: no memory for random weights: %s", s->name, strerror(errno));
    char *block = mmap(NULL, 2 * block_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
    if (block == MAP_FAILED)
        return wn_fail(err, WN_E_MEMORY, "%s: no memory for random weights: %s", s->name, strerror(errno));
    fill(s, block);
    munmap(block, 2 * block_bytes);
    return WN_OK;
}

wn_status synthetic_new(const char *name, int32_t dtype, struct nn_synthetic **out, wn_error *err)
{
    *out = NULL;
    if (dtype != WN_F32 && dtype != WN_BF16)
        return wn_fail(err, WN_E_UNSUPPORTED, "%s: random weights are F32 or BF16, not dtype %d", name, dtype);
    struct nn_synthetic *s = calloc(1, sizeof *s);
    if (!s || !(s->name = strdup(name))) {
        free(s);
        return wn_fail(err, WN_E_MEMORY, "%s: no memory", name);
    }
    s->dtype = dtype;
    const wn_status status = make_block(s, err);
    if (status == WN_OK)
        *out = s;
    else
        synthetic_free(s);
    return status;
}

void synthetic_free(struct nn_synthetic *s)
{
    if (!s)
        return;
    for (uint64_t i = 0; i < s->count; i++) {
        munmap(s->all[i]->address, s->all[i]->mapped);
        free((char *)s->all[i]->tensor.name);
        free(s->all[i]);
    }
    if (s->fd >= 0)
        close(s->fd);
    free(s->all);
    free(s->name);
    free(s);
}

/* ---- tensors ---- */

const nn_tensor *synthetic_find(const struct nn_synthetic *s, const char *name)
{
    for (uint64_t i = 0; i < s->count; i++)
        if (strcmp(s->all[i]->tensor.name, name) == 0)
            return &s->all[i]->tensor;
    return NULL;
}

static int is_norm(const char *name, uint64_t rows)
{
    const size_t length = strlen(name);
    return rows == 1 && !(length >= 4 && strcmp(name + length - 4, "bias") == 0);
}

/* The block, as often as it takes, at addresses of their own: devices know weights by where they lie. */
static void *map(const struct nn_synthetic *s, uint64_t bytes, uint64_t offset)
{
    char *address = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (address == MAP_FAILED)
        return NULL;
    for (uint64_t at = 0; at < bytes; at += block_bytes) {
        const uint64_t size = bytes - at < block_bytes ? bytes - at : block_bytes;
        if (mmap(address + at, size, PROT_READ, MAP_SHARED | MAP_FIXED, s->fd, (off_t)offset) == MAP_FAILED) {
            munmap(address, bytes);
            return NULL;
        }
    }
    return address;
}

static int make_room(struct nn_synthetic *s)
{
    if (s->count < s->capacity)
        return 1;
    const uint64_t capacity = s->capacity ? 2 * s->capacity : 256;
    struct made **larger = realloc(s->all, capacity * sizeof(*larger));
    if (!larger)
        return 0;
    s->all = larger;
    s->capacity = capacity;
    return 1;
}

const nn_tensor *synthetic_make(struct nn_synthetic *s, const char *name, uint64_t rows, uint64_t cols)
{
    const nn_tensor *known = synthetic_find(s, name);
    uint64_t values, bytes;
    if (known)
        return known;
    if (__builtin_mul_overflow(rows, cols, &values) || __builtin_mul_overflow(values, element_bytes(s), &bytes) ||
        bytes == 0 || bytes > UINT64_C(1) << 40 || !make_room(s))
        return NULL;
    struct made *m = calloc(1, sizeof *m);
    char *copy = strdup(name);
    const uint64_t mapped = (bytes + page - 1) / page * page;
    void *address = m && copy ? map(s, mapped, is_norm(name, rows) ? block_bytes : 0) : NULL;
    if (!address) {
        free(copy);
        free(m);
        return NULL;
    }
    *m = (struct made){ { .name = copy,
                          .file = s->name,
                          .dtype = s->dtype,
                          .rank = 2,
                          .shape = { rows, cols },
                          .bytes = bytes,
                          .data = address },
                        address,
                        mapped };
    s->all[s->count++] = m;
    return &m->tensor;
}
