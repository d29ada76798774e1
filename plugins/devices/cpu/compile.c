/* compile.c - from a checked graph to steps: views into planned memory, packed weights, the function that runs each. */
#include "cpu.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct compiler {
    wn_device *device;
    const wn_graph *g;
    wn_program *p;
    struct plan plan;
    uint64_t *workspace_bytes;
    uint64_t names_used;
    wn_error *err;
};

static wn_status out_of_memory(const struct compiler *c, const char *what, uint64_t bytes)
{
    return check_fail(c->g, UINT64_MAX, c->err, WN_E_MEMORY, "out of memory for %s: %llu bytes for %llu items", what,
                      (unsigned long long)bytes, (unsigned long long)c->p->max_items);
}

/* ---- what runs an op ----------------------------------------------------------------------------------------- */

struct op_kind {
    wn_status (*run)(wn_program *p, const struct step *s, uint64_t count, wn_error *err);
    struct needs (*needs)(const wn_graph *g, const wn_op *op, int64_t dtype, uint64_t max_items);
    int32_t packing[2]; /* of its weights; 0: used where they lie; -1: panels of the program's dtype */
};

static const struct op_kind *kind_of(const wn_graph *g, const wn_op *op)
{
    static const struct op_kind kinds[] = {
        [WN_OP_LINEAR] = { gemm_run, gemm_needs, { -1, PACK_VECTOR } },
        [WN_OP_NORM] = { norm_run, NULL, { PACK_VECTOR, PACK_VECTOR } },
        [WN_OP_HEAD_NORM_ROPE] = { head_norm_rope_run, NULL, { PACK_VECTOR, 0 } },
        [WN_OP_ATTENTION] = { attention_run, attention_needs, { 0, 0 } },
        [WN_OP_CONV] = { gemm_run, gemm_needs, { -1, PACK_VECTOR } },
        [WN_OP_GROUP_NORM] = { group_norm_run, group_norm_needs, { PACK_VECTOR, PACK_VECTOR } },
        [WN_OP_EMBED] = { embed_run, NULL, { 0, PACK_VECTOR } },
        [WN_OP_BINARY] = { binary_run, NULL, { 0, 0 } },
        [WN_OP_UNARY] = { unary_run, NULL, { 0, 0 } },
        [WN_OP_COPY] = { copy_run, NULL, { 0, 0 } },
        [WN_OP_PICK_ROW] = { pick_row_run, NULL, { 0, 0 } },
        [WN_OP_WEIGHT] = { weight_run, NULL, { 0, 0 } },
        [WN_OP_GROUP_MOMENTS] = { group_moments_run, group_moments_needs, { 0, 0 } },
        [WN_OP_GROUP_TABLE] = { group_table_run, NULL, { PACK_VECTOR, PACK_VECTOR } },
    };
    static const struct op_kind one_row = { vector_run, vector_needs, { 0, PACK_VECTOR } };
    return op->kind == WN_OP_LINEAR && g->tensors[op->out].rows == 1 ? &one_row : &kinds[op->kind];
}

/* ---- memory ------------------------------------------------------------------------------------------------- */

/* Pages that nothing has touched cost nothing, so this is a mapping: max_items may be larger than what runs use. */
static char *map_memory(uint64_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    if (bytes >= UINT64_C(8) << 20)
        madvise(memory, bytes, MADV_HUGEPAGE);
    return memory;
}

static wn_status find_needs(struct compiler *c)
{
    for (uint64_t i = 0; i < c->g->op_count; i++) {
        const wn_op *op = &c->g->ops[i];
        const struct op_kind *kind = kind_of(c->g, op);
        struct needs n = kind->needs ? kind->needs(c->g, op, c->p->dtype, c->p->max_items) : (struct needs){ 0, 0 };
        c->workspace_bytes[i] = n.workspace_bytes;
        if (c->p->scratch_bytes < n.scratch_bytes)
            c->p->scratch_bytes = n.scratch_bytes;
    }
    c->p->scratch_bytes = round_up(c->p->scratch_bytes + 64, 4096);
    return plan_memory(c->g, c->p->max_items, NULL, c->workspace_bytes, &c->plan, c->err);
}

