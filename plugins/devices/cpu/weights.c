/* weights.c - one packed copy of every weight, shared by all programs of the device.
 *
 * Matrix products read weights as panels of 64 outputs: for each k the 64 (pairs of) values lie side by side, so the
 * inner loop loads them in order and never converts. Packing costs one pass over the data and happens at compile; a
 * second program with the same data, shape and packing takes a reference. Sources larger than the page cache should
 * keep (24 GB of FLUX) are handed back to the system slab by slab, as they are packed.
 */
#include "cpu.h"

#include <device/half.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE    (UINT64_C(2) << 20)
#define FORGET_BYTES (UINT64_C(256) << 10) /* of less the system call costs more than the memory is worth */
#define SLAB_PANELS  32

struct packer {
    const struct isa *isa;
    struct packed *to;
    uint64_t first_panel;
    atomic_int is_out_of_memory;
};

/* ---- packing ------------------------------------------------------------------------------------------------ */

/* Spreads one output's weights, source order (channel, tap), over column `lane` of a panel in order (tap, channel). */
static void pack_lane(const struct packed *to, const float *row, char *panel, uint64_t lane)
{
    uint64_t channels = to->source.cols / to->taps;
    for (uint64_t tap = 0; tap < to->taps; tap++) {
        for (uint64_t c = 0; c < channels; c++) {
            uint64_t k = tap * to->channels + c;
            float x = row[c * to->taps + tap];
            if (to->packing == PACK_F32)
                ((float *)(void *)panel)[k * PANEL + lane] = x;
            else
                ((uint16_t *)(void *)panel)[k / 2 * 2 * PANEL + lane * 2 + k % 2] = bf16_from_float(x);
        }
    }
}

static void pack_panel(void *arg, uint64_t i)
{
    struct packer *p = arg;
    uint64_t panel = p->first_panel + i, first = panel * PANEL;
    const wn_weight *w = &p->to->source;
    float *buffer = malloc(w->cols * sizeof *buffer);
    if (!buffer) {
        atomic_store(&p->is_out_of_memory, 1);
        return;
    }
    for (uint64_t lane = 0; lane < PANEL && first + lane < w->rows; lane++) {
        weights_row(p->isa, w, first + lane, buffer);
        pack_lane(p->to, buffer, (char *)p->to->data + panel * p->to->panel_bytes, lane);
    }
    free(buffer);
}

/* Rows [first, first + count) of the source will not be read again soon: file pages may leave memory. Only a hint, and
 * harmless for memory that is no file. */
static void forget_rows(const wn_weight *w, uint64_t first, uint64_t count)
{
#ifdef MADV_PAGEOUT
    for (uint64_t k = 0, row = 0; k < w->part_count; row += w->part[k].rows, k++) {
        uint64_t begin = first > row ? first - row : 0;
        uint64_t end = first + count > row ? smaller(first + count - row, w->part[k].rows) : 0;
        uint64_t row_bytes = weight_row_bytes(w->part[k].dtype, w->cols);
        if (begin >= end)
            continue;
        uintptr_t from = round_up((uintptr_t)w->part[k].data + begin * row_bytes, 4096);
        uintptr_t to = ((uintptr_t)w->part[k].data + end * row_bytes) & ~(uintptr_t)4095;
        if (to > from && to - from >= FORGET_BYTES)
            madvise((void *)from, to - from, MADV_PAGEOUT);
    }
#else
    (void)w, (void)first, (void)count;
#endif
}

static int pack_panels(const wn_device *device, struct packed *to)
{
    struct packer p = { .isa = device->isa, .to = to };
    uint64_t panels = ceil_div(to->source.rows, PANEL);
    for (; p.first_panel < panels; p.first_panel += SLAB_PANELS) {
        uint64_t n = smaller(SLAB_PANELS, panels - p.first_panel);
        device->host->parallel_for(device->host->ctx, n, pack_panel, &p);
        forget_rows(&to->source, p.first_panel * PANEL, n * PANEL);
    }
    return !atomic_load(&p.is_out_of_memory);
}

