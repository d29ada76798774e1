/* spm_shim.h - a SentencePiece model behind C. Internal to the toolkit; nothing thrown crosses it. [any] */
#ifndef WINNOW_NN_SPM_SHIM_H
#define WINNOW_NN_SPM_SHIM_H

#include "../nn.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spm;

/* bytes is the model file, which is copied; path is for errors. */
wn_status spm_open(const char *path, const unsigned char *bytes, size_t size, struct spm **out, wn_error *err);
void spm_close(struct spm *m); /* NULL is fine */

int32_t spm_size(const struct spm *m);                    /* pieces; ids are 0 .. size-1 */
int32_t spm_find(const struct spm *m, const char *piece); /* -1 when it is none */

/* The ids of bytes text[0 .. bytes), as a new array to be freed. */
wn_status spm_encode(const struct spm *m, const char *text, size_t bytes, int32_t **ids, size_t *count, wn_error *err);

#ifdef __cplusplus
}
#endif

#endif
