/* clip_bpe.h - CLIP's tokenizer: lower-cased byte-pair encoding framed by start and end tokens.
 *
 * Reads vocab.json and merges.txt, or else tokenizer.json, of a folder (and tokenizer_config.json where present). Text
 * is put in NFC, white space collapsed and lower-cased as the fast tokenizer of transformers does. [any]; a tokenizer
 * is read-only.
 */
#ifndef WINNOW_NN_CLIP_BPE_H
#define WINNOW_NN_CLIP_BPE_H

#include "../files.h"

#include <stdbool.h>

typedef struct nn_clip_bpe nn_clip_bpe;

NN_API wn_status nn_clip_bpe_open(const char *folder, nn_clip_bpe **out, wn_error *err);
/* From a list of merges alone: OpenAI's bpe_simple_vocab_16e6.txt.gz, or merges.txt. tokens: the size of the model's
 * vocabulary, 49408 for all published models. */
NN_API wn_status nn_clip_bpe_open_list(const char *file, uint64_t tokens, nn_clip_bpe **out, wn_error *err);
NN_API void nn_clip_bpe_close(nn_clip_bpe *t); /* NULL is fine */

NN_API const nn_files *nn_clip_bpe_files(const nn_clip_bpe *t); /* what it was read from */
NN_API int32_t nn_clip_bpe_start(const nn_clip_bpe *t);         /* id of <|startoftext|> */
NN_API int32_t nn_clip_bpe_end(const nn_clip_bpe *t);           /* id of <|endoftext|> */
NN_API int32_t nn_clip_bpe_pad(const nn_clip_bpe *t);           /* id of pad_token; the end token when none is named */
NN_API uint32_t nn_clip_bpe_max_length(const nn_clip_bpe *t);   /* model_max_length; 77 when none is given */

/* ids [max_length] receives start, content, end; *count says how many. Content that does not fit is cut, the end token
 * kept, and *truncated set. Nothing is padded. max_length >= 2. Malformed UTF-8 is WN_E_ARG with the byte's offset. */
NN_API wn_status nn_clip_bpe_encode(const nn_clip_bpe *t, const char *text, uint32_t max_length, int32_t *ids,
                                    uint32_t *count, bool *truncated, wn_error *err);

#endif
