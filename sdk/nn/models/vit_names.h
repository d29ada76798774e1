/* vit_names.h - what a vision transformer's tensors are called. */
#ifndef WINNOW_NN_MODELS_VIT_NAMES_H
#define WINNOW_NN_MODELS_VIT_NAMES_H

#include "vit.h"

struct vit_names {
    const char *patch;     /* with .weight and .bias */
    const char *class_row; /* whole names */
    const char *positions;
    const char *registers;
    const char *block; /* the number follows */
    const char *norm[2];
    const char *qkv[3]; /* one joined layer when only the first is there */
    const char *proj;
    const char *up; /* of an MLP */
    const char *down;
    const char *gated[2]; /* of SwiGLU: in, out; NULL where there is none */
    const char *scale[2]; /* whole names; NULL where there is no LayerScale */
    const char *last_norm;
};

const struct vit_names *vit_names(int32_t names);

#endif
