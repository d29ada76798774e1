/* math.c - exp, tanh and erf of the cpu device's kernels against double: the errors that kernels_math.h promises.
 *
 * Compiled with the portable vectors, which round once more than those with fused multiply-add.
 */
#include <winnow/device.h>

#include "vec.h"

#include "kernels_math.h"

#include "check.h"

/* Errors are counted in units of the last place of the true value. */
static double ulps(float got, double want)
{
    int exponent;
    frexp(want, &exponent);
    return fabs((double)got - want) / ldexp(1.0, (exponent < -125 ? -125 : exponent) - 24);
}

/* The largest error over floats of (low, high) of both signs; every 97th float. */
static double worst_of(vf (*f)(vf), double (*exact)(double), float low, float high)
{
    uint32_t first, last;
    double worst = 0;
    memcpy(&first, &low, sizeof first);
    memcpy(&last, &high, sizeof last);
    for (uint32_t bits = first; bits < last; bits += 97) {
        float x[VL], y[VL];
        for (int i = 0; i < VL; i++) {
            uint32_t lane = (bits + (uint32_t)i * 13) | (i % 2 ? 0x80000000u : 0);
            memcpy(&x[i], &lane, sizeof lane);
        }
        vf_store(y, f(vf_load(x)));
        for (int i = 0; i < VL; i++)
            worst = fmax(worst, ulps(y[i], exact((double)x[i])));
    }
    return worst;
}

static vf vector_exp(vf x)
{
    return math_exp(x);
}

static vf vector_tanh(vf x)
{
    return math_tanh(x);
}

static vf vector_erf(vf x)
{
    return math_erf(x);
}

static void check_worst(const char *name, double worst, double bound)
{
    printf("%-5s worst error %.2f ulp, bound %.1f\n", name, worst, bound);
    if (!(worst <= bound))
        CHECK_FAIL("%s: %.2f ulp", name, worst);
}

static float exp_of(float x)
{
    float y[VL];
    vf_store(y, math_exp(vf_set(x)));
    return y[0];
}

/* No activation may hide a fault. */
static void test_nan(void)
{
    for (int32_t kind = WN_ACT_NONE; kind <= WN_ACT_TANH; kind++) {
        float y[VL];
        vf_store(y, math_act(vf_set(NAN), kind));
        CHECK(isnan(y[0]));
    }
    CHECK(isnan(exp_of(NAN)));
}

int main(void)
{
    check_worst("exp", worst_of(vector_exp, exp, 1e-6f, 87.3f), EXP_ULPS);
    check_worst("tanh", worst_of(vector_tanh, tanh, 1e-6f, 20.0f), TANH_ULPS);
    check_worst("erf", worst_of(vector_erf, erf, 1e-6f, 10.0f), ERF_ULPS);
    CHECK(exp_of(0) == 1.0f);
    CHECK(exp_of(-INFINITY) == 0.0f);
    CHECK(exp_of(-200.0f) == 0.0f);
    CHECK(isfinite(exp_of(88.7f)));
    CHECK(isinf(exp_of(89.0f)) && isinf(exp_of(1e30f)));
    test_nan();
    return CHECK_DONE();
}
