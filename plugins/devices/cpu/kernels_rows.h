/* kernels_rows.h - everything that is done to whole rows: epilogues, norms, rotations, softmax, conversions.
 *
 * Every loop takes full vectors and one partial one at the end, through the same arithmetic.
 */

/* for (i ...; n ...): `body` sees i and count, the lanes in use. */
#define FOR_VECTORS(i, count, n) for (uint64_t i = 0, count; i < (n) && ((count = (n)-i < VL ? (n)-i : VL), 1); i += VL)

INLINE vf load(const float *p, uint64_t count)
{
    return count == VL ? vf_load(p) : vf_load_part(p, count);
}

INLINE void store(float *p, vf v, uint64_t count)
{
    if (count == VL)
        vf_store(p, v);
    else
        vf_store_part(p, v, count);
}

INLINE void finish_as(const struct finish *f, const float *acc, float *out, uint64_t n, int32_t kind)
{
    FOR_VECTORS(i, count, n)
    {
        vf v = load(acc + i, count);
        if (f->bias)
            v = v + load(f->bias + i, count);
        v = math_act(v, kind);
        if (f->mul)
            v = v * load(f->mul + i, count);
        if (f->gate)
            v = v * load(f->gate + i, count);
        if (f->residual)
            v = v + load(f->residual + i, count);
        store(out + i, v, count);
    }
}

static void finish_row(const struct finish *f, const float *acc, float *out, uint64_t n){
#define CALL(kind) finish_as(f, acc, out, n, kind)
    MATH_FOR_ACTIVATION(f->activation, CALL)
#undef CALL
}

INLINE void unary_as(const float *x, float *out, uint64_t n, const float f[4], int32_t kind)
{
    FOR_VECTORS(i, count, n)
    {
        vf v = math_act(vf_fma(vf_set(f[0]), load(x + i, count), vf_set(f[1])), kind);
        store(out + i, vf_fma(vf_set(f[2]), v, vf_set(f[3])), count);
    }
}

static void unary(const float *x, float *out, uint64_t n, int32_t activation, const float f[4])
{
#define CALL(kind) unary_as(x, out, n, f, kind)
    MATH_FOR_ACTIVATION(activation, CALL)
#undef CALL
}

static void add(const float *a, const float *b, float *out, uint64_t n)
{
    FOR_VECTORS(i, count, n) store(out + i, load(a + i, count) + load(b + i, count), count);
}

static void multiply(const float *a, const float *b, float *out, uint64_t n)
{
    FOR_VECTORS(i, count, n) store(out + i, load(a + i, count) * load(b + i, count), count);
}

/* ---- norms -------------------------------------------------------------------------------------------------- */

INLINE float sum_of(const float *x, uint64_t n)
{
    vf sum = vf_set(0);
    FOR_VECTORS(i, count, n) sum = sum + load(x + i, count);
    return vf_sum(sum);
}

/* sum of (x - mean)^2 over the lanes in use: a zero-filled tail would add mean^2. */
INLINE float squares_of(const float *x, uint64_t n, float mean)
{
    vf sum = vf_set(0);
    float tail[VL];
    FOR_VECTORS(i, count, n)
    {
        vf d = load(x + i, count) - vf_set(mean);
        if (count < VL) {
            vf_store(tail, d);
            d = vf_load_part(tail, count);
        }
        sum = vf_fma(d, d, sum);
    }
    return vf_sum(sum);
}

static void norm_row(const struct norm_shape *s, const float *x, float *out, uint64_t n)
{
    float mean = s->is_rms ? 0 : sum_of(x, n) / (float)n;
    float inverse = 1.0f / __builtin_sqrtf(squares_of(x, n, mean) / (float)n + s->eps);
    vf one = vf_set(s->adds_one ? 1.0f : 0.0f);
    FOR_VECTORS(i, count, n)
    {
        vf v = (load(x + i, count) - vf_set(mean)) * vf_set(inverse);
        if (s->w)
            v = v * (load(s->w + i, count) + one);
        if (s->b)
            v = v + load(s->b + i, count);
        store(out + i, v, count);
    }
}

static void head_row(const float *x, float *out, uint64_t n, const float *w, const float *table, float eps)
{
    static const float negative_even[16] = { -0.0f, 0, -0.0f, 0, -0.0f, 0, -0.0f, 0,
                                             -0.0f, 0, -0.0f, 0, -0.0f, 0, -0.0f, 0 };
    vf flip = vf_load(negative_even);
    vf inverse = vf_set(w ? 1.0f / __builtin_sqrtf(squares_of(x, n, 0) / (float)n + eps) : 1.0f);
    FOR_VECTORS(i, count, n)
    {
        vf v = load(x + i, count);
        if (w)
            v = v * inverse * load(w + i, count);
        if (table) { /* (x0 cos - x1 sin, x1 cos + x0 sin) */
            vf t = load(table + i, count);
            vf sine = vf_bits(vi_bits(vf_dup_odd(t)) ^ vi_bits(flip));
            v = vf_fma(vf_swap_pairs(v), sine, v * vf_dup_even(t));
        }
        store(out + i, v, count);
    }
}

