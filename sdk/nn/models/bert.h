/* bert.h - BERT (Devlin et al. 2018) with attention to an image in every layer, as BLIP's text encoder and decoder and
 * ImageReward have it (Li et al. 2022, "BLIP").
 *
 * Easy to get wrong:
 *  - norms come after the residual sum; eps is 1e-12;
 *  - a layer attends to the text, then to the image, then feeds forward;
 *  - there is no table of token types;
 *  - padding: the reference adds -10000 to scores of padded tokens, whose weight is then exactly 0 in float32; here
 * only the real tokens are run, one program for each length;
 *  - with one token, causal and plain attention are the same: the decoder's first step needs no mask.
 */
#ifndef WINNOW_NN_MODELS_BERT_H
#define WINNOW_NN_MODELS_BERT_H

#include "../config.h"
#include "../graph.h"
#include "../weights/weights.h"

typedef struct nn_bert {
    char prefix[64]; /* of the tensors: "text_encoder.", "text_decoder.bert." ... */
    uint64_t width;
    uint64_t layers;
    uint64_t heads;
    uint64_t mlp;
    uint64_t vocabulary; /* rows of the word table */
    uint64_t positions;
    uint64_t context; /* width of what it attends to */
    int32_t activation;
    float eps;
} nn_bert;

/* Sizes off the tensors below prefix; heads, activation and eps from the config, whose other sizes must agree. c:
 * med_config.json or a text_config of transformers; NULL: heads of 64, GELU, 1e-12, as published. heads: the config's
 * default number, 0 = it must say. [any] */
NN_API wn_status nn_bert_read(const nn_weights *w, const char *prefix, const nn_config *c, uint64_t heads, nn_bert *out,
                              wn_error *err);

/* What a text begins as: ids I32 [tokens, 1] -> [tokens, width], or one word alone, [1, width]. */
NN_API nn_t nn_bert_embed(nn_graph *g, const nn_bert *b, const nn_weights *w, nn_t ids);
NN_API nn_t nn_bert_embed_word(nn_graph *g, const nn_bert *b, const nn_weights *w, uint64_t word);
/* All layers: x [tokens, width], context [any rows, context width] -> [tokens, width]. */
NN_API nn_t nn_bert_layers(nn_graph *g, const nn_bert *b, const nn_weights *w, nn_t x, nn_t context);
/* The language model's head on states [rows, width]: logits [rows, count] of some of the vocabulary's words.
 * head: the prefix of its tensors, "text_decoder.cls.predictions.". Without a decoder matrix of its own it is the word
 * table, as in tied checkpoints. */
NN_API nn_t nn_bert_logits(nn_graph *g, const nn_bert *b, const nn_weights *w, const char *head, nn_t states,
                           uint32_t count, const uint64_t *words);

#endif
