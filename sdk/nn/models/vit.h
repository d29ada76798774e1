/* vit.h - the plain vision transformer (Dosovitskiy et al. 2020) as BLIP, DINO and DINOv2 have it, from timm's names
 * (the original files) and from those of Hugging Face.
 *
 * Easy to get wrong:
 *  - no norm before the blocks, unlike CLIP; the last norm is over all tokens, because others attend to them;
 *  - GELU is the exact one; eps is 1e-6 in the original files and the config's word in Hugging Face's;
 *  - q, k and v are one matrix in timm's and BLIP's files, three in those of DINO;
 *  - registers come behind the class token and have no positions;
 *  - positions of another picture size are interpolated: bicubic with a = -0.75 and no antialiasing; models with
 *    registers with antialiasing and a = -0.5. DINO's own code adds 0.1 to the new size first, Hugging Face's does not;
 *  - SwiGLU's first matrix holds the gate above the values.
 */
#ifndef WINNOW_NN_MODELS_VIT_H
#define WINNOW_NN_MODELS_VIT_H

#include "../config.h"
#include "../graph.h"
#include "../weights/weights.h"

enum { NN_VIT_TIMM = 1, NN_VIT_BLIP = 2, NN_VIT_DINO = 3, NN_VIT_DINOV2 = 4 }; /* whose names; the last three HF's */

typedef struct nn_vit {
    int32_t names; /* NN_VIT_... */
    char prefix[64];
    uint64_t width;
    uint64_t layers;
    uint64_t heads;
    uint64_t mlp; /* width inside the feed-forward part; of SwiGLU, of each half */
    uint64_t patch_px;
    uint64_t side;     /* the checkpoint has positions for side x side patches */
    uint64_t image_px; /* what the graph takes; side * patch_px unless changed */
    uint64_t registers;
    int32_t activation;
    float eps;
    int32_t is_scaled; /* LayerScale */
    int32_t is_swiglu;
    int32_t is_antialiased; /* how positions are interpolated */
    double grow;            /* added to the new size before its scale is taken: 0, DINO's own code 0.1 */
} nn_vit;

/* All sizes are read off the tensors; heads are width / 64, the activation GELU, eps 1e-6. [any] */
NN_API wn_status nn_vit_read(const nn_weights *w, nn_vit *out, wn_error *err);
/* What a Hugging Face config says beyond that (its vision_config for BLIP): heads, activation, eps. [any] */
NN_API wn_status nn_vit_configure(const nn_config *c, nn_vit *v, wn_error *err);

/* Class token, registers, patches. */
NN_API uint64_t nn_vit_tokens(const nn_vit *v);
/* pixels [image_px * image_px, 3], normalised -> [tokens, width] after the last norm. */
NN_API nn_t nn_vit_states(nn_graph *g, const nn_vit *v, const nn_weights *w, nn_t pixels);

/* Positions [side * side, width] for a grid of new_side x new_side: out [new_side * new_side, width], in double
 * precision, rounded once. [any] */
NN_API wn_status nn_vit_interpolate(const nn_vit *v, const float *positions, uint64_t new_side, float *out,
                                    wn_error *err);

#endif
