/* t5.h - the encoder of T5 1.1 (Raffel et al. 2020; Shazeer 2020, "GLU Variants Improve Transformer").
 *
 * Easy to get wrong:
 *  - attention has no 1/sqrt(d);
 *  - the position bias is a table of the first block, used by all blocks; its buckets come from float32 logarithms;
 *  - there is no mask: padding tokens are tokens, and all rows go on into FLUX;
 *  - norms are RMS norms without a mean and without a bias; no linear layer has a bias;
 *  - wi_0 is the branch that passes the activation, wi_1 the one that multiplies;
 *  - embeddings are not scaled; the file may hold them twice (`encoder.embed_tokens.weight`).
 */
#ifndef WINNOW_NN_MODELS_T5_H
#define WINNOW_NN_MODELS_T5_H

#include "../graph.h"
#include "../weights/weights.h"

typedef struct nn_t5 {
    uint64_t width;
    uint64_t head_width;
    uint64_t heads;
    uint64_t mlp;
    uint64_t layers;
    uint64_t vocabulary;
    uint64_t buckets;
    uint64_t max_distance;
    int32_t activation;
    int32_t is_gated;
    float eps;
    char prefix[64];
} nn_t5;

/* Weights under llama.cpp's names (GGUF files of an encoder) become a view under the original's; others stay. [any] */
NN_API wn_status nn_t5_rename(nn_weights **w, wn_error *err);

/* config.json beside the weights (a folder), or sizes off the weights and the rest as T5 1.1 (a single file). [any] */
NN_API wn_status nn_t5_read(const char *path, const nn_weights *w, nn_t5 *out, wn_error *err);

/* ids I32 [tokens, 1] -> "states" [tokens, width]. */
NN_API nn_graph *nn_t5_graph(const nn_t5 *c, const nn_weights *w, uint64_t tokens);

/* Bucket of a key `distance` tokens after the query (negative: before). */
NN_API uint64_t nn_t5_bucket(const nn_t5 *c, int64_t distance);

#endif
