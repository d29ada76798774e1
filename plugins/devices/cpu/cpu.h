/* cpu.h - the CPU device's own types: what compile leaves behind and run works with.
 *
 * compile: check_graph (is it right?) -> plan_memory (where does every tensor live?) -> compile.c (one step for each op,
 * weights packed by weights.c). run.c replays the steps; each is a few parallel loops over tasks whose inner work is in
 * isa.h. All activations are float32; dtype bf16 rounds the operands of matrix products.
 *
 * Results do not depend on items, order or threads: tasks only share out rows and columns, never a sum.
 */
#ifndef WINNOW_CPU_H
#define WINNOW_CPU_H

#include <device/blocks.h>
#include <device/graph.h>

#include <pthread.h>
#include <stdatomic.h>

#include "isa.h"

struct packed;

struct wn_device {
    const wn_host *host;
    const struct isa *isa;
    pthread_mutex_t mutex; /* of the packed weights */
    struct packed *packed;
};

/* ---- tensors in memory -------------------------------------------------------------------------------------- */

/* A tensor or window of item 0; element (item, r, c) is data[item * item_stride + r * ld + c]. data is NULL when the
 * operand is absent. */
struct view {
    float *data;
    uint64_t rows, cols, ld, item_stride;
};

static inline float *view_row(const struct view *v, uint64_t item, uint64_t row)
{
    return v->data ? v->data + item * v->item_stride + row * v->ld : NULL;
}

/* ---- weights ------------------------------------------------------------------------------------------------ */

enum {
    PACK_VECTOR = 1, /* float [n] */
    PACK_F32 = 2,    /* panels of float */
    PACK_BF16 = 3    /* panels of pairs of bf16 */
};

/* One packed copy, shared by all programs of the device. A panel holds PANEL outputs; its rows follow the order (tap,
 * channel), channels padded with zeros to an even number in bf16. */
struct packed {
    struct packed *next;
    uint64_t refs;
    wn_weight source; /* the key, with packing and taps; its name is not */
    int32_t packing;
    uint64_t taps;     /* kernel * kernel of a convolution, else 1 */
    uint64_t channels; /* with padding */
    uint64_t panel_bytes;
    uint64_t bytes;
    void *data;
};

/* Finds or packs; *packed is released by weights_release. [any] */
wn_status weights_get(wn_device *device, const wn_weight *weight, int32_t packing, uint64_t taps,
                      const struct packed **packed, wn_error *err);
void weights_release(wn_device *device, const struct packed *packed); /* NULL is fine */
/* n elements of a part as float32, scaled; whole rows, where the type is of blocks. */
void weights_convert(const struct isa *isa, const wn_weight_part *part, uint64_t first, float *dst, uint64_t n);
/* Row `row` as float32, scaled. */
void weights_row(const struct isa *isa, const wn_weight *weight, uint64_t row, float *dst);
/* The row itself when it is float32 with scale 1, else a copy in buffer. */
const float *weights_row_in_place(const struct isa *isa, const wn_weight *weight, uint64_t row, float *buffer);

/* ---- programs ----------------------------------------------------------------------------------------------- */

struct step {
    wn_op op;
    const char *name; /* of the out tensor, or the op's kind */
    struct view in[4], out;
    wn_weight weight[2]; /* as in the graph, names cleared; part_count 0 when absent */
    const struct packed *packed[2];
    void *workspace;              /* of this step while it runs */
    uint64_t items;               /* measured so far */
    double seconds, flops, bytes; /* flops and bytes of one item */
    wn_status (*run)(wn_program *p, const struct step *s, uint64_t count, wn_error *err);
};

struct wn_program {
    wn_device *device;
    int64_t dtype;
    uint64_t max_items;
    struct step *steps;
    uint64_t step_count, step_capacity; /* capacity: with the one that failed to compile */
    struct bind_table bindings;
    char *names;  /* the text behind the steps' names */
    char *memory; /* planned activations and workspaces */
    char *constants;
    uint64_t memory_bytes, constant_bytes;
    char *scratch; /* scratch_count pieces for tasks */
    uint64_t scratch_bytes;
    uint32_t scratch_count;
    atomic_flag *scratch_busy;
    float *zeros; /* a row of zeros for the padding of convolutions */
    int is_measured;
};

/* A piece of scratch memory for the running task; there are as many as threads. */
void *scratch_take(wn_program *p);
void scratch_give(wn_program *p, void *scratch);
void parallel_for(wn_program *p, uint64_t n, void (*fn)(void *arg, uint64_t i), void *arg);

/* ---- compile.c, run.c: the vtable ------------------------------------------------------------------------------ */

wn_status program_compile(wn_device *device, const wn_graph *graph, const wn_compile_options *options,
                          wn_program **program, wn_error *err);
void program_free(wn_program *p);
wn_status program_run(wn_program *p, uint64_t count, const wn_binding *bindings, uint64_t binding_count, wn_error *err);
void program_memory(const wn_program *p, uint64_t *activation_bytes, uint64_t *weight_bytes);
uint64_t program_profile(wn_program *p, wn_op_profile *out, uint64_t capacity);

/* ---- steps: what each op needs and does ---------------------------------------------------------------------- */

/* Bytes of one task's scratch and of the op's workspace. */
struct needs {
    uint64_t scratch_bytes, workspace_bytes;
};
struct needs gemm_needs(const wn_graph *g, const wn_op *op, int64_t dtype, uint64_t max_items);
struct needs vector_needs(const wn_graph *g, const wn_op *op, int64_t dtype, uint64_t max_items);
struct needs attention_needs(const wn_graph *g, const wn_op *op, int64_t dtype, uint64_t max_items);
struct needs group_norm_needs(const wn_graph *g, const wn_op *op, int64_t dtype, uint64_t max_items);
struct needs group_moments_needs(const wn_graph *g, const wn_op *op, int64_t dtype, uint64_t max_items);

wn_status gemm_run(wn_program *p, const struct step *s, uint64_t count, wn_error *err);   /* LINEAR, CONV */
wn_status vector_run(wn_program *p, const struct step *s, uint64_t count, wn_error *err); /* LINEAR of one row */
wn_status attention_run(wn_program *p, const struct step *s, uint64_t count, wn_error *err);
wn_status norm_run(wn_program *p, const struct step *s, uint64_t count, wn_error *err);
wn_status head_norm_rope_run(wn_program *p, const struct step *s, uint64_t count, wn_error *err);
wn_status group_norm_run(wn_program *p, const struct step *s, uint64_t count, wn_error *err);
wn_status group_moments_run(wn_program *p, const struct step *s, uint64_t count, wn_error *err);
wn_status group_table_run(wn_program *p, const struct step *s, uint64_t count, wn_error *err);
wn_status embed_run(wn_program *p, const struct step *s, uint64_t count, wn_error *err);
wn_status binary_run(wn_program *p, const struct step *s, uint64_t count, wn_error *err);
wn_status unary_run(wn_program *p, const struct step *s, uint64_t count, wn_error *err);
wn_status copy_run(wn_program *p, const struct step *s, uint64_t count, wn_error *err);
wn_status pick_row_run(wn_program *p, const struct step *s, uint64_t count, wn_error *err);
wn_status weight_run(wn_program *p, const struct step *s, uint64_t count, wn_error *err);

#endif
