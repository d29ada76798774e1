/* device.h - computes graphs: the interface between models, written once, and devices, written once for each API.
 *
 * A graph is a list of coarse operations over matrices. All tensors are [rows, cols], row-major; a picture of h x w
 * positions and c channels is [h*w, c] (channels last), so that a 1x1 convolution is a linear layer and attention
 * over positions needs no transpose. A graph describes ONE item (one candidate); run() computes `count` items at
 * once. An item's result must not depend, to the last bit, on count, on its batch mates or on the thread count.
 *
 * compile() plans memory (liveness), packs the weights for the device and records what can be recorded; run() replays.
 * A device keeps one packed copy of a weight for all programs that use the same data in the same way.
 *
 * Windows: a tensor may be a window of another one (base, row0, col0). Writing text and image rows into windows of
 * one matrix is how concatenation is spelled; there is no concat operation.
 */
#ifndef WINNOW_DEVICE_H
#define WINNOW_DEVICE_H

#include <winnow/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WN_NONE UINT32_MAX

/* Element types of weights and tensors; tensors are F32 or I32 at the boundary.
 *
 * From WN_Q8_0 on (since 0.4) a weight's row is a run of blocks of 32 or 256 values, as ggml lays them out: cols is a
 * multiple of the block, so that rows can still be sliced and stacked. d and dmin are IEEE halves, little-endian like
 * everything; members follow one another without padding; j counts the values of a block, and a byte's low half comes
 * first.
 *
 *   Q8_0   32 values,  34 bytes: d, int8 q[32].                y[j] = d q[j]
 *   Q4_0   32 values,  18 bytes: d, u8 q[16].                  y[j] = d (low(q[j]) - 8), y[j + 16] = d (high(q[j]) - 8)
 *   Q4_K  256 values, 144 bytes: d, dmin, u8 s[12], u8 q[128]. 8 groups of 32; groups 2g and 2g + 1 are the low and
 *                                the high halves of q[32 g ..]. y = (d scale) q - dmin min
 *   Q5_K  256 values, 176 bytes: d, dmin, u8 s[12], u8 h[32], u8 q[128]. The same with a fifth bit: bit k of h[j % 32]
 *                                for group k
 *   Q6_K  256 values, 210 bytes: u8 low[128], u8 high[64], int8 scale[16], d. Two halves of 128 values: quarter k of
 *                                one is the low (k < 2) or high halves of low[64 half + 32 (k % 2) ..] and bits 2k,
 *                                2k + 1 of high[32 half ..]. y = (d scale[j / 16]) (q - 32)
 *
 * Scales and minima of Q4_K and Q5_K have six bits: of groups k < 4 they are s[k] & 63 and s[k + 4] & 63, of the others
 * low(s[k + 4]) | s[k - 4] >> 6 << 4 and high(s[k + 4]) | s[k] >> 6 << 4.
 * Source: https://github.com/ggml-org/ggml, ggml-common.h (layouts); values as gguf-py's to the last bit. */
enum {
    WN_F32 = 1,
    WN_F16 = 2,
    WN_BF16 = 3,
    WN_F8_E4M3 = 4,
    WN_F8_E5M2 = 5,
    WN_I32 = 6,
    WN_I64 = 7,
    WN_U8 = 8,
    WN_Q8_0 = 9,
    WN_Q4_0 = 10,
    WN_Q4_K = 11,
    WN_Q5_K = 12,
    WN_Q6_K = 13
};

/* ---- tensors and weights ------------------------------------------------------------------------------------ */

enum {
    WN_ROLE_INPUT = 1,  /* bound at run */
    WN_ROLE_OUTPUT = 2, /* bound at run */
    WN_ROLE_TEMP = 3,   /* planned by the device */
    WN_ROLE_CONST = 4,  /* the same for all runs and items; data is copied by compile */
    WN_ROLE_WINDOW = 5  /* rows x cols of tensor `base` from (row0, col0); base is not a window itself */
};

enum {
    WN_TENSOR_SHARED = 1 << 0,  /* INPUT only: one for all items of a run, not one for each */
    WN_TENSOR_KEEP_F32 = 1 << 1 /* a residual stream: the device must not store it in fewer bits than bf16, never fp16 */
};

/* Frozen. */
typedef struct wn_tensor {
    const char *name; /* for errors and profiles; may be NULL */
    int32_t role;
    int32_t dtype; /* WN_F32, or WN_I32 for ids */
    uint64_t rows;
    uint64_t cols;
    uint32_t base; /* WINDOW only, else WN_NONE */
    uint32_t flags;
    uint64_t row0;
    uint64_t col0;
    const void *data; /* CONST only: [rows, cols] dense */
} wn_tensor;

/* A run of rows of a weight. Values are data * scale. Frozen. */
typedef struct wn_weight_part {
    const void *data; /* [rows, cols] dense (in blocks, where dtype is of blocks), little-endian, any alignment; must
                       * stay mapped while programs live */
    int32_t dtype;
    float scale; /* 1 unless the file has scales */
    uint64_t rows;
} wn_weight_part;