/* As many zeros as the longest run of channels. */
static uint64_t zeros_needed(const wn_graph *g)
{
    uint64_t most = 64;
    for (uint64_t i = 0; i < g->op_count; i++) {
        uint64_t cols = g->ops[i].kind == WN_OP_CONV ? g->tensors[g->ops[i].in[0]].cols + 1 : 0;
        most = cols > most ? cols : most;
    }
    return most;
}

static wn_status allocate(struct compiler *c)
{
    wn_program *p = c->p;
    p->memory_bytes = c->plan.memory_bytes;
    p->constant_bytes = c->plan.constant_bytes;
    if (p->memory_bytes && !(p->memory = map_memory(p->memory_bytes)))
        return out_of_memory(c, "activations", p->memory_bytes);
    if (p->constant_bytes && !(p->constants = aligned_alloc(64, p->constant_bytes)))
        return out_of_memory(c, "constants", p->constant_bytes);
    p->scratch_count = c->device->host->thread_count(c->device->host->ctx);
    p->scratch = map_memory(p->scratch_bytes * p->scratch_count);
    p->scratch_busy = calloc(p->scratch_count, sizeof *p->scratch_busy);
    p->zeros = calloc(zeros_needed(c->g), sizeof *p->zeros);
    if (!p->scratch || !p->scratch_busy || !p->zeros)
        return out_of_memory(c, "scratch", p->scratch_bytes * p->scratch_count);
    for (uint64_t i = 0; i < c->g->tensor_count; i++) {
        const wn_tensor *t = &c->g->tensors[i];
        if (t->role == WN_ROLE_CONST)
            memcpy(p->constants + c->plan.offset[i], t->data, t->rows * t->cols * 4);
    }
    return WN_OK;
}

/* ---- steps -------------------------------------------------------------------------------------------------- */

static struct view view_of(const struct compiler *c, uint32_t index)
{
    if (index == WN_NONE)
        return (struct view){ 0 };
    const wn_tensor *t = &c->g->tensors[index];
    uint32_t base = t->role == WN_ROLE_WINDOW ? t->base : index;
    const wn_tensor *b = &c->g->tensors[base];
    char *memory = b->role == WN_ROLE_CONST ? c->p->constants : c->p->memory;
    uint64_t first = t->role == WN_ROLE_WINDOW ? t->row0 * b->cols + t->col0 : 0;
    return (struct view){ (float *)(void *)(memory + c->plan.offset[base]) + first, t->rows, t->cols, b->cols,
                          c->plan.stride[base] / sizeof(float) };
}

static const char *keep_name(struct compiler *c, const char *name)
{
    char *copy = c->p->names + c->names_used;
    size_t size = strlen(name) + 1;
    memcpy(copy, name, size);
    c->names_used += size;
    return copy;
}

static wn_status pack_weight(struct compiler *c, struct step *s, int slot, const struct op_kind *kind)
{
    if (s->op.weight[slot] == WN_NONE)
        return WN_OK;
    const wn_weight *w = &c->g->weights[s->op.weight[slot]];
    int32_t packing = kind->packing[slot];
    s->weight[slot] = *w;
    s->weight[slot].name = NULL;
    if (packing == 0)
        return WN_OK;
    uint64_t taps = s->op.kind == WN_OP_CONV && slot == 0 ? (uint64_t)(s->op.i[2] * s->op.i[2]) : 1;
    if (packing < 0)
        packing = c->p->dtype == WN_BF16 ? PACK_BF16 : PACK_F32;
    return weights_get(c->device, w, packing, taps, &s->packed[slot], c->err);
}

