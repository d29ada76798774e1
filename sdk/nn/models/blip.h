/* blip.h - a BLIP checkpoint's parts (Li et al. 2022): image encoder, text encoder that attends to it, and, where there
 * is one, the decoder that answers. Read are
 *  - original files and what is built like them (ImageReward): a .pt, .pth or .safetensors file, or a folder with
 *    ImageReward.pt, model.safetensors or pytorch_model.bin; beside it med_config.json (BERT's sizes; without it heads
 *    are 64 wide, as in all that is published) and, for our own keys, config.json {"vision_heads": n};
 *  - Hugging Face folders (BlipForQuestionAnswering), whose config.json has a text_config and a vision_config.
 */
#ifndef WINNOW_NN_MODELS_BLIP_H
#define WINNOW_NN_MODELS_BLIP_H

#include "../files.h"
#include "../text/wordpiece.h"
#include "bert.h"
#include "vit.h"

typedef struct nn_blip {
    char *folder; /* where the weights lie */
    nn_weights *weights;
    nn_vit vit;
    nn_bert encoder;
    nn_bert decoder; /* width 0 = none */
    nn_wordpiece *tokenizer;
    nn_config *config; /* config.json; NULL when there is none */
    nn_files files;    /* all that was read */
} nn_blip;

/* tokenizer: a vocab.txt or a folder with one; "" = the model's folder's. The word table has two rows beyond the
 * tokenizer's words, [DEC] and [ENC], as in BLIP. After a failure *out is closed. [setup] */
NN_API wn_status nn_blip_open(const char *path, const char *tokenizer, nn_blip *out, wn_error *err);
NN_API void nn_blip_close(nn_blip *b); /* all zero is fine. [setup] */

/* Tokens of a text: ids [max_tokens] as nn_wordpiece_encode gives them, checked against the word table. [any] */
NN_API wn_status nn_blip_tokens(const nn_blip *b, const char *text, uint32_t max_tokens, int32_t *ids, uint32_t *count,
                                bool *is_cut, wn_error *err);

/* Whether the folder, or that of the file, holds a vocab.txt. [any] */
NN_API bool nn_blip_has_words(const char *path);

#endif
