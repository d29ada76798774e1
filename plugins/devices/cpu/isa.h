/* isa.h - the kernels: what runs inside one task, once for each instruction set.
 *
 * All functions work on plain rows; none allocates, none knows of graphs. An element of a product is one chain of
 * multiply-adds over k, so it does not depend on how rows and columns were shared out. In f32 every path with fused
 * multiply-add gives the same bits. In bf16 all paths do, as far as tests see: products of bf16 are exact in float32
 * and the paths without vdpbf16ps add them in its order (it takes subnormals for zero, they do not).
 */
#ifndef WINNOW_CPU_ISA_H
#define WINNOW_CPU_ISA_H

#include <stdint.h>

/* Columns of a panel: a packed weight is a row of panels [k][PANEL] float, or [k/2][PANEL][2] bf16. */
#define PANEL 64

/* out = residual + gate * (mul * act(acc + bias)), and for unary f[0..3]; NULL rows are left out. */
struct finish {
    int32_t activation;
    const float *bias, *mul, *gate, *residual; /* each at the first column that is finished */
};

struct norm_shape {
    int32_t is_rms;
    int32_t adds_one; /* multiply by 1 + w */
    float eps;
    const float *w, *b; /* or NULL */
};

/* One call of a product kernel. */
struct product_shape {
    uint64_t rows, cols; /* cols: at most PANEL */
    uint64_t k;          /* floats, or pairs of bf16 */
    uint64_t offset;     /* bytes from a[r] to the row's first element */
    uint64_t step;       /* bytes from one element of a row to the next */
    int is_first;
};

struct isa {
    const char *name;
    /* c[rows][PANEL] = (is_first ? 0 : c) + a . panel; the columns up to the next multiple of the vector length are
     * written. a: a pointer for each row. */
    void (*gemm_f32)(const void *const *a, const void *panel, float *c, const struct product_shape *shape);
    void (*gemm_bf16)(const void *const *a, const void *panel, float *c, const struct product_shape *shape);
    void (*finish_row)(const struct finish *f, const float *acc, float *out, uint64_t n);

    /* out = f[2] act(f[0] x + f[1]) + f[3] */
    void (*unary)(const float *x, float *out, uint64_t n, int32_t activation, const float f[4]);
    void (*add)(const float *a, const float *b, float *out, uint64_t n);
    void (*multiply)(const float *a, const float *b, float *out, uint64_t n);
    void (*norm_row)(const struct norm_shape *s, const float *x, float *out, uint64_t n);
    /* One head: RMSNorm when w, rotation of pairs when table; n even with a table. */
    void (*head_row)(const float *x, float *out, uint64_t n, const float *w, const float *table, float eps);

    /* Down each column of s [rows, PANEL]: becomes exp(s - largest), where `largest` is carried on and `sum` with it;
     * factor: what earlier exponentials are to be multiplied by. Lanes up to the next vector length take part. */
    void (*softmax_columns)(float *s, uint64_t rows, uint64_t cols, float *largest, float *sum, float *factor);
    void (*scale_columns)(float *x, uint64_t rows, uint64_t cols, const float *factor); /* x [rows, PANEL], in place */

    /* Over rows of x [rows, n], leading dimension ld: sum[n] += x, or sum[n] += (x - mean[n])^2 */
    void (*column_sums)(const float *x, uint64_t rows, uint64_t ld, uint64_t n, float *sum);
    void (*column_squares)(const float *x, uint64_t rows, uint64_t ld, uint64_t n, const float *mean, float *sum);
    /* out = act((x - mean) * scale + shift), all [n] */
    void (*centre_row)(const float *x, float *out, uint64_t n, const float *mean, const float *scale,
                       const float *shift, int32_t activation);

    float (*dot)(const float *a, const float *b, uint64_t n);
    void (*from_bf16)(const void *x, float *out, uint64_t n);
    void (*to_bf16)(const float *x, uint16_t *out, uint64_t n);
    /* out[i] = the pair (a[i], b[i]) in bf16, in the bits of a float; b NULL: zeros */
    void (*pair_bf16)(const float *a, const float *b, float *out, uint64_t n);
};

/* The best path of this processor, or the one that WINNOW_CPU_ISA names (portable|openblas|avx2|avx512|avx512_bf16); NULL when
 * that one is unknown or the processor lacks it, with `reason` filled. */
const struct isa *isa_choose(char *reason, uint64_t reason_size);

extern const struct isa isa_portable, isa_openblas;
void isa_openblas_begin(void); /* before isa_openblas is used: tells the library to leave threads to us */
#if defined(__x86_64__)
extern const struct isa isa_avx2, isa_avx512, isa_avx512_bf16;
#endif

#endif
