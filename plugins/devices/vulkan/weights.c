/* weights.c - one copy of every weight in device memory, shared by all programs of the device.
 *
 * Kernels read a weight row by row: [rows, stride] in (tap, channel) order, the row padded with zeros to 32 elements,
 * so that every load of 16 bytes is aligned and no kernel looks for the end of K. Rows are converted in slabs on all
 * threads and go up slab by slab, so a 24 GB file never lies in host memory twice.
 */
#include "vulkan.h"

#include "nn/weights/weights.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define SLAB_BYTES (UINT64_C(8) << 20)

uint64_t element_bytes(enum element type)
{
    return type == ELEMENT_F32 ? 4 : 2;
}

/* ---- conversion --------------------------------------------------------------------------------------------- */

static uint16_t bf16_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return 0x7fc0;
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

/* To nearest, ties to even; beyond 65504 infinity, as IEEE 754 has it. */
static uint16_t f16_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    const uint32_t sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00u);
    if (magnitude >= 0x47800000u)
        return (uint16_t)(sign | 0x7c00u);
    if (magnitude < 0x38800000u) { /* below 2^-14: steps of 2^-24 */
        float small;
        memcpy(&small, &magnitude, sizeof small);
        const float steps = small * 16777216.0f + 8388608.0f; /* adding 2^23 rounds to a whole number */
        memcpy(&bits, &steps, sizeof bits);
        return (uint16_t)(sign | (bits & 0x7fffu));
    }
    const uint32_t rounded = magnitude + 0xfffu + (magnitude >> 13 & 1);
    return (uint16_t)(sign | (rounded - 0x38000000u) >> 13);
}

/* Row `row` of a weight as float32, scaled. */
static void read_row(const wn_weight *w, uint64_t row, float *dst)
{
    const wn_weight_part *part = w->part;
    while (row >= part->rows)
        row -= part++->rows;
    const nn_tensor t = { .dtype = part->dtype,
                          .bytes = part->rows * w->cols * dtype_bytes(part->dtype),
                          .data = part->data };
    nn_tensor_to_f32(&t, row * w->cols, dst, w->cols);
    for (uint64_t i = 0; part->scale != 1.0f && i < w->cols; i++)
        dst[i] *= part->scale;
}

struct packer {
    const struct packed *to;
    uint64_t row0;
    char *slab;
    atomic_int is_out_of_memory;
};

static void put(const struct packed *to, char *row, uint64_t k, float x)
{
    if (to->type == ELEMENT_F32)
        memcpy(row + 4 * k, &x, 4);
    else
        memcpy(row + 2 * k, &(uint16_t){ to->type == ELEMENT_F16 ? f16_of(x) : bf16_of(x) }, 2);
}

/* Source order (channel, tap) to (tap, channel). */
static void pack_row(void *arg, uint64_t i)
{
    struct packer *p = arg;
    const struct packed *to = p->to;
    const uint64_t cols = to->source.cols, channels = cols / to->taps;
    float *values = malloc(cols * sizeof *values);
    char *row = p->slab + i * to->stride * element_bytes(to->type);
    if (!values) {
        atomic_store(&p->is_out_of_memory, 1);
        return;
    }
    read_row(&to->source, p->row0 + i, values);
    memset(row, 0, to->stride * element_bytes(to->type));
    for (uint64_t tap = 0; tap < to->taps; tap++) {
        for (uint64_t c = 0; c < channels; c++)
            put(to, row, tap * channels + c, values[c * to->taps + tap]);
    }
    free(values);
}

static wn_status upload_rows(wn_device *device, const struct packed *to, wn_error *err)
{
    const uint64_t row_bytes = to->stride * element_bytes(to->type);
    const uint64_t slab_rows = smaller(to->source.rows, SLAB_BYTES / row_bytes + 1);
    struct packer p = { .to = to, .slab = malloc(slab_rows * row_bytes) };
    wn_status status = p.slab ? WN_OK : wn_fail(err, WN_E_MEMORY, "out of memory");
    for (; status == WN_OK && p.row0 < to->source.rows; p.row0 += slab_rows) {
        const uint64_t n = smaller(slab_rows, to->source.rows - p.row0);
        device->host->parallel_for(device->host->ctx, n, pack_row, &p);
        if (atomic_load(&p.is_out_of_memory))
            status = wn_fail(err, WN_E_MEMORY, "out of memory");
        else
            status = memory_upload(device, &to->slice, p.row0 * row_bytes, p.slab, n * row_bytes, err);
    }
    free(p.slab);
    return status;
}

