/* flux.h - the FLUX.1 transformer (Black Forest Labs 2024; blocks after Esser et al. 2024, arXiv:2403.03206), any size,
 * with and without guidance embedding.
 *
 * A velocity is three graphs, so that nothing is computed twice:
 *   context       text states -> embedded text tokens                  once for each prompt
 *   conditioning  sigmas, pooled text, guidance -> modulation vectors  once for each prompt and schedule
 *   velocity      image tokens, embedded text, one modulation -> v     each step
 * The modulation layers, 27 % of the weights, are thus read once for a prompt, not once for a step.
 *
 * Both layouts of the weights (diffusers folders; BFL and Comfy single files) are put into the same fused form, so that
 * they give the same bits.
 *
 * Easy to get wrong:
 *  - the last layer's modulation is (shift, scale) in BFL files and (scale, shift) in diffusers'; all others agree;
 *  - rotary pairs are neighbours (2k, 2k+1), not halves; axis 0 is the image index (0), then row, then column;
 *  - text comes first in the sequence and is not rotated;
 *  - a token's features are channel * 4 + patch row * 2 + patch column;
 *  - sigma and guidance are multiplied by 1000, once; cosines come before sines;
 *  - a single block's attention and MLP share one modulated norm, and one bias of the last product;
 *  - diffusers' config may lack axes_dims_rope and out_channels.
 */
#ifndef WINNOW_NN_MODELS_FLUX_H
#define WINNOW_NN_MODELS_FLUX_H

#include "../graph.h"
#include "../weights/weights.h"

enum { NN_FLUX_DIFFUSERS = 1, NN_FLUX_BFL = 2 };
enum { NN_FLUX_SINUSOID = 256 }; /* width of the scalar embeddings */

typedef struct nn_flux {
    int32_t layout;
    int32_t has_guidance;
    uint64_t in_channels;  /* features of a token */
    uint64_t out_channels; /* features of a token of the velocity */
    uint64_t heads;
    uint64_t head_width;
    uint64_t double_blocks;
    uint64_t single_blocks;
    uint64_t text_width;
    uint64_t pooled_width;
    uint64_t axes[3]; /* rotary widths of (image, row, column); their sum is head_width */
    char prefix[64];
} nn_flux;

/* config.json beside the weights (a folder), or everything off the weights (a single file). [any] */
NN_API wn_status nn_flux_read(const char *path, const nn_weights *w, nn_flux *out, wn_error *err);

/* Columns of a modulation row: 12 D for each double block, 3 D for each single block, 2 D for the last layer. */
NN_API uint64_t nn_flux_modulation_width(const nn_flux *c);

/* states [tokens, text_width] -> "text" [tokens, D]. */
NN_API nn_graph *nn_flux_context_graph(const nn_flux *c, const nn_weights *w, uint64_t tokens);
/* time [count, 256], pooled [1, pooled_width], guidance [1, 256] (only with guidance) -> "modulation" [count, width].
 */
NN_API nn_graph *nn_flux_conditioning_graph(const nn_flux *c, const nn_weights *w, uint64_t count);
/* x [rows * cols, in_channels], text [text_tokens, D], modulation [1, width] -> "v" [rows * cols, out_channels]. */
NN_API nn_graph *nn_flux_velocity_graph(const nn_flux *c, const nn_weights *w, uint64_t rows, uint64_t cols,
                                        uint64_t text_tokens);

/* The same in three, for those who reuse what the blocks did at another step: the first double block, all others, the
 * last layer. D is heads * head_width; at least one double block.
 *   head  x, text, modulation -> "embedded" [rows * cols, D], image tokens before the block;
 *                                "after" [text_tokens + rows * cols, D], all tokens after it
 *   rest  before (the head's "after"), modulation -> "image" [rows * cols, D], "v"
 *   tail  image [image_tokens, D], modulation -> "v" */
NN_API nn_graph *nn_flux_head_graph(const nn_flux *c, const nn_weights *w, uint64_t rows, uint64_t cols,
                                    uint64_t text_tokens);
NN_API nn_graph *nn_flux_rest_graph(const nn_flux *c, const nn_weights *w, uint64_t rows, uint64_t cols,
                                    uint64_t text_tokens);
NN_API nn_graph *nn_flux_tail_graph(const nn_flux *c, const nn_weights *w, uint64_t image_tokens);

/* The scalar embedding of `value` (sigma, guidance), times 1000: 128 cosines, 128 sines. float32 as diffusers has it.
 */
NN_API void nn_flux_sinusoid(float value, float out[NN_FLUX_SINUSOID]);

/* [C, h, w] <-> tokens [(h/2) (w/2), 4 C]. */
NN_API void nn_flux_pack(const float *x, uint64_t channels, uint64_t h, uint64_t w, float *tokens);
NN_API void nn_flux_unpack(const float *tokens, uint64_t channels, uint64_t h, uint64_t w, float *x);

#endif