static void pack_vector(const wn_device *device, struct packed *to)
{
    float *dst = to->data;
    const wn_weight *w = &to->source;
    for (uint64_t k = 0; k < w->part_count; dst += w->part[k].rows * w->cols, k++)
        weights_convert(device->isa, &w->part[k], 0, dst, w->part[k].rows * w->cols);
}

/* ---- sharing ------------------------------------------------------------------------------------------------ */

static int is_same(const struct packed *p, const wn_weight *w, int32_t packing, uint64_t taps)
{
    if (p->packing != packing || p->taps != taps || p->source.rows != w->rows || p->source.cols != w->cols ||
        p->source.part_count != w->part_count)
        return 0;
    for (uint64_t k = 0; k < w->part_count; k++) {
        const wn_weight_part *a = &p->source.part[k], *b = &w->part[k];
        if (a->data != b->data || a->dtype != b->dtype || a->rows != b->rows ||
            memcmp(&a->scale, &b->scale, sizeof a->scale) != 0)
            return 0;
    }
    return 1;
}

/* Zeroed, since panels are padded; huge pages where they help, but none for the rest that would not fill one. */
static void *alloc_packed(uint64_t bytes)
{
    uint64_t alignment = bytes >= 4 * HUGE_PAGE ? HUGE_PAGE : 64;
    void *data = aligned_alloc(alignment, round_up(bytes, alignment));
    if (data && alignment == HUGE_PAGE)
        madvise(data, bytes & ~(HUGE_PAGE - 1), MADV_HUGEPAGE);
    if (data)
        memset(data, 0, bytes);
    return data;
}

static struct packed *describe(const wn_weight *weight, int32_t packing, uint64_t taps)
{
    struct packed *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    uint64_t channels = weight->cols / taps;
    p->source = *weight;
    p->source.name = NULL;
    p->packing = packing;
    p->taps = taps;
    p->channels = packing == PACK_BF16 ? round_up(channels, 2) : channels;
    p->panel_bytes = p->channels * taps * PANEL * (packing == PACK_BF16 ? 2 : 4);
    p->bytes =
        packing == PACK_VECTOR ? weight->rows * weight->cols * 4 : p->panel_bytes * ceil_div(weight->rows, PANEL);
    return p;
}

static struct packed *pack(const wn_device *device, const wn_weight *weight, int32_t packing, uint64_t taps)
{
    struct packed *p = describe(weight, packing, taps);
    if (!p || !(p->data = alloc_packed(p->bytes))) {
        free(p);
        return NULL;
    }
    if (packing == PACK_VECTOR) {
        pack_vector(device, p);
    } else if (!pack_panels(device, p)) {
        free(p->data);
        free(p);
        return NULL;
    }
    return p;
}

wn_status weights_get(wn_device *device, const wn_weight *weight, int32_t packing, uint64_t taps,
                      const struct packed **packed, wn_error *err)
{
    pthread_mutex_lock(&device->mutex);
    struct packed *p = device->packed;
    while (p && !is_same(p, weight, packing, taps))
        p = p->next;
    if (!p && (p = pack(device, weight, packing, taps))) {
        p->next = device->packed;
        device->packed = p;
    }
    if (p)
        p->refs++;
    pthread_mutex_unlock(&device->mutex);
    *packed = p;
    if (!p)
        return wn_fail(err, WN_E_MEMORY, "out of memory for weight \"%s\" [%llu, %llu], %llu bytes when packed",
                       weight->name ? weight->name : "", (unsigned long long)weight->rows,
                       (unsigned long long)weight->cols,
                       (unsigned long long)(weight->rows * weight->cols * (packing == PACK_BF16 ? 2 : 4)));
    return WN_OK;
}

void weights_release(wn_device *device, const struct packed *packed)
{
    if (!packed)
        return;
    pthread_mutex_lock(&device->mutex);
    struct packed **link = &device->packed;
    while (*link != packed)
        link = &(*link)->next;
    struct packed *p = *link;
    if (--p->refs == 0) {
        *link = p->next;
        free(p->data);
        free(p);
    }
    pthread_mutex_unlock(&device->mutex);
}
