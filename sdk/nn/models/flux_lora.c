/* flux_lora.c - merges LoRAs: every tensor is given a meaning or refused, the changes of each weight are collected, and
 * each changed weight is made anew, row by row, in memory of a view.
 */
#include "flux_lora.h"

#include "../config.h"
#include "../weights/safetensors.h"
#include "../weights/scale.h"
#include "flux_parts.h"
#include "lora_names.h"

#include <device/blocks.h>
#include <device/half.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_RANK = 4096 };

/* Rows up_row .. of a LoRA's `up`, times `down`, for rows row .. of a weight. */
struct change {
    const nn_tensor *base;
    uint64_t order; /* of the changes as they were found: sums are made in it */
    uint64_t row, rows;
    uint64_t up_row;
    uint64_t rank;
    float factor; /* scale alpha / rank */
    float *up;    // [rows, rank]
    float *down;  // [rank, cols]
};

/* A network that LoRAs change. */
struct target {
    nn_weights **w;
    const char *prefix;  /* of its tensors, before a part's module */
    int32_t layout;      /* whose places are w's */
    const char *section; /* of the metadata */
    struct flux_parts_list parts;
};

struct merge {
    const nn_flux *c;
    struct target target[LORA_TARGETS];
    struct change *changes;
    uint64_t count, capacity;
    const nn_lora *lora;
    nn_config *metadata; /* of lora; NULL where it has none */
    wn_error *err;
};

/* ---- meaning ------------------------------------------------------------------------------------------------ */

static const struct flux_place *place_of(const struct flux_part *p, int32_t layout)
{
    return &p->in[layout - 1];
}

/* Which layout's names the LoRA's layer has, WN_NONE for a layer that is not of the model. */
static uint32_t layout_of(const struct merge *m, const struct lora_name *n)
{
    const struct flux_parts_list *parts = &m->target[n->target].parts;
    for (uint64_t i = 0; i < parts->count; i++)
        for (int32_t layout = NN_FLUX_DIFFUSERS; layout <= NN_FLUX_BFL; layout++)
            if (lora_name_means(n, place_of(&parts->part[i], layout)->module))
                return (uint32_t)layout;
    return WN_NONE;
}

/* The tensor of the same layer with another ending. */
static const nn_tensor *partner(const struct merge *m, const nn_tensor *t, const struct lora_name *n,
                                const char *ending)
{
    char name[512];
    if ((size_t)snprintf(name, sizeof name, "%.*s%s", (int)n->stem, t->name, ending) >= sizeof name)
        return NULL;
    return nn_weights_find(m->lora->w, name);
}

static int has_layer(const struct merge *m, const nn_tensor *t, const struct lora_name *n)
{
    static const char *const downs[] = { ".lora_A.weight", ".lora_A.default.weight", ".lora_down.weight",
                                         ".lora.down.weight", ".down.weight" };
    for (size_t i = 0; i < sizeof downs / sizeof *downs; i++)
        if (partner(m, t, n, downs[i]))
            return 1;
    return 0;
}

static int is_known(const struct merge *m, const nn_tensor *t)
{
    const struct lora_name n = lora_name_of(t->name);
    if (n.role == 0 || layout_of(m, &n) == WN_NONE)
        return 0;
    return n.role == LORA_DOWN ? partner(m, t, &n, n.up) != NULL
           : n.role == LORA_UP ? partner(m, t, &n, n.down) != NULL
                               : has_layer(m, t, &n);
}

static wn_status check_names(const struct merge *m)
{
    char list[640] = "";
    uint64_t unknown = 0;
    for (uint64_t i = 0; i < nn_weights_count(m->lora->w); i++) {
        const nn_tensor *t = nn_weights_at(m->lora->w, i);
        if (is_known(m, t))
            continue;
        if (unknown++ < 4)
            snprintf(list + strlen(list), sizeof list - strlen(list), "%s\"%.140s\"", unknown > 1 ? ", " : "", t->name);
    }
    if (unknown == 0 && nn_weights_count(m->lora->w) > 0)
        return WN_OK;
    if (unknown == 0)
        return wn_fail(m->err, WN_E_FORMAT, "%s: holds no tensors", nn_weights_path(m->lora->w));
    return wn_fail(
        m->err, WN_E_UNSUPPORTED,
        "%s: %llu of %llu tensors change nothing of this model: %s%s; a LoRA for it, with these taken out, is "
        "needed",
        nn_weights_path(m->lora->w), (unsigned long long)unknown, (unsigned long long)nn_weights_count(m->lora->w),
        list, unknown > 4 ? ", ..." : "");
}

