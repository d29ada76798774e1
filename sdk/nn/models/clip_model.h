/* clip_model.h - a CLIP model ready to compare texts and images: tokenizer, image preparation and both towers, compiled
 * once in the process for each (weights, device, type) and shared by all who open them. An image that several
 * verifiers ask for is computed once.
 *
 * Read are Hugging Face folders (config.json, weights, tokenizer, preprocessor_config.json) and the single files of
 * OpenAI and open_clip (.pt, .bin, .safetensors with tensors named "visual.*"); clip_preset.h says where what those
 * lack comes from.
 */
#ifndef WINNOW_NN_MODELS_CLIP_MODEL_H
#define WINNOW_NN_MODELS_CLIP_MODEL_H

#include "../graph.h"
#include "../image/preprocess.h"

#include <stdbool.h>

typedef struct nn_clip nn_clip;

/* path: a folder or a weight file. dtype: WN_F32 or WN_BF16. [setup] */
NN_API wn_status nn_clip_open(const char *path, const nn_device *device, int64_t dtype, nn_clip **out, wn_error *err);
/* The same, where the model's files do not say all or what they say is not wanted. Instances that differ in no more
 * than images_only and the tokenizer share their towers. */
typedef struct nn_clip_options {
    const char *processor;  /* folder of the tokenizer and preprocessor_config.json, or the tokenizer's file, a list of
                             * merges like bpe_simple_vocab_16e6.txt.gz; NULL = the model's own */
    int32_t resize;         /* NN_RESIZE_...; 0 = NN_RESIZE_PIL */
    int32_t crop;           /* NN_CROP_...; 0 = NN_CROP_FLOOR, HALF_EVEN for files of OpenAI and open_clip */
    const char *activation; /* "quick_gelu" or "gelu"; NULL or "" = what the model's files say. Contradicting what is
                             * known of a published file is an error. */
    bool images_only;       /* no text will be asked for: no tokenizer, no text tower */
} nn_clip_options;
NN_API wn_status nn_clip_open_with(const char *path, const nn_clip_options *options, const nn_device *device,
                                   int64_t dtype, nn_clip **out, wn_error *err);
NN_API void nn_clip_close(nn_clip *c); /* NULL is fine. [setup] */

/* Numbers in an embedding. [any] */
NN_API uint64_t nn_clip_width(const nn_clip *c);
/* Of the image tower, WN_ACT_.... [any] */
NN_API int32_t nn_clip_activation(const nn_clip *c);
/* What the model multiplies cosines by: exp(logit_scale); NaN when the weights lack it. [any] */
NN_API double nn_clip_logit_scale(const nn_clip *c);
/* Embeddings as the projections give them, not normalised: out [width], out [count, width]. A text that is longer than
 * the model's positions is cut, its end token kept, and *is_cut set. [any] */
NN_API wn_status nn_clip_text_embedding(nn_clip *c, const char *text, float *out, bool *is_cut, wn_error *err);
NN_API wn_status nn_clip_image_embeddings(nn_clip *c, uint64_t count, const wn_image *images, float *out,
                                          wn_error *err);
/* Runs of the towers since the model was opened: fewer than the calls where work was shared. [any] */
NN_API void nn_clip_counts(nn_clip *c, uint64_t *texts, uint64_t *images);
/* Images asked for since then, by all who share the tower. [any] */
NN_API uint64_t nn_clip_images_asked(nn_clip *c);
/* Files the model is made of: path of file i, NULL past the last. [any] */
NN_API const char *nn_clip_file(const nn_clip *c, uint64_t i);

/* Cosine of two vectors, in double precision; 0 when one is zero. [any] */
NN_API double nn_cosine(const float *a, const float *b, uint64_t n);

#endif
