/* flux_lora.h - low-rank changes (LoRA, Hu et al. 2021, arXiv:2106.09685) put into the weights of FLUX.1 and its CLIP.
 *
 * W + scale alpha / rank up down, with float32 sums, up down first. What is merged keeps the weight's type where that
 * is F32, F16 or BF16, and becomes BF16 where it is of 8 bits or quantised: that has the range of F32 at the size of
 * F16, and what a quantised base loses by bfloat16 is far below its own error.
 *
 * Names that are read, in either layout of the model:
 *  - PEFT and diffusers: [transformer.]MODULE.lora_A.weight, .lora_B.weight, also .lora.down/.up and
 * .lora_down/.lora_up; MODULE is diffusers' or the original's. alpha is MODULE.alpha, else what the file's metadata say
 *    (lora_adapter_metadata: lora_alpha, alpha_pattern, use_rslora), else the rank.
 *  - kohya: lora_unet_MODULE.lora_down.weight, .lora_up.weight, .alpha, with "_" for "." in MODULE; lora_transformer_
 * too.
 *    Layers of CLIP are lora_te1_MODULE, text_encoder.MODULE.
 *  - XLabs: double_blocks.N.processor.qkv_lora1.down.weight and so on; 1 is the image's stream, 2 the text's.
 *
 * Easy to get wrong:
 *  - the halves of the last modulation change places between the layouts, so the rows of its `up` do;
 *  - XLabs' qkv_lora of a single block has 3 D rows: the first of linear1, not all of it;
 *  - kohya's alpha is not the rank; without it a change is rank / alpha times too large.
 */
#ifndef WINNOW_NN_MODELS_FLUX_LORA_H
#define WINNOW_NN_MODELS_FLUX_LORA_H

#include "flux.h"

typedef struct nn_lora {
    const nn_weights *w;
    double scale;
} nn_lora;

/* The text encoder that LoRAs may change too. prefix: what its tensors' names have before "encoder.layers." */
typedef struct nn_lora_clip {
    nn_weights **w;
    const char *prefix;
} nn_lora_clip;

/* Merges `count` LoRAs into *w, a transformer that c describes, and *clip->w (clip may be NULL): each becomes a view of
 * what it was (nn_weights_view) where it is changed. A tensor of a LoRA that changes nothing here is an error that
 * names it. The host lends its threads. [setup] */
NN_API wn_status nn_flux_lora_merge(const nn_flux *c, const nn_lora *loras, uint64_t count, const wn_host *host,
                                    const nn_lora_clip *clip, nn_weights **w, wn_error *err);

#endif