/* ---- alpha -------------------------------------------------------------------------------------------------- */

/* What alpha_pattern says of a module: an entry of its whole name, or of its last members. */
static wn_status pattern_alpha(const nn_config *pattern, const char *module, double *alpha, wn_error *err)
{
    char whole[300];
    snprintf(whole, sizeof whole, "^%s", module);
    if (nn_config_has(pattern, whole))
        return nn_config_number(pattern, whole, *alpha, alpha, err);
    for (const char *at = module; at; at = strchr(at, '.') ? strchr(at, '.') + 1 : NULL)
        if (nn_config_has(pattern, at))
            return nn_config_number(pattern, at, *alpha, alpha, err);
    return WN_OK;
}

static const char *metadata_key(const struct merge *m, const struct lora_name *n, const char *leaf, char key[64])
{
    snprintf(key, 64, "%s.%s", m->target[n->target].section, leaf);
    return key;
}

/* alpha of the metadata, and whether it is divided by the rank's root. */
static wn_status metadata_alpha(const struct merge *m, const struct lora_name *n, double *alpha, bool *by_root)
{
    const nn_config *pattern = NULL;
    bool is_dora = false;
    char key[64];
    if (!m->metadata)
        return WN_OK;
    WN_TRY(nn_config_number(m->metadata, metadata_key(m, n, "lora_alpha", key), *alpha, alpha, m->err));
    WN_TRY(nn_config_bool(m->metadata, metadata_key(m, n, "use_rslora", key), false, by_root, m->err));
    WN_TRY(nn_config_bool(m->metadata, metadata_key(m, n, "use_dora", key), false, &is_dora, m->err));
    if (is_dora)
        return wn_fail(m->err, WN_E_UNSUPPORTED, "%s: is a DoRA, whose magnitudes are not applied",
                       nn_weights_path(m->lora->w));
    WN_TRY(nn_config_object(m->metadata, metadata_key(m, n, "alpha_pattern", key), &pattern, m->err));
    return pattern ? pattern_alpha(pattern, n->module, alpha, m->err) : WN_OK;
}

static wn_status factor_of(const struct merge *m, const nn_tensor *down, const struct lora_name *n, uint64_t rank,
                           float *factor)
{
    double alpha = (double)rank;
    bool by_root = false;
    const nn_tensor *t = partner(m, down, n, ".alpha");
    if (t) {
        float value = 0;
        for (uint32_t i = 0; i < t->rank; i++)
            if (t->shape[i] != 1)
                return wn_fail(m->err, WN_E_FORMAT, "%s: tensor \"%s\" is not one number", t->file, t->name);
        nn_tensor_to_f32(t, 0, &value, 1);
        alpha = (double)value;
    } else
        WN_TRY(metadata_alpha(m, n, &alpha, &by_root));
    if (!isfinite(alpha))
        return wn_fail(m->err, WN_E_FORMAT, "%s: alpha of \"%s\" is %g", down->file, down->name, alpha);
    *factor = (float)(m->lora->scale * alpha / (by_root ? sqrt((double)rank) : (double)rank));
    return WN_OK;
}

/* ---- collecting --------------------------------------------------------------------------------------------- */

static const nn_tensor *base_of(const struct target *t, const struct flux_part *p)
{
    char name[256];
    snprintf(name, sizeof name, "%s%s.weight", t->prefix, place_of(p, t->layout)->module);
    return nn_weights_find(*t->w, name);
}

static wn_status check_shapes(const struct merge *m, const nn_tensor *down, const nn_tensor *up, const nn_tensor *base,
                              uint64_t rows)
{
    const uint64_t rank = down->rank == 2 ? down->shape[0] : 0;
    if (!base || base->rank != 2)
        return wn_fail(m->err, WN_E_MISSING, "%s: tensor \"%s\" changes a matrix that the model does not have",
                       down->file, down->name);
    if (!weight_block_of(down->dtype).values || !weight_block_of(up->dtype).values)
        return wn_fail(m->err, WN_E_FORMAT, "%s: tensor \"%s\" and its partner are %s and %s, expected floats",
                       down->file, down->name, nn_dtype_name(down->dtype), nn_dtype_name(up->dtype));
    if (rank == 0 || rank > MAX_RANK || down->shape[1] != base->shape[1])
        return wn_fail(m->err, WN_E_FORMAT, "%s: tensor \"%s\" is [%llu, %llu], expected [1 to %d, %llu]", down->file,
                       down->name, (unsigned long long)rank, (unsigned long long)(down->rank == 2 ? down->shape[1] : 0),
                       MAX_RANK, (unsigned long long)base->shape[1]);
    if (up->rank != 2 || up->shape[0] != rows || up->shape[1] != rank)
        return wn_fail(m->err, WN_E_FORMAT, "%s: tensor \"%s\" is [%llu, %llu], expected [%llu, %llu]", up->file,
                       up->name, (unsigned long long)(up->rank ? up->shape[0] : 0),
                       (unsigned long long)(up->rank > 1 ? up->shape[1] : 0), (unsigned long long)rows,
                       (unsigned long long)rank);
    return WN_OK;
}