static wn_status upload_vector(wn_device *device, const struct packed *to, wn_error *err)
{
    const wn_weight *w = &to->source;
    float *values = malloc(w->rows * w->cols * sizeof *values);
    if (!values)
        return wn_fail(err, WN_E_MEMORY, "out of memory");
    for (uint64_t row = 0; row < w->rows; row++)
        read_row(w, row, values + row * w->cols);
    const wn_status status = memory_upload(device, &to->slice, 0, values, w->rows * w->cols * sizeof *values, err);
    free(values);
    return status;
}

static wn_status upload(wn_device *device, struct packed *to, wn_error *err)
{
    const uint64_t bytes = to->packing == PACK_VECTOR ? to->source.rows * to->source.cols * 4
                                                      : to->source.rows * to->stride * element_bytes(to->type);
    WN_TRY(memory_get(device, MEMORY_DEVICE, bytes, "a weight", &to->slice, err));
    return to->packing == PACK_VECTOR ? upload_vector(device, to, err) : upload_rows(device, to, err);
}

/* ---- sharing ------------------------------------------------------------------------------------------------ */

static int is_same(const struct packed *p, const struct packed *wanted)
{
    const wn_weight *a = &p->source, *b = &wanted->source;
    if (p->packing != wanted->packing || p->type != wanted->type || p->taps != wanted->taps || a->rows != b->rows ||
        a->cols != b->cols || a->part_count != b->part_count)
        return 0;
    for (uint64_t k = 0; k < a->part_count; k++) {
        const wn_weight_part *x = &a->part[k], *y = &b->part[k];
        if (x->data != y->data || x->dtype != y->dtype || x->rows != y->rows ||
            memcmp(&x->scale, &y->scale, sizeof x->scale) != 0)
            return 0;
    }
    return 1;
}

static wn_status add(wn_device *device, const struct packed *wanted, const char *name, struct packed **out,
                     wn_error *err)
{
    struct packed *p = malloc(sizeof *p);
    if (!p)
        return wn_fail(err, WN_E_MEMORY, "out of memory");
    *p = *wanted;
    wn_error why = { 0 };
    const wn_status status = upload(device, p, &why);
    if (status != WN_OK) {
        memory_put(device, &p->slice);
        free(p);
        return wn_fail(err, status, "weight \"%s\" [%llu, %llu]: %.800s", name ? name : "",
                       (unsigned long long)wanted->source.rows, (unsigned long long)wanted->source.cols, why.message);
    }
    p->next = device->packed;
    device->packed = p;
    *out = p;
    return WN_OK;
}

wn_status weights_get(wn_device *device, const wn_weight *weight, enum packing packing, enum element type,
                      uint64_t taps, const struct packed **packed, wn_error *err)
{
    struct packed wanted = { .source = *weight,
                             .packing = packing,
                             .type = packing == PACK_VECTOR ? ELEMENT_F32 : type,
                             .taps = taps,
                             .stride = round_up(weight->cols, ROW_ALIGNMENT) };
    wn_status status = WN_OK;
    wanted.source.name = NULL;
    pthread_mutex_lock(&device->weights_mutex);
    struct packed *p = device->packed;
    while (p && !is_same(p, &wanted))
        p = p->next;
    if (!p)
        status = add(device, &wanted, weight->name, &p, err);
    if (p)
        p->refs++;
    pthread_mutex_unlock(&device->weights_mutex);
    *packed = p;
    return status;
}

void weights_release(wn_device *device, const struct packed *packed)
{
    if (!packed)
        return;
    pthread_mutex_lock(&device->weights_mutex);
    struct packed **link = &device->packed;
    while (*link != packed)
        link = &(*link)->next;
    struct packed *p = *link;
    if (--p->refs == 0) {
        *link = p->next;
        memory_put(device, &p->slice);
        free(p);
    }
    pthread_mutex_unlock(&device->weights_mutex);
}
