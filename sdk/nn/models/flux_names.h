/* flux_names.h - what FLUX.1's tensors are called in the two layouts. */
#ifndef WINNOW_NN_MODELS_FLUX_NAMES_H
#define WINNOW_NN_MODELS_FLUX_NAMES_H

#include "flux.h"
#include "scope.h"

struct flux_stream_names {
    const char *mod;
    const char *qkv[3];  /* one fused layer when only the first is there */
    const char *norm[2]; /* of q and k: whole names */
    const char *proj;
    const char *up;
    const char *down;
};

struct flux_single_names {
    const char *mod;
    const char *in[4]; /* q, k, v, mlp; one fused layer when only the first is there */
    const char *norm[2];
    const char *out;
};

struct flux_names {
    const char *image_in;
    const char *text_in;
    const char *time_in[2];
    const char *guidance_in[2];
    const char *vector_in[2];
    const char *double_blocks;
    const char *single_blocks;
    struct flux_stream_names image;
    struct flux_stream_names text;
    struct flux_single_names single;
    const char *last_mod;
    const char *last;
};

const struct flux_names *flux_names_of(int32_t layout);
const struct flux_names *flux_names(const nn_flux *c);

/* q, k and v as one layer [3 D, D], whatever the layout. */
nn_layer flux_qkv(const nn_scope *s, const nn_flux *c, const char *const names[3]);
/* A single block's first product as q, k, v [3 D, D] and mlp [4 D, D]. */
void flux_single_in(const nn_scope *s, const nn_flux *c, nn_layer *qkv, nn_layer *mlp);

#endif
