/* spm_check.h - whether a SentencePiece model's character map is safe to follow. Internal to the toolkit. [any] */
#ifndef WINNOW_NN_SPM_CHECK_H
#define WINNOW_NN_SPM_CHECK_H

#include "../nn.h"

/* bytes is the whole model file; path is for errors. */
wn_status spm_check(const char *path, const unsigned char *bytes, uint64_t size, wn_error *err);

#endif
