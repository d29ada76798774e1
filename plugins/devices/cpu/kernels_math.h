/* kernels_math.h - exp, tanh and erf for vectors, and the activations made of them.
 *
 * Polynomials fitted for this file (weighted least squares, 40 digits). The bounds below hold over the useful range of
 * floats (tests/ops/math.c); exp is 0 below -87.3 and infinite from 88.8 on. NaN stays NaN: vf_max and vf_min return
 * their second operand for it.
 */
#define EXP_ULPS  1.5
#define TANH_ULPS 3.0
#define ERF_ULPS  3.0

INLINE vf math_exp(vf x)
{
    /* x = n ln 2 + r with |r| <= ln(2)/2; ln 2 in two parts so that n ln 2 is exact in the first */
    vf clamped = vf_min(vf_set(89.0f), vf_max(vf_set(-88.0f), x));
    vi n = vi_round(clamped * vf_set(1.44269504f));
    vf nf = vf_from_vi(n);
    vf r = vf_fma(nf, vf_set(-0.693359375f), clamped);
    r = vf_fma(nf, vf_set(2.12194440e-4f), r);
    vf p = vf_set(1.990756413e-04f);
    p = vf_fma(p, r, vf_set(1.393364491e-03f));
    p = vf_fma(p, r, vf_set(8.333286037e-03f));
    p = vf_fma(p, r, vf_set(4.166646496e-02f));
    p = vf_fma(p, r, vf_set(1.666666676e-01f));
    p = vf_fma(p, r, vf_set(0.5f));
    vf e = vf_fma(p, r * r, r) + vf_set(1.0f);
    return vf_if_less(x, vf_set(-87.33654f), vf_set(0), vf_times_2_to(e, n));
}

INLINE vf math_tanh(vf x)
{
    vf z = x * x;
    vf p = vf_set(2.298934547e-03f);
    p = vf_fma(p, z, vf_set(-8.350001040e-03f));
    p = vf_fma(p, z, vf_set(2.177099320e-02f));
    p = vf_fma(p, z, vf_set(-5.395954989e-02f));
    p = vf_fma(p, z, vf_set(1.333330498e-01f));
    p = vf_fma(p, z, vf_set(-3.333333318e-01f));
    vf small = vf_fma(p * z, x, x);
    vf magnitude = vf_abs(x);
    vf large = vf_set(1.0f) - vf_set(2.0f) / (math_exp(magnitude + magnitude) + vf_set(1.0f));
    return vf_if_less(magnitude, vf_set(0.625f), small, vf_with_sign_of(large, x));
}

INLINE vf math_erf(vf x)
{
    vf z = x * x;
    vf p = vf_set(8.513097782e-05f);
    p = vf_fma(p, z, vf_set(-8.175637757e-04f));
    p = vf_fma(p, z, vf_set(5.203859019e-03f));
    p = vf_fma(p, z, vf_set(-2.686050840e-02f));
    p = vf_fma(p, z, vf_set(1.128371503e-01f));
    p = vf_fma(p, z, vf_set(-3.761263498e-01f));
    vf small = vf_fma(x, vf_fma(p, z, vf_set(1.283791670e-01f)), x);
    /* 1 - exp(q(t)) with q = ln erfc; erfc(4) vanishes beside 1 */
    vf t = vf_min(vf_set(4.0f), vf_abs(x));
    vf q = vf_set(1.185381401e-06f);
    q = vf_fma(q, t, vf_set(-1.906906773e-05f));
    q = vf_fma(q, t, vf_set(1.118914404e-04f));
    q = vf_fma(q, t, vf_set(-9.357408064e-05f));
    q = vf_fma(q, t, vf_set(-2.854671214e-03f));
    q = vf_fma(q, t, vf_set(2.298110790e-02f));
    q = vf_fma(q, t, vf_set(-1.060151626e-01f));
    q = vf_fma(q, t, vf_set(-6.348565776e-01f));
    q = vf_fma(q, t, vf_set(-1.128939858e+00f));
    q = vf_fma(q, t, vf_set(7.921845145e-05f));
    vf large = vf_with_sign_of(vf_set(1.0f) - math_exp(q), x);
    return vf_if_less(vf_abs(x), vf_set(0.89f), small, large);
}

/* x sigmoid(s x) */
INLINE vf math_swish(vf x, vf s)
{
    return x / (vf_set(1.0f) + math_exp(vf_set(0) - s * x));
}

/* kind is a constant wherever this is called. */
INLINE vf math_act(vf x, int32_t kind)
{
    switch (kind) {
    case WN_ACT_GELU_TANH: { /* 0.5 x (1 + tanh(u)) = x sigmoid(2u), u = sqrt(2/pi) (x + 0.044715 x^3) */
        vf u = vf_fma(x * x, vf_set(2.0f * 0.7978845608f * 0.044715f), vf_set(2.0f * 0.7978845608f));
        return math_swish(x, u);
    }
    case WN_ACT_GELU_ERF:
        return vf_set(0.5f) * x * (vf_set(1.0f) + math_erf(x * vf_set(0.7071067812f)));
    case WN_ACT_QUICK_GELU:
        return math_swish(x, vf_set(1.702f));
    case WN_ACT_SILU:
        return math_swish(x, vf_set(1.0f));
    case WN_ACT_RELU:
        return vf_max(vf_set(0), x);
    case WN_ACT_TANH:
        return math_tanh(x);
    default:
        return x;
    }
}

/* Runs `call(kind)` with kind a constant: the loops inside then have no switch. */
#define MATH_FOR_ACTIVATION(kind, call)                                                                                \
    switch (kind) {                                                                                                    \
    case WN_ACT_GELU_TANH:                                                                                             \
        call(WN_ACT_GELU_TANH);                                                                                        \
        break;                                                                                                         \
    case WN_ACT_GELU_ERF:                                                                                              \
        call(WN_ACT_GELU_ERF);                                                                                         \
        break;                                                                                                         \
    case WN_ACT_QUICK_GELU:                                                                                            \
        call(WN_ACT_QUICK_GELU);                                                                                       \
        break;                                                                                                         \
    case WN_ACT_SILU:                                                                                                  \
        call(WN_ACT_SILU);                                                                                             \
        break;                                                                                                         \
    case WN_ACT_RELU:                                                                                                  \
        call(WN_ACT_RELU);                                                                                             \
        break;                                                                                                         \
    case WN_ACT_TANH:                                                                                                  \
        call(WN_ACT_TANH);                                                                                             \
        break;                                                                                                         \
    default:                                                                                                           \
        call(WN_ACT_NONE);                                                                                             \
    }
