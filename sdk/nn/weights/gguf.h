/* gguf.h - the GGUF format, versions 2 and 3: a checked reader over a mapping.
 *
 * A file is "GGUF", a u32 version, a u64 count of tensors and of keys, the keys with typed values, the tensors' names,
 * shapes (fastest dimension first: here they are turned round), types and offsets, and the data, each tensor at a
 * multiple of general.alignment. Files come from strangers: nothing is believed before it is checked (header <= 64 MiB,
 * valid UTF-8, no key and no name twice, sizes multiplied with care, the tensors cover the data exactly), and each
 * refusal names the file, the tensor or key, and both values.
 * Stands alone, like safetensors.h. [any] throughout; an open file is read-only.
 * Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */
#ifndef WINNOW_NN_GGUF_H
#define WINNOW_NN_GGUF_H

#include "safetensors.h"

typedef struct nn_gguf nn_gguf;

/* Whether a file that begins with these bytes says that it is one. */
NN_API int nn_gguf_is(const unsigned char first[8]);

/* Maps and checks a file. Tensors, names and metadata live until close. */
NN_API wn_status nn_gguf_open(const char *path, nn_gguf **out, wn_error *err);
NN_API void nn_gguf_close(nn_gguf *f); /* NULL is fine */

NN_API const char *nn_gguf_path(const nn_gguf *f);
NN_API uint64_t nn_gguf_count(const nn_gguf *f);
NN_API const nn_tensor *nn_gguf_at(const nn_gguf *f, uint64_t i);         /* sorted by name */
NN_API const nn_tensor *nn_gguf_find(const nn_gguf *f, const char *name); /* NULL when absent */
/* Values as text: numbers in decimal, true and false; of an array only "[N values]". */
NN_API uint64_t nn_gguf_metadata_count(const nn_gguf *f);
NN_API const nn_metadata *nn_gguf_metadata_at(const nn_gguf *f, uint64_t i); /* sorted by key */

#endif