static wn_status append(struct merge *m, const struct change *change, const nn_tensor *down, const nn_tensor *up)
{
    if (m->count == m->capacity) {
        const uint64_t capacity = m->capacity ? 2 * m->capacity : 64;
        struct change *larger = realloc(m->changes, capacity * sizeof *larger);
        if (!larger)
            return wn_fail(m->err, WN_E_MEMORY, "no memory for %llu changes", (unsigned long long)capacity);
        m->changes = larger;
        m->capacity = capacity;
    }
    struct change *c = &m->changes[m->count];
    *c = *change;
    c->order = m->count++;
    c->up = malloc(c->rows * c->rank * sizeof *c->up);
    c->down = malloc(c->rank * down->shape[1] * sizeof *c->down);
    if (!c->up || !c->down)
        return wn_fail(m->err, WN_E_MEMORY, "no memory for the change of \"%s\"", c->base->name);
    nn_tensor_to_f32(up, c->up_row * c->rank, c->up, c->rows * c->rank);
    nn_tensor_to_f32(down, 0, c->down, c->rank * down->shape[1]);
    return WN_OK;
}

/* Of a layer whose `up` covers the whole of a module: what it changes in one part. */
static wn_status take_part(struct merge *m, const nn_tensor *down, const struct lora_name *n, int32_t layout,
                           const struct flux_part *p)
{
    const struct target *target = &m->target[n->target];
    const nn_tensor *up = partner(m, down, n, n->up), *base = base_of(target, p);
    const struct flux_place *theirs = place_of(p, layout), *ours = place_of(p, target->layout);
    const uint64_t d = m->c->heads * m->c->head_width;
    const uint64_t rows = n->is_qkv_only ? 3 * d : theirs->rows;
    if (theirs->row >= rows)
        return WN_OK;
    WN_TRY(check_shapes(m, down, up, base, rows));
    struct change c = {
        .base = base, .row = ours->row, .rows = p->rows, .up_row = theirs->row, .rank = down->shape[0]
    };
    WN_TRY(factor_of(m, down, n, c.rank, &c.factor));
    return append(m, &c, down, up);
}

static wn_status take_layer(struct merge *m, const nn_tensor *down)
{
    const struct lora_name n = lora_name_of(down->name);
    if (n.role != LORA_DOWN)
        return WN_OK;
    const int32_t layout = (int32_t)layout_of(m, &n);
    const struct flux_parts_list *parts = &m->target[n.target].parts;
    for (uint64_t i = 0; i < parts->count; i++)
        if (lora_name_means(&n, place_of(&parts->part[i], layout)->module))
            WN_TRY(take_part(m, down, &n, layout, &parts->part[i]));
    return WN_OK;
}

static wn_status take_lora(struct merge *m)
{
    const char *json = nn_weights_metadata(m->lora->w, "lora_adapter_metadata");
    WN_TRY(check_names(m));
    if (json)
        WN_TRY(nn_config_parse(nn_weights_path(m->lora->w), json, &m->metadata, m->err));
    wn_status status = WN_OK;
    for (uint64_t i = 0; i < nn_weights_count(m->lora->w) && status == WN_OK; i++)
        status = take_layer(m, nn_weights_at(m->lora->w, i));
    nn_config_close(m->metadata);
    m->metadata = NULL;
    return status;
}

/* ---- merging ------------------------------------------------------------------------------------------------ */

static int32_t merged_dtype(const nn_tensor *t)
{
    return t->dtype == WN_F32 || t->dtype == WN_F16 ? t->dtype : WN_BF16;
}

