/* vae_names.h - the autoencoder's tensors in diffusers' and in BFL's names. */
#ifndef WINNOW_NN_MODELS_VAE_NAMES_H
#define WINNOW_NN_MODELS_VAE_NAMES_H

#include "scope.h"
#include "vae.h"

struct vae_attention_names {
    const char *norm;
    const char *qkv[3];
    const char *out;
};

/* Old diffusers exports say query, key, value, proj_attn. */
struct vae_attention_names vae_attention_names(const nn_scope *s, const nn_vae *c);
/* Level 0 is the image's. BFL counts the decoder's levels like that, diffusers the other way. */
nn_scope vae_decoder_level(const nn_scope *tower, const nn_vae *c, uint64_t level);
nn_scope vae_resnet(const nn_scope *level, const nn_vae *c, uint64_t i);

#endif
