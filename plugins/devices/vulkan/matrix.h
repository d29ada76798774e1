/* matrix.h - which fragment of a product the device's matrix units take. */
#ifndef WINNOW_VULKAN_MATRIX_H
#define WINNOW_VULKAN_MATRIX_H

#include "vulkan.h"

/* The fragment for products of this type, its sides 8, 16 or 32; NULL: there is none that kernels can use. */
static inline const struct matrix_shape *matrix_shape_of(const struct caps *caps, enum element type)
{
    const struct matrix_shape *s =
        type == ELEMENT_F32 ? NULL : caps_shape(caps, type == ELEMENT_F16 ? COMPONENT_F16 : COMPONENT_BF16);
    if (!s || (type == ELEMENT_F16 && !caps->has_fp16))
        return NULL;
    const uint32_t sides[3] = { s->m, s->n, s->k };
    for (int i = 0; i < 3; i++) {
        if (sides[i] != 8 && sides[i] != 16 && sides[i] != 32)
            return NULL;
    }
    return s;
}

/* Whether the rows of a tensor or window begin at multiples of four elements; WN_NONE: yes. */
static inline int matrix_is_aligned(const wn_graph *g, uint32_t tensor)
{
    if (tensor == WN_NONE)
        return 1;
    const wn_tensor *t = &g->tensors[tensor];
    return t->role == WN_ROLE_WINDOW ? g->tensors[t->base].cols % 4 == 0 && t->col0 % 4 == 0 : t->cols % 4 == 0;
}

#endif
