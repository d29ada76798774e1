/* attention.h - an ATTENTION as its kernels want it. */
#ifndef WINNOW_VULKAN_ATTENTION_H
#define WINNOW_VULKAN_ATTENTION_H

#include "vulkan.h"

/* Push constants of all kernels. */
struct attention_push {
    struct push_head head;
    uint64_t q, k, v, bias, to;
    uint32_t rows, keys, heads, q_ld, q_item, k_ld, k_item, v_ld, v_item, to_ld, to_item, bias_ld, bias_item;
    float scale;
    float offset; /* attention_coopmat.comp: what is taken from scores whose bound is known */
};
_Static_assert(sizeof(struct attention_push) <= PUSH_BYTES, "push constants");

/* That of the program, of scaled queries, keys and values. */
enum element attention_type(const struct compiler *c);

struct attention {
    const wn_op *op;
    enum element type; /* of the multiplied values */
    struct operand q, k, v, bias, to;
    uint32_t size; /* of a head */
    struct attention_push push;
};

/* A command that reads and writes what the op does; constants and groups are the caller's. NULL: the error is set. */
struct command *attention_command(struct compiler *c, const struct attention *a, enum kernel kernel);

/* attention_matrix.c: on matrix units. 0 where the device has none for the type, or they do not fit the shape. */
int attention_fits_matrix(const struct compiler *c, const wn_op *op);
wn_status attention_lower_matrix(struct compiler *c, const struct attention *a);

/* attention_bound.c: no score is larger than this, or less than its negative. INFINITY where nothing is known. */
float attention_bound(const struct compiler *c, const wn_op *op, uint32_t size);

#endif