/* A weight [rows, cols] made of up to 4 parts one above the other (q, k, v of separate tensors; swapped halves).
 * A vector (bias, norm weight) is [1, n], or [n, 1] when it is made of parts. A convolution is [c_out, c_in * kh * kw], inner order (c_in, ky, kx), as
 * checkpoints store it. Frozen. */
typedef struct wn_weight {
    const char *name; /* the tensor's name in its file, for errors */
    uint64_t rows;
    uint64_t cols;
    wn_weight_part part[4];
    uint64_t part_count;
} wn_weight;

/* ---- operations --------------------------------------------------------------------------------------------- */

enum {
    WN_ACT_NONE = 1,
    WN_ACT_GELU_TANH = 2,
    WN_ACT_GELU_ERF = 3,
    WN_ACT_QUICK_GELU = 4, /* x sigmoid(1.702 x) */
    WN_ACT_SILU = 5,
    WN_ACT_RELU = 6,
    WN_ACT_TANH = 7
};

enum {
    /* out[T,N] = residual + gate * (mul * act(x W^T + bias)).
     * in: x [T,K], mul [T,N] or none, gate [1,N] or none, residual [T,N] or none (may be `out` itself).
     * weight: W [N,K], bias [1,N] or none. */
    WN_OP_LINEAR = 1,

    /* out = n(x) w + b, or n(x) (1 + scale) + shift. i[0]: 1 = LayerNorm, 2 = RMSNorm over cols; f[0]: eps.
     * in: x [T,C], scale [1,C] or none, shift [1,C] or none. weight: w [1,C] or none, b [1,C] or none. */
    WN_OP_NORM = 2,

    /* Per head of x [T, heads*d]: RMSNorm with weight [1,d] (or none), then rotary embedding of adjacent pairs
     * (2k, 2k+1) by table [T, d] = cos_0 sin_0 cos_1 sin_1 ... (or none). out may be x. i[0]: heads; f[0]: eps.
     * in: x, table. weight: w. */
    WN_OP_HEAD_NORM_ROPE = 3,

    /* out = softmax(scale q k^T + bias[h, j - i + Tq - 1]) v for every head.
     * in: q [Tq, heads*d], k [Tk, heads*d], v [Tk, heads*d], bias [heads, Tq + Tk - 1] or none.
     * i[0]: heads; i[1]: 1 = causal (j <= i). f[0]: scale. Statistics in float32. */
    WN_OP_ATTENTION = 4,

    /* out = residual + act(conv(up(x)) + bias). x is [h*w, c_in], out [ho*wo, c_out].
     * i: 0 h, 1 w (of x, before upsampling), 2 kernel (square), 3 stride, 4 pad top and left, 5 pad bottom and right,
     * 6 nearest upsampling factor (1 or 2), 7 (since 0.4) the first of the ho rows that are computed: out [n*wo, c_out]
     * has rows i[7] .. i[7] + n, all of them or some. ho = (h*up + i[4] + i[5] - kernel) / stride + 1.
     * in: x, none, none, residual or none. weight: W [c_out, c_in*k*k], bias or none. */
    WN_OP_CONV = 5,

    /* out = act(group_norm(x) w + b); statistics over rows x (cols/groups). i[0]: groups; f[0]: eps. out may be x.
     * in: x. weight: w [1,C], b [1,C].
     * With a table [3,C] as in[1] (since 0.4) nothing is measured: out = act((x - table[0]) table[1] + table[2]), for
     * any part of a picture. i[0] is 1 then, and there are no weights. */
    WN_OP_GROUP_NORM = 6,

    /* out[t] = W[ids[t]] + P[t]. in: ids I32 [T,1]. weight: W [V,D], P [>=T, D] or none. */
    WN_OP_EMBED = 7,

    /* out = a + b or a * b; b may have one row. i[0]: 1 add, 2 multiply. in: a, b. out may be a. */
    WN_OP_BINARY = 8,

    /* out = f[2] act(f[0] x + f[1]) + f[3]. in: x. out may be x. */
    WN_OP_UNARY = 9,

    /* out = x (any windows of equal shape). in: x. */
    WN_OP_COPY = 10,

    /* out[1,D] = x[index]. in: x [T,D], index I32 [1,1]. */
    WN_OP_PICK_ROW = 11,

    /* out[r] = W[r] + nothing: weight rows as a tensor (class tokens, learned positions). weight: W [T,D]. */
    WN_OP_WEIGHT = 12,

    /* Since 0.4. out [chunks, 2 groups]: mean, and sum of squared distances from it, of each group in each chunk of
     * i[1] rows of x. in: x [chunks*i[1], C]. i[0]: groups. */
    WN_OP_GROUP_MOMENTS = 13,

    /* Since 0.4. The table of a GROUP_NORM: out [3,C] = mean, w / sqrt(variance + eps), b of each channel's group, over
     * all chunks. in: moments [chunks, 2 groups]. i: 0 groups, 1 rows of a chunk; f[0]: eps. weight: w, b [1,C]. */
    WN_OP_GROUP_TABLE = 14
};

