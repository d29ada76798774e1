/* weights.c - one copy of every weight in device memory, shared by all programs of the device.
 *
 * Kernels read a weight row by row: [rows, stride] in (tap, channel) order, the row padded with zeros to 32 elements,
 * so that every load of 16 bytes is aligned and no kernel looks for the end of K. Rows are converted in slabs on all
 * threads and go up slab by slab, so a 24 GB file never lies in host memory twice.
 */
#include "vulkan.h"

#include <device/blocks.h>
#include <device/half.h>

#include <weights/weights.h>

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define SLAB_BYTES   (UINT64_C(8) << 20)
#define STREAM_BYTES (UINT64_C(64) << 10) /* smaller ones are not worth a copy */

uint64_t element_bytes(enum element type)
{
    return type == ELEMENT_F32 ? 4 : 2;
}

/* ---- conversion --------------------------------------------------------------------------------------------- */

/* Row `row` of a weight as float32, scaled. */
static void read_row(const wn_weight *w, uint64_t row, float *dst)
{
    const wn_weight_part *part = w->part;
    while (row >= part->rows)
        row -= part++->rows;
    const nn_tensor t = { .dtype = part->dtype,
                          .bytes = part->rows * weight_row_bytes(part->dtype, w->cols),
                          .data = part->data };
    nn_tensor_to_f32(&t, row * w->cols, dst, w->cols);
    for (uint64_t i = 0; part->scale != 1.0f && i < w->cols; i++)
        dst[i] *= part->scale;
}

static const void *row_in_place(const wn_weight *w, uint64_t row)
{
    const wn_weight_part *part = w->part;
    while (row >= part->rows)
        row -= part++->rows;
    return (const char *)part->data + row * weight_row_bytes(part->dtype, w->cols);
}

static uint64_t row_bytes_of(const struct packed *p)
{
    return p->stride * (p->packing == PACK_BLOCKS ? 4 : element_bytes(p->type));
}

struct packer {
    const struct packed *to;
    uint64_t row0;
    char *slab;
    atomic_int is_out_of_memory;
};

/* Where element k of row `row` of a slab lies. */
static uint64_t place_of(const struct packed *to, uint64_t row, uint64_t k)
{
    const uint64_t first = row / to->lanes * to->lanes * to->stride;
    return to->packing == PACK_PANELS ? first + (k / 4 * to->lanes + row % to->lanes) * 4 + k % 4 : first + k;
}

static void put(const struct packed *to, char *slab, uint64_t row, uint64_t k, float x)
{
    const uint64_t at = place_of(to, row, k);
    if (to->type == ELEMENT_F32)
        memcpy(slab + 4 * at, &x, 4);
    else
        memcpy(slab + 2 * at, &(uint16_t){ to->type == ELEMENT_F16 ? f16_from_float(x) : bf16_from_float(x) }, 2);
}

/* Source order (channel, tap) to (tap, channel). */
static void pack_row(void *arg, uint64_t i)
{
    struct packer *p = arg;
    const struct packed *to = p->to;
    const uint64_t cols = to->source.cols, channels = cols / to->taps;
    if (to->packing == PACK_BLOCKS) {
        blocks_pack_row(to->type, row_in_place(&to->source, p->row0 + i), cols, p->slab + i * row_bytes_of(to));
        return;
    }
    float *values = malloc(cols * sizeof *values);
    if (!values) {
        atomic_store(&p->is_out_of_memory, 1);
        return;
    }
    read_row(&to->source, p->row0 + i, values);
    for (uint64_t tap = 0; tap < to->taps; tap++) {
        for (uint64_t c = 0; c < channels; c++)
            put(to, p->slab, i, tap * channels + c, values[c * to->taps + tap]);
    }
    free(values);
}

static wn_status upload_rows(wn_device *device, const struct packed *to, wn_error *err)
{
    const uint64_t row_bytes = row_bytes_of(to);
    const uint64_t slab_rows = round_up(smaller(to->source.rows, SLAB_BYTES / row_bytes + 1), to->lanes);
    struct packer p = { .to = to, .slab = malloc(slab_rows * row_bytes) };
    wn_status status = p.slab ? WN_OK : wn_fail(err, WN_E_MEMORY, "out of memory");
    for (; status == WN_OK && p.row0 < to->source.rows; p.row0 += slab_rows) {
        const uint64_t n = smaller(slab_rows, to->source.rows - p.row0);
        memset(p.slab, 0, slab_rows * row_bytes);
        device->host->parallel_for(device->host->ctx, n, pack_row, &p);
        if (atomic_load(&p.is_out_of_memory))
            status = wn_fail(err, WN_E_MEMORY, "out of memory");
        else
            status =
                memory_upload(device, &to->slice, p.row0 * row_bytes, p.slab, round_up(n, to->lanes) * row_bytes, err);
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

/* On the device while it has room. Then large ones stay with the host and are copied up when they are needed, which
 * costs time but no more than the bus: better than no picture. */
static wn_status place(wn_device *device, struct packed *to, uint64_t bytes, wn_error *err)
{
    const int can_stream = to->packing != PACK_VECTOR && bytes >= STREAM_BYTES && !device->caps->is_unified;
    to->is_streamed = can_stream && !memory_has_room(device, bytes);
    if (!to->is_streamed && memory_get(device, MEMORY_DEVICE, bytes, "a weight", &to->slice, err) == WN_OK)
        return WN_OK;
    if (!to->is_streamed && (!can_stream || err->code != WN_E_MEMORY))
        return err->code;
    WN_TRY(memory_get(device, MEMORY_UPLOAD, bytes, "a weight that is streamed", &to->slice, err));
    to->is_streamed = 1;
    return WN_OK;
}

static wn_status upload(wn_device *device, struct packed *to, wn_error *err)
{
    const uint64_t bytes = to->packing == PACK_VECTOR ? to->source.rows * to->source.cols * 4
                                                      : round_up(to->source.rows, to->lanes) * row_bytes_of(to);
    WN_TRY(place(device, to, bytes, err));
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

static uint64_t stride_of(enum packing packing, enum element type, uint64_t cols)
{
    if (packing == PACK_BLOCKS)
        return blocks_row_bytes(type, cols) / 4;
    return round_up(cols, packing == PACK_PANELS ? PANEL_ALIGNMENT : ROW_ALIGNMENT);
}

wn_status weights_get(wn_device *device, const wn_weight *weight, enum packing packing, enum element type,
                      uint64_t taps, const struct packed **packed, wn_error *err)
{
    struct packed wanted = { .source = *weight,
                             .packing = packing,
                             .type = packing == PACK_VECTOR ? ELEMENT_F32 : type,
                             .taps = taps,
                             .lanes = packing == PACK_PANELS ? device->caps->subgroup : 1,
                             .stride = stride_of(packing, type, weight->cols) };
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

void weights_tell_streamed(wn_device *device)
{
    char line[256];
    uint64_t bytes = 0;
    pthread_mutex_lock(&device->weights_mutex);
    for (const struct packed *p = device->packed; p; p = p->next)
        bytes += p->is_streamed ? p->slice.bytes : 0;
    const int is_more = bytes > device->streamed_told;
    device->streamed_told = is_more ? bytes : device->streamed_told;
    pthread_mutex_unlock(&device->weights_mutex);
    snprintf(line, sizeof line,
             "vulkan: %.1f MiB of weights do not fit the device: they stay in host memory and are copied for every "
             "step. A quantised model, or more candidates at once (engine.batch), makes that cheaper",
             (double)bytes / (1 << 20));
    if (is_more)
        device->host->log(device->host->ctx, WN_LOG_WARN, line);
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