static wn_status build_step(struct compiler *c, uint64_t i)
{
    struct step *s = &c->p->steps[i];
    const wn_op *op = &c->g->ops[i];
    const struct op_kind *kind = kind_of(c->g, op);
    const char *name = c->g->tensors[op->out].name;
    s->op = *op;
    s->name = keep_name(c, name ? name : check_op_name(op->kind));
    s->run = kind->run;
    for (int k = 0; k < 4; k++)
        s->in[k] = view_of(c, op->in[k]);
    s->out = view_of(c, op->out);
    s->workspace = c->workspace_bytes[i] ? c->p->memory + c->plan.workspace[i] : NULL;
    WN_TRY(pack_weight(c, s, 0, kind));
    WN_TRY(pack_weight(c, s, 1, kind));
    s->flops = work_flops(c->g, op);
    s->bytes = work_bytes(c->g, op);
    return WN_OK;
}

/* ---- compile ------------------------------------------------------------------------------------------------ */

static uint64_t names_size(const wn_graph *g)
{
    uint64_t size = 0;
    for (uint64_t i = 0; i < g->op_count; i++) {
        const char *name = g->tensors[g->ops[i].out].name;
        size += strlen(name ? name : check_op_name(g->ops[i].kind)) + 1;
    }
    return size;
}

static wn_status build(struct compiler *c)
{
    wn_program *p = c->p;
    p->steps = calloc(c->g->op_count, sizeof *p->steps);
    p->names = malloc(names_size(c->g));
    c->workspace_bytes = calloc(c->g->op_count, sizeof *c->workspace_bytes);
    if (!p->steps || !p->names || !c->workspace_bytes)
        return out_of_memory(c, "the program", c->g->op_count * sizeof *p->steps);
    p->step_capacity = c->g->op_count;
    WN_TRY(find_needs(c));
    WN_TRY(allocate(c));
    WN_TRY(bind_describe(c->g, &c->plan, &p->bindings, c->err));
    for (; p->step_count < c->g->op_count; p->step_count++)
        WN_TRY(build_step(c, p->step_count));
    return WN_OK;
}

static wn_status check_options(const wn_graph *graph, const wn_compile_options *options, wn_error *err)
{
    if (options->dtype != WN_F32 && options->dtype != WN_BF16)
        return check_fail(graph, UINT64_MAX, err, WN_E_UNSUPPORTED, "dtype %lld: the cpu multiplies in F32 or BF16",
                          (long long)options->dtype);
    if (options->max_items < 1 || options->max_items > UINT32_MAX)
        return check_fail(graph, UINT64_MAX, err, WN_E_ARG, "max_items is %llu, must be 1 to 2^32-1",
                          (unsigned long long)options->max_items);
    return check_graph(graph, err);
}

wn_status program_compile(wn_device *device, const wn_graph *graph, const wn_compile_options *options,
                          wn_program **program, wn_error *err)
{
    *program = NULL;
    WN_TRY(check_options(graph, options, err));
    struct compiler c = { .device = device, .g = graph, .p = calloc(1, sizeof *c.p), .err = err };
    if (!c.p)
        return wn_fail(err, WN_E_MEMORY, "out of memory for graph \"%s\"", graph->name ? graph->name : "");
    c.p->device = device;
    c.p->dtype = options->dtype;
    c.p->max_items = options->max_items;
    wn_status status = build(&c);
    plan_free(&c.plan);
    free(c.workspace_bytes);
    if (status == WN_OK)
        *program = c.p;
    else
        program_free(c.p);
    return status;
}

void program_free(wn_program *p)
{
    if (!p)
        return;
    for (uint64_t i = 0; p->steps && i < p->step_capacity; i++) {
        weights_release(p->device, p->steps[i].packed[0]);
        weights_release(p->device, p->steps[i].packed[1]);
    }
    if (p->memory)
        munmap(p->memory, p->memory_bytes);
    if (p->scratch)
        munmap(p->scratch, p->scratch_bytes * p->scratch_count);
    free(p->scratch_busy);
    free(p->constants);
    free(p->zeros);
    free(p->names);
    bind_free(&p->bindings);
    free(p->steps);
    free(p);
}