static uint64_t merged_bytes(const nn_tensor *t)
{
    return t->shape[0] * t->shape[1] * (t->dtype == WN_F32 ? 4 : 2);
}

struct rewrite {
    const struct change *changes; /* of base alone */
    uint64_t count;
    const nn_tensor *base;
    float scale; /* of the base's values */
    unsigned char *to;
    atomic_int is_out_of_memory;
};

/* values += factor up down, of one row. sum: [cols], for use here */
static void add_change(const struct change *c, uint64_t row, uint64_t cols, float *values, float *sum)
{
    const float *up = c->up + (row - c->row) * c->rank;
    memset(sum, 0, cols * sizeof *sum);
    for (uint64_t r = 0; r < c->rank; r++)
        for (uint64_t j = 0; j < cols; j++)
            sum[j] += up[r] * c->down[r * cols + j];
    for (uint64_t j = 0; j < cols; j++)
        values[j] += c->factor * sum[j];
}

static void store(int32_t dtype, const float *values, unsigned char *to, uint64_t n)
{
    if (dtype == WN_F32) {
        memcpy(to, values, n * sizeof *values);
        return;
    }
    for (uint64_t j = 0; j < n; j++) {
        const uint16_t half = dtype == WN_F16 ? f16_from_float(values[j]) : bf16_from_float(values[j]);
        memcpy(to + 2 * j, &half, 2);
    }
}

static void rewrite_row(void *arg, uint64_t row)
{
    struct rewrite *r = arg;
    const uint64_t cols = r->base->shape[1];
    float *values = malloc(2 * cols * sizeof *values);
    if (!values) {
        atomic_store(&r->is_out_of_memory, 1);
        return;
    }
    nn_tensor_to_f32(r->base, row * cols, values, cols);
    for (uint64_t j = 0; r->scale != 1.0f && j < cols; j++)
        values[j] *= r->scale;
    for (uint64_t i = 0; i < r->count; i++)
        if (row >= r->changes[i].row && row - r->changes[i].row < r->changes[i].rows)
            add_change(&r->changes[i], row, cols, values, values + cols);
    const int32_t dtype = merged_dtype(r->base);
    store(dtype, values, r->to + row * cols * (dtype == WN_F32 ? 4 : 2), cols);
    free(values);
}

