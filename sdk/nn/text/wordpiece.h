/* wordpiece.h - BERT's tokenizer (Devlin et al. 2018), as bert-base-uncased has it: words in lower case without
 * accents, cut greedily into the longest pieces of a vocabulary.
 *
 * A literal [CLS], [SEP], [PAD], [UNK] or [MASK] in a text is that token, as in transformers. [any]; a tokenizer is
 * read-only.
 */
#ifndef WINNOW_NN_WORDPIECE_H
#define WINNOW_NN_WORDPIECE_H

#include "../files.h"

#include <stdbool.h>

typedef struct nn_wordpiece nn_wordpiece;

/* path: a vocab.txt (one token a line, its id the line's number from 0) or a folder that holds it. A folder's
 * tokenizer_config.json may not ask for anything but the uncased rules. */
NN_API wn_status nn_wordpiece_open(const char *path, nn_wordpiece **out, wn_error *err);
NN_API void nn_wordpiece_close(nn_wordpiece *t); /* NULL is fine */

NN_API const nn_files *nn_wordpiece_files(const nn_wordpiece *t); /* what it was read from */

/* ids [max_tokens] receives [CLS], pieces, [SEP]; *count says how many. Pieces that do not fit are cut, [SEP] kept,
 * and *is_cut set. Nothing is padded. max_tokens >= 2. Malformed UTF-8 is WN_E_ARG with the byte's offset. */
NN_API wn_status nn_wordpiece_encode(const nn_wordpiece *t, const char *text, uint32_t max_tokens, int32_t *ids,
                                     uint32_t *count, bool *is_cut, wn_error *err);

/* Id of a token as the vocabulary spells it ("[PAD]", "##ing"), -1 when absent. */
NN_API int64_t nn_wordpiece_id(const nn_wordpiece *t, const char *token);

#endif
