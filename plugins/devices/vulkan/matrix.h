/* matrix.h - which fragment of a product the device's matrix units take. */
#ifndef WINNOW_VULKAN_MATRIX_H
#define WINNOW_VULKAN_MATRIX_H

#include "vulkan.h"

/* The fragment for products of this type; NULL: there is none. */
static inline const struct matrix_shape *matrix_shape_of(const struct caps *caps, enum element type)
{
    if (type == ELEMENT_F16)
        return caps_shape(caps, COMPONENT_F16);
    return type == ELEMENT_BF16 ? caps_shape(caps, COMPONENT_BF16) : NULL;
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
