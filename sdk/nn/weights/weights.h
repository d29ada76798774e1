/* weights.h - named tensors of a checkpoint, wherever they lie: one file, shards with an index, a component's folder.
 *
 * Files are mapped, never copied; data pointers stay valid until close. Opening the same path twice in a process shares
 * the mapping. [any] throughout; an open set of weights is read-only.
 */
#ifndef WINNOW_NN_WEIGHTS_H
#define WINNOW_NN_WEIGHTS_H

#include "../nn.h"

#include <winnow/device.h>

#define NN_MAX_RANK 8

/* Frozen view of one tensor. data may be unaligned: read through memcpy. */
typedef struct nn_tensor {
    const char *name;
    const char *file; /* path of the file that holds it */
    int32_t dtype;    /* WN_F32 ... */
    uint32_t rank;
    uint64_t shape[NN_MAX_RANK];
    uint64_t bytes;
    const void *data;
} nn_tensor;

typedef struct nn_weights nn_weights;

/* path: a file of safetensors, of torch (.pt, .pth, .bin: torch_file.h says what of those is read) or of GGUF (gguf.h),
 * an .index.json of shards of any kind, or a folder that holds one of diffusion_pytorch_model.safetensors,
 * model.safetensors, open_clip_model.safetensors, pytorch_model.bin, open_clip_pytorch_model.bin, an .index.json of the
 * first, second or fourth, diffusion_pytorch_model.gguf or model.gguf, looked for in the order of weights.c:
 * safetensors first. */
NN_API wn_status nn_weights_open(const char *path, nn_weights **out, wn_error *err);
NN_API void nn_weights_close(nn_weights *w); /* NULL is fine */

/* A set made of another's tensors under other names, in other shapes: tensors [count] and their names are copied, data
 * stay where they are. `base` and `owned` (malloc'd, for data that had to be made; NULL is fine) end with the set;
 * after a failure they are still the caller's. Files are those of base. */
NN_API wn_status nn_weights_view(nn_weights *base, const nn_tensor *tensors, uint64_t count, void *owned,
                                 nn_weights **out, wn_error *err);

NN_API const char *nn_weights_path(const nn_weights *w);
NN_API uint64_t nn_weights_count(const nn_weights *w);
NN_API const nn_tensor *nn_weights_at(const nn_weights *w, uint64_t i);         /* sorted by name */
NN_API const nn_tensor *nn_weights_find(const nn_weights *w, const char *name); /* NULL when absent */
/* The same for a graph that knows the shape it wants: in synthetic.h's sets a tensor is made when it is asked for, NULL
 * when memory ran out. */
NN_API const nn_tensor *nn_weights_shaped(const nn_weights *w, const char *name, uint64_t rows, uint64_t cols);
NN_API uint64_t nn_weights_file_count(const nn_weights *w);
NN_API const char *nn_weights_file(const nn_weights *w, uint64_t i);

/* A value of the header of a file of safetensors (__metadata__) or GGUF, the first with the key; NULL when absent. */
NN_API const char *nn_weights_metadata(const nn_weights *w, const char *key);

/* Elements first .. first+n-1 as float32, whatever the dtype; NaN for complex types and plain ones below a byte. */
NN_API void nn_tensor_to_f32(const nn_tensor *t, uint64_t first, float *dst, uint64_t n);

#endif
