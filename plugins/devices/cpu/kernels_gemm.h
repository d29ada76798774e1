/* kernels_gemm.h - the micro-kernels: a tile of up to 6 rows times up to TILE_VECTORS vectors of a packed panel.
 *
 * With 32 registers (AVX-512) 6 x 4 accumulators keep both multipliers of a Zen 4 core busy: 24 products for 4 loads of
 * weights and 6 broadcasts. With 16 registers (AVX2, SSE, NEON) the tile is 6 x 2 and a panel is walked in strips. The
 * loops over rows and vectors have constant bounds in every instance, so the accumulators live in registers.
 * Needs vec.h; NATIVE_BF16 selects vdpbf16ps.
 */
#ifdef VEC_AVX512
#define TILE_VECTORS 4
#else
#define TILE_VECTORS 2
#endif
#define TILE_ROWS 6

INLINE vf gemm_broadcast_pair(const void *p)
{
    int32_t pair;
    memcpy(&pair, p, sizeof pair);
    return vf_bits(vi_set(pair));
}

INLINE float gemm_scalar(const void *p)
{
    float x;
    memcpy(&x, p, sizeof x);
    return x;
}

/* acc += the products of a pair of bf16 of the row with pairs of the panel: the odd elements first. */
INLINE vf gemm_dot_pair(vf acc, vf row, vf panel)
{
#ifdef NATIVE_BF16
    return _mm512_dpbf16_ps(acc, (__m512bh)row, (__m512bh)panel);
#else
    vi high = vi_set((int32_t)0xffff0000u);
    acc = vf_fma(vf_bits(vi_and(vi_bits(row), high)), vf_bits(vi_and(vi_bits(panel), high)), acc);
    return vf_fma(vf_bits(vi_shl(vi_bits(row), 16)), vf_bits(vi_shl(vi_bits(panel), 16)), acc);
#endif
}

/* One tile. is_bf16, rows and vectors are constants wherever this is called. */
INLINE void gemm_tile(const void *const *a, const char *panel, float *c, const struct product_shape *s, int is_bf16,
                      int rows, int vectors)
{
    vf acc[TILE_ROWS][TILE_VECTORS];
    const char *row[TILE_ROWS];
    UNROLL for (int r = 0; r < rows; r++)
    {
        row[r] = (const char *)a[r] + s->offset;
        UNROLL for (int v = 0; v < vectors; v++) acc[r][v] = s->is_first ? vf_set(0) : vf_load(c + r * PANEL + v * VL);
    }
    uint64_t step = s->step, at = 0;
    for (uint64_t k = s->k; k; k--, panel += PANEL * sizeof(float), at += step) {
        vf w[TILE_VECTORS];
        UNROLL for (int v = 0; v < vectors; v++) w[v] = vf_load(panel + (uint64_t)v * VL * sizeof(float));
        UNROLL for (int r = 0; r < rows; r++)
        {
            vf x = is_bf16 ? gemm_broadcast_pair(row[r] + at) : vf_set(gemm_scalar(row[r] + at));
            UNROLL for (int v = 0; v < vectors; v++) acc[r][v] =
                is_bf16 ? gemm_dot_pair(acc[r][v], x, w[v]) : vf_fma(x, w[v], acc[r][v]);
        }
    }
    UNROLL for (int r = 0; r < rows; r++)
    {
        UNROLL for (int v = 0; v < vectors; v++) vf_store(c + r * PANEL + v * VL, acc[r][v]);
    }
}

/* Fixes the bounds: one instance for each number of rows and vectors. Sanitizers would take minutes over all of them,
 * so their builds (ONE_KERNEL) keep the bounds variable: the same loads, stores and sums. */
INLINE void gemm_strip(const void *const *a, const char *panel, float *c, const struct product_shape *s, int is_bf16,
                       uint64_t rows, int vectors)
{
#ifdef ONE_KERNEL
    gemm_tile(a, panel, c, s, is_bf16, (int)rows, vectors);
#else
    switch (rows) {
    case 1:
        gemm_tile(a, panel, c, s, is_bf16, 1, vectors);
        break;
    case 2:
        gemm_tile(a, panel, c, s, is_bf16, 2, vectors);
        break;
    case 3:
        gemm_tile(a, panel, c, s, is_bf16, 3, vectors);
        break;
    case 4:
        gemm_tile(a, panel, c, s, is_bf16, 4, vectors);
        break;
    case 5:
        gemm_tile(a, panel, c, s, is_bf16, 5, vectors);
        break;
    default:
        gemm_tile(a, panel, c, s, is_bf16, 6, vectors);
    }
#endif
}

INLINE void gemm_strip_of(const void *const *a, const char *panel, float *c, const struct product_shape *s, int is_bf16,
                          uint64_t rows, int vectors)
{
#ifdef ONE_KERNEL
    gemm_strip(a, panel, c, s, is_bf16, rows, vectors);
#else
    switch (vectors) {
    case 1:
        gemm_strip(a, panel, c, s, is_bf16, rows, 1);
        break;
#if TILE_VECTORS > 2
    case 2:
        gemm_strip(a, panel, c, s, is_bf16, rows, 2);
        break;
    case 3:
        gemm_strip(a, panel, c, s, is_bf16, rows, 3);
        break;
#endif
    default:
        gemm_strip(a, panel, c, s, is_bf16, rows, TILE_VECTORS);
    }
#endif
}

INLINE void gemm_panel(const void *const *a, const void *panel, float *c, const struct product_shape *s, int is_bf16)
{
    for (uint64_t r = 0; r < s->rows; r += TILE_ROWS, a += TILE_ROWS, c += TILE_ROWS * PANEL) {
        uint64_t n = s->rows - r < TILE_ROWS ? s->rows - r : TILE_ROWS;
        for (uint64_t col = 0; col < s->cols; col += TILE_VECTORS * VL) {
            const char *strip = (const char *)panel + col * sizeof(float);
            uint64_t vectors = (s->cols - col + VL - 1) / VL;
            gemm_strip_of(a, strip, c + col, s, is_bf16, n, vectors < TILE_VECTORS ? (int)vectors : TILE_VECTORS);
        }
    }
}

static void gemm_f32(const void *const *a, const void *panel, float *c, const struct product_shape *shape)
{
    gemm_panel(a, panel, c, shape, 0);
}

static void gemm_bf16(const void *const *a, const void *panel, float *c, const struct product_shape *shape)
{
    gemm_panel(a, panel, c, shape, 1);
}
