/* isa_openblas.c - for processors that our kernels do not know (any that is not x86-64 with AVX2): the portable kernels,
 * with OpenBLAS, which has tuned products for nearly everything, for the float32 matrix products of linear and conv.
 *
 * OpenBLAS chooses its inner loops by the call's shape, so a row's last bits could depend on how many rows stand beside
 * it. Every call here has the same number of rows: a tile of BLAS_ROWS, filled up with zeros. Threads are ours, not its.
 */
#include "isa.h"

#include <cblas.h>

static void gemm_f32_openblas(const void *const *a, const void *panel, float *c, const struct product_shape *s);

#define ISA_SYMBOL   isa_openblas
#define ISA_NAME     "openblas"
#define ISA_GEMM_F32 gemm_f32_openblas
#include "kernels.h"

void isa_openblas_begin(void)
{
    openblas_set_num_threads(1);
}

#define BLAS_ROWS 48
#define BLAS_K    384 /* floats: linear.c's BLOCK_BYTES */

/* Rows first .. first + BLAS_ROWS of a, dense and filled up with zeros. */
static void gather_rows(const void *const *a, const struct product_shape *s, uint64_t first, float *tile)
{
    for (uint64_t r = 0; r < BLAS_ROWS; r++, tile += s->k) {
        if (first + r < s->rows)
            memcpy(tile, (const char *)a[first + r] + s->offset, s->k * sizeof *tile);
        else
            memset(tile, 0, s->k * sizeof *tile);
    }
}

static void gemm_f32_openblas(const void *const *a, const void *panel, float *c, const struct product_shape *s)
{
    if (s->step != sizeof(float) || s->k > BLAS_K) { /* attention's transposed operands are small and strided */
        gemm_f32(a, panel, c, s);
        return;
    }
    const int k = (int)s->k;
    float tile[BLAS_ROWS * BLAS_K], sum[BLAS_ROWS * PANEL];
    for (uint64_t first = 0; first < s->rows; first += BLAS_ROWS, c += BLAS_ROWS * PANEL) {
        const uint64_t rows = s->rows - first < BLAS_ROWS ? s->rows - first : BLAS_ROWS;
        gather_rows(a, s, first, tile);
        memset(sum, 0, sizeof sum);
        if (!s->is_first)
            memcpy(sum, c, rows * PANEL * sizeof *c);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, BLAS_ROWS, PANEL, k, 1, tile, k, panel, PANEL, 1, sum,
                    PANEL);
        memcpy(c, sum, rows * PANEL * sizeof *c);
    }
}