static void column_sums(const float *x, uint64_t rows, uint64_t ld, uint64_t n, float *sum)
{
    FOR_VECTORS(i, count, n)
    {
        vf s = load(sum + i, count);
        for (uint64_t r = 0; r < rows; r++)
            s = s + load(x + r * ld + i, count);
        store(sum + i, s, count);
    }
}

static void column_squares(const float *x, uint64_t rows, uint64_t ld, uint64_t n, const float *mean, float *sum)
{
    FOR_VECTORS(i, count, n)
    {
        vf s = load(sum + i, count), m = load(mean + i, count);
        for (uint64_t r = 0; r < rows; r++) {
            vf d = load(x + r * ld + i, count) - m;
            s = vf_fma(d, d, s);
        }
        store(sum + i, s, count);
    }
}

INLINE void centre_as(const float *x, float *out, uint64_t n, const float *mean, const float *scale, const float *shift,
                      int32_t kind)
{
    FOR_VECTORS(i, count, n)
    {
        vf v = load(x + i, count) - load(mean + i, count);
        store(out + i, math_act(vf_fma(v, load(scale + i, count), load(shift + i, count)), kind), count);
    }
}

static void centre_row(const float *x, float *out, uint64_t n, const float *mean, const float *scale,
                       const float *shift, int32_t activation)
{
#define CALL(kind) centre_as(x, out, n, mean, scale, shift, kind)
    MATH_FOR_ACTIVATION(activation, CALL)
#undef CALL
}

/* ---- attention ---------------------------------------------------------------------------------------------- */

static void softmax_columns(float *s, uint64_t rows, uint64_t cols, float *largest, float *sum, float *factor)
{
    for (uint64_t col = 0; col < cols; col += VL) {
        vf before = vf_load(largest + col), most = before, total = vf_set(0);
        for (uint64_t r = 0; r < rows; r++)
            most = vf_max(most, vf_load(s + r * PANEL + col));
        for (uint64_t r = 0; r < rows; r++) {
            vf e = math_exp(vf_load(s + r * PANEL + col) - most);
            vf_store(s + r * PANEL + col, e);
            total = total + e;
        }
        vf rescale = math_exp(before - most);
        vf_store(largest + col, most);
        vf_store(factor + col, rescale);
        vf_store(sum + col, vf_fma(vf_load(sum + col), rescale, total));
    }
}

static void scale_columns(float *x, uint64_t rows, uint64_t cols, const float *factor)
{
    for (uint64_t col = 0; col < cols; col += VL) {
        vf f = vf_load(factor + col);
        for (uint64_t r = 0; r < rows; r++)
            vf_store(x + r * PANEL + col, vf_load(x + r * PANEL + col) * f);
    }
}

/* ---- vectors and conversions -------------------------------------------------------------------------------- */

static float dot(const float *a, const float *b, uint64_t n)
{
    vf sum[4] = { vf_set(0), vf_set(0), vf_set(0), vf_set(0) };
    uint64_t i = 0;
    for (; i + 4 * VL <= n; i += 4 * VL) {
        UNROLL for (int v = 0; v < 4; v++) sum[v] =
            vf_fma(vf_load((const char *)a + (i + (uint64_t)v * VL) * 4), vf_load(b + i + (uint64_t)v * VL), sum[v]);
    }
    for (; i < n; i += VL) {
        uint64_t count = n - i < VL ? n - i : VL;
        sum[0] = vf_fma(vf_load_part((const char *)a + i * 4, count), vf_load_part(b + i, count), sum[0]);
    }
    return vf_sum((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

static void from_bf16(const void *x, float *out, uint64_t n)
{
    const char *p = x;
    uint64_t i = 0;
    for (; i + VL <= n; i += VL)
        vf_store(out + i, vf_from_bf16(p + 2 * i));
    for (; i < n; i++) {
        uint16_t half;
        memcpy(&half, p + 2 * i, sizeof half);
        uint32_t bits = (uint32_t)half << 16;
        memcpy(out + i, &bits, sizeof bits);
    }
}

static void to_bf16(const float *x, uint16_t *out, uint64_t n)
{
    uint16_t tail[VL];
    FOR_VECTORS(i, count, n)
    {
        if (count == VL) {
            vi_store_low16(out + i, vi_bf16_from(vf_load(x + i)));
        } else {
            vi_store_low16(tail, vi_bf16_from(vf_load_part(x + i, count)));
            memcpy(out + i, tail, count * sizeof *tail);
        }
    }
}

static void pair_bf16(const float *a, const float *b, float *out, uint64_t n)
{
    FOR_VECTORS(i, count, n)
    {
        vi low = vi_bf16_from(load(a + i, count));
        vi high = b ? vi_bf16_from(load(b + i, count)) : vi_set(0);
        store(out + i, vf_bits(vi_or(low, vi_shl(high, 16))), count);
    }
}
