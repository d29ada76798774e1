/* safetensors.h - the safetensors format: a checked reader over a mapping, and a writer.
 *
 * A file is a little-endian u64 N, N bytes of JSON (name -> dtype, shape, data_offsets) and the data. Files come from
 * strangers: nothing is believed before it is checked (header <= 100 MB, valid UTF-8, no name twice, sizes multiplied
 * with care, the tensors cover the data exactly), and each refusal names the file, the tensor and both values.
 * Stands alone: the command uses it without the rest of the toolkit. [any] throughout; an open file is read-only.
 * Format: https://github.com/huggingface/safetensors (README, "Format").
 */
#ifndef WINNOW_NN_SAFETENSORS_H
#define WINNOW_NN_SAFETENSORS_H

#include "weights.h"

/* Types that a file may hold and no graph computes with, after WN_F32 ... WN_U8 of device.h. */
enum {
    NN_DTYPE_BOOL = 64,
    NN_DTYPE_I8,
    NN_DTYPE_I16,
    NN_DTYPE_U16,
    NN_DTYPE_U32,
    NN_DTYPE_U64,
    NN_DTYPE_F64,
    NN_DTYPE_C64,
    NN_DTYPE_F8_E8M0,
    NN_DTYPE_F8_E4M3FNUZ,
    NN_DTYPE_F8_E5M2FNUZ,
    NN_DTYPE_F6_E2M3,
    NN_DTYPE_F6_E3M2,
    NN_DTYPE_F4
};

NN_API const char *nn_dtype_name(int32_t dtype); /* as in the format, "BF16" (and "Q4_K", ...); "?" for none of them */
NN_API uint32_t nn_dtype_bits(int32_t dtype);    /* of one element; 0 for none of them and for types of blocks */
NN_API int32_t nn_dtype_parse(const char *name); /* 0 for none of them: blocks are not of this format */

typedef struct nn_safetensors nn_safetensors;

typedef struct nn_metadata {
    const char *key;
    const char *value;
} nn_metadata;

/* Maps and checks a file. Tensors, names and metadata live until close. */
NN_API wn_status nn_safetensors_open(const char *path, nn_safetensors **out, wn_error *err);
NN_API void nn_safetensors_close(nn_safetensors *f); /* NULL is fine */

NN_API const char *nn_safetensors_path(const nn_safetensors *f);
NN_API uint64_t nn_safetensors_count(const nn_safetensors *f);
NN_API const nn_tensor *nn_safetensors_at(const nn_safetensors *f, uint64_t i);         /* sorted by name */
NN_API const nn_tensor *nn_safetensors_find(const nn_safetensors *f, const char *name); /* NULL when absent */
NN_API uint64_t nn_safetensors_metadata_count(const nn_safetensors *f);
NN_API const nn_metadata *nn_safetensors_metadata_at(const nn_safetensors *f, uint64_t i); /* sorted by key */

/* Writes a file beside `path`, syncs it and renames it into place: a reader sees the old file or the whole new one.
 * Of each tensor name, dtype, rank, shape and data are read. metadata may be NULL when metadata_count is 0. */
NN_API wn_status nn_safetensors_write(const char *path, const nn_tensor *tensors, uint64_t count,
                                      const nn_metadata *metadata, uint64_t metadata_count, wn_error *err);

#endif