/* Unused tensors and weights are WN_NONE. Frozen. */
typedef struct wn_op {
    int32_t kind;
    int32_t activation; /* WN_ACT_NONE where the operation has none */
    uint32_t in[4];
    uint32_t weight[2];
    uint32_t out;
    uint32_t reserved;
    int64_t i[8];
    float f[4];
} wn_op;

typedef struct wn_graph {
    uint64_t struct_size;
    const char *name; /* for errors and profiles */
    const wn_tensor *tensors;
    uint64_t tensor_count;
    const wn_weight *weights;
    uint64_t weight_count;
    const wn_op *ops; /* in an order that can be executed */
    uint64_t op_count;
} wn_graph;

/* ---- devices ------------------------------------------------------------------------------------------------ */

enum { WN_DEVICE_CPU = 1, WN_DEVICE_GPU = 2, WN_DEVICE_INTEGRATED_GPU = 3, WN_DEVICE_SOFTWARE_GPU = 4 };

typedef struct wn_device_info {
    uint64_t struct_size;
    int64_t kind;
    uint64_t memory_bytes;
    uint64_t dtypes; /* bit (1 << WN_F32) ...: compute types that compile accepts */
    char name[256];
    char vendor[64];
    char driver[128];
    char uuid[64];
    char paths[512]; /* which kernel paths it will use, for people: "avx512_bf16, 2 threads" */
    uint64_t reserved[12]; /* 0: later members of a struct that plugins fill */
} wn_device_info;

typedef struct wn_device wn_device;
typedef struct wn_program wn_program;

typedef struct wn_compile_options {
    uint64_t struct_size;
    int64_t dtype;      /* type of the matrix products: WN_F32 or WN_BF16 (inputs rounded, float32 sums) */
    uint64_t max_items; /* largest count of run */
} wn_compile_options;

/* Binds host memory to an INPUT or OUTPUT: data is [rows, cols] dense of the tensor's dtype. item is 0 for SHARED
 * inputs. Memory is read or written during run only. Frozen. */
typedef struct wn_binding {
    uint32_t tensor;
    uint32_t item;
    void *data;
} wn_binding;

/* Where a program's time went, one row for each op of the graph. Frozen. */
typedef struct wn_op_profile {
    const char *name; /* the out tensor's name, or the op's kind */
    double seconds;
    double flops;
    double bytes;
} wn_op_profile;

/* vtable of a WN_KIND_DEVICE plugin; the plugin instance (`driver`) is the API, wn_device one opened device. */
typedef struct wn_device_api {
    uint64_t struct_size;

    /* Number of devices that are there; must work with no driver installed. [any] */
    uint64_t (*count)(void *driver);
    wn_status (*info)(void *driver, uint64_t index, wn_device_info *info, wn_error *err); /* [any] */
    wn_status (*open)(void *driver, uint64_t index, wn_device **device, wn_error *err);   /* [setup] */
    void (*close)(wn_device *device); /* NULL is fine; programs are freed before. [setup] */

    /* Checks the graph (shapes, windows, weights), plans, packs. Everything but weight data may be freed after. [any] */
    wn_status (*compile)(wn_device *device, const wn_graph *graph, const wn_compile_options *options,
                         wn_program **program, wn_error *err);
    void (*free_program)(wn_program *program); /* NULL is fine. [any] */

    /* Computes items 0..count-1. Every INPUT and OUTPUT of every item must be bound. Two programs may run at once. [serial
     * for one program] */
    wn_status (*run)(wn_program *program, uint64_t count, const wn_binding *bindings, uint64_t binding_count,
                     wn_error *err);

    /* Bytes of planned activation memory and of packed weights that this program uses (shared ones counted). [any] */
    void (*memory)(const wn_program *program, uint64_t *activation_bytes, uint64_t *weight_bytes);
    /* Sums since compile, one row for each op; returns the op count. Measuring is on when out was non-NULL once. [serial] */
    uint64_t (*profile)(wn_program *program, wn_op_profile *out, uint64_t capacity);

    /* The activation memory of a program that is not made: of the graph, no weight is read. NULL: what the toolkit's
     * planner (device/graph.h) places for float32. [any] */
    wn_status (*plan)(wn_device *device, const wn_graph *graph, const wn_compile_options *options,
                      uint64_t *activation_bytes, wn_error *err);

    /* Since 0.4, for measurements: the way in which programs that are compiled from now on multiply in this type. 0 is the
     * one that a device takes unasked, larger numbers are what it would fall back to. Returns the way's name ("matrices
     * of whole groups"), static; NULL where there are not so many, and nothing changes. May be NULL: there is one way.
     * [setup], while the device has no programs */
    const char *(*choose_way)(wn_device *device, int64_t dtype, uint64_t way);
} wn_device_api;

#ifdef __cplusplus
}
#endif

#endif