static int by_base(const void *a, const void *b)
{
    const struct change *x = a, *y = b;
    if (x->base != y->base)
        return (uintptr_t)x->base < (uintptr_t)y->base ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

/* The changes of t, which stand together. */
static uint64_t changes_of(const struct merge *m, const nn_tensor *t, const struct change **first)
{
    uint64_t begin = 0, count = 0;
    while (begin < m->count && m->changes[begin].base != t)
        begin++;
    while (begin + count < m->count && m->changes[begin + count].base == t)
        count++;
    *first = m->changes + begin;
    return count;
}

static wn_status rewrite(const struct merge *m, const wn_host *host, const nn_weights *w, const nn_tensor *t,
                         unsigned char *to, nn_tensor *out)
{
    struct rewrite r = { .base = t, .to = to };
    r.count = changes_of(m, t, &r.changes);
    if (!weight_row_bytes(t->dtype, t->shape[1]))
        return wn_fail(m->err, WN_E_UNSUPPORTED, "%s: tensor \"%s\" cannot be changed: it is no matrix of floats",
                       t->file, t->name);
    WN_TRY(weight_scale(w, t, &r.scale, m->err));
    if (host->cancelled(host->ctx))
        return wn_fail(m->err, WN_E_CANCELLED, "cancelled");
    host->parallel_for(host->ctx, t->shape[0], rewrite_row, &r);
    if (atomic_load(&r.is_out_of_memory))
        return wn_fail(m->err, WN_E_MEMORY, "no memory to change \"%s\"", t->name);
    *out = *t;
    out->dtype = merged_dtype(t);
    out->bytes = merged_bytes(t);
    out->data = to;
    return WN_OK;
}

/* All changed weights of w into `owned`, the view's list into `list`. */
static wn_status rewrite_all(const struct merge *m, const wn_host *host, const nn_weights *w, nn_tensor *list,
                             unsigned char *owned)
{
    for (uint64_t i = 0; i < nn_weights_count(w); i++) {
        const nn_tensor *t = nn_weights_at(w, i);
        const struct change *first;
        list[i] = *t;
        if (changes_of(m, t, &first) == 0)
            continue;
        WN_TRY(rewrite(m, host, w, t, owned, &list[i]));
        owned += (merged_bytes(t) + 63) / 64 * 64;
        host->progress(host->ctx, (double)(i + 1), (double)nn_weights_count(w), "merging LoRAs");
    }
    return WN_OK;
}

static wn_status make_view(const struct merge *m, const wn_host *host, nn_weights **w)
{
    uint64_t bytes = 0;
    nn_weights *view;
    const struct change *first;
    for (uint64_t i = 0; i < nn_weights_count(*w); i++)
        if (changes_of(m, nn_weights_at(*w, i), &first))
            bytes += (merged_bytes(nn_weights_at(*w, i)) + 63) / 64 * 64;
    if (bytes == 0)
        return WN_OK;
    nn_tensor *list = calloc(nn_weights_count(*w) + 1, sizeof *list);
    unsigned char *owned = malloc(bytes);
    wn_status status = list && owned ? rewrite_all(m, host, *w, list, owned)
                                     : wn_fail(m->err, WN_E_MEMORY, "%s: no memory for %llu bytes of merged weights",
                                               nn_weights_path(*w), (unsigned long long)bytes);
    if (status == WN_OK)
        status = nn_weights_view(*w, list, nn_weights_count(*w), owned, &view, m->err);
    if (status == WN_OK)
        *w = view;
    else
        free(owned);
    free(list);
    return status;
}

/* ---- targets ------------------------------------------------------------------------------------------------ */

/* CLIP's matrices: whole, and under one name but for "text_model." before it. */
static wn_status clip_parts(const nn_lora_clip *clip, struct flux_parts_list *out, wn_error *err)
{
    const size_t begin = strlen(clip->prefix);
    const uint64_t count = nn_weights_count(*clip->w);
    *out = (struct flux_parts_list){ calloc(count + 1, sizeof *out->part), 0 };
    if (!out->part)
        return wn_fail(err, WN_E_MEMORY, "no memory for the names of a text encoder");
    for (uint64_t i = 0; i < count; i++) {
        const nn_tensor *t = nn_weights_at(*clip->w, i);
        const size_t length = strlen(t->name);
        struct flux_part *p = &out->part[out->count];
        if (t->rank != 2 || length < begin + 8 || length - begin > 80 || strncmp(t->name, clip->prefix, begin) != 0 ||
            strcmp(t->name + length - 7, ".weight") != 0)
            continue;
        for (int k = 0; k < 2; k++) {
            snprintf(p->in[k].module, sizeof p->in[k].module, "%s%.*s", k == NN_FLUX_BFL - 1 ? "" : "text_model.",
                     (int)(length - begin - 7), t->name + begin);
            p->in[k].rows = p->rows = t->shape[0];
        }
        out->count++;
    }
    return WN_OK;
}

static wn_status open_targets(struct merge *m, const nn_lora_clip *clip, nn_weights **w)
{
    m->target[LORA_TRANSFORMER] =
        (struct target){ .w = w, .prefix = m->c->prefix, .layout = m->c->layout, .section = "transformer" };
    m->target[LORA_TEXT_ENCODER] = (struct target){
        .w = clip ? clip->w : NULL, .prefix = clip ? clip->prefix : "", .layout = NN_FLUX_BFL, .section = "text_encoder"
    };
    WN_TRY(flux_parts_make(m->c, &m->target[LORA_TRANSFORMER].parts, m->err));
    return clip ? clip_parts(clip, &m->target[LORA_TEXT_ENCODER].parts, m->err) : WN_OK;
}

wn_status nn_flux_lora_merge(const nn_flux *c, const nn_lora *loras, uint64_t count, const wn_host *host,
                             const nn_lora_clip *clip, nn_weights **w, wn_error *err)
{
    struct merge m = { .c = c, .err = err };
    wn_status status = open_targets(&m, clip, w);
    for (uint64_t i = 0; i < count && status == WN_OK; i++) {
        m.lora = &loras[i];
        status = take_lora(&m);
    }
    if (status == WN_OK && m.count)
        qsort(m.changes, m.count, sizeof *m.changes, by_base);
    for (int i = 0; i < LORA_TARGETS && status == WN_OK && m.count; i++)
        if (m.target[i].w)
            status = make_view(&m, host, m.target[i].w);
    for (uint64_t i = 0; i < m.count; i++) {
        free(m.changes[i].up);
        free(m.changes[i].down);
    }
    free(m.changes);
    for (int i = 0; i < LORA_TARGETS; i++)
        free(m.target[i].parts.part);
    return status;
}
