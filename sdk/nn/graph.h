/* graph.h - builds a wn_graph (device.h) one operation at a time.
 *
 * Models call these in the order of their papers; shapes are checked as the graph grows, and the first mistake is kept
 * and reported by nn_graph_compile, so that building code needs no error handling of its own.
 *
 *     nn_graph *g = nn_graph_new("mlp");
 *     nn_t x = nn_input(g, "x", WN_F32, 64, 256, 0);
 *     nn_t h = nn_linear(g, x, w1, b1, &(nn_epilogue){ .activation = WN_ACT_GELU_TANH });
 *     nn_t y = nn_linear(g, h, w2, b2, &(nn_epilogue){ .residual = x });
 *     nn_output(g, "y", y);
 *     status = nn_graph_compile(g, device, WN_F32, 16, &program, err);
 *
 * Tensor and weight handles start at 1, so that a zeroed nn_epilogue means "none". [serial] throughout.
 */
#ifndef WINNOW_NN_GRAPH_H
#define WINNOW_NN_GRAPH_H

#include <winnow/device.h>

#include "nn.h"

typedef uint32_t nn_t; /* a tensor of a graph; 0 = none */
typedef uint32_t nn_w; /* a weight of a graph; 0 = none */

typedef struct nn_graph nn_graph;
struct nn_weights;

/* An opened device with its interface: what models are given. */
typedef struct nn_device {
    const wn_device_api *api;
    wn_device *device;
} nn_device;

typedef struct nn_epilogue {
    int32_t activation; /* WN_ACT_..., 0 = none */
    nn_t mul;           /* [T,N] */
    nn_t gate;          /* [1,N] */
    nn_t residual;      /* [T,N] */
    nn_t into;          /* write here (a window or an existing tensor) instead of into a new one */
} nn_epilogue;

NN_API nn_graph *nn_graph_new(const char *name); /* never NULL: allocation failure is reported by compile */
NN_API void nn_graph_free(nn_graph *g);          /* NULL is fine */

/* ---- tensors: handles for [rows, cols] ---- */
NN_API nn_t nn_input(nn_graph *g, const char *name, int32_t dtype, uint64_t rows, uint64_t cols, uint32_t flags);
NN_API nn_t nn_temp(nn_graph *g, const char *name, uint64_t rows, uint64_t cols, uint32_t flags);
NN_API nn_t nn_const(nn_graph *g, const char *name, uint64_t rows, uint64_t cols, const float *data); /* copied */
NN_API nn_t nn_window(nn_graph *g, nn_t base, uint64_t row0, uint64_t rows, uint64_t col0, uint64_t cols);
NN_API void nn_output(nn_graph *g, const char *name, nn_t t); /* copies t into an OUTPUT */
NN_API uint64_t nn_rows(const nn_graph *g, nn_t t);
NN_API uint64_t nn_cols(const nn_graph *g, nn_t t);

/* ---- weights ---- */
/* By name from an open checkpoint, checked to be [rows, cols] (trailing 1x1 of convolutions and a flattened kernel are
 * folded into cols; a vector is rows = 1). A missing tensor or a wrong shape is the graph's error, naming file, tensor
 * and both shapes. */
NN_API nn_w nn_weight(nn_graph *g, const struct nn_weights *from, uint64_t rows, uint64_t cols, const char *format, ...)
    WN_PRINTF(5, 6);
NN_API nn_w nn_weight_if(nn_graph *g, const struct nn_weights *from, uint64_t rows, uint64_t cols, const char *format,
                         ...) WN_PRINTF(5, 6); /* 0 when the tensor is absent */
/* Weights below one another: [a.rows + b.rows + ..., cols]. Vectors are laid end to end. */
NN_API nn_w nn_stack(nn_graph *g, uint32_t count, const nn_w *parts);
/* Rows row0 .. row0+rows of a weight. For vectors ([1,n]) a range of columns. */
NN_API nn_w nn_slice(nn_graph *g, nn_w w, uint64_t first, uint64_t count);

/* ---- operations (device.h says what each computes) ---- */
NN_API nn_t nn_linear(nn_graph *g, nn_t x, nn_w w, nn_w bias, const nn_epilogue *e); /* e may be NULL */
NN_API nn_t nn_layer_norm(nn_graph *g, nn_t x, nn_w w, nn_w b, float eps);
NN_API nn_t nn_rms_norm(nn_graph *g, nn_t x, nn_w w, float eps);
NN_API nn_t nn_modulated_norm(nn_graph *g, nn_t x, nn_t scale, nn_t shift, float eps);
NN_API nn_t nn_head_norm_rope(nn_graph *g, nn_t x, uint64_t heads, nn_w w, nn_t table, float eps); /* in place */
NN_API nn_t nn_attention(nn_graph *g, nn_t q, nn_t k, nn_t v, uint64_t heads, float scale, int causal, nn_t bias,
                         nn_t into);
typedef struct nn_conv_shape {
    uint64_t height, width; /* of x */
    uint64_t kernel, stride, pad_before, pad_after, upsample;
    uint64_t first, rows; /* rows of the result that are computed; rows 0: all from the first on */
} nn_conv_shape;
NN_API nn_t nn_conv(nn_graph *g, nn_t x, nn_w w, nn_w bias, const nn_conv_shape *s, const nn_epilogue *e);
NN_API nn_t nn_group_norm(nn_graph *g, nn_t x, nn_w w, nn_w b, uint64_t groups, float eps, int32_t activation);
/* The same in parts: moments of parts of a picture, in chunks of some rows each, go into a tensor [chunks, 2 groups]; the
 * table of all of them normalises any part. */
NN_API void nn_group_moments(nn_graph *g, nn_t x, uint64_t groups, uint64_t chunk, nn_t into);
NN_API nn_t nn_group_table(nn_graph *g, nn_t moments, nn_w w, nn_w b, uint64_t channels, uint64_t chunk, float eps);
NN_API nn_t nn_group_apply(nn_graph *g, nn_t x, nn_t table, int32_t activation);
NN_API nn_t nn_embed(nn_graph *g, nn_t ids, nn_w table, nn_w positions);
NN_API nn_t nn_add(nn_graph *g, nn_t a, nn_t b);
NN_API nn_t nn_multiply(nn_graph *g, nn_t a, nn_t b);
NN_API nn_t nn_unary(nn_graph *g, nn_t x, int32_t activation, const float f[4]);
NN_API void nn_copy(nn_graph *g, nn_t from, nn_t to);
NN_API nn_t nn_pick_row(nn_graph *g, nn_t x, nn_t index);
NN_API nn_t nn_weight_rows(nn_graph *g, nn_w w);

/* Index of an INPUT or OUTPUT for wn_binding.tensor, or WN_NONE. */
NN_API uint32_t nn_find(const nn_graph *g, const char *name);
/* The finished description; valid until g is freed. */
NN_API const wn_graph *nn_graph_get(const nn_graph *g);
/* The first building error, if there was one: whether a model's weights fit can be told without compiling. */
NN_API wn_status nn_graph_status(const nn_graph *g, wn_error *err);
/* Reports the first building error, else compiles. */
NN_API wn_status nn_graph_compile(const nn_graph *g, const nn_device *d, int64_t dtype, uint64_t max_items,
                                  wn_program **program, wn_error *err);

#endif
