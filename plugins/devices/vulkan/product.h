/* product.h - a LINEAR or CONV as its kernels want it. */
#ifndef WINNOW_VULKAN_PRODUCT_H
#define WINNOW_VULKAN_PRODUCT_H

#include "vulkan.h"

/* Push constants, as product.glsl has them. */
struct product_push {
    struct push_head head;
    uint64_t x, weight, bias, mul, gate, residual, to;
    uint32_t x_ld, x_item, mul_ld, mul_item, gate_item, residual_ld, residual_item, to_ld, to_item;
    uint32_t rows, cols, depth, weight_ld;
    uint32_t first; /* of a convolution: the row of the result that is out's first */
};
_Static_assert(sizeof(struct product_push) <= PUSH_BYTES, "push constants");

struct product {
    const wn_op *op;
    enum element type; /* of the multiplied values */
    struct operand x, mul, gate, residual, to;
    const struct packed *weight, *bias;
    struct product_push push;
};

/* A command for the product with constants 0 to 11 (product_coopmat.comp lists them) and all it reads and writes; rows
 * and groups are the caller's. `size` is constant 4. NULL: the error is set. */
struct command *product_command(struct compiler *c, const struct product *p, enum kernel linear, enum kernel conv,
                                int is_aligned, uint32_t size);

/* The type of the multiplied values: that of the program, but a single row (conditioning vectors) stays float32. */
enum element product_type(const struct compiler *c, const wn_op *op);

/* product_matrix.c: on matrix units. 0 where the device has none for the type, or the shape is too small for them. */
int product_fits_matrix(const struct compiler *c, const wn_op *op);
/* Whether the epilogue reads and writes four neighbours at once, as it must where out is stored in 16 bits. */
int product_is_out_aligned(const wn_graph *g, const wn_op *op);
wn_status product_lower_matrix(struct compiler *c, const struct product *p);

/* product_matrix2.c: on matrices of whole groups, of what product_matrix.c takes. 0 where the device has none, or
 * operands do not suit them. */
int product_fits_matrix2(const struct compiler *c, const struct product *p);
/* The tile for such a product: the largest that the device has and the item fills a few of; the smallest takes any
 * shape. 0: there is none. */
int product_tile2(const struct caps *caps, int32_t type, uint64_t rows, uint64_t cols, struct group_shape *tile);
wn_status product_lower_matrix2(struct compiler *c, const struct product *p);

#endif
