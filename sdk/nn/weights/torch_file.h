/* torch_file.h - the tensors of a file that torch wrote: .pt, .pth, .bin.
 *
 * Read are zip archives (torch.save since 1.6, and TorchScript archives like those of OpenAI's CLIP), with a pickle
 * machine that builds tensors and runs nothing (pickle.h). Names are the path of keys, or of attributes in TorchScript,
 * joined by dots; numbers, strings and the like are passed over. What training code wraps around a state dict is
 * taken off: while the outermost dict holds no tensor itself but a dict "state_dict" or, failing that, "model", that
 * one alone is read; then "module." in front of all names is dropped. Data are not copied: they lie in the mapped file,
 * but for tensors whose elements are not in order there (a transposed view, say), which are put in order once. [any]
 * throughout; an open file is read-only.
 */
#ifndef WINNOW_NN_TORCH_FILE_H
#define WINNOW_NN_TORCH_FILE_H

#include "weights.h"

typedef struct nn_torch_file nn_torch_file;

/* Whether a file that begins with these bytes was probably written by torch (nn_torch_file_open says what is wrong). */
NN_API int nn_torch_file_is(const unsigned char first[8]);

/* Tensors and names live until close. */
NN_API wn_status nn_torch_file_open(const char *path, nn_torch_file **out, wn_error *err);
NN_API void nn_torch_file_close(nn_torch_file *f); /* NULL is fine */

NN_API const char *nn_torch_file_path(const nn_torch_file *f);
NN_API uint64_t nn_torch_file_count(const nn_torch_file *f);
NN_API const nn_tensor *nn_torch_file_at(const nn_torch_file *f, uint64_t i);         /* sorted by name */
NN_API const nn_tensor *nn_torch_file_find(const nn_torch_file *f, const char *name); /* NULL when absent */

#endif
