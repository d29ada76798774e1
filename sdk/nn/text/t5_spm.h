/* t5_spm.h - T5's tokenizer: SentencePiece's unigram model from a folder's spiece.model, an end token and padding.
 *
 * Needs the SentencePiece library; a build without it answers WN_E_UNSUPPORTED. [any]; a tokenizer is read-only.
 */
#ifndef WINNOW_NN_T5_SPM_H
#define WINNOW_NN_T5_SPM_H

#include "../files.h"

#include <stdbool.h>

typedef struct nn_t5_spm nn_t5_spm;

NN_API wn_status nn_t5_spm_open(const char *folder, nn_t5_spm **out, wn_error *err);
NN_API void nn_t5_spm_close(nn_t5_spm *t); /* NULL is fine */

NN_API const nn_files *nn_t5_spm_files(const nn_t5_spm *t); /* what it was read from */
NN_API int32_t nn_t5_spm_end(const nn_t5_spm *t);         /* id of </s> */
NN_API int32_t nn_t5_spm_pad(const nn_t5_spm *t);         /* id of <pad> */
NN_API uint32_t nn_t5_spm_max_length(const nn_t5_spm *t); /* model_max_length; 512 when none is given */

/* ids [length] receives the pieces, </s>, then <pad> up to length; *count = pieces and </s>. Pieces that do not fit are
 * cut, </s> kept, and *truncated set. Literal "</s>", "<pad>", "<unk>" and "<extra_id_N>" in the text are those tokens.
 * length >= 1. */
NN_API wn_status nn_t5_spm_encode(const nn_t5_spm *t, const char *text, uint32_t length, int32_t *ids, uint32_t *count,
                                  bool *truncated, wn_error *err);

#endif
